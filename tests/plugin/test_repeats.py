"""Runs with --repeats: what is asked several times, what is printed, and what is kept."""

from __future__ import annotations

import re

import pytest

from tests.plugin.conftest import SETTINGS, Gate

TESTS = """\
import pytest

from unicomp import Benchmark, FinalNumber, Mean, TaskMetric

hot = Benchmark(name="hot", metric="reasoning", task="gsm8k/gsm8k-cot.yaml", max_new_tokens=64,
                temperature=1.0, scorer=FinalNumber(), aggregate=Mean())
cold = Benchmark(name="cold", metric="knowledge", task="arc/arc_easy.yaml",
                 scorer=TaskMetric("acc,none"), aggregate=Mean())


@pytest.mark.parametrize("bench", [hot, cold], ids=str)
def test_mine(bench, retention, floor):
    assert retention(bench) >= floor(bench)
"""
METHOD = """\
import shutil
from unicomp import Method

def compress(source, target, calibration):
    shutil.copytree(source, target)

method = Method(name="copied", family="pruning", compress=compress, calibrated=False)
"""
RUN = ("test_mine.py", "-v", "--method=copied", "--samples=24", "--floor=performance=50")


@pytest.fixture(scope="module")
def sampled(new_gates, shared_home, tmp_path_factory) -> Gate:
    """A gate with one benchmark whose answers are sampled, and one of likelihoods."""
    settings = f'{SETTINGS}sampling = "declared"\n'
    gate: Gate = new_gates(tmp_path_factory.mktemp("repeats"), shared_home, settings, suites=False)
    gate.write("test_mine.py", TESTS)
    gate.write("fixtures/methods/copied.py", METHOD)
    return gate


@pytest.mark.long
def test_a_run_asks_again_what_is_sampled_and_counts_items(sampled):
    found = sampled.run(*RUN, "--repeats=3", "--early", f"--report={sampled.folder / 'page.html'}")
    assert found.status in (0, 10), found.text
    hot, easy = (found.score("copied", name) for name in ("hot", "cold"))
    assert (hot["n"], hot["clusters"], hot["repeats"], hot["lost"]) == (24, 24, 3, None)
    assert (easy["n"], easy["repeats"]) == (24, 1)
    assert {"avg_at_k", "dense.pass_at_k"} <= set(hot["divergence"]["figures"])
    assert found.card["environment"]["repeats"] == 3
    assert "--repeats 3: 3 samples of each item of 1 benchmark" in found.text
    assert "Asked once, since their answers are not sampled: cold" in found.text
    assert "items come in clusters" in found.text  # so it is asked in full
    assert "24 items × 3 samples: avg@3 " in found.text
    page = (sampled.folder / "page.html").read_text()
    assert re.search(r">24</\w+> × <.*>3</\w+> samples</td>", page)


def test_repeats_of_nothing_that_is_sampled_are_refused(sampled):
    found = sampled.run(*RUN, "-k", "cold", "--repeats=3")
    assert found.status == 4
    assert "--repeats 3: no selected benchmark samples its answers, not cold" in found.text
