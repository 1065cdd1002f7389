"""`unicomp decide`: one decision of several runs, such as those of `make suite`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from unicomp.commands import arguments
from unicomp.commands.arguments import Commands
from unicomp.decision import STATUS
from unicomp.errors import SpecError, StoreError
from unicomp.findings import findings_of
from unicomp.joint import UNSEEN_FAILURE, JointDecision, joint_decision, merged, read_part
from unicomp.report import github, writers
from unicomp.report import joint as joint_report


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("decide", help="one decision of several scorecards")
    parser.add_argument(
        "scorecards", metavar="SCORECARD", type=arguments.path, nargs="+", help=arguments.WRITTEN
    )
    ended = "the exit statuses of the runs that wrote them, in the same order"
    parser.add_argument("--ended", metavar="STATUS", type=int, nargs="+", help=ended)
    file = f"write a report of all parts there; its name ends in {' or '.join(writers.SUFFIXES)}"
    parser.add_argument("--report", metavar="FILE", type=arguments.path, help=file)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the exit status is that of a test run with this decision."""
    if options.report is not None:
        writers.format_of(options.report)
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
    if options.report is not None:
        _report(found, options.report)
    return STATUS[found.decision]


def _report(found: JointDecision, path: Path) -> None:
    """Write the report of all parts, and say where it is."""
    card = merged([part.card for part in found.parts])
    if card.decision != found.decision:  # it would say that the gate is another
        print(f"no report: there was {UNSEEN_FAILURE}")
        return
    text = writers.text_of(card, findings_of(card), writers.format_of(path))
    writers.write(text, path)
    print(f"report: {path}")
