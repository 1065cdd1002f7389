"""The suites measure what they say, whatever a user's own fixtures are called; each row is one."""

from __future__ import annotations

OWN = """
import pytest

@pytest.fixture
def model(): return "mine"

@pytest.fixture
def method(): raise RuntimeError("of another project")

@pytest.fixture
def calibration(): return object()

@pytest.fixture
def checkpoint(): return 3

@pytest.fixture
def retention(): return lambda bench: 1000

@pytest.fixture(autouse=True)
def turn(request): pass

def pytest_generate_tests(metafunc):
    metafunc.parametrize("turn", [1, 2])
"""
"""Fixtures with the names of ours, and each test twice, as `--count 2` of pytest-repeat has it."""


def test_fixtures_of_the_users_own_do_not_reach_the_suites_and_no_row_is_there_twice(gate):
    gate.write("conftest.py", OWN)
    run = gate.run("-m", "knowledge", "--samples=20", "--method=dense", "--floor=knowledge=90")
    assert run.status == 0, run.text
    assert "2 passed" in run.text
    assert [row["benchmark"] for row in run.card["scores"]] == ["arc_easy"]
    assert run.card["missing"] == []


MINE = """
from unicomp import Benchmark, Mean, TaskMetric
mine = Benchmark(name="mine", metric="knowledge", task="arc/arc_easy.yaml",
                 scorer=TaskMetric("acc,none"), aggregate=Mean())
def test_mine(retention):
    assert retention(mine) >= 10
"""


def test_a_fixture_that_a_test_of_the_users_own_would_take_is_named(gate):
    gate.write("conftest.py", "import pytest\n@pytest.fixture\ndef model(): return 'mine'\n")
    gate.write("mine/test_mine.py", MINE)
    run = gate.run("mine", "--samples=20", "--method=dense")
    assert run.status == 1, run.text
    assert "a fixture of your own is called 'model' and gives 'mine', which is no Model" in run.text
    assert "AttributeError" not in run.text
