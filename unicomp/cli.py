"""`unicomp`: the commands besides the test run.

unicomp cache [list|verify|prune]     list the store, verify its checkpoints, or make room
unicomp decide SCORECARD.json ..      one decision of several runs, such as those of make suite
unicomp floors SCORECARD.json         floors that a scorecard supports, for unicomp.toml
unicomp mirror DIR [--verify|--lock]  fetch, verify or pin the data sets of --dataset-root
unicomp plan METHOD --model MODEL     memory, disk and time of a build, before it starts
unicomp plan --floor NAME=PERCENT ..  how likely a lossless candidate passes, and items needed
unicomp score RAW.csv                 the metrics and sub-scores of a table of raw scores
unicomp verify RECORD SCORECARD       whether a decision record belongs to a scorecard
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table

from unicomp import cache, catalogue, record
from unicomp.checkpoint import as_it_is, why_unsupported
from unicomp.data.calibration import UNSEEN
from unicomp.data.lock import load_lock
from unicomp.data.model_source import known_kind, locate
from unicomp.data.sources import EMBEDDED_ROWS, HUB, Source
from unicomp.decision import STATUS
from unicomp.distillation.estimate import MINITRON_DEVICES, PlannedTraining, estimate
from unicomp.distillation.speed import build_seconds, training_speed
from unicomp.errors import SpecError, UnicompError
from unicomp.formats.intake import config_of
from unicomp.framework import EMBEDDED_PROFILE, PAPER_PROFILE, READINGS
from unicomp.joint import joint_decision, read_part
from unicomp.methods.footprint import footprint
from unicomp.mirror import fetch, needs, survey
from unicomp.policy import check_name_given, parse_floor_options
from unicomp.prompts.tasks import Definition
from unicomp.rawscores import metric_scores, read_raw_scores
from unicomp.report import joint as joint_report
from unicomp.report.metrics import print_metrics
from unicomp.report.mirror import print_mirror
from unicomp.report.plan import print_footprint, print_plan, print_power
from unicomp.settings import load_settings, project_root, store_home
from unicomp.spec import CheckpointId, Method, Model
from unicomp.store import Store
from unicomp.units import amount

_DAY = 86400.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0, or 4 for bad input, or 1 if something is damaged or incomplete, or
    does not belong together. `decide` returns the exit status of a test run. A reader that stops
    early, such as `head`, is no error.
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


class _Once(argparse.Action):
    """Stores a value; a second one is refused rather than taking the place of the first."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        given = vars(namespace).setdefault("given", set())
        if option_string in given:
            raise SpecError(f"{option_string} is given twice: give it once")
        if option_string is not None:
            given.add(option_string)
        setattr(namespace, self.dest, values)


class _Parser(argparse.ArgumentParser):
    """Refuses bad input as everything else here does: in one line, with status 4."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **settings})
        self.register("action", None, _Once)

    def error(self, message: str) -> NoReturn:
        raise SpecError(f"{message}; see {self.prog} --help")


def _path(text: str) -> Path:
    if not text.strip():
        raise argparse.ArgumentTypeError("the path is empty")
    return Path(text)


def _amount(text: str) -> float:
    """A finite number of 0 or more."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 0 or more")
    return number


def command_parser() -> argparse.ArgumentParser:
    """The parser of `unicomp` and its commands. Raises SpecError for bad input."""
    parser = _Parser(prog="unicomp", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    store = commands.add_parser("cache", help="list, verify or prune the store")
    actions = "what to do with its entries (default: %(default)s)"
    store.add_argument(
        "action", nargs="?", choices=("list", "verify", "prune"), default="list", help=actions
    )
    home = "the store (default: UNICOMP_HOME, or the platform's cache folder)"
    store.add_argument("--unicomp-home", metavar="DIR", type=_path, help=home)
    days = "prune entries older than this (default: %(default)s; 0 for everything)"
    store.add_argument("--older-than", metavar="DAYS", type=_amount, default=30.0, help=days)
    store.set_defaults(run=_cache)

    decide = commands.add_parser("decide", help="one decision of several scorecards")
    written = "a file that --scorecard wrote"
    decide.add_argument("scorecards", metavar="SCORECARD", type=_path, nargs="+", help=written)
    ended = "the exit statuses of the runs that wrote them, in the same order"
    decide.add_argument("--ended", metavar="STATUS", type=int, nargs="+", help=ended)
    decide.set_defaults(run=_decide)

    floors = commands.add_parser("floors", help="floors that a scorecard supports")
    floors.add_argument("scorecard", metavar="SCORECARD.json", type=_path, help=written)
    points = "distance below the lower end of the interval (default: %(default)s)"
    floors.add_argument("--margin", metavar="POINTS", type=_amount, default=3.0, help=points)
    floors.set_defaults(run=_floors)

    rows = commands.add_parser("mirror", help="fetch and verify data sets for --dataset-root")
    rows.add_argument("folder", metavar="DIR", type=_path, help="the folder of the mirror")
    way = rows.add_mutually_exclusive_group()
    way.add_argument("--verify", action="store_true", help="fetch nothing, stay offline")
    way.add_argument("--lock", action="store_true", help="pin unpinned data sets in unicomp.lock")
    more = "include the data sets of the test files in this folder; repeatable"
    rows.add_argument(
        "--suites", metavar="FOLDER", type=_path, action="append", default=[], help=more
    )
    rows.set_defaults(run=_mirror)

    plan = commands.add_parser("plan", help="what a build costs, or what a gate can decide")
    methods = "a method or a checkpoint; with --floor, a method whose churn is recorded"
    plan.add_argument("method", metavar="METHOD", nargs="?", help=methods)
    plan.add_argument("--model", metavar="MODEL", required=True, help="a name, as for pytest")
    number = f"accelerators (default: 1 if its speed is known here, else {MINITRON_DEVICES})"
    plan.add_argument("--devices", metavar="N", type=int, help=number)
    asked = "plan a gate with this floor of a metric, dimension or benchmark; repeatable"
    plan.add_argument("--floor", metavar="NAME=PERCENT", action="append", default=[], help=asked)
    items = "with --floor: items of each benchmark (default: all)"
    plan.add_argument("--samples", metavar="N", type=int, help=items)
    source = "with --floor: where rows are counted, as for pytest"
    plan.add_argument("--dataset-root", metavar="embedded|hub|DIR", help=source)
    plan.add_argument("--unicomp-home", metavar="DIR", type=_path, help=home)
    plan.add_argument("--json", action="store_true", help="full precision, for programs")
    plan.set_defaults(run=_plan)

    score = commands.add_parser("score", help="the metrics of a table of raw scores")
    columns = "columns model, method, benchmark, value"
    score.add_argument("table", metavar="RAW.csv", type=_path, help=columns)
    readings = "as published, or every component oriented (default: %(default)s)"
    score.add_argument("--reading", metavar="|".join(READINGS), default="paper", help=readings)
    score.add_argument("--json", action="store_true", help="full precision, for programs")
    score.set_defaults(run=_score)

    verify = commands.add_parser("verify", help="whether a decision record belongs to a scorecard")
    verify.add_argument("record", metavar="RECORD", type=_path, help="a file NAME.decision.json")
    verify.add_argument("scorecard", metavar="SCORECARD", type=_path, help="a file NAME.json")
    verify.set_defaults(run=_verify)
    return parser


def _cache(options: argparse.Namespace) -> int:
    home = store_home(options.unicomp_home, load_settings(project_root(Path.cwd())))
    if options.unicomp_home is not None and not home.is_dir():
        raise SpecError(f"--unicomp-home {options.unicomp_home}: there is no store")
    store = Store(home)
    if options.action == "verify":
        found = list(cache.damaged(store))
        for path, reason in found:
            print(f"damaged: {path}: {reason}; remove the folder, and it is built again")
        if not found:
            print(f"all checkpoints in {store.home} are intact")
        return 1 if found else 0
    if options.action == "prune":
        gone = cache.prune(store, options.older_than * _DAY)
        print(f"removed {len(gone)} entries, {amount(sum(entry.size for entry in gone), 'bytes')}")
        return 0
    columns = ("kind", "content", "size", "changed", "key")
    table = Table(*columns, title=str(store.home), pad_edge=False)
    entries = list(cache.entries(store))
    for entry in entries:
        changed = datetime.fromtimestamp(entry.changed).strftime("%Y-%m-%d %H:%M")
        table.add_row(entry.kind, entry.label, amount(entry.size, "bytes"), changed, entry.key[:12])
    console = Console(highlight=False)
    console.print(table)
    console.print(amount(sum(entry.size for entry in entries), "bytes"))
    return 0


def _mirror(options: argparse.Namespace) -> int:
    root = project_root(Path.cwd())
    lock = load_lock(root)
    wanted = _needed(root, options.suites)
    quiet = bool(os.environ.get("CI"))
    watched = sys.stderr.isatty() and not quiet
    tell = _Teller(5.0)
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


def _plan(options: argparse.Namespace) -> int:
    if options.floor:
        return _plan_gate(options)
    if options.method is None:
        raise SpecError("give --floor NAME=PERCENT to plan a gate, or METHOD to plan a build")
    if options.samples is not None or options.dataset_root is not None:
        raise SpecError("--samples and --dataset-root plan a gate: give --floor NAME=PERCENT, too")
    root = project_root(Path.cwd())
    roots = catalogue.roots(root)
    method = catalogue.load_method_or_checkpoint(options.method, roots)
    model = catalogue.load_model(options.model, roots)
    if options.devices is not None and options.devices < 1:
        raise SpecError(f"--devices {options.devices} is not possible: give 1 or more")
    if reason := why_unsupported(model, method):
        raise SpecError(f"{method} cannot compress {model}: {reason}")
    store = Store(store_home(options.unicomp_home, load_settings(root)))
    if method.corpus is None:
        return _plan_build(options, model, method, store)
    return _plan_training(options, model, method, store)


def _plan_build(options: argparse.Namespace, model: Model, method: Method, store: Store) -> int:
    """What a build without training needs, or a checkpoint that exists."""
    if options.devices is not None:
        raise SpecError(f"--devices plans a training, and {method} trains nothing: leave it out")
    folder = locate(as_it_is(model, method), config_only=True)
    seconds = build_seconds(model, method, store)
    found = footprint(folder, method, store.home, seconds)
    kind = known_kind(model)
    if options.json:
        named = {"model": model.name, "method": method.name, "kind": kind}
        print(json.dumps(named | found.as_json(), indent=1, allow_nan=False))
    else:
        title = f"{method} of {model}"
        print_footprint(Console(highlight=False, emoji=False), title, kind, found)
    return 0


def _plan_training(options: argparse.Namespace, model: Model, method: Method, store: Store) -> int:
    """The hours and the memory of a training."""
    # of two methods, the first one trains
    planned = PlannedTraining.of(
        config_of(model), method.parameters.get("first", method.parameters)
    )
    measured = training_speed(model, method, store)
    devices = options.devices or (1 if measured else MINITRON_DEVICES)
    expected = estimate(planned, devices=devices, narrow=True, flops_per_second=measured)
    if options.json:
        named = {"model": model.name, "method": method.name}
        shapes = {"student": vars(planned.student), "teacher": vars(planned.teacher)}
        print(json.dumps(named | expected.as_json() | shapes, indent=1, allow_nan=False))
    else:
        print_plan(Console(highlight=False, emoji=False), f"{method} of {model}", planned, expected)
    return 0


def _plan_gate(options: argparse.Namespace) -> int:
    """The chance of a lossless candidate, and the items that are needed. Builds nothing."""
    from unicomp.planning import plan

    if options.devices is not None:
        raise SpecError("--devices plans a distillation: leave it out, or leave out --floor")
    if options.samples is not None and options.samples < 1:
        raise SpecError(f"--samples {options.samples} is not possible: give 1 or more")
    root = project_root(Path.cwd())
    roots, settings = catalogue.roots(root), load_settings(root)
    model = catalogue.load_model(options.model, roots)
    method = catalogue.load_method(options.method, roots) if options.method else None
    floors = parse_floor_options(options.floor)
    benchmarks = catalogue.load_benchmarks(
        catalogue.suite_folders(root),
        on_skip=lambda error: print(f"unicomp: left out: {error}", file=sys.stderr),
    )
    for name in floors:
        if "@" in name:
            raise SpecError(f"--floor {name}: give the method as METHOD instead")
        check_name_given("--floor", name, {bench.name for bench in benchmarks}, ())
    embedded = model == catalogue.load_model("embedded", roots)
    given = options.dataset_root or settings.dataset_root
    source = Source(given or (EMBEDDED_ROWS if embedded else HUB), load_lock(root))
    profile = EMBEDDED_PROFILE if source.is_embedded else PAPER_PROFILE
    inside = {name for metric in profile for name in profile.benchmarks(metric)}
    planned = plan(
        [Definition(one, source) for one in benchmarks if one.name in inside | floors.keys()],
        profile,
        replace(settings.policy, command_line=floors),
        [CheckpointId(model.name, method.name if method else "", UNSEEN)],
        Store(store_home(options.unicomp_home, settings)),
        samples=options.samples,
        methods=[method.name] if method else catalogue.method_names(roots),
        only=floors,
    )
    if not planned:
        raise SpecError(f"no benchmark of this run is planned for --floor {', '.join(floors)}")
    if options.json:
        print(json.dumps([one.as_json() for one in planned], indent=1, allow_nan=False))
    else:
        title = f"gate of {model}: the chance that a lossless candidate passes"
        print_power(Console(highlight=False, emoji=False), title, planned)
    return 0


def _needed(root: Path, more: Sequence[Path] = ()) -> dict[str, list[needs.NeededRows]]:
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


class _Teller:
    """Prints to the error stream what a long command is doing, at most every few seconds."""

    def __init__(self, seconds: float = 2.0) -> None:
        self._seconds = seconds
        self._next = time.monotonic() + seconds

    def __call__(self, text: Callable[[], str], *, at_once: bool = False) -> None:
        if (now := time.monotonic()) >= self._next or at_once:
            self._next = now + self._seconds
            print(f"unicomp: {text()}", file=sys.stderr, flush=True)


def _score(options: argparse.Namespace) -> int:
    tell = _Teller()
    raw = read_raw_scores(
        options.table, lambda line: tell(lambda: f"{options.table}: {line:,} lines read")
    )
    scores = metric_scores(raw, options.reading)
    if not options.json:
        print_metrics(
            Console(highlight=False, emoji=False),
            scores,
            options.reading,
            lambda done, total: tell(lambda: f"{done:,} of {total:,} models printed"),
        )
        return 0
    rows = []
    for score in scores:
        row = {name: getattr(score, name) for name in ("model", "method", "metric", "value")}
        reason = {"reason": score.reason} if score.value is None else {}
        rows.append({**row, "reading": options.reading, **reason})
    print(json.dumps(rows, indent=1, allow_nan=False))
    return 0


def _verify(options: argparse.Namespace) -> int:
    known = record.read(options.record)
    differ = record.differences(known, options.scorecard)
    for line in differ:
        print(f"differs: {line}")
    for line in record.changes(known):
        print(f"the policy was changed after answers were seen: {line}")
    if not differ:
        print(f"they belong together: the gate is {known['decision']}")
    return 1 if differ else 0


def _decide(options: argparse.Namespace) -> int:
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
    return STATUS[found.decision]


def _floors(options: argparse.Namespace) -> int:
    for line in supported_floors(_read(options.scorecard), options.margin):
        print(line)
    return 0


def _read(path: Path) -> dict[str, Any]:
    """A scorecard in JSON. Raises SpecError."""
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"the scorecard {path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise SpecError(f"{path} is not JSON: give a file that --scorecard has written") from None
    schema = str(card.get("schema", "")) if isinstance(card, dict) else ""
    if not schema.startswith("unicomp/scorecard/"):
        raise SpecError(f"{path} is not a scorecard: give a file that --scorecard has written")
    return dict(card)


def supported_floors(card: dict[str, Any], margin: float) -> list[str]:
    """A floor for each metric and compressed checkpoint, as lines of `unicomp.toml`.

    The floor is the lowest of the lower limits of the metric and of whatever else is critical, and
    of the upper limits of its guards, less `margin` points, rounded down. So the measured
    checkpoint passes, and one that falls by more than the margin does not. Timings get no floor:
    they belong to one machine.
    """
    least: dict[tuple[str, str, str], float] = {}
    counted = [row for row in card.get("probes", ()) if row["unit"] not in ("s", "tokens/s")]
    for row in (*card["scores"], *card["metrics"], *counted):
        key = (row["model"], row["metric"] or row["benchmark"], row["method"])
        limit = row["high" if row.get("tier") == "guard" else "low"]
        if row["method"] != "dense" and limit is not None:
            least[key] = min(limit, least.get(key, limit))
    lines: list[str] = []
    for model in dict.fromkeys(key[0] for key in least):
        lines.append(f"[models.{json.dumps(model)}.floors]")
        for (name, metric, method), low in least.items():
            if name == model:
                floor = math.floor(low - margin)
                lines.append(f'"{metric}@{method}" = {floor if floor > 1 else 0}')
    return lines
