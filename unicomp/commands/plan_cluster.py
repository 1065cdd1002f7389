"""`unicomp plan --cluster`: what a run of models and methods takes on some machines."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from unicomp import catalogue
from unicomp.commands.planned import rows_and_profile, shipped_and_own
from unicomp.cost.fleet import Fleet
from unicomp.cost.matrix import Asked, asked_of
from unicomp.cost.quote import Quote, own_probes
from unicomp.errors import SpecError
from unicomp.framework import DIMENSIONS, METRICS
from unicomp.prompts.tasks import Definition
from unicomp.report.cost import print_bill
from unicomp.settings import Settings, load_settings, project_root, store_home
from unicomp.spec import Benchmark, Method, Model, nearest
from unicomp.store import Store

DEFAULT_METHODS = ("paper",)
"""The methods that are planned if none is named, as for pytest."""

SHOWN_MODELS = 3
"""The most models that are named above a bill."""


def plan_cluster(options: argparse.Namespace) -> int:
    """Print or write the bill of a run. Raises SpecError."""
    root = project_root(Path.cwd())
    roots, settings = catalogue.roots(root), load_settings(root)
    fleet = Fleet.parse(options.cluster, settings.hardware)
    if options.price is not None and not options.price > 0:
        raise SpecError(f"--price {options.price:g} is no price: give what a GPU costs for an hour")
    price = options.price or (fleet.gpu.price if fleet.gpu else None)
    models = catalogue.load_models(options.model, roots)
    names = catalogue.methods_named(options.methods or DEFAULT_METHODS, roots)
    methods = [catalogue.load_method(name, roots) for name in names]
    metrics = _metrics(options.metric)
    benchmarks = shipped_and_own(root)
    known = catalogue.load_probes(catalogue.suite_folders(root))
    probes = [one for one in own_probes(known) if one.metric in metrics]
    quote = Quote(
        fleet=fleet,
        engine=replace(settings.engine, name="vllm") if fleet.gpu else settings.engine,
        effort=settings.effort,
        store=Store(store_home(options.unicomp_home, settings)),
        methods={
            name: catalogue.load_method(name, roots) for name in catalogue.method_names(roots)
        },
        benchmarks=[bench.name for bench in benchmarks],
    )
    asked = {
        model.name: _asked(model, benchmarks, metrics, settings, options, root, quote)
        for model in models
    }
    if not probes and not any(asked.values()):
        raise SpecError(
            f"--metric {', '.join(options.metric)}: a run of {', '.join(asked)} has no such "
            "metric; see [gate] profile of unicomp.toml"
        )
    bill = quote.bill(dict.fromkeys(models, methods), asked, probes, price)
    if options.json:
        named = {"models": [model.name for model in models], "methods": names}
        print(json.dumps(named | bill.as_json() | {"left_out": quote.left_out}, indent=1))
    else:
        print_bill(
            Console(highlight=False, emoji=False), _title(models, methods), bill, quote.left_out
        )
    return 0


def _title(models: Sequence[Model], methods: Sequence[Method]) -> str:
    compressed = sum(method.compress is not None for method in methods)
    named = ", ".join(model.name for model in models)
    if len(models) > SHOWN_MODELS:
        named = f"{len(models)} models"
    plural = "s" if compressed != 1 else ""
    return f"{named}: dense, and {compressed} method{plural} on each"


def _metrics(given: Sequence[str]) -> set[str]:
    """The metrics that are named, by themselves or by their dimension; all if none is."""
    found: set[str] = set()
    for name in given:
        if name not in (*METRICS, *DIMENSIONS):
            raise SpecError(f"--metric {name}: {nearest(name, (*METRICS, *DIMENSIONS))}")
        found |= set(DIMENSIONS.get(name, (name,)))
    return found or set(METRICS)


def _asked(
    model: Model,
    benchmarks: Sequence[Benchmark],
    metrics: set[str],
    settings: Settings,
    options: argparse.Namespace,
    root: Path,
    quote: Quote,
) -> list[Asked]:
    """The benchmarks of a model with their items, as a run of the suites would ask them."""
    source, profile = rows_and_profile(model, options.dataset_root, settings, root)
    wanted = {None, *profile} if metrics == set(METRICS) else metrics.intersection(profile)
    definitions = [Definition(one, source) for one in benchmarks if one.metric in wanted]
    asked, unknown = asked_of(definitions, options.samples)
    for name in unknown:
        quote.leave_out("since their rows cannot be counted without the network", name)
    return asked
