"""Before anything is built or measured: whether the folders of the run may be measured.

One process checks: the controller with pytest-xdist, else the process that collects.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from unicomp.admission.register import Applicant, admit
from unicomp.checkpoint import compressed_elsewhere
from unicomp.errors import UnicompError
from unicomp.plugin.grid import GRID, Grid
from unicomp.plugin.options import PLAN, Plan
from unicomp.plugin.progress import DISPLAY

_ADMITTED = pytest.StashKey[bool]()


def admit_folders(config: pytest.Config, plan: Plan, grid: Grid) -> None:
    """Put notes on the folders into the grid. Raises SpecError for one that is refused."""
    applicants = list(applicants_of(plan, grid))
    if applicants:
        grid.notes += admit(
            applicants,
            next(iter(plan.conditions.values())).store,
            serves=plan.settings.engine.serves,
            threads=plan.settings.engine.threads,
            narrate=config.stash[DISPLAY].show,
            on_wait=config.stash[DISPLAY].wait,
        )


def applicants_of(plan: Plan, grid: Grid) -> Iterator[Applicant]:
    """The models of the tests that run, and their checkpoints compressed elsewhere."""
    for model in plan.models:
        methods = grid.asked.get(model.name)
        if methods is None:
            continue
        if model.endpoint is None:  # of which no weights are read
            yield Applicant(model)
        for method in plan.methods:
            if method.name in methods and (own := compressed_elsewhere(model, method)) is not None:
                yield Applicant(own, baseline=model)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any) -> None:
    """On the controller: check the folders once, as soon as a worker has collected.

    The module is registered between the one that reads the grid and the one that prints the notes.
    """
    config = node.config
    if config.stash.get(_ADMITTED, False):
        return
    config.stash[_ADMITTED] = True
    grid = config.stash[GRID]
    try:
        admit_folders(config, config.stash[PLAN], grid)
    except UnicompError as error:
        grid.problem = str(error)
        raise pytest.UsageError(grid.problem) from None
