"""Before anything is built: how much work there is, and how likely a lossless candidate passes.

The lines are printed with the notes on the folders.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from unicomp.data.calibration import UNSEEN
from unicomp.forecast import Counts, Expected
from unicomp.mirror.needs import benchmark_needs
from unicomp.plugin.grid import GRID, Grid
from unicomp.plugin.options import Plan
from unicomp.plugin.progress import DISPLAY, REPORTER
from unicomp.prompts.tasks import Definition
from unicomp.spec import DENSE, LEVEL, CheckpointId

_PRINTED = pytest.StashKey[bool]()


def foresee(config: pytest.Config, plan: Plan, grid: Grid) -> None:
    """Put a line for each metric and critical benchmark of each model into the grid."""
    from unicomp.planning import plan as units_of

    display = config.stash[DISPLAY]
    display.show("counting the items")
    grid.items = _items(plan, grid)
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


def _items(plan: Plan, grid: Grid) -> Counts:
    """The items of each checkpoint's benchmarks, where they can be counted.

    Those of dense models are answered for all others.
    """
    from unicomp.prompts.sizes import size_of

    items: Counts = {}
    known: dict[tuple[str, str], int | None] = {}
    for name, benchmarks in grid.present().items():
        for bench in benchmarks:
            key = (name.model, bench.name)
            if key not in known:
                size = size_of(plan.conditions[name.model].renderer.definition(bench))
                known[key] = None if size is None else size.limited(plan.samples).items
            if count := known[key]:
                for one in (name, CheckpointId(name.model, DENSE.name, UNSEEN)):
                    items.setdefault("/".join(one), {})[bench.name] = count
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
    return [] if grid is None or grid.problem else [*grid.foresight, *grid.notes]


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
    for line in (*grid.foresight, *grid.notes):
        reporter.write_line(line)
    reporter.flush()  # a file would show it much later
