"""Evidence about a quantity: its limits at any level of error, and the p-values that follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from unicomp.spec import LEVEL
from unicomp.statistics import Interval

_SMALLEST, _LARGEST = 1e-9, 0.499
"""The levels among which a p-value is searched: widened limits do not exist at 0.5."""


class Evidence(Protocol):
    """What was measured of one quantity: an estimate, with limits at any level."""

    @property
    def estimate(self) -> float:
        """The estimate; a retention of 1 is that of the baseline."""
        ...

    def limits(self, level: float = LEVEL) -> Interval:
        """The estimate with its lower and its upper limit, each with an error of `level`."""
        ...


def p_below(evidence: Evidence, bound: float) -> float:
    """The p-value of "the truth is below `bound`": the least level whose upper limit is below it.

    From inverting the limits; from 1e-9 to 0.5, or 1 if no such level has its limit below.
    """
    if not evidence.estimate < bound:
        return 1.0
    return _p_value(lambda level: bound - evidence.limits(level).high)


def p_above(evidence: Evidence, bound: float) -> float:
    """The p-value of "the truth is at or above `bound`": the least level whose low limit is."""
    return _p_value(lambda level: evidence.limits(level).low - bound)


def _p_value(margin: Callable[[float], float]) -> float:
    """The least level at which `margin` is not negative; it grows with the level."""
    if not margin(_LARGEST) >= 0:
        return 1.0
    if margin(_SMALLEST) >= 0:
        return _SMALLEST

    def clipped(z: float) -> float:
        # in standard errors, in which limits move almost linearly
        return max(min(margin(float(ndtr(-z))), 10.0), -10.0)

    least, most = (float(-ndtri(level)) for level in (_LARGEST, _SMALLEST))
    return float(ndtr(-brentq(clipped, least, most, xtol=1e-3)))
