"""Multilingual: the same knowledge in high- and low-resource languages."""

from pathlib import Path

import pytest

from unicomp import Benchmark, Mean, TaskMetric

here = Path(__file__).parent

# each language weighs the same, however many of its items were sampled
global_mmlu_lite = Benchmark(
    name="global_mmlu_lite",
    metric="multilingual",
    task=here / "global_mmlu_lite.yaml",
    configs=(
        *("ar", "de", "en", "es", "fr", "hi", "it", "ja", "pt", "zh"),  # high-resource
        *("bn", "id", "ko", "sw", "yo"),  # low-resource
    ),
    scorer=TaskMetric("acc,none", keep=("config",)),
    aggregate=Mean("correct", by="config"),
    chance=25.0,
)


@pytest.mark.parametrize("bench", [global_mmlu_lite], ids=str)
def test_languages_are_retained(bench, retention, floor):
    assert retention(bench) >= floor(bench)
