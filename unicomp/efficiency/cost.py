"""What building a checkpoint cost, from the facts of its build.

Other work on the machine makes a build longer, and no larger. So a time that was taken beside other
work is an upper limit: it passes a budget that it meets, and leaves one that it misses undecided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cost:
    """One cost of a build."""

    value: float
    """In the unit of its probe: seconds or bytes."""
    other_load: float | None = None
    """The share of the processors that other work took meanwhile; None if that made no
    difference, or is not known."""


def cost_of_build(facts: Mapping[str, Any], quantity: str) -> Cost | None:
    """The cost that `facts` hold; None if the checkpoint was not built here.

    The time is that of the compression alone. The memory is the accelerator's peak; where none was
    used, the most that the compression added to what its process held before.
    """
    if quantity == "compression_time":
        found = facts.get("seconds")
        load = facts.get("other_load") if facts.get("shared_machine") else None
        return None if found is None else Cost(float(found), load)
    found = facts.get("peak_accelerator_bytes") or facts.get("peak_rss_bytes")
    return None if found is None else Cost(float(found))
