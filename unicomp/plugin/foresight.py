"""Before anything is built: how likely a lossless candidate passes what decides the gate.

The lines are printed with the notes on the folders.
"""

from __future__ import annotations

from typing import Any

import pytest

from unicomp.plugin.grid import GRID, Grid
from unicomp.plugin.options import Plan
from unicomp.spec import DENSE, LEVEL

_PRINTED = pytest.StashKey[bool]()


def foresee(plan: Plan, grid: Grid) -> None:
    """Put a line for each metric and critical benchmark of each model into the grid."""
    from unicomp.planning import plan as units_of

    for model in plan.models:
        asked = {
            name: benchmarks
            for name, benchmarks in grid.present().items()
            if name.model == model.name and name.method != DENSE.name and benchmarks
        }
        conditions = plan.conditions[model.name]
        benchmarks = {bench.name: bench for own in asked.values() for bench in own}
        planned = units_of(
            [conditions.renderer.definition(bench) for bench in benchmarks.values()],
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
