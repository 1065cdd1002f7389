"""`unicomp compare`: a scorecard against that of the last release."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from unicomp import catalogue, scorecard_file
from unicomp.changes import Comparison
from unicomp.commands import arguments
from unicomp.commands.arguments import Commands
from unicomp.item_records import ItemRecords, RecordSource
from unicomp.report import comparison as report
from unicomp.report.tables import plain
from unicomp.scorecard import Scorecard
from unicomp.settings import load_settings, project_root, store_home
from unicomp.spec import Benchmark, CheckpointId
from unicomp.store import Store, file_digest
from unicomp.verdict import Row

if TYPE_CHECKING:
    from unicomp.comparison import MostFall
    from unicomp.comparison.evidence import Behind


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("compare", help="what changed since the last release")
    parser.add_argument(
        "old", metavar="OLD.json", type=arguments.path, help="the last release's scorecard"
    )
    parser.add_argument("new", metavar="NEW.json", type=arguments.path, help=arguments.WRITTEN)
    folders = "a folder that unicomp export wrote, for either scorecard; repeatable"
    parser.add_argument(
        "--items", metavar="DIR", type=arguments.path, action="append", default=[], help=folders
    )
    points = "the points that a metric may fall (default: [last_release] of unicomp.toml, or 1)"
    parser.add_argument("--max-drop", metavar="POINTS", type=arguments.amount, help=points)
    parser.add_argument("--unicomp-home", metavar="DIR", type=arguments.path, help=arguments.STORE)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; 1 if something is worse than it may be."""
    from unicomp.comparison import check_comparable, compare, most_fall_of

    old, new = scorecard_file.read(options.old), scorecard_file.read(options.new)
    check_comparable(str(options.old), old, new.origins, new.checkpoints)
    root = project_root(Path.cwd())
    settings = load_settings(root)
    home = store_home(options.unicomp_home, settings)
    sources = [RecordSource(folder=folder) for folder in options.items]
    if home.is_dir():
        sources.append(RecordSource(store=Store(home)))
    found: Comparison = compare(
        old,
        new,
        most_fall=most_fall_of(settings.policy)
        if options.max_drop is None
        else _everywhere(options.max_drop),
        behind=_first_of(sources),
        benchmarks=_benchmarks(root, new) if sources else {},
        baseline=str(options.old),
        digest=file_digest(options.old),
    )
    for line in (*report.lines(found), report.verdict(found)):
        print(plain(line))
    return 1 if found.failures else 0


def _everywhere(points: float) -> MostFall:
    def most_fall(checkpoint: CheckpointId, metric: str) -> float:
        return points

    return most_fall


def _first_of(sources: list[RecordSource]) -> Behind:
    """The records behind a row, from the first source that has them."""

    def behind(row: Row) -> ItemRecords | None:
        return next((found for one in sources if (found := one.behind(row))), None)

    return behind


def _benchmarks(root: Path, card: Scorecard) -> dict[str, Benchmark]:
    """The declarations of the suites, as the answers of the scorecard were scored."""
    mode = card.environment.get("instruments", {}).get("mode", "strict")
    return catalogue.benchmarks_by_name(root, mode)
