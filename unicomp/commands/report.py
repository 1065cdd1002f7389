"""`unicomp report`: the report of scorecards in a format for people, at any time after a run."""

from __future__ import annotations

import argparse

from unicomp.commands import arguments
from unicomp.commands.arguments import Commands
from unicomp.findings import findings_of
from unicomp.joint import read_merged
from unicomp.report import writers


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("report", help="a report for people, or a model card")
    files = f"{arguments.WRITTEN}; several are parts of one gate, or of other models"
    parser.add_argument(
        "scorecards", metavar="SCORECARD", type=arguments.path, nargs="+", help=files
    )
    formats = "the format (default: the one that FILE asks for, else markdown)"
    parser.add_argument("--format", choices=writers.FORMATS, help=formats)
    chosen = "with --format card: METHOD, or MODEL/METHOD or MODEL/METHOD/CALIBRATION"
    parser.add_argument("--checkpoint", metavar="NAME", help=chosen)
    file = "write it there (default: to the standard output)"
    parser.add_argument("-o", "--output", metavar="FILE", type=arguments.path, help=file)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    output, chosen = options.output, options.format
    if chosen is None:
        chosen = writers.format_of(output) if output is not None else "markdown"
    card = read_merged(options.scorecards)
    text = writers.text_of(card, findings_of(card), chosen, checkpoint=options.checkpoint)
    if output is None:
        print(text, end="")
    else:
        writers.write(text, output)
    return 0
