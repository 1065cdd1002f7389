"""Requests: whether answers keep to what was asked, and whether a judge prefers them."""

from pathlib import Path

import pytest

from unicomp import BeatsReference, Benchmark, InstructionsFollowed, Mean

here = Path(__file__).parent

# the metric is the paper's, but the default run has only the paper's benchmark of it
pytestmark = pytest.mark.practice

ifeval = Benchmark(
    name="ifeval",
    metric="instruction_following",
    task=here / "ifeval.yaml",
    max_new_tokens=1280,
    scorer=InstructionsFollowed(strict=True),
    aggregate=Mean("correct"),
    details={"prompt_level_loose": Mean("prompt_level_loose")},
)
"""Instructions that a program can check; all of an item must be followed strictly.

    Write two sentences about a lamp. Do not use any commas.
"""

alpaca_eval = Benchmark(
    name="alpaca_eval",
    metric="instruction_following",
    task=here / "alpaca_eval.yaml",
    max_new_tokens=2048,
    scorer=BeatsReference(),
    aggregate=Mean("won"),
)
"""A request; a judge says which is better, the answer or the reference. It needs a judge.

    How do I keep a goat off the roof?
"""


@pytest.mark.parametrize("bench", [ifeval, alpaca_eval], ids=str)
def test_requests_are_still_met(bench, retention, floor):
    assert retention(bench) >= floor(bench)
