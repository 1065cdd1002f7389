"""`unicomp plan`: what a build or a run costs before it starts, or what a gate can decide."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from unicomp import catalogue
from unicomp.checkpoint import as_it_is, why_unsupported
from unicomp.commands import arguments
from unicomp.commands.arguments import Commands
from unicomp.commands.plan_cluster import plan_cluster
from unicomp.commands.planned import rows_and_profile, shipped_and_own
from unicomp.data.calibration import UNSEEN
from unicomp.data.model_source import known_kind, locate
from unicomp.distillation.estimate import MINITRON_DEVICES, PlannedTraining, estimate
from unicomp.distillation.speed import build_seconds, build_speed, training_speed
from unicomp.errors import SpecError
from unicomp.formats.intake import config_of
from unicomp.methods.footprint import algorithms_of, check_fits, footprint
from unicomp.policy import check_name_given, parse_floor_options
from unicomp.prompts.tasks import Definition
from unicomp.report.plan import print_footprint, print_plan, print_power
from unicomp.settings import load_settings, project_root, store_home
from unicomp.spec import CheckpointId, Method, Model
from unicomp.store import Store


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "plan", help="what a build or a run costs, or what a gate can decide"
    )
    methods = "a method or a checkpoint; with --floor, a method whose churn is recorded"
    parser.add_argument("method", metavar="METHOD", nargs="?", help=methods)
    several = "a name, as for pytest; with --cluster repeatable"
    parser.add_argument("--model", metavar="MODEL", action="append", required=True, help=several)
    number = f"accelerators (default: 1 if its speed is known here, else {MINITRON_DEVICES})"
    parser.add_argument("--devices", metavar="N", type=int, help=number)
    asked = "plan a gate with this floor of a metric, dimension or benchmark; repeatable"
    parser.add_argument("--floor", metavar="NAME=PERCENT", action="append", default=[], help=asked)
    machines = "plan a run on such machines: 8xH100, '2 x 8xH100', '16 CPU'"
    parser.add_argument("--cluster", metavar="MACHINES", help=machines)
    planned = "with --cluster: a method or group, as for pytest; repeatable (default: paper)"
    parser.add_argument(
        "--method", metavar="NAME", dest="methods", action="append", default=[], help=planned
    )
    metrics = "with --cluster: a metric or dimension; repeatable (default: all)"
    parser.add_argument("--metric", metavar="NAME", action="append", default=[], help=metrics)
    money = "with --cluster: what a GPU costs for an hour (default: [hardware] of unicomp.toml)"
    parser.add_argument("--price", metavar="AMOUNT", type=arguments.amount, help=money)
    items = "with --floor or --cluster: items of each benchmark (default: all)"
    parser.add_argument("--samples", metavar="N", type=int, help=items)
    source = "with --floor or --cluster: where rows are counted, as for pytest"
    parser.add_argument("--dataset-root", metavar="embedded|hub|DIR", help=source)
    parser.add_argument("--unicomp-home", metavar="DIR", type=arguments.path, help=arguments.STORE)
    parser.add_argument("--json", action="store_true", help="full precision, for programs")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    if options.samples is not None and options.samples < 1:
        raise SpecError(f"--samples {options.samples} is not possible: give 1 or more")
    if options.cluster is not None:
        _check_run(options)
        return plan_cluster(options)
    if options.methods or options.metric or options.price is not None:
        raise SpecError(
            "--method, --metric and --price plan a run: give --cluster MACHINES, too: 8xH100"
        )
    if len(options.model) > 1:
        raise SpecError("--model is given twice: give it once")
    options.model = options.model[0]
    if options.floor:
        return _plan_gate(options)
    if options.method is None:
        raise SpecError(
            "give --floor NAME=PERCENT to plan a gate, or METHOD to plan a build, or --cluster "
            "MACHINES to plan a run"
        )
    if options.samples is not None or options.dataset_root is not None:
        raise SpecError(
            "--samples and --dataset-root plan a gate or a run: give --floor NAME=PERCENT, or "
            "--cluster MACHINES, too"
        )
    root = project_root(Path.cwd())
    roots = catalogue.roots(root)
    method = catalogue.load_method_or_checkpoint(options.method, roots)
    if method.endpoint is not None:
        raise SpecError(f"{method.endpoint} runs already: there is no build to plan")
    model = catalogue.load_model(options.model, roots)
    if options.devices is not None and options.devices < 1:
        raise SpecError(f"--devices {options.devices} is not possible: give 1 or more")
    if reason := why_unsupported(model, method):
        raise SpecError(f"{method} cannot compress {model}: {reason}")
    store = Store(store_home(options.unicomp_home, load_settings(root)))
    if method.corpus is None:
        return _plan_build(options, model, method, store)
    return _plan_training(options, model, method, store)


def _check_run(options: argparse.Namespace) -> None:
    """Raise SpecError for what plans something else than a run."""
    if options.method is not None:
        raise SpecError(f"--cluster plans a run: give --method {options.method} instead")
    if options.floor or options.devices is not None:
        given = "--floor" if options.floor else "--devices"
        raise SpecError(f"{given} plans no run on machines: leave it out, or leave out --cluster")


def _plan_build(options: argparse.Namespace, model: Model, method: Method, store: Store) -> int:
    """What a build without training needs, or a checkpoint that exists."""
    if options.devices is not None:
        raise SpecError(f"--devices plans a training, and {method} trains nothing: leave it out")
    folder = locate(as_it_is(model, method), config_only=True)
    seconds = build_seconds(model, method, store)
    speed = build_speed(algorithms_of(method), store)
    found = footprint(folder, method, store.home, seconds, speed=speed)
    kind = known_kind(model)
    if options.json:
        named = {"model": model.name, "method": method.name, "kind": kind}
        print(json.dumps(named | found.as_json(), indent=1, allow_nan=False))
    else:
        title = f"{method} of {model}"
        print_footprint(Console(highlight=False, emoji=False), title, kind, found)
    check_fits(f"{method} of {model}", found.of_building)
    return 0


def _plan_training(options: argparse.Namespace, model: Model, method: Method, store: Store) -> int:
    """The hours and the memory of a training."""
    planned = PlannedTraining.by(config_of(model), method)
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
    root = project_root(Path.cwd())
    roots, settings = catalogue.roots(root), load_settings(root)
    model = catalogue.load_model(options.model, roots)
    method = catalogue.load_method(options.method, roots) if options.method else None
    floors = parse_floor_options(options.floor)
    benchmarks = shipped_and_own(root)
    for name in floors:
        if "@" in name:
            raise SpecError(f"--floor {name}: give the method as METHOD instead")
        check_name_given("--floor", name, {bench.name for bench in benchmarks}, ())
    source, profile = rows_and_profile(model, options.dataset_root, settings, root)
    inside = profile.names
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
