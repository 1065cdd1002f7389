"""Tool use: calls of functions that a request needs, compared as syntax trees.

The Python categories of one turn of BFCL, the Berkeley Function Calling Leaderboard. A model's chat
template describes the functions if it takes tools, otherwise the prompt does.
"""

from functools import partial
from pathlib import Path

import pytest

from unicomp import Benchmark, Mean, NoToolCall, RightToolCalls

TASKS = Path(__file__).parent
category = partial(
    Benchmark,
    metric="tool_use",
    tools="function",
    max_new_tokens=1024,
    aggregate=Mean("correct"),
)

bfcl_simple = category(name="bfcl_simple", task=TASKS / "bfcl_simple.yaml", scorer=RightToolCalls())
"""One function and one call, such as `[barn.count_goats(barn="north", lame=False)]`.

    Request: How many of the goats in the north barn are not lame?
    Calls:
"""

bfcl_multiple = category(
    name="bfcl_multiple", task=TASKS / "bfcl_multiple.yaml", scorer=RightToolCalls()
)
"""Several functions and one call, such as `[well.depth(well="Drost")]`.

    Request: How deep is the well of Drost?
    Calls:
"""

bfcl_parallel = category(
    name="bfcl_parallel", task=TASKS / "bfcl_parallel.yaml", scorer=RightToolCalls()
)
"""One function and several calls: `[market.price(goods="honey"), market.price(goods="salt")]`.

    Request: What do honey and salt cost on the market?
    Calls:
"""

bfcl_parallel_multiple = category(
    name="bfcl_parallel_multiple",
    task=TASKS / "bfcl_parallel_multiple.yaml",
    scorer=RightToolCalls(),
)
"""Several functions and several calls: `[road.length(to="Drost"), ferry.fare(children=2)]`.

    Request: How long is the road to Drost, and what is the fare of the ferry for two children?
    Calls:
"""

bfcl_irrelevance = category(
    name="bfcl_irrelevance",
    task=TASKS / "bfcl_irrelevance.yaml",
    scorer=NoToolCall(),
    varied=False,
    benign="bfcl_simple",
)
"""No function fits, so that a text without a call is right.

    Request: Who painted the door of the mill?
    Calls:
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
