"""Perplexity: how well the model predicts running text. It is widely used, and part of no metric.

The gate checks retained perplexity, dense / compressed. The report shows it with the metrics, to
show what it misses.
"""

from pathlib import Path

import pytest

from unicomp import Benchmark, Perplexity, TokenLikelihood

pytestmark = pytest.mark.performance

wikitext = Benchmark(
    name="wikitext",
    metric=None,
    dimension="performance",
    task=Path(__file__).with_name("wikitext.yaml"),
    chat=False,
    scorer=TokenLikelihood(),
    aggregate=Perplexity("tokens"),
    higher_is_better=False,
    in_points=False,
    details={"word_perplexity": Perplexity("words")},
)
"""WikiText-2's test pages as one text, in windows of 4096 tokens or the model's context.

     = Lighthouse of the north =
     The lighthouse stands on a cliff above the harbour . It was built of grey stone …
"""


@pytest.mark.parametrize("bench", [wikitext], ids=str)
def test_perplexity_is_retained(bench, retention, floor):
    assert retention(bench) >= floor(bench)
