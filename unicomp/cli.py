"""`unicomp`: what is not a test run.

unicomp cache [list|verify|prune]     the store: what is in it, is it intact, make room
unicomp floors SCORECARD.json         floors that a scorecard supports, for unicomp.toml
unicomp mirror DIR [--verify|--lock]  data sets for --dataset-root: fetch, verify, pin them
unicomp plan METHOD --model MODEL     what a distillation takes: hours and memory, before it starts
unicomp score RAW.csv                 the metrics and sub-scores of a table of raw scores
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from unicomp import cache, catalogue
from unicomp.checkpoint import why_unsupported
from unicomp.data.lock import load_lock
from unicomp.data.model_folder import read_config
from unicomp.data.model_source import locate
from unicomp.data.sources import HUB, Source
from unicomp.distillation.estimate import PUBLISHED_DEVICES, estimate, work_of
from unicomp.distillation.speed import training_speed
from unicomp.errors import SpecError, UnicompError
from unicomp.framework import READINGS
from unicomp.mirror import fetch, needs, survey
from unicomp.prompts.tasks import Definition
from unicomp.rawscores import metric_scores, read_raw_scores
from unicomp.report.metrics import print_metrics
from unicomp.report.mirror import print_mirror
from unicomp.report.plan import print_plan
from unicomp.settings import FILE, load_settings, store_home
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

    rows = commands.add_parser("mirror", help="fetch and verify data sets for --dataset-root")
    rows.add_argument("folder", metavar="DIR", type=Path)
    way = rows.add_mutually_exclusive_group()
    way.add_argument("--verify", action="store_true", help="fetch nothing, stay offline")
    way.add_argument("--lock", action="store_true", help="pin in unicomp.lock what is not pinned")
    rows.add_argument(
        "--suites",
        metavar="FOLDER",
        type=Path,
        action="append",
        default=[],
        help="read the test files below it too, beside those of suites/; repeatable",
    )
    rows.set_defaults(run=_mirror)

    plan = commands.add_parser("plan", help="what a distillation takes, before it starts")
    plan.add_argument("method", metavar="METHOD", help="a method of the family distillation")
    plan.add_argument("--model", metavar="MODEL", required=True, help="as pytest takes it")
    plan.add_argument(
        "--devices",
        metavar="N",
        type=int,
        help=f"accelerators (default: 1 if it was measured here, else {PUBLISHED_DEVICES})",
    )
    plan.add_argument("--unicomp-home", metavar="DIR", type=Path)
    plan.add_argument("--json", action="store_true", help="full precision, for programs")
    plan.set_defaults(run=_plan)

    score = commands.add_parser("score", help="the metrics of a table of raw scores")
    score.add_argument(
        "table", metavar="RAW.csv", type=Path, help="columns model, method, benchmark, value"
    )
    score.add_argument(
        "--reading",
        choices=tuple(READINGS),
        default="paper",
        help="as published, or every component oriented (default: %(default)s)",
    )
    score.add_argument("--json", action="store_true", help="full precision, for programs")
    score.set_defaults(run=_score)
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


def _mirror(options: argparse.Namespace) -> int:
    root = _project()
    lock = load_lock(root)
    wanted = _needed(root, options.suites)
    quiet = bool(os.environ.get("CI"))
    watched = sys.stderr.isatty() and not quiet
    errors: list[UnicompError] = []

    def tell(error: UnicompError) -> None:
        errors.append(error)
        print(f"unicomp: {error}", file=sys.stderr)

    if options.verify:
        if not options.folder.is_dir():
            raise SpecError(f"there is no mirror {options.folder}")
        found = [
            one
            for dataset, group in wanted.items()
            for one in survey.survey(options.folder / dataset, group, lock)
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
            on_fetch=lambda text: print(f"fetching {text}", file=sys.stderr) if watched else None,
            on_error=tell,
        )
        lock = load_lock(root)
    print_mirror(Console(highlight=False), str(options.folder), found, lock, quiet=quiet)
    return 0 if all(one.complete for one in found) and not errors else 1


def _plan(options: argparse.Namespace) -> int:
    root = _project()
    roots = catalogue.roots(root)
    method = catalogue.load_method(options.method, roots)
    model = catalogue.load_model(options.model, roots)
    if method.corpus is None:
        raise SpecError(f"the method {method} trains nothing, so there is nothing to plan")
    if options.devices is not None and options.devices < 1:
        raise SpecError(f"--devices {options.devices} is no number of devices: give 1 or more")
    if reason := why_unsupported(model, method):
        raise SpecError(f"{method} cannot compress {model}: {reason}")
    config = read_config(locate(model, config_only=True))
    work = work_of(config, method.parameters)
    store = Store(store_home(options.unicomp_home, load_settings(root)))
    measured = training_speed(model, method, store)
    devices = options.devices or (1 if measured else PUBLISHED_DEVICES)
    expected = estimate(work, devices=devices, narrow=True, flops_per_second=measured)
    if options.json:
        named = {"model": model.name, "method": method.name}
        shapes = {"student": vars(work.student), "teacher": vars(work.teacher)}
        print(json.dumps(named | expected.as_json() | shapes, indent=1, allow_nan=False))
    else:
        print_plan(Console(highlight=False, emoji=False), f"{method} of {model}", work, expected)
    return 0


def _project() -> Path:
    """The folder that holds the settings: this one, or the nearest above it that does."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / FILE).is_file()), here)


def _needed(root: Path, more: Sequence[Path] = ()) -> dict[str, list[needs.Need]]:
    """What all suites and calibrations read, the shipped ones and the project's, by data set.

    `more` are folders of further suites. A suite that cannot be imported here is warned of.
    """
    source, roots = Source(HUB), catalogue.roots(root)
    for folder in more:
        if not folder.is_dir():
            raise SpecError(f"--suites {folder} is not a folder")
    benchmarks = catalogue.load_benchmarks(
        dict.fromkeys((*catalogue.suite_folders(root), *(folder.resolve() for folder in more))),
        on_skip=lambda error: print(f"unicomp: left out: {error}", file=sys.stderr),
    )
    recipes = [catalogue.load_recipe(name, roots) for name in catalogue.calibration_names(roots)]
    return needs.by_dataset(
        need
        for group in (
            *(needs.benchmark_needs(Definition(bench, source)) for bench in benchmarks),
            *(needs.recipe_needs(recipe, source) for recipe in recipes),
        )
        for need in group
    )


def _floors(options: argparse.Namespace) -> int:
    for line in supported_floors(_read(options.scorecard), options.margin):
        print(line)
    return 0


def _score(options: argparse.Namespace) -> int:
    scores = metric_scores(read_raw_scores(options.table), options.reading)
    if not options.json:
        print_metrics(Console(highlight=False, emoji=False), scores, options.reading)
        return 0
    rows = [
        {
            "model": score.model,
            "method": score.method,
            "metric": score.metric,
            "value": score.value,
            "reading": options.reading,
        }
        | ({"reason": score.reason} if score.value is None else {})
        for score in scores
    ]
    print(json.dumps(rows, indent=1, allow_nan=False))
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
    rounded down: what was measured passes, and what falls by more than the margin does not. Of
    efficiency, of what is no timing: those belong to the machine that they were taken on.
    """
    least: dict[tuple[str, str, str], float] = {}
    counted = [row for row in card.get("probes", ()) if row["unit"] not in ("s", "tokens/s")]
    for row in (*card["scores"], *card["metrics"], *counted):
        low = row["low"]
        if row["method"] == "dense" or low is None:
            continue
        key = (row["model"], row["metric"] or row["benchmark"], row["method"])
        least[key] = min(low, least.get(key, low))
    lines: list[str] = []
    for model in dict.fromkeys(key[0] for key in least):
        lines.append(f"[models.{json.dumps(model)}.floors]")
        for (name, metric, method), low in least.items():
            if name == model:
                floor = math.floor(low - margin)
                lines.append(f'"{metric}@{method}" = {floor if floor > 1 else 0}')
    return lines
