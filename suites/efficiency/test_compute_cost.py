"""Compute cost: the time and memory of the compression, recorded when the checkpoint was built.

The dense model has no such cost. A cost is compared with a budget (`[budgets]` in `unicomp.toml`);
without one it is only reported. A build that ran beside other work says so: its time passes a
budget that it meets, and leaves one that it misses undecided.
"""

from functools import partial

import pytest

from unicomp import Probe

spent = partial(Probe, metric="compute_cost")

compression_time = spent(name="compression_time", quantity="compression_time")
"""Seconds of the method itself, without loading libraries and checking the result."""

compression_memory = spent(name="compression_memory", quantity="compression_memory")
"""The peak memory of the accelerator; where none was used, the most that the method added to the
memory of its process, with the processes that it started."""


@pytest.mark.parametrize("probe", [compression_time, compression_memory], ids=str)
def test_compression_is_affordable(probe, cost, budget):
    assert cost(probe) <= budget(probe)
