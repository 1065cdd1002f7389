"""Which GPUs the models of a session run on, found before anything is built.

One process places the models and refuses what fits nowhere: the controller with pytest-xdist, else
the process that collects. A worker then does the same arithmetic for GPUs of its own: all are
dealt out evenly, and the others are hidden from it and from all that it starts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from unicomp.engines.placement import placed_for
from unicomp.errors import UnicompError
from unicomp.machine import gpus
from unicomp.machine.gpus import Gpu
from unicomp.plugin.admitting import applicants_of
from unicomp.plugin.grid import GRID
from unicomp.plugin.options import PLAN

_PLACED = pytest.StashKey[bool]()
_PLACES = pytest.StashKey[dict[str, int]]()
_PLACE = "unicomp_place"


def place(config: pytest.Config, workers: int = 1, there: Sequence[Gpu] | None = None) -> list[str]:
    """Settle where each model runs, and return a line for each that runs on GPUs.

    `there` are the GPUs of a node of a cluster; None for those that this process may use.
    Raises SpecError for a model that fits nowhere, and for more workers than there are GPUs for.
    """
    plan = config.stash[PLAN]
    engine = plan.settings.engine
    if engine.resolved_device() != "cuda":
        return []
    os.environ.setdefault(gpus.ORDER, gpus.BY_SLOT)  # the order in which they are counted
    there = gpus.visible() if there is None else there
    folders: dict[str, list[Path]] = {}
    precisions: dict[str, str] = {}
    for one in applicants_of(plan, config.stash[GRID]):
        model = one.baseline or one.model
        folders.setdefault(model.name, []).append(one.folder)
        precisions[model.name] = engine.dtype(model)
    engines = {
        name: placed_for(engine, name, own, there, dtype=precisions[name], workers=workers)
        for name, own in folders.items()
    }
    config.stash[PLAN] = replace(plan, engines=engines)
    return [
        f"UniComp GPUs: {name} on {one.placement}{' for each worker' if workers > 1 else ''}"
        for name, one in engines.items()
        if one.placement is not None
    ]


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
