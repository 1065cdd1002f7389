"""Multilingual: the same knowledge in high- and low-resource languages."""

from pathlib import Path

import pytest

from unicomp import Benchmark, Mean, TaskMetric

here = Path(__file__).parent

# the paper's two groups of Global-MMLU-Lite
HIGH = ("ar", "de", "en", "fr", "hi", "it", "ja", "pt", "es", "zh")
LOW = ("bn", "id", "ko", "sw", "yo")


def languages(name: str, configs: tuple[str, ...]) -> Benchmark:
    """Each language weighs the same, however many of its items were sampled."""
    return Benchmark(
        name=name,
        metric="multilingual",
        task=here / "global_mmlu_lite.yaml",
        configs=configs,
        scorer=TaskMetric("acc,none", keep=("config",)),
        aggregate=Mean("correct", by="config"),
        chance=25.0,
    )


global_mmlu_lite = languages("global_mmlu_lite", HIGH + LOW)
# reported beside the metric; they ask nothing that the whole set does not ask
global_mmlu_lite_high = languages("global_mmlu_lite_high", HIGH)
global_mmlu_lite_low = languages("global_mmlu_lite_low", LOW)


@pytest.mark.parametrize(
    "bench", [global_mmlu_lite, global_mmlu_lite_high, global_mmlu_lite_low], ids=str
)
def test_languages_are_retained(bench, retention, floor):
    assert retention(bench) >= floor(bench)
