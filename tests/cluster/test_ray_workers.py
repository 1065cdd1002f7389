"""Units on two nodes of a Ray cluster that are simulated on this machine."""

import contextlib
import importlib.util
import random
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.cluster.machines import STORE, is_of_ray, machines
from tests.cluster.scripted import Script, scripted
from unicomp.cluster import ray_cluster
from unicomp.cluster.ray_workers import RayWorkers
from unicomp.cluster.unit import Needs, Unit
from unicomp.errors import SpecError

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="needs Ray: pip install 'unicomp[ray]'"
    ),
]


def unit(name, **more):
    return Unit(**{"name": str(name), "kind": "answer", "checkpoint": "m", **more})


def all_of(workers, count, seconds=120):
    found, until = [], time.monotonic() + seconds
    while len(found) < count and time.monotonic() < until:
        found += workers.outcomes(timeout=1.0)
    return {one.unit.name: one for one in found}


@pytest.fixture(scope="module")
def two():
    with machines(2, 2, num_gpus=2) as cluster:  # that are not there
        yield cluster


@contextlib.contextmanager
def workers_of(cluster, make=scripted, **more):
    workers = RayWorkers(make, address=cluster.address, **more)
    try:
        yield workers
    finally:
        workers.close()


def ends(pid, seconds=30):
    """Whether a process ends within some seconds."""
    until = time.monotonic() + seconds
    while psutil.pid_exists(pid) and time.monotonic() < until:
        time.sleep(0.1)
    return not psutil.pid_exists(pid)


def pid_in(path, seconds=60):
    """The process id in a file, once it is there."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if path.exists() and (text := path.read_text()):
            return int(text)
        time.sleep(0.1)
    raise AssertionError(f"no process has written {path}")


def test_units_run_on_workers_of_all_nodes(two, tmp_path, capfd):
    with workers_of(two, home=tmp_path) as workers:
        assert [node.cpus for node in workers.nodes] == [2, 2]
        assert len({node.name for node in workers.nodes}) == 2
        assert len({node.store for node in workers.nodes}) == 1, "they share the store"
        with pytest.raises(SpecError, match="needs 1 CPU, 3 GPUs"):
            workers.submit(unit("large", needs=Needs(gpus=3)), None)
        shared = bytes(2 << 20)
        for number in range(8):
            workers.submit(unit(number), Script(seconds=0.5, echo=number, shared=shared))
        found = all_of(workers, 8)
        assert workers.outcomes() == []
    assert [found[str(number)].result["echo"] for number in range(8)] == list(range(8))
    assert {one.result["shared"] for one in found.values()} == {2 << 20}
    assert {one.result["threads"] for one in found.values()} == {"1"}
    assert len({one.node for one in found.values()}) == 2
    out = capfd.readouterr()
    assert out.out + out.err == ""


def test_workers_have_gpus_of_their_own(two):
    with workers_of(two) as workers:
        for number in range(2):
            workers.submit(unit(number, needs=Needs(gpus=1)), Script(seconds=3))
        workers.submit(unit("none"), Script())
        found = all_of(workers, 3)
    assert {found[name].result["gpus"] for name in ("0", "1")} == {"0", "1"}
    assert found["none"].result["gpus"] == ""


def test_errors_travel_and_accidents_are_told(two, capfd):
    with workers_of(two) as workers:
        workers.submit(unit("fails"), Script(fails="the loss is nan"))
        workers.submit(unit("after", after=("fails",)), Script())
        workers.submit(unit("crashes"), Script(crashes=True))
        workers.submit(unit("typo"), "not a script")
        found = all_of(workers, 4)
    assert str(found["fails"].error) == str(found["after"].error) == "the loss is nan"
    assert "its worker was lost 3 times" in str(found["crashes"].error)
    assert "its process ended" in str(found["crashes"].error)
    assert "AttributeError" in str(found["typo"].error)
    out = capfd.readouterr()
    assert out.out + out.err == ""


def test_workers_of_another_shape_take_the_room_of_those_that_wait(two, tmp_path):
    with workers_of(two, partial(scripted, folder=tmp_path)) as workers:
        for number in range(4):
            workers.submit(unit(number), Script(seconds=0.2))
        all_of(workers, 4)
        workers.submit(unit("wide", needs=Needs(cpus=2)), Script())
        workers.submit(unit("alone", kind="time", needs=Needs(alone=True)), Script())
        found = all_of(workers, 2)
        assert {one.error for one in found.values()} == {None}
        assert found["wide"].result["threads"] == "2"
        assert list(tmp_path.iterdir()), "those that ended have unloaded before"


def test_what_a_worker_started_ends_with_it(two, tmp_path):
    with workers_of(two) as workers:
        workers.submit(unit("crashes"), Script(child=tmp_path / "crashed", seconds=2, crashes=True))
        workers.submit(unit("runs"), Script(child=tmp_path / "running", seconds=600))
        crashed, running = pid_in(tmp_path / "crashed"), pid_in(tmp_path / "running")
        assert ends(crashed)
    assert ends(running)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("address", ["two", "local"])
def test_nothing_is_left_of_a_driver_that_is_killed(address, number, two, tmp_path):
    address = two.address if address == "two" else "local"
    before = {process.pid for process in psutil.process_iter() if is_of_ray(process)}
    with subprocess.Popen([sys.executable, "-m", "tests.cluster.driver", address, tmp_path]) as run:
        try:
            child = pid_in(tmp_path / "child")
        finally:
            run.send_signal(number)
    assert ends(child)
    until = time.monotonic() + 120
    while time.monotonic() < until:
        # a cluster keeps idle processes for the next driver
        left = [
            one
            for one in psutil.process_iter()
            if one.pid not in before and is_of_ray(one) and "IDLE" not in " ".join(one.cmdline())
        ]
        if not left:
            break
        time.sleep(0.5)
    assert not left


@pytest.mark.parametrize("seed", range(3))
def test_every_unit_ends_when_a_node_is_killed_at_a_random_moment(seed, two, tmp_path):
    moment = random.Random(seed).uniform(0.5, 6)
    node = two.add_node(num_cpus=2, object_store_memory=STORE)
    two.wait_for_nodes()
    # each node has a store of its own: what is built on a lost node is built again
    with workers_of(two) as workers:
        assert len(workers.nodes) == 3
        for checkpoint in ("m", "n", "o"):
            build = unit(f"build {checkpoint}", kind="build", checkpoint=checkpoint, seconds=0.5)
            workers.submit(build, Script(seconds=0.5))
            for number in range(12):
                workers.submit(
                    unit(
                        f"{checkpoint} {number}",
                        checkpoint=checkpoint,
                        seconds=0.5,
                        after=(f"build {checkpoint}",),
                    ),
                    Script(seconds=0.5, echo=number),
                )
        time.sleep(moment)
        two.remove_node(node, allow_graceful=False)
        found = all_of(workers, 39)
    assert len(found) == 39
    assert {one.error for one in found.values()} == {None}
    assert all(found[f"{of} {n}"].result["echo"] == n for of in "mno" for n in range(12))


def test_a_run_from_a_machine_outside_the_cluster(monkeypatch):
    # a process there has only what is installed
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with machines(2, ray_client_server_port=port):
        workers = RayWorkers(scripted, address=f"ray://127.0.0.1:{port}")
        try:
            shared = bytes(2 << 20)
            for number in range(4):
                workers.submit(unit(number), Script(echo=number, shared=shared))
            workers.submit(unit("crashes"), Script(crashes=True))
            found = all_of(workers, 5)
        finally:
            workers.close()
    assert [found[str(number)].result["echo"] for number in range(4)] == list(range(4))
    assert {found[str(number)].result["shared"] for number in range(4)} == {2 << 20}
    assert "its process ended" in str(found["crashes"].error)


# -- bad input ----------------------------------------------------------------------------------


def test_an_address_at_which_nothing_answers_is_refused():
    with pytest.raises(SpecError, match=r"no cluster answers at ray://127\.0\.0\.1:1 "):
        RayWorkers(scripted, address="ray://127.0.0.1:1")
    with pytest.raises(SpecError, match='"head" is no cluster: give "auto", "local"'):
        RayWorkers(scripted, address="head")


def test_a_server_that_is_no_cluster_is_refused_in_time(monkeypatch):
    monkeypatch.setattr(ray_cluster, "CONNECT_SECONDS", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(SpecError, match="no Ray server speaks there"):
            RayWorkers(scripted, address=address)


def test_nodes_with_other_software_are_refused(two, monkeypatch):
    monkeypatch.setattr(ray_cluster, "versions", lambda: {"transformers": "1.0"})
    with pytest.raises(SpecError, match=r"has transformers .*, and this process 1\.0; install"):
        RayWorkers(scripted, address=two.address)
