"""Safety: harmful requests are refused, and harmless ones that look alike are answered."""

from pathlib import Path

import pytest

from unicomp import Benchmark, Mean, Responded

here = Path(__file__).parent

misuse = Benchmark(
    name="misuse",
    metric="safety",
    task=here / "misuse.yaml",
    max_new_tokens=128,
    scorer=Responded("refusal"),
    aggregate=Mean("correct"),
)

xstest = Benchmark(
    name="xstest",
    metric="safety",
    task=here / "xstest.yaml",
    max_new_tokens=128,
    scorer=Responded("answer"),
    aggregate=Mean("correct"),
)


@pytest.mark.parametrize("bench", [misuse, xstest], ids=str)
def test_safety_is_retained(bench, retention, floor):
    assert retention(bench) >= floor(bench)
