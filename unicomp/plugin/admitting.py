"""Before anything is built or measured: whether the folders of the run may be measured.

One process checks: the controller with pytest-xdist, else the process that collects.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from unicomp.admission.register import Applicant, admit
from unicomp.checkpoint import Builder, compressed_elsewhere, why_unsupported
from unicomp.cluster.unit import Node
from unicomp.data.model_folder import read_config
from unicomp.errors import UnicompError
from unicomp.machine.nvml import gpus
from unicomp.methods.footprint import (
    Need,
    Weights,
    algorithms_of,
    build_needs,
    check_fits,
    memory_to_build,
    stored_weights,
)
from unicomp.plugin.answering import notes_on_answering
from unicomp.plugin.clustering import WORKERS
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
    grid.notes += notes_on_answering(plan)
    workers = config.stash.get(WORKERS, None)
    _check_room(plan, grid, () if workers is None else workers.nodes)
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


def _check_room(plan: Plan, grid: Grid, nodes: Sequence[Node] = ()) -> None:
    """Raise SpecError for a build that cannot fit, however little text it reads.

    The build itself checks again, with its text and its accelerator. Here neither text nor torch
    is read. With a GPU, only the weights count, whose layer is on it. Over a cluster, a node has to
    have the memory; its disk is checked there.
    """
    where = "on any node" if nodes else "here"
    for model in plan.models:
        asked = grid.asked.get(model.name, ())
        built = [one for one in plan.methods if one.name in asked and algorithms_of(one)]
        if not built or model.folder is None or (weights := stored_weights(model.folder)) is None:
            continue
        shape, home = read_config(model.folder), plan.conditions[model.name].store.home
        on_gpus = plan.engine(model).resolved_device() == "cuda" if nodes else bool(gpus())
        for method in built:
            lacking = _lacking(shape, weights, method, home, on_gpus, nodes)
            if not lacking or why_unsupported(model, method):
                continue
            if not _is_built(plan, model, method, nodes):
                check_fits(f"{method} of {model}", lacking, where)


def _lacking(
    config: Mapping[str, Any],
    weights: Weights,
    method: Method,
    home: Path,
    on_gpus: bool,
    nodes: Sequence[Node],
) -> list[Need]:
    """What this machine lacks for a build; with nodes, what the largest of them lacks.

    Empty if the build fits here, or on one of the nodes.
    """
    if not nodes:
        here = build_needs(config, weights, method, home, 0, sys.maxsize if on_gpus else None)
        return [need for need in here if not need.fits]
    lacking: list[Need] = []
    for node in sorted(nodes, key=lambda node: node.memory):
        gpu = (node.gpu_memory or sys.maxsize) if node.gpus else 0  # of some nobody knows it
        needs = memory_to_build(config, weights, method, 0, node.memory, gpu if on_gpus else None)
        lacking = [need for need in needs if not need.fits]
        if not lacking:
            return []
    return lacking


def _is_built(plan: Plan, model: Model, method: Method, nodes: Sequence[Node]) -> bool:
    """Whether the store, or a node's, has the checkpoint for every calibration of the run."""
    conditions = plan.conditions[model.name]
    builder = Builder(store=conditions.store, roots=plan.roots, source=conditions.source)
    there = frozenset[str]().union(*(node.checkpoints for node in nodes))
    calibrations = [plan.load_calibration(model, name) for name in plan.calibrations_of(method)]
    return all(
        builder.key(model, method, one) in there or builder.find(model, method, one) is not None
        for one in calibrations
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
