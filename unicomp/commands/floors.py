"""`unicomp floors`: the floors that a scorecard supports, for `unicomp.toml`."""

from __future__ import annotations

import argparse

from unicomp import scorecard_file
from unicomp.commands import arguments
from unicomp.commands.arguments import Commands
from unicomp.findings.floors import supported_floors


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("floors", help="floors that a scorecard supports")
    parser.add_argument(
        "scorecard", metavar="SCORECARD.json", type=arguments.path, help=arguments.WRITTEN
    )
    points = "distance below the lower end of the interval (default: %(default)s)"
    parser.add_argument(
        "--margin", metavar="POINTS", type=arguments.amount, default=3.0, help=points
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    card = scorecard_file.read(options.scorecard)
    for line in supported_floors([*card.rows, *card.metrics], options.margin):
        print(line)
    return 0
