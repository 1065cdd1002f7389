"""`unicomp mirror`: fetch, verify or pin the data sets of `--dataset-root`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from unicomp import catalogue
from unicomp.commands import arguments
from unicomp.commands.arguments import Commands
from unicomp.commands.progress import Teller
from unicomp.data.lock import load_lock
from unicomp.data.sources import HUB, Source
from unicomp.errors import SpecError, UnicompError
from unicomp.mirror import fetch, needs, survey
from unicomp.prompts.tasks import Definition
from unicomp.report.mirror import print_mirror
from unicomp.settings import project_root


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("mirror", help="fetch and verify data sets for --dataset-root")
    parser.add_argument(
        "folder", metavar="DIR", type=arguments.path, help="the folder of the mirror"
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--verify", action="store_true", help="fetch nothing, stay offline")
    way.add_argument("--lock", action="store_true", help="pin unpinned data sets in unicomp.lock")
    more = "include the data sets of the test files in this folder; repeatable"
    parser.add_argument(
        "--suites", metavar="FOLDER", type=arguments.path, action="append", default=[], help=more
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; 1 if the mirror is not complete."""
    root = project_root(Path.cwd())
    lock = load_lock(root)
    wanted = needed(root, options.suites)
    quiet = bool(os.environ.get("CI"))
    watched = sys.stderr.isatty() and not quiet
    tell = Teller(5.0)
    errors: list[UnicompError] = []

    def report(error: UnicompError) -> None:
        errors.append(error)
        print(f"unicomp: {error}", file=sys.stderr)

    if options.verify:
        if not options.folder.is_dir():
            raise SpecError(f"there is no mirror {options.folder}")
        found = [
            one
            for dataset, group in wanted.items()
            for one in survey.survey_dataset(options.folder / dataset, group, lock)
        ]
    else:
        if options.folder.exists() and not options.folder.is_dir():
            raise SpecError(f"the mirror {options.folder} is not a folder")
        found = fetch.fill(
            options.folder,
            wanted,
            lock=lock,
            lock_to=root if options.lock else None,
            progress=watched,
            on_ask=lambda text: tell(lambda: text),
            on_fetch=lambda text: tell(lambda: text, at_once=not quiet),
            on_error=report,
        )
        lock = load_lock(root)
    print_mirror(Console(highlight=False), str(options.folder), found, lock, quiet=quiet)
    return 0 if all(one.complete for one in found) and not errors else 1


def needed(root: Path, more: Sequence[Path] = ()) -> dict[str, list[needs.NeededRows]]:
    """Data set → the rows that all suites and calibrations need, shipped ones and the project's.

    `more` are folders of further suites. One that cannot be imported is left out with a warning.
    """
    for folder in more:
        if not folder.is_dir():
            raise SpecError(f"--suites {folder} is not a folder")
    benchmarks = catalogue.load_benchmarks(
        dict.fromkeys((*catalogue.suite_folders(root), *(folder.resolve() for folder in more))),
        on_skip=lambda error: print(f"unicomp: left out: {error}", file=sys.stderr),
    )
    source, roots = Source(HUB), catalogue.roots(root)
    wanted: list[needs.NeededRows] = []
    for bench in benchmarks:
        wanted += needs.benchmark_needs(Definition(bench, source))
    for name in catalogue.calibration_names(roots):
        wanted += needs.recipe_needs(catalogue.load_recipe(name, roots), source)
    return needs.by_dataset(wanted)
