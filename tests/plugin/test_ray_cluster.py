"""A gate over a real Ray cluster of two simulated nodes, each with a store of its own."""

import random
import threading

import pytest

from tests.cluster.nodes import add_node, simulated

pytestmark = pytest.mark.long

SOME = (
    *("-m", "knowledge or safety or privacy or multilingual", "--samples=200"),
    *("--method=dense", "--method=wanda_50", "--method=gptq_w4a16"),
    *("--floor=performance=0", "--floor=reliability=0"),
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    pytest.importorskip("ray")
    with simulated(tmp_path_factory.mktemp("nodes")) as made:
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


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_node_killed_at_a_random_moment_costs_no_row(seed, cluster, local, new_gate, tmp_path):
    doomed = add_node(cluster, tmp_path / "doomed")
    moment = random.Random(seed).uniform(10, 60)
    kill = threading.Timer(moment, lambda: cluster.remove_node(doomed, allow_graceful=False))
    kill.start()
    try:
        same(over(new_gate, cluster, tmp_path / "home"), local)
    finally:
        kill.join()
