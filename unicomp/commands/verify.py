"""`unicomp verify`: whether a decision record belongs to a scorecard."""

from __future__ import annotations

import argparse

from unicomp import record
from unicomp.commands import arguments
from unicomp.commands.arguments import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("verify", help="whether a decision record belongs to a scorecard")
    parser.add_argument(
        "record", metavar="RECORD", type=arguments.path, help="a file NAME.decision.json"
    )
    parser.add_argument(
        "scorecard", metavar="SCORECARD", type=arguments.path, help="a file NAME.json"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; 1 if they do not belong together."""
    known = record.read(options.record)
    differ = record.differences(known, options.scorecard)
    for line in differ:
        print(f"differs: {line}")
    for line in record.changes(known):
        print(f"the policy was changed after answers were seen: {line}")
    if not differ:
        print(f"they belong together: the gate is {known['decision']}")
    return 1 if differ else 0
