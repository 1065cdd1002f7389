"""Units on two nodes of a Ray cluster that are simulated on this machine."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.cluster.scripted import Script, scripted
from unicomp.cluster.ray_workers import RayWorkers
from unicomp.cluster.unit import Needs, Unit
from unicomp.errors import SpecError

pytest.importorskip("ray", reason="needs Ray: pip install 'unicomp[ray]'")

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]
STORE = 100 << 20


@contextlib.contextmanager
def machines(*cpus):
    """A cluster of nodes on this machine; yields it, and all its processes have ended after."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    before = {process.pid for process in psutil.process_iter()}
    cluster = Cluster()
    try:
        for count in cpus:
            cluster.add_node(num_cpus=count, object_store_memory=STORE, include_dashboard=False)
        yield cluster
    finally:
        cluster.shutdown()
    left = [process for process in psutil.process_iter() if process.pid not in before]
    _, left = psutil.wait_procs([one for one in left if _is_of_ray(one)], timeout=20)
    assert not left


def _is_of_ray(process):
    with contextlib.suppress(psutil.Error):
        return any("ray" in part for part in process.cmdline()[:3])
    return False


def unit(name, **more):
    return Unit(name=str(name), checkpoint="m", **{"kind": "answer", **more})


def all_of(workers, count, seconds=120):
    found, until = [], time.monotonic() + seconds
    while len(found) < count and time.monotonic() < until:
        found += workers.outcomes(timeout=1.0)
    return {one.unit.name: one for one in found}


@contextlib.contextmanager
def workers_of(cluster, **more):
    workers = RayWorkers(scripted, address=cluster.address, **more)
    try:
        yield workers
    finally:
        workers.close()


def test_units_run_on_workers_of_all_nodes(tmp_path, capfd):
    with machines(2, 2) as cluster, workers_of(cluster, home=tmp_path) as workers:
        assert sorted(node.cpus for node in workers.nodes) == [2, 2]
        assert len({node.name for node in workers.nodes}) == 2
        assert len({node.store for node in workers.nodes}) == 1, "they share the store"
        with pytest.raises(SpecError, match="needs 1 CPU, 3 GPUs"):
            workers.submit(unit("large", needs=Needs(gpus=3)), None)
        shared = bytes(2 << 20)
        for number in range(8):
            workers.submit(unit(number), Script(seconds=0.5, echo=number, shared=shared))
        workers.submit(unit("fails"), Script(fails="the loss is nan"))
        workers.submit(unit("after", after=("fails",)), Script())
        workers.submit(unit("crashes"), Script(crashes=True))
        workers.submit(unit("typo"), "not a script")
        found = all_of(workers, 12)
        assert workers.outcomes() == []
        assert [found[str(number)].result["echo"] for number in range(8)] == list(range(8))
        assert {found[str(number)].result["shared"] for number in range(8)} == {2 << 20}
        assert {found[str(number)].result["threads"] for number in range(8)} == {"1"}
        assert {found[str(number)].node for number in range(8)} == {n.name for n in workers.nodes}
        assert str(found["fails"].error) == str(found["after"].error) == "the loss is nan"
        assert "its worker was lost 3 times" in str(found["crashes"].error)
        assert "its process ended" in str(found["crashes"].error)
        assert "AttributeError" in str(found["typo"].error)
        # a worker of another shape takes the room of those that wait
        workers.submit(unit("wide", needs=Needs(cpus=2)), Script())
        workers.submit(unit("alone", kind="time", needs=Needs(alone=True)), Script())
        assert {one.error for one in all_of(workers, 2).values()} == {None}
    out = capfd.readouterr()
    assert out.out + out.err == ""
