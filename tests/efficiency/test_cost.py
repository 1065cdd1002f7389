"""The cost of a build is read from its facts; a time taken beside other work says so."""

import pytest

from unicomp.efficiency.cost import Cost, cost_of_build

QUIET = {
    "seconds": 12.0,
    "peak_rss_bytes": 50_000_000,
    "peak_accelerator_bytes": None,
    "other_load": 0.02,
    "shared_machine": False,
}
BUSY = QUIET | {"other_load": 0.4, "shared_machine": True}


@pytest.mark.parametrize(
    ("facts", "quantity", "cost"),
    [
        (QUIET, "compression_time", Cost(12.0)),
        (BUSY, "compression_time", Cost(12.0, 0.4)),
        (QUIET | {"shared_machine": None}, "compression_time", Cost(12.0)),
        (BUSY, "compression_memory", Cost(50_000_000.0)),  # others' work adds nothing to it
        (BUSY | {"peak_accelerator_bytes": 7}, "compression_memory", Cost(7.0)),
        ({"bytes": 5}, "compression_time", None),
        ({"bytes": 5}, "compression_memory", None),
    ],
)
def test_a_cost_is_that_of_the_facts(facts, quantity, cost):
    assert cost_of_build(facts, quantity) == cost
