"""`unicomp export`: the per-item records behind scorecards, as Parquet files."""

from __future__ import annotations

import argparse
from pathlib import Path

from unicomp.commands import arguments
from unicomp.commands.arguments import Commands
from unicomp.errors import SpecError
from unicomp.export import export
from unicomp.joint import read_merged
from unicomp.settings import load_settings, project_root, store_home
from unicomp.store import Store

_SHOWN = 5
"""Benchmarks without records that are named in a line."""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("export", help="the answers behind scorecards, as Parquet files")
    parser.add_argument(
        "scorecards",
        metavar="SCORECARD.json",
        type=arguments.path,
        nargs="+",
        help=arguments.WRITTEN,
    )
    folder = "a new folder; it will hold prompts and answers"
    parser.add_argument("folder", metavar="DIR", type=arguments.path, help=folder)
    parser.add_argument("--unicomp-home", metavar="DIR", type=arguments.path, help=arguments.STORE)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; 1 if some records are missing. Raises SpecError if all are."""
    home = store_home(options.unicomp_home, load_settings(project_root(Path.cwd())))
    if not home.is_dir():
        raise SpecError(f"there is no store {home}: name the one of the run with --unicomp-home")
    card = read_merged(options.scorecards)
    made = export(card, options.scorecards, Store(home), options.folder)
    shown = ", ".join(made.missing[:_SHOWN])
    more = len(made.missing) - _SHOWN
    lacking = f"{home} has no records of {shown}" + (f" and {more} others" if more > 0 else "")
    mend = "name the run's store with --unicomp-home, or repeat the run"
    if not made.files:
        if not made.missing:
            raise SpecError("no benchmark of the scorecard was measured: there are no records")
        raise SpecError(f"{lacking}: {mend}")
    items = sum(one.items for one in made.files)
    print(f"wrote {items:,} records in {len(made.files)} files to {options.folder}")
    if early := sum(one.full_items is not None for one in made.files):
        print(
            f"{early} of these files have only what was asked until asking stopped early: "
            "full_items in export.json"
        )
    if made.missing:
        print(f"{lacking}: {mend}")
    return 1 if made.missing else 0
