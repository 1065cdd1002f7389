"""Gates that pytest runs in a process of its own, from a store that holds nothing."""

from __future__ import annotations

import sys

import pytest

ASKED = ("-m", "knowledge", "--samples=60", "--method=dense", "--method=wanda_50")
HEAVY = """
import sys

def pytest_sessionfinish():
    heavy = {'torch', 'transformers', 'lm_eval', 'llmcompressor', 'datasets'} & set(sys.modules)
    print('heavy modules:', sorted(heavy))
"""


@pytest.fixture(scope="module")
def measured(new_gates, tmp_path_factory):
    """A gate whose store has what its first run has built and measured, and that run."""
    folder = tmp_path_factory.mktemp("scratch")
    gate = new_gates(folder, folder / "home", python=sys.executable)
    first = gate.run(*ASKED, "--floor=knowledge=0")
    gate.write("conftest.py", HEAVY)
    return gate, first


def test_the_first_run_builds_and_measures_and_opens_the_gate(measured):
    _, run = measured
    assert run.status == 0, run.text
    assert run.card["decision"] == "open"
    assert not any(piece["cached"] for piece in run.card["work"])


def test_a_second_run_loads_no_model_and_not_even_torch(measured):
    gate, first = measured
    run = gate.run(*ASKED, "--floor=knowledge=0", "-s")
    assert "heavy modules: []" in run.text
    assert all(piece["cached"] for piece in run.card["work"])
    assert run.card["scores"] == first.card["scores"]


@pytest.mark.parametrize(("floor", "status", "decision"), [(150, 1, "shut"), (95, 10, "undecided")])
def test_other_floors_shut_the_gate_or_leave_it_undecided(measured, floor, status, decision):
    gate, _ = measured
    run = gate.run(*ASKED, f"--floor=knowledge={floor}")
    assert run.status == status, run.text
    assert run.card["decision"] == decision


def test_collecting_the_suite_imports_no_torch(measured):
    gate, _ = measured
    run = gate.run("--collect-only", "-q", "-s")
    assert run.status == 0
    assert "heavy modules: []" in run.text
