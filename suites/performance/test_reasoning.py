"""Reasoning: multi-step problems whose final answer must match exactly."""

from pathlib import Path

import pytest

from unicomp import Benchmark, Mean, TaskMetric

here = Path(__file__).parent

gsm8k = Benchmark(
    name="gsm8k",
    metric="reasoning",
    task=here / "gsm8k.yaml",
    shots=4,
    max_new_tokens=512,
    scorer=TaskMetric("exact_match,strict-match"),
    aggregate=Mean("correct"),
)


@pytest.mark.parametrize("bench", [gsm8k], ids=str)
def test_reasoning_is_retained(bench, retention, floor):
    assert retention(bench) >= floor(bench)
