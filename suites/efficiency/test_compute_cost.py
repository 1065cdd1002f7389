"""Compute cost: what it took to make the checkpoint, recorded when it was built.

There is no dense counterpart: a cost is held to a budget (`[budgets]` in `unicomp.toml`), or told.
"""

from functools import partial

import pytest

from unicomp import Probe

spent = partial(Probe, metric="compute_cost")

compression_time = spent(name="compression_time", quantity="compression_time")
"""Seconds by the clock of the method itself, without loading libraries and checking the result."""

compression_memory = spent(name="compression_memory", quantity="compression_memory")
"""The peak: of the accelerator where one was used, else of the memory of all its processes."""


@pytest.mark.parametrize("probe", [compression_time, compression_memory], ids=str)
def test_compression_is_affordable(probe, cost, budget):
    assert cost(probe) <= budget(probe)
