"""Tool use: calls of functions that a request needs, compared as syntax trees.

The single-turn Python categories of BFCL, the Berkeley Function Calling Leaderboard. A model's own
chat template describes the functions if it takes tools, otherwise the prompt does.
"""

from pathlib import Path

import pytest

from unicomp import Benchmark, Mean, NoToolCall, RightToolCalls


def category(name: str) -> Benchmark:
    """A category in which a request needs calls."""
    return Benchmark(
        name=name,
        metric="tool_use",
        task=Path(__file__).with_name(f"{name}.yaml"),
        tools="function",
        max_new_tokens=1024,
        scorer=RightToolCalls(),
        aggregate=Mean("correct"),
    )


bfcl_simple = category("bfcl_simple")
"""One function and one call. The answer may be `[barn.count_goats(barn="north", lame=False)]`.

    How many of the goats in the north barn are not lame?
"""
bfcl_multiple = category("bfcl_multiple")
"""Several functions and one call. The answer may be `[well.depth(well="Drost")]`.

    How deep is the well of Drost?
"""
bfcl_parallel = category("bfcl_parallel")
"""One function and several calls: `[market.price(goods="honey"), market.price(goods="salt")]`.

    What do honey and salt cost on the market?
"""
bfcl_parallel_multiple = category("bfcl_parallel_multiple")
"""Several functions and several calls: `[road.length(to="Drost"), ferry.fare(children=2)]`.

    How long is the road to Drost, and what is the fare of the ferry for two children?
"""
bfcl_irrelevance = Benchmark(
    name="bfcl_irrelevance",
    metric="tool_use",
    task=Path(__file__).with_name("bfcl_irrelevance.yaml"),
    tools="function",
    max_new_tokens=1024,
    scorer=NoToolCall(),
    aggregate=Mean("correct"),
    varied=False,
    benign="bfcl_simple",
)
"""No function fits, so that any text without a call is right.

    Who painted the door of the mill?
"""

BENCHMARKS = [
    bfcl_simple,
    bfcl_multiple,
    bfcl_parallel,
    bfcl_parallel_multiple,
    bfcl_irrelevance,
]


@pytest.mark.parametrize("bench", BENCHMARKS, ids=str)
def test_tools_are_still_used(bench, retention, floor):
    assert retention(bench) >= floor(bench)
