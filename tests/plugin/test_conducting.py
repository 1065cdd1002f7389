"""Rounds that pytest-benchmark conducts do not depend on its options."""

import json

import pytest

from tests.plugin.test_efficiency import SETTINGS

PROBES = """
from unicomp import Load, Probe

latency = Probe(
    name="latency",
    metric="runtime_acceleration",
    quantity="latency",
    load=Load(prompt_tokens=24, new_tokens=6),
)

def test_gain(gain, floor):
    assert gain(latency) >= floor(latency)
"""


@pytest.fixture
def bench(new_gate, shared_home):
    """A gate that has nothing but one timing."""
    gate = new_gate(shared_home, SETTINGS, suites=False)
    gate.write("test_probes.py", PROBES)
    return gate


def rounds(run):
    assert run.status == 0, run.text
    (row,) = run.card["probes"]
    return row["n"]


def test_a_profile_adds_no_round(bench):
    stored = bench.folder / "timings.json"
    run = bench.run("--method=dense", "--benchmark-cprofile=tottime", f"--benchmark-json={stored}")
    (kept,) = json.loads(stored.read_text())["benchmarks"]
    assert rounds(run) == kept["stats"]["rounds"] == 4


def test_switched_off_it_measures_all_the_same_and_is_silent(bench):
    stored = bench.folder / "timings.json"
    run = bench.run("--method=dense", "--benchmark-disable", f"--benchmark-json={stored}")
    assert rounds(run) == 4
    assert not stored.exists()
