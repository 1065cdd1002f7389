"""Robustness: typos and rephrasings must not change the answer."""

from pathlib import Path

import pytest

from unicomp import Benchmark, LabelWord, RobustnessScore

here = Path(__file__).parent

# gold labels as in TrustLLM: qqp and sst2 count up to yes, qnli and mnli count down from it
advglue = Benchmark(
    name="advglue",
    metric="robustness",
    task=here / "advglue.yaml",
    max_new_tokens=128,
    scorer=LabelWord(
        labels={
            "sst2": {0: "negative", 1: "positive"},
            "qqp": {0: "no", 1: "yes"},
            "qnli": {0: "yes", 1: "no"},
            "mnli": {0: "yes", 1: "maybe", 2: "no"},
        },
        keep=("type", "task"),
    ),
    aggregate=RobustnessScore(),
    cluster="index",
    chance=0.0,
)


@pytest.mark.parametrize("bench", [advglue], ids=str)
def test_robustness_is_retained(bench, retention, floor):
    assert retention(bench) >= floor(bench)
