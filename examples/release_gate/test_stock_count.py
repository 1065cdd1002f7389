"""The question that our assistant is asked most: how many are left in stock."""

from pathlib import Path

from unicomp import Benchmark, FinalNumber, Mean

stock_count = Benchmark(
    name="stock_count",
    metric="reasoning",
    task=Path(__file__).with_name("stock_count.yaml"),
    max_new_tokens=128,
    scorer=FinalNumber(),
    aggregate=Mean("correct"),
)


def test_the_stock_is_counted(retention, floor):
    """A candidate counts as well as the dense model, less what the floor allows."""
    assert retention(stock_count) >= floor(stock_count)
