"""A session over a cluster: joined before anything is built, and left however the session ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from unicomp.checkpoint import compressed_elsewhere
from unicomp.cluster.checking import check_nodes
from unicomp.cluster.needs import on_nodes
from unicomp.cluster.runner import RunnerOnNode
from unicomp.cluster.unit import Workers
from unicomp.errors import UnicompError
from unicomp.machine.gpus import Gpu
from unicomp.plugin.options import PLAN
from unicomp.plugin.progress import DISPLAY

WORKERS = pytest.StashKey[Workers]()
"""The workers of a session over a cluster."""


def join(address: str, make: RunnerOnNode) -> Workers:
    """The workers of the cluster at an address. Raises SpecError if there are none."""
    from unicomp.cluster.ray_workers import RayWorkers

    return RayWorkers(make, address=address, home=make.home)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Join the cluster that the plan names, before models in other formats are read."""
    config = session.config
    plan = config.stash[PLAN]
    if (address := plan.settings.cluster.address) is None or config.option.collectonly:
        return
    config.stash[DISPLAY].show(f"joining the cluster {address}")
    try:
        workers = join(address, RunnerOnNode(home=plan.home, upstream=plan.upstream))
    except UnicompError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[WORKERS] = workers
    config.add_cleanup(workers.close)
    settings = replace(plan.settings, engine=on_nodes(plan.settings.engine, workers.nodes))
    config.stash[PLAN] = replace(plan, settings=settings)


def gpus_of_nodes(config: pytest.Config) -> tuple[Gpu, ...] | None:
    """The GPUs of the node that has most of them; None without a cluster."""
    if (workers := config.stash.get(WORKERS, None)) is None:
        return None
    node = max(workers.nodes, key=lambda node: node.gpus)
    return tuple(Gpu(f"{place}", "GPU", node.gpu_memory) for place in range(node.gpus))


def check_cluster(config: pytest.Config) -> None:
    """Raise SpecError if the nodes lack what the run needs; does nothing without a cluster."""
    if (workers := config.stash.get(WORKERS, None)) is None:
        return
    plan = config.stash[PLAN]
    config.stash[DISPLAY].show("looking at the nodes of the cluster")
    for model in plan.models:
        if model.endpoint is None:
            given = (compressed_elsewhere(model, method) for method in plan.methods)
            folders = (model, *(one for one in given if one is not None))
            check_nodes(workers, folders, plan.engine(model))


def describe_cluster(config: pytest.Config) -> list[dict[str, Any]]:
    """The nodes as JSON values; empty without a cluster."""
    workers = config.stash.get(WORKERS, None)
    return [node.as_json() for node in workers.nodes] if workers else []
