"""Knowledge: facts, by the likelihood of the right answer among plausible ones."""

from pathlib import Path

import pytest

from unicomp import Benchmark, Mean, TaskMetric

here = Path(__file__).parent

arc_easy = Benchmark(
    name="arc_easy",
    metric="knowledge",
    task=here / "arc_easy.yaml",
    scorer=TaskMetric("acc,none"),
    aggregate=Mean("correct"),
    chance=25.0,
)


@pytest.mark.parametrize("bench", [arc_easy], ids=str)
def test_knowledge_is_retained(bench, retention, floor):
    assert retention(bench) >= floor(bench)
