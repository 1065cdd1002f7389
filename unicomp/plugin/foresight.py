"""Before anything is built: how much work there is, how likely a lossless candidate passes, and
which benchmarks may stop early.

The lines are printed with the notes on the folders.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from unicomp.data.calibration import UNSEEN
from unicomp.errors import SpecError
from unicomp.forecast import Counts, Expected
from unicomp.mirror.needs import benchmark_needs
from unicomp.plugin.grid import GRID, Grid
from unicomp.plugin.options import Plan
from unicomp.plugin.progress import DISPLAY, REPORTER
from unicomp.prompts.sizes import Size
from unicomp.prompts.tasks import Definition
from unicomp.spec import DENSE, LEVEL, Benchmark, CheckpointId
from unicomp.verdict import demand_of

Benchmarks = Mapping[CheckpointId, Sequence[Benchmark]]
"""Compressed checkpoint of one model → its benchmarks."""
Sizes = Mapping[tuple[str, str], Size | None]
"""(model, benchmark) → the items that are asked, with all of their samples; None if they cannot be
counted."""

_PRINTED = pytest.StashKey[bool]()


def foresee(config: pytest.Config, plan: Plan, grid: Grid) -> None:
    """Put a line for each metric and critical benchmark of each model into the grid.

    With `--early`, the benchmarks that run in full are named, too.
    """
    from unicomp.planning import plan as units_of

    display = config.stash[DISPLAY]
    grid.foresight = _repeats(plan, grid)
    display.show("counting the items")
    sizes = _sizes(plan, grid)
    grid.items = _items(grid, sizes)
    if reporter := config.stash.get(REPORTER, None):
        reporter.expect(expected(plan, grid))
    display.show("planning: the chance that a lossless candidate passes")
    for model in plan.models:
        asked = {
            name: benchmarks
            for name, benchmarks in grid.present().items()
            if name.model == model.name and name.method != DENSE.name and benchmarks
        }
        conditions = plan.conditions[model.name]
        benchmarks = {bench.name: bench for own in asked.values() for bench in own}
        definitions = [conditions.renderer.definition(bench) for bench in benchmarks.values()]
        grid.datasets[model.name] = _datasets(definitions)
        planned = units_of(
            definitions,
            plan.profile(model.name),
            plan.policy,
            list(asked),
            conditions.store,
            samples=plan.samples,
            level=LEVEL / len(asked) if plan.pick and asked else LEVEL,
        )
        several = len(plan.models) > 1
        grid.foresight += [f"{model} {one}" if several else str(one) for one in planned]
        grid.there[model.name] = {name: n for one in planned for name, n in one.rows.items()}
        if plan.early != "off" and definitions:
            own = {name: size for (of, name), size in sizes.items() if of == model.name}
            first, *others = _early(plan, asked, definitions, own)
            grid.early[model.name] = [f"{model} {first}" if several else first, *others]


def _repeats(plan: Plan, grid: Grid) -> list[str]:
    """A line on what `--repeats` does not repeat. Raises SpecError if that is everything."""
    asked = {(one.model, bench.name): bench for one, own in grid.present().items() for bench in own}
    if plan.repeats == 1 or not asked:
        return []
    sampled: set[str] = set()
    for (model, name), bench in asked.items():
        renderer = plan.conditions[model].renderer
        if renderer.samples_of(renderer.definition(bench)) > 1:
            sampled.add(name)
    once = sorted({name for _, name in asked} - sampled)
    if once and not sampled and not grid.open_ended:
        raise SpecError(
            f"--repeats {plan.repeats}: no selected benchmark samples its answers, not "
            f"{once[0]} either: leave the option out, or declare a temperature"
        )
    plural = "" if len(sampled) == 1 else "s"
    line = (
        f"--repeats {plan.repeats}: {plan.repeats} samples of each item of {len(sampled)} "
        f"benchmark{plural}; the chances to pass are those of one"
    )
    rest = f". Asked once, since their answers are not sampled: {', '.join(once)}" if once else ""
    return [line + rest]


def _datasets(definitions: Iterable[Definition]) -> dict[str, dict[str, str | None]]:
    """Benchmark → the data set whose rows it asks; embedded rows and a user's own are none."""
    found: dict[str, dict[str, str | None]] = {}
    for one in definitions:
        if not one.source.is_embedded:
            for need in benchmark_needs(one):
                pin = one.source.pin(need.dataset)
                revision = pin.revision if pin else None
                found[one.benchmark.name] = {"id": need.dataset, "revision": revision}
    return found


def _early(
    plan: Plan,
    asked: Benchmarks,
    definitions: Sequence[Definition],
    sizes: Mapping[str, Size | None],
) -> list[str]:
    """How many benchmarks of one model may stop early, and which run in full for which reason."""
    from unicomp.early.eligible import all_in_full
    from unicomp.early.notice import notice

    in_full = {}
    for name, benchmarks in asked.items():
        profile = plan.profile(name.model)
        in_full[name] = all_in_full(
            [one for one in definitions if one.benchmark in benchmarks],
            sizes,
            profile,
            partial(demand_of, plan.policy, profile, name),
        )
    names = {name: [bench.name for bench in own] for name, own in asked.items()}
    return notice(names, in_full, [name for name, size in sizes.items() if size is None])


def _sizes(plan: Plan, grid: Grid) -> Sizes:
    """The sizes of all benchmarks whose rows are there."""
    from unicomp.prompts.sizes import size_of

    sizes: dict[tuple[str, str], Size | None] = {}
    for name, benchmarks in grid.present().items():
        for bench in benchmarks:
            key = (name.model, bench.name)
            if key not in sizes:
                renderer = plan.conditions[name.model].renderer
                definition = renderer.definition(bench)
                size = size_of(definition)
                if size is not None:
                    size = size.limited(plan.samples)
                    times = renderer.samples_of(definition)
                    size = replace(size, items=size.items * times)  # clusters stay as they are
                sizes[key] = size
    return sizes


def _items(grid: Grid, sizes: Sizes) -> Counts:
    """The items of each checkpoint's benchmarks, where they can be counted.

    Those of dense models are answered for all others.
    """
    items: Counts = {}
    for name, benchmarks in grid.present().items():
        for bench in benchmarks:
            if size := sizes[name.model, bench.name]:
                for one in (name, CheckpointId(name.model, DENSE.name, UNSEEN)):
                    items.setdefault("/".join(one), {})[bench.name] = size.items
    return items


def expected(plan: Plan, grid: Grid) -> Expected:
    """The work of a run, as far as it can be counted beforehand."""
    engine, effort = plan.settings.engine, plan.settings.effort
    rounds: Counts = {}
    for name, probes in grid.agenda.probes.items():
        for probe in probes:
            if probe.load and probe.is_timed_by(serves=engine.serves):
                rounds.setdefault("/".join(name), {})[probe.load.shape] = effort.least_rounds
    return Expected(
        items=grid.items,
        rounds=rounds,
        round_seconds=effort.least_seconds / effort.least_rounds,
        tests=len(grid.checkpoints),
    )


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Print the lines, if this process collects."""
    grid = config.stash.get(GRID, None)
    return [] if grid is None or grid.problem else grid.lines


@pytest.hookimpl(optionalhook=True, trylast=True)
def pytest_xdist_node_collection_finished(node: Any) -> None:
    """On the controller: print the lines once, as soon as a worker has collected."""
    config = node.config
    grid, reporter = (
        config.stash.get(GRID, None),
        config.pluginmanager.get_plugin("terminalreporter"),
    )
    if grid is None or reporter is None or config.stash.get(_PRINTED, False):
        return
    config.stash[_PRINTED] = True
    for line in grid.lines:
        reporter.write_line(line)
    reporter.flush()  # a file would show it much later
