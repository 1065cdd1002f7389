"""A session over a cluster, as a user starts it; its workers are a stand-in in the same process."""

import pytest

from tests.plugin.conftest import REPOSITORY, SETTINGS

FEW = ("-k", "arc_easy", "--samples=40", "--method=dense", "--floor=performance=0")
STAND_IN = f"""
import sys
sys.path.insert(0, {str(REPOSITORY)!r})
from tests.cluster.standin import StandIn
from unicomp.cluster.unit import Node
from unicomp.plugin import clustering

def join(address, make):
    nodes = tuple(Node(name=name, cpus=CPUS, memory=2**33) for name in ("first", "second"))
    workers = StandIn(make, nodes, gone=GONE)
    print("joined", address)
    close = workers.close
    def closed():
        close()
        print("closed", file=open("closed.txt", "w"))
    workers.close = closed
    return workers

clustering.join = join
"""


def standing_in(gate, cpus=1, gone=()):
    gate.write("conftest.py", STAND_IN.replace("CPUS", str(cpus)).replace("GONE", repr(gone)))


@pytest.mark.long
def test_a_run_over_a_cluster_writes_the_scores_of_one_without(gate):
    standing_in(gate)
    alone = gate.run(*FEW)
    gate.write("unicomp.toml", SETTINGS + '[cluster]\naddress = "head:6379"\n')
    over = gate.run(*FEW, "--unicomp-home=driver")
    assert over.status == alone.status == 0, over.text
    assert over.card["scores"] == alone.card["scores"]
    assert [node["name"] for node in over.card["environment"]["cluster"]] == ["first", "second"]
    assert over.card["work"][0]["facts"]["nodes"]
    assert (gate.folder / "closed.txt").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--cluster=auto", "-n2"), "--cluster and -n are two ways to work side by side"),
        (("--cluster=auto", "--early"), "--early decides after each batch"),
        (("--cluster=somewhere",), "cluster address 'somewhere': give auto, ray://HOST:PORT"),
    ],
)
def test_what_a_cluster_cannot_do_is_refused_in_one_line(gate, arguments, reason):
    run = gate.run_plain(*FEW, *arguments)
    assert run.status == 4
    (line,) = [line for line in run.lines if "ERROR" in line]
    assert reason in line


def test_a_cluster_without_ray_is_refused(gate):
    gate.write("conftest.py", "import sys\nsys.modules['ray'] = None\n")
    run = gate.run_plain(*FEW, "--cluster=auto")
    assert run.status == 4
    assert "pip install 'unicomp[ray]'" in run.text


def test_a_run_that_needs_more_than_a_node_has_is_refused(gate):
    standing_in(gate)
    gate.write("unicomp.toml", "[engine]\nthreads = 2\n")
    run = gate.run_plain(*FEW, "--cluster=head:6379")
    assert run.status == 4
    assert "needs 2 CPUs" in run.text
    assert (gate.folder / "closed.txt").exists()


def test_a_node_without_the_models_folder_is_refused(gate):
    standing_in(gate, gone=("embedded/model",))
    run = gate.run_plain(*FEW, "--cluster=head:6379")
    assert run.status == 4
    (line,) = [line for line in run.lines if "ERROR" in line]
    assert "the node first has no" in line
