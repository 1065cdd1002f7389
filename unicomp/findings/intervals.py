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
    return finite_interval(row.value, row.low, row.high)


def finite_interval(value: float | None, low: float | None, high: float | None) -> Interval | None:
    """An estimate with its limits; None unless all three are there and finite."""
    from unicomp.statistics import Interval

    if value is None or low is None or high is None:
        return None
    found = Interval(value, low, high)
    return found if all(map(math.isfinite, astuple(found))) else None
