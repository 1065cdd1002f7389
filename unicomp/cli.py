"""`unicomp`: the commands besides the test run.

unicomp cache [list|verify|prune]     list the store, verify its checkpoints, or make room
unicomp cache push|pull               share the store: copy what the upstream lacks, or has
unicomp compare OLD.json NEW.json     what changed since the last release, and what is worse
unicomp decide SCORECARD.json ..      one decision of several runs, such as those of make suite
unicomp export SCORECARD.json .. DIR  the answers behind scorecards, as Parquet files
unicomp floors SCORECARD.json         floors that a scorecard supports, for unicomp.toml
unicomp mirror DIR [--verify|--lock]  fetch, verify or pin the data sets of --dataset-root
unicomp plan --floor NAME=PERCENT ..  how likely a lossless candidate passes, and items needed
unicomp plan METHOD --model MODEL     memory, disk and time of a build, before it starts
unicomp recommend SCORECARD.json ..   which checkpoint meets given needs, and what to try next
unicomp report SCORECARD.json ..      a report for people, or a model card
unicomp score RAW.csv                 the metrics and sub-scores of a table of raw scores
unicomp tables SCORECARD.json .. -o DIR   the paper's tables and figures
unicomp verdict BASELINE CANDIDATE    verdicts on logs of lm-eval, or on tables of items
unicomp verify RECORD SCORECARD       whether a decision record belongs to a scorecard
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from unicomp.commands import (
    cache,
    compare,
    decide,
    export,
    floors,
    mirror,
    plan,
    recommend,
    report,
    score,
    tables,
    verdict,
    verify,
)
from unicomp.commands.arguments import Parser
from unicomp.errors import UnicompError

COMMANDS = (
    cache,
    compare,
    decide,
    export,
    floors,
    mirror,
    plan,
    recommend,
    report,
    score,
    tables,
    verdict,
    verify,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0, or 4 for bad input, or 1 if something is damaged or incomplete, does
    not belong together, or is worse than the last release. `decide` returns the exit status of a
    test run. A reader that stops early, such as `head`, is no error.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal's encoding may lack a character
            stream.reconfigure(errors="replace")
    try:
        options = command_parser().parse_args(arguments)
        status = int(options.run(options))
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # it is flushed at the end
        return 0
    except UnicompError as error:
        print(f"unicomp: {error}", file=sys.stderr)
        return 4


def command_parser() -> argparse.ArgumentParser:
    """The parser of `unicomp` and its commands. Raises SpecError for bad input."""
    parser = Parser(prog="unicomp", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
