"""The interval of a metric, as findings use it."""

from __future__ import annotations

import math
from dataclasses import astuple
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unicomp.statistics import Interval
    from unicomp.verdict import MetricRow


def interval_of(row: MetricRow) -> Interval | None:
    """A metric's retention with its interval, in percent; None unless all three are finite."""
    from unicomp.statistics import Interval

    if row.value is None or row.low is None or row.high is None:
        return None
    found = Interval(row.value, row.low, row.high)
    return found if all(map(math.isfinite, astuple(found))) else None
