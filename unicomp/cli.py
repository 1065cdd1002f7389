"""`unicomp`: what is not a test run.

unicomp cache [list|verify|prune]     the store: what is in it, is it intact, make room
unicomp floors SCORECARD.json         floors that a scorecard supports, for unicomp.toml
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from unicomp import cache
from unicomp.errors import SpecError, UnicompError
from unicomp.settings import load_settings, store_home
from unicomp.store import Store

_DAY = 86400.0


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0, or 1 where something is damaged, or 4 for bad input."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except UnicompError as error:
        print(f"unicomp: {error}", file=sys.stderr)
        return 4


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="unicomp", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    store = commands.add_parser("cache", help="list, verify or prune the store")
    store.add_argument("action", nargs="?", choices=("list", "verify", "prune"), default="list")
    store.add_argument("--unicomp-home", metavar="DIR", type=Path)
    store.add_argument(
        "--older-than",
        metavar="DAYS",
        type=float,
        default=30.0,
        help="what prune removes (default: %(default)s; 0 for everything)",
    )
    store.set_defaults(run=_cache)

    floors = commands.add_parser("floors", help="floors that a scorecard supports")
    floors.add_argument("scorecard", type=Path)
    floors.add_argument(
        "--margin",
        metavar="POINTS",
        type=float,
        default=3.0,
        help="below the lower end of the interval (default: %(default)s)",
    )
    floors.set_defaults(run=_floors)
    return parser


def _cache(options: argparse.Namespace) -> int:
    store = Store(store_home(options.unicomp_home, load_settings(Path.cwd())))
    console = Console(highlight=False)
    if options.action == "verify":
        found = list(cache.damaged(store))
        for path, reason in found:
            print(f"damaged: {path}: {reason}; remove the folder, it will be built again")
        if not found:
            print(f"all checkpoints in {store.home} are intact")
        return 1 if found else 0
    if options.action == "prune":
        gone = cache.prune(store, options.older_than * _DAY)
        print(f"removed {len(gone)} entries, {decimal(sum(entry.size for entry in gone))}")
        return 0
    table = Table("kind", "what", "size", "changed", "key", title=str(store.home), pad_edge=False)
    total = 0
    for entry in cache.entries(store):
        total += entry.size
        changed = datetime.fromtimestamp(entry.changed).strftime("%Y-%m-%d %H:%M")
        table.add_row(entry.kind, entry.what, decimal(entry.size), changed, entry.key[:12])
    console.print(table)
    console.print(decimal(total))
    return 0


def _floors(options: argparse.Namespace) -> int:
    for line in supported_floors(_read(options.scorecard), options.margin):
        print(line)
    return 0


def _read(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"the scorecard {path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise SpecError(f"{path} is not JSON: give a file that --scorecard has written") from None
    if not isinstance(card, dict) or not str(card.get("schema", "")).startswith(
        "unicomp/scorecard/"
    ):
        raise SpecError(f"{path} is no scorecard: give a file that --scorecard has written")
    return card


def supported_floors(card: dict[str, Any], margin: float) -> list[str]:
    """A floor for each metric and compressed checkpoint, as lines of `unicomp.toml`.

    The lowest end among the intervals of the metric and of its benchmarks, less `margin` points,
    rounded down: what was measured passes, and what falls by more than the margin does not.
    """
    least: dict[tuple[str, str, str], float] = {}
    for row in (*card["scores"], *card["metrics"]):
        low = row["low"]
        if row["method"] == "dense" or row["metric"] is None or low is None:
            continue
        key = (row["model"], row["metric"], row["method"])
        least[key] = min(low, least.get(key, low))
    lines: list[str] = []
    for model in dict.fromkeys(key[0] for key in least):
        lines.append(f"[models.{json.dumps(model)}.floors]")
        for (name, metric, method), low in least.items():
            if name == model:
                floor = math.floor(low - margin)
                lines.append(f'"{metric}@{method}" = {floor if floor > 1 else 0}')
    return lines
