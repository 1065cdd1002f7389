"""Compute cost: the time and the memory to make the checkpoint, recorded when it was built.

The dense model has no such cost. It is compared with a budget (`[budgets]` in `unicomp.toml`);
without a budget it is only reported.
"""

from functools import partial

import pytest

from unicomp import Probe

spent = partial(Probe, metric="compute_cost")

compression_time = spent(name="compression_time", quantity="compression_time")
"""Wall-clock seconds of the method itself, without loading libraries and checking the result."""

compression_memory = spent(name="compression_memory", quantity="compression_memory")
"""Peak memory: of the accelerator if one was used, else of all processes of the method."""


@pytest.mark.parametrize("probe", [compression_time, compression_memory], ids=str)
def test_compression_is_affordable(probe, cost, budget):
    assert cost(probe) <= budget(probe)
