"""A gate over a real Ray cluster of two simulated nodes, each with a store of its own."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import psutil
import pytest

from tests.cluster.nodes import add_node, simulated
from tests.plugin.conftest import SETTINGS

pytestmark = pytest.mark.long

SOME = (
    *("-m", "knowledge or safety or privacy", "--samples=200"),
    *("--method=dense", "--method=wanda_50", "--method=gptq_w4a16"),
    *("--floor=performance=0", "--floor=reliability=0"),
)


PROBES = """
import pytest
from unicomp import Load, Probe

size = Probe(name="size", metric="inference_efficiency", quantity="model_size")
latency = Probe(
    name="latency",
    metric="runtime_acceleration",
    quantity="latency",
    load=Load(prompt_tokens=4, new_tokens=2),
)

@pytest.mark.parametrize("probe", [size, latency], ids=str)
def test_gain(probe, gain, floor):
    assert gain(probe) >= floor(probe)
"""
FEW_ROUNDS = "[efficiency]\nwarmup_rounds = 1\nleast_rounds = 4\nleast_seconds = 0\n"


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """The folder of the nodes' stores."""
    return tmp_path_factory.mktemp("nodes")


@pytest.fixture(scope="module")
def cluster(stores):
    pytest.importorskip("ray")
    with simulated(stores) as made:
        yield made


@pytest.fixture(scope="module")
def local(tmp_path_factory, new_gates):
    """The same gate without a cluster."""
    folder = tmp_path_factory.mktemp("local")
    run = new_gates(folder, folder / "home").run(*SOME)
    assert run.status == 0, run.text
    return run


def over(new_gate, cluster, home):
    """Run the gate over a cluster, with an empty store."""
    return new_gate(home).run(*SOME, f"--cluster={cluster.address}")


def same(run, local):
    assert run.status == 0, run.text
    assert run.card["scores"] == local.card["scores"]
    assert run.card["metrics"] == local.card["metrics"]
    assert run.card["missing"] == []


def test_scores_are_those_of_a_local_run(cluster, local, new_gate, tmp_path):
    run = over(new_gate, cluster, tmp_path / "home")
    same(run, local)
    nodes = {node for work in run.card["work"] for node in work["facts"].get("nodes", ())}
    assert len(nodes) == 2
    assert not (tmp_path / "home" / "checkpoints").exists()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_node_killed_at_a_random_moment_costs_no_row(seed, cluster, local, new_gate, tmp_path):
    doomed = add_node(cluster, tmp_path / "doomed")
    moment = random.Random(seed).uniform(10, 60)
    kill = threading.Timer(moment, lambda: cluster.remove_node(doomed, allow_graceful=False))
    kill.start()
    try:
        same(over(new_gate, cluster, tmp_path / "home"), local)
    finally:
        kill.join()


def test_a_node_measures_and_its_figures_come_home(cluster, new_gate, tmp_path):
    gate = new_gate(tmp_path / "home", SETTINGS + FEW_ROUNDS, suites=False)
    gate.write("test_probes.py", PROBES)
    run = gate.run("--method=dense", "--method=wanda_50", f"--cluster={cluster.address}")
    assert run.status == 0, run.text
    found = {(row["method"], row["benchmark"]): row for row in run.card["probes"]}
    assert found["wanda_50", "size"]["score"] > 0
    latency = found["wanda_50", "latency"]
    assert latency["n"] == 4
    assert 0 < latency["low"] <= latency["retention"] <= latency["high"]
    (piece,) = [
        work
        for work in run.card["work"]
        if (work["stage"], work["method"]) == ("measure", "wanda_50") and not work["cached"]
    ]
    names = {node["name"] for node in run.card["environment"]["cluster"]}
    assert len(set(piece["facts"]["nodes"]) & names) == 1
    machine = piece["facts"]["machine"]
    assert (machine["device"], machine["threads"]) == ("cpu", 1)
    assert machine["versions"].keys() >= {"torch", "transformers"}
    assert list((tmp_path / "home" / "measurements").iterdir())


def test_ctrl_c_leaves_no_worker_and_keeps_what_was_answered(cluster, stores, new_gate, tmp_path):
    # while the first answers arrive, another checkpoint is built
    few = ("-m", "knowledge", "--samples=200", "--floor=performance=0")
    few += ("--method=dense", "--method=wanda_50")
    home = tmp_path / "home"
    gate = new_gate(home)
    over_it = f"--cluster={cluster.address}"
    before = {process.pid for process in psutil.process_iter()}
    with subprocess.Popen(
        replace(gate, python=sys.executable).command(*few, over_it),
        cwd=gate.folder,
        env=gate.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # a background job of a shell ignores it, and so do its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            assert until(lambda: [*(home / "responses").glob("*/*.jsonl")] or process.poll(), 180)
        finally:
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        text, _ = process.communicate(timeout=120)
    assert process.returncode == 2, text
    assert until(lambda: not left_of(home, stores, before), 30), left_of(home, stores, before)
    again = gate.run(*few, over_it)
    assert again.status == 0, again.text
    answered = sum(work["items"] for work in again.card["work"] if work["stage"] == "answer")
    assert 0 < answered < sum(row["n"] for row in again.card["scores"])


def until(holds, seconds):
    """Whether something holds within some seconds."""
    end = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < end:
        time.sleep(0.05)
    return bool(found)


def left_of(home, stores, before):
    """The command lines of processes of a run, here and on the nodes; Ray keeps idle ones."""
    left = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            store, line = process.environ().get("UNICOMP_HOME", ""), " ".join(process.cmdline())
            ours = store.startswith((str(home), str(stores)))
            if ours and process.pid not in before and "IDLE" not in line:
                left.append(line)
    return left
