"""The exit status: 0 open, 1 shut, 10 undecided, 4 bad input, and pytest's own; also with -n."""

import pytest

from tests.plugin.conftest import Gate
from tests.plugin.test_isolation import EASY

COPY = """
import shutil
from unicomp import Method

def compress(source, target, calibration):
    shutil.copytree(source, target)

method = Method(name="copied", family="quantization", compress=compress, calibrated=False)
"""
"""A method whose checkpoint answers exactly as the dense model does."""

MINE = """
from pathlib import Path
import pytest
from unicomp import Benchmark, Mean, TaskMetric

def make(name, key="acc,none"):
    return Benchmark(name=name, metric="knowledge", scorer=TaskMetric(key), aggregate=Mean(),
                     task=Path(__file__).with_name("easy.yaml"))

@pytest.mark.parametrize("bench", [make("mine"), make("other")], ids=str)
def test_it_is_retained(bench, retention, floor):
    assert retention(bench) >= floor(bench)
"""
"""Two benchmarks of the user's own, which are in no metric of a profile."""

FEW = ("--samples=60", "--method=copied")
ALONE_OR_NOT = pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "together"])
EASY_FLOOR, HARD_FLOOR, IMPOSSIBLE = 50, 99, 150
"""Sixty identical answers are enough for the first floor, and too few for the second one."""


@pytest.fixture
def mine(tmp_path, shared_home, warm_python):
    """A gate of two benchmarks that decide, the second one with an easy floor."""
    gate = Gate(tmp_path, shared_home, warm_python)
    gate.write("unicomp.toml", f"[floors]\nother = {EASY_FLOOR}\n")
    gate.write("pytest.ini", "[pytest]\naddopts = --import-mode=importlib --tb=short\n")
    gate.write("fixtures/methods/copied.py", COPY)
    gate.write("easy.yaml", EASY)
    gate.write("test_mine.py", MINE)
    return gate


@ALONE_OR_NOT
@pytest.mark.parametrize(
    ("floor", "status", "decision"),
    [(EASY_FLOOR, 0, "open"), (HARD_FLOOR, 10, "undecided"), (IMPOSSIBLE, 1, "shut")],
)
def test_a_benchmark_of_the_user_decides_by_its_floor(mine, workers, floor, status, decision):
    run = mine.run(*FEW, *workers, f"--floor=mine={floor}")
    assert run.status == status, run.text
    assert run.card["decision"] == decision
    assert f"the gate is {decision}" in run.text
    assert "Decided by mine, other" in run.text
    row = run.score("copied", "mine")
    assert (row["tier"], row["retention"]) == ("critical", 100.0)
    assert row["low"] < 100 < row["high"]


@ALONE_OR_NOT
def test_bad_input_is_status_4(mine, workers):
    assert mine.run(*FEW, *workers, "--floor=mime@copid=90").status == 4


@ALONE_OR_NOT
def test_what_is_advisory_never_blocks_even_if_it_cannot_be_measured(mine, workers):
    mine.write(
        "test_more.py",
        MINE.replace('make("mine"), make("other")', 'make("more"), make("broken", "no,none")'),
    )
    advisory = "".join(
        f"{name} = {{ tier = 'advisory', floor = {IMPOSSIBLE} }}\n" for name in ("more", "broken")
    )
    mine.write("unicomp.toml", f"[floors]\nmine = 50\nother = 50\n[policy]\n{advisory}")
    run = mine.run("-v", *FEW, *workers)
    assert run.status == 0, run.text
    assert run.card["decision"] == "open"
    assert run.score("copied", "more")["verdict"] == "fail"
    assert run.score("copied", "broken")["verdict"] == "missing"
    assert "Reported only: more, broken." in run.text


FAILS = "def test_it(): assert False\n"
STOPS = "def test_it(): raise KeyboardInterrupt\n"
TAKES_ITS_NAME = "from pathlib import Path\ndef test_it(): Path('late.json').mkdir()\n"


@pytest.mark.parametrize(
    ("text", "arguments", "status"),
    [
        (FAILS, (), 1),
        (STOPS, (), 2),
        ("", ("-k", "no_such_test"), 5),
        (TAKES_ITS_NAME, ("--scorecard=late.json",), 1),
    ],
    ids=["a-failed-test", "interrupted", "no-test", "unwritable-scorecard"],
)
def test_undecided_is_the_status_only_where_pytest_would_have_ended_with_0(
    mine, text, arguments, status
):
    mine.write("test_other.py", text)
    run = mine.run_plain(*FEW, f"--floor=mine={HARD_FLOOR}", *arguments)
    assert run.status == status, run.text
    assert "INTERNALERROR" not in run.text
