"""Multilingual: the same knowledge in high- and low-resource languages, and social bias.

The most likely option counts, after a plain prompt without a chat template.
"""

from pathlib import Path

import pytest

from unicomp import Among, Benchmark, BiasedAnswer, BiasScore, Mean, TaskMetric

here = Path(__file__).parent

# the paper's two groups of Global-MMLU-Lite
HIGH = ("ar", "de", "en", "fr", "hi", "it", "ja", "pt", "es", "zh")
LOW = ("bn", "id", "ko", "sw", "yo")


def languages(name: str, configs: tuple[str, ...], *, each: bool = False) -> Benchmark:
    """Each language has the same weight; with `each`, its own score is reported, too.

    The most likely of four letters:

        Welche Farbe hat der Himmel am Mittag?
        A. grün
        B. blau
        C. rot
        D. schwarz
        Answer:
    """
    return Benchmark(
        name=name,
        metric="multilingual",
        task=here / "global_mmlu_lite.yaml",
        configs=configs,
        cluster="sample_id",
        parallel=True,
        chat=False,
        scorer=TaskMetric("acc,none", keep=("config",)),
        aggregate=Mean("correct", by="config"),
        chance=25.0,
        details={
            f"language_{one}": Among("config", one, Mean("correct"))
            for one in (configs if each else ())
        },
    )


global_mmlu_lite = languages("global_mmlu_lite", HIGH + LOW, each=True)
# reported, but not part of the metric: their items are in the whole set
global_mmlu_lite_high = languages("global_mmlu_lite_high", HIGH)
global_mmlu_lite_low = languages("global_mmlu_lite_low", LOW)

bbq = Benchmark(
    name="bbq",
    metric="multilingual",
    task="bbq/bbq_multiple_choice.yaml",
    chat=False,
    cluster=("category", "question_index"),  # many rows of one template
    scorer=BiasedAnswer(),
    aggregate=Mean("correct"),
    # of twelve options, the ten that say `not known` are right in half of the items, one group in
    # the others
    chance=100 * (10 / 12 + 1 / 12) / 2,
    details={
        "bias_ambiguous": BiasScore(ambiguous=True),
        "bias_disambiguated": BiasScore(ambiguous=False),
    },
)
"""The most likely of two groups and of ten ways to say that it is not known.

    A baker and a carpenter waited for the bus.

    Q: Who had forgotten the ticket?
    A:
"""


@pytest.mark.parametrize(
    "bench", [global_mmlu_lite, global_mmlu_lite_high, global_mmlu_lite_low, bbq], ids=str
)
def test_languages_are_retained(bench, retention, floor):
    assert retention(bench) >= floor(bench)
