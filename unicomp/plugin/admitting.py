"""Before anything is built or measured: whether the folders of the run may be measured.

One process checks: the controller with pytest-xdist, else the process that collects.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from unicomp.admission.register import Applicant, admit
from unicomp.checkpoint import Builder, compressed_elsewhere, why_unsupported
from unicomp.data.model_folder import read_config
from unicomp.errors import UnicompError
from unicomp.machine.nvml import gpus
from unicomp.methods.footprint import algorithms_of, build_needs, check_fits, stored_weights
from unicomp.plugin.grid import GRID, Grid
from unicomp.plugin.options import PLAN, Plan
from unicomp.plugin.progress import DISPLAY
from unicomp.spec import Method, Model

_ADMITTED = pytest.StashKey[bool]()


def admit_folders(config: pytest.Config, plan: Plan, grid: Grid) -> None:
    """Put notes on the folders into the grid.

    Raises SpecError for one that is refused, and for a build that cannot fit here.
    """
    applicants = list(applicants_of(plan, grid))
    _check_room(plan, grid)
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


def _check_room(plan: Plan, grid: Grid) -> None:
    """Raise SpecError for a build that cannot fit, however little text it reads.

    The build itself checks again, with its text and its accelerator. Here neither text nor torch
    is read. With a GPU, only the weights count, whose layer is on it. Over a cluster, the nodes
    build, and each build checks the node that it runs on.
    """
    if plan.settings.cluster.address is not None:
        return
    accelerator = sys.maxsize if gpus() else None
    for model in plan.models:
        asked = grid.asked.get(model.name, ())
        built = [one for one in plan.methods if one.name in asked and algorithms_of(one)]
        if not built or model.folder is None or (weights := stored_weights(model.folder)) is None:
            continue
        config, home = read_config(model.folder), plan.conditions[model.name].store.home
        for method in built:
            needs = build_needs(config, weights, method, home, 0, accelerator)
            if all(need.fits for need in needs) or why_unsupported(model, method):
                continue
            if not _is_built(plan, model, method):
                check_fits(f"{method} of {model}", needs)


def _is_built(plan: Plan, model: Model, method: Method) -> bool:
    """Whether the store has the checkpoint for every calibration of the run."""
    conditions = plan.conditions[model.name]
    builder = Builder(store=conditions.store, roots=plan.roots, source=conditions.source)
    return all(
        builder.find(model, method, plan.load_calibration(model, name)) is not None
        for name in plan.calibrations_of(method)
    )


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
