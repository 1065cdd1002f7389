"""Which GPUs the models of a session run on, found before anything is built.

One process places the models and refuses what fits nowhere: the controller with pytest-xdist, else
the process that collects. A worker then does the same arithmetic for GPUs of its own: all are
dealt out evenly, and the others are hidden from it and from all that it starts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from unicomp.checkpoint import compressed_elsewhere
from unicomp.data.model_folder import read_config
from unicomp.data.model_source import locate
from unicomp.engines import EngineSettings
from unicomp.engines.placement import placed, served_bytes
from unicomp.errors import UnicompError
from unicomp.machine import gpus
from unicomp.machine.gpus import Gpu
from unicomp.plugin.grid import GRID
from unicomp.plugin.options import PLAN, Plan
from unicomp.spec import Model

_PLACED = pytest.StashKey[bool]()
_PLACES = pytest.StashKey[dict[str, int]]()
_PLACE = "unicomp_place"


def place(config: pytest.Config, workers: int = 1) -> list[str]:
    """Settle where each model runs, and return a line for each that runs on GPUs.

    Raises SpecError for a model that fits nowhere, and for more workers than there are GPUs for.
    """
    plan = config.stash[PLAN]
    if plan.settings.engine.resolved_device() != "cuda":
        return []
    os.environ.setdefault(gpus.ORDER, gpus.BY_SLOT)  # the order in which they are counted
    there = gpus.visible()
    engines = {
        model.name: _placed(plan, model, there, workers)
        for model in plan.models
        if model.endpoint is None
    }
    config.stash[PLAN] = replace(plan, engines=engines)
    return [
        f"UniComp GPUs: {name} on {engine.placement}{' for each worker' if workers > 1 else ''}"
        for name, engine in engines.items()
        if engine.placement is not None
    ]


def _placed(plan: Plan, model: Model, there: Sequence[Gpu], workers: int) -> EngineSettings:
    """The engine's settings for a model, placed by the largest checkpoint that exists."""
    engine, folder = plan.settings.engine, locate(model)
    others = (compressed_elsewhere(model, method) for method in plan.methods)
    folders = [folder, *(locate(one) for one in others if one is not None)]
    weights = max(served_bytes(one, engine.dtype(model)) for one in folders)
    return placed(engine, model.name, weights, read_config(folder), there, workers)


# -- with pytest-xdist ---------------------------------------------------------------------------


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """On the controller: give a worker a place that no other has."""
    places = node.config.stash.setdefault(_PLACES, {})
    free = next(number for number in range(len(places) + 1) if number not in places.values())
    places[node.gateway.id] = node.workerinput[_PLACE] = free


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """On the controller: the worker that replaces an ended one gets its place."""
    node.config.stash[_PLACES].pop(node.gateway.id, None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any) -> None:
    """On the controller: place the models once, as soon as a worker has collected.

    The module is registered behind the one that admits the folders, which fetches them.
    """
    config = node.config
    if config.stash.get(_PLACED, False) or config.option.collectonly:
        return
    config.stash[_PLACED] = True
    grid = config.stash[GRID]
    try:
        grid.notes += place(config, int(node.workerinput["workercount"]))
    except UnicompError as error:
        grid.problem = str(error)
        raise pytest.UsageError(grid.problem) from None


def take_place(config: pytest.Config) -> None:
    """On a worker: hide the GPUs of the others, and place the models on its own.

    Call it before CUDA starts. Does nothing without pytest-xdist.
    """
    given: dict[str, Any] | None = getattr(config, "workerinput", None)
    if given is None or config.stash.get(_PLACED, False):
        return
    config.stash[_PLACED] = True
    if config.stash[PLAN].settings.engine.resolved_device() != "cuda":
        return
    own = tuple(_part(gpus.visible(), given[_PLACE], int(given["workercount"])))
    if own:
        os.environ.update(gpus.environment(own))
    place(config)


def _part(there: Sequence[Gpu], number: int, workers: int) -> Iterator[Gpu]:
    """The GPUs of one worker of several, which all have equally many."""
    each = len(there) // workers
    yield from there[number * each : (number + 1) * each]
