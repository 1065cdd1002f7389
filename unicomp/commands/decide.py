"""`unicomp decide`: one decision of several runs, such as those of `make suite`."""

from __future__ import annotations

import argparse
import sys

from unicomp.commands import arguments
from unicomp.commands.arguments import Commands
from unicomp.decision import STATUS
from unicomp.errors import SpecError, StoreError
from unicomp.joint import joint_decision, read_part
from unicomp.report import github
from unicomp.report import joint as joint_report


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("decide", help="one decision of several scorecards")
    parser.add_argument(
        "scorecards", metavar="SCORECARD", type=arguments.path, nargs="+", help=arguments.WRITTEN
    )
    ended = "the exit statuses of the runs that wrote them, in the same order"
    parser.add_argument("--ended", metavar="STATUS", type=int, nargs="+", help=ended)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the exit status is that of a test run with this decision."""
    ended = options.ended or [0] * len(options.scorecards)
    if len(ended) != len(options.scorecards):
        raise SpecError(
            f"--ended has {len(ended)} statuses for {len(options.scorecards)} scorecards: give one "
            "for each"
        )
    for path, status in zip(options.scorecards, ended, strict=True):
        if status not in STATUS.values():
            print(f"no decision: the run of {path} ended with status {status}, see its output")
            return int(status)
    found = joint_decision(
        [
            read_part(path, failed=status == STATUS["shut"])
            for path, status in zip(options.scorecards, ended, strict=True)
        ]
    )
    for line in joint_report.lines(found):
        print(line)
    if github.is_job():
        try:
            github.append_summary(joint_report.markdown(found))
        except StoreError as error:  # nobody asked for it: the decision stands
            print(f"unicomp: {error}", file=sys.stderr)
    return STATUS[found.decision]
