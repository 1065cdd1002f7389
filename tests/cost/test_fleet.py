"""`--cluster` in words becomes nodes; GPUs have published figures, or those of unicomp.toml."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp.cost.fleet import Fleet
from unicomp.errors import SpecError
from unicomp.hardware import PUBLISHED, find_gpu, kind_of_product, parse_gpu
from unicomp.settings import load_settings

GPUS = st.sampled_from(sorted(PUBLISHED))


@pytest.mark.parametrize(
    ("text", "gpus", "nodes"),
    [
        ("8xH100", 8, 1),
        ("8×H100", 8, 1),
        ("8 H100", 8, 1),
        ("4xA100", 4, 1),
        ("2 x 8xH100", 16, 2),
        ("64xH200", 64, 8),
        ("12xL40S", 12, 2),
    ],
)
def test_a_cluster_is_read_as_people_write_it(text, gpus, nodes):
    fleet = Fleet.parse(text, {})
    assert (fleet.gpus, len(fleet.nodes)) == (gpus, nodes)


def test_machines_without_gpus_are_cpus():
    fleet = Fleet.parse("2 x 16 CPU", {})
    assert fleet.gpu is None
    assert (fleet.cpus, fleet.gpus, len(fleet.nodes)) == (32, 0, 2)
    assert str(fleet) == "2 nodes of 16 CPUs"


@given(st.integers(1, 20), st.integers(1, 16), GPUS)
def test_what_a_cluster_is_shown_as_has_all_of_its_gpus(nodes, each, name):
    fleet = Fleet.parse(f"{nodes} x {each}x{name}", {})
    assert fleet.gpus == nodes * each
    assert all(node.gpu_memory == PUBLISHED[name].memory for node in fleet.nodes)
    assert name in str(fleet)


@pytest.mark.parametrize("text", ["", "H100", "x8", "8x", "0xH100", "0 x 8xH100", "-1xH100"])
def test_a_cluster_that_is_none_is_refused(text):
    with pytest.raises(SpecError, match="--cluster"):
        Fleet.parse(text, {})


def test_an_unknown_gpu_is_refused_with_the_nearest_known_one():
    with pytest.raises(SpecError, match=r"did you mean 'H100'\?.*\[hardware.H10\]"):
        Fleet.parse("8xH10", {})


def test_a_gpu_is_found_however_its_name_is_written():
    assert find_gpu("h100", {}) == PUBLISHED["H100"]
    assert find_gpu("A100", {}) == PUBLISHED["A100-80GB"]


@pytest.mark.parametrize(
    ("product", "kind"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H100 PCIe", "H100-PCIe"),
        ("NVIDIA A100-SXM4-40GB", "A100-40GB"),
        ("NVIDIA A100-SXM4-80GB", "A100-80GB"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA TITAN V", "NVIDIA TITAN V"),
    ],
)
def test_rates_of_a_product_are_those_of_its_kind(product, kind):
    assert kind_of_product(product) == kind


def test_a_users_gpu_is_read_from_the_settings(tmp_path):
    (tmp_path / "unicomp.toml").write_text(
        '[hardware.H100]\nprice = 2.5\n[hardware.ours]\nmemory = "96 GB"\ntflops = 500\n'
        "bandwidth = 2000\n"
    )
    own = load_settings(tmp_path).hardware
    assert own["H100"].price == 2.5
    assert own["H100"].flops == PUBLISHED["H100"].flops
    assert (own["ours"].memory, own["ours"].bandwidth) == (96 * 10**9, 2e12)
    assert Fleet.parse("4xours", own).gpu == own["ours"]


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({"memory": "80 GB"}, "needs tflops, bandwidth"),
        ({"memory": "80", "tflops": 1, "bandwidth": 1}, "hardware.ours.memory"),
        ({"memory": "80 GB", "tflops": -1, "bandwidth": 1}, "hardware.ours.tflops"),
        ({"memory": "80 GB", "tflops": True, "bandwidth": 1}, "hardware.ours.tflops"),
        ({"speed": 1}, "no setting hardware.ours.speed"),
    ],
)
def test_a_gpu_that_cannot_be_meant_is_refused(table, why):
    with pytest.raises(SpecError, match=why):
        parse_gpu("ours", table)
