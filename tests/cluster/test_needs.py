"""What units take of a node: builds by the arithmetic of a build."""

from dataclasses import replace
from pathlib import Path

from unicomp import catalogue
from unicomp.cluster.needs import GRAIN, needs_of, needs_of_build
from unicomp.cluster.unit import Node
from unicomp.engines import EngineSettings
from unicomp.methods.footprint import RESERVED_BYTES
from unicomp.spec import Calibration

ROOTS = catalogue.roots(Path(__file__).parents[2])
MODEL = catalogue.load_model("embedded", ROOTS)
WANDA = catalogue.load_method("wanda_50", ROOTS)
TEXT = Calibration(name="long", samples=("word " * 1000,) * 512, tokens=1024)
ENGINE = EngineSettings(device="cpu")
NODE = Node(name="a", cpus=4, memory=64 * GRAIN, gpus=4, gpu_memory=80 * GRAIN)


def test_a_build_takes_the_memory_of_its_calibration():
    few = replace(TEXT, samples=("Some text.",))
    assert needs_of_build(MODEL, WANDA, few, ENGINE, [NODE]) == needs_of(MODEL, ENGINE)
    # 512 × 1024 tokens: 4 B × (2 × 128 activations + 1,024 tokens that one may see) each
    assert needs_of_build(MODEL, WANDA, TEXT, ENGINE, [NODE]).memory == 4 * GRAIN


def test_a_build_leaves_weights_on_the_disk_where_no_node_has_the_memory():
    small = replace(NODE, memory=10**8)
    needs = needs_of_build(MODEL, WANDA, None, ENGINE, [small])
    assert needs.memory > RESERVED_BYTES
    assert not small.has(needs)


def test_a_build_takes_one_gpu():
    needs = needs_of_build(MODEL, WANDA, None, EngineSettings(device="cuda"), [NODE])
    assert (needs.gpus, needs.memory) == (1, GRAIN)
    assert needs_of_build(MODEL, WANDA, None, ENGINE, [NODE]).gpus == 0


def test_without_the_arithmetic_of_a_method_a_build_counts_as_the_dense_checkpoint():
    own = replace(WANDA, compress=print)
    assert needs_of_build(MODEL, own, TEXT, ENGINE, [NODE]) == needs_of(MODEL, ENGINE)
