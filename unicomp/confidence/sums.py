"""Limits of a sum of retentions, such as a metric, and of what has 95 % limits only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.special import ndtri

from unicomp.confidence.evidence import Evidence
from unicomp.spec import LEVEL
from unicomp.statistics import Interval

_MOST_EXPONENT = 709.0
"""The exponential of a larger number is not finite."""


@dataclass(frozen=True)
class Stated:
    """Evidence of which only the estimate and the 95 % limits are known, such as of a timing.

    Limits at other levels scale their distances, in logarithms if all are positive, as for a normal
    distribution.
    """

    estimate: float
    low: float
    high: float

    def limits(self, level: float = LEVEL) -> Interval:
        """The limits at a level, from those at 2.5 %."""
        if level == LEVEL or self.low == self.high:  # as they are: logarithms round them
            return Interval(self.estimate, self.low, self.high)
        scale = float(ndtri(level) / ndtri(LEVEL))
        if not 0 < self.low <= self.estimate <= self.high < math.inf:
            low = self.estimate - scale * (self.estimate - self.low)
            return Interval(self.estimate, low, self.estimate + scale * (self.high - self.estimate))
        centre = math.log(self.estimate)
        logs = (centre + scale * (math.log(one) - centre) for one in (self.low, self.high))
        low, high = (math.exp(one) if one < _MOST_EXPONENT else math.inf for one in logs)
        return Interval(self.estimate, min(low, self.estimate), max(high, self.estimate))


@dataclass(frozen=True)
class Part:
    """The retention of one benchmark in a metric."""

    evidence: Evidence
    weight: float
    """The metric's change for a change of the retention by 1."""
    drift: float = 0.0
    """The metric's standard error from that of the weight itself."""


@dataclass(frozen=True)
class Joint:
    """The weighted sum of retentions: the retention of a metric."""

    parts: tuple[Part, ...]
    correlations: Mapping[tuple[int, int], float]
    """(i, j) with i < j → the correlation of two parts' changes; 0 if they are independent."""

    @property
    def estimate(self) -> float:
        """The sum."""
        return math.fsum(part.weight * part.evidence.estimate for part in self.parts)

    def limits(self, level: float = LEVEL) -> Interval:
        """The distances to the parts' limits, added in quadrature with their correlations.

        Each side separately: the method of variance estimates recovery (Zou and Donner, Statistics
        in Medicine 27, 2008). Parts that never changed keep their own width. A negative correlation
        counts as 0.
        """
        found = [(part.weight, part.evidence.limits(level)) for part in self.parts]
        z = float(-ndtri(level))
        drift = math.fsum((z * part.drift) ** 2 for part in self.parts)
        below = [weight * (one.estimate - one.low) for weight, one in found]
        above = [weight * (one.high - one.estimate) for weight, one in found]
        down, up = (self._length(side, drift) for side in (below, above))
        return Interval(self.estimate, self.estimate - down, self.estimate + up)

    def _length(self, distances: Sequence[float], drift: float) -> float:
        largest = max(distances, default=0.0)
        if not 0 < largest < math.inf:
            return largest + math.sqrt(drift)
        shares = [one / largest for one in distances]  # the square of a large number overflows
        products = math.fsum(
            2 * max(found, 0.0) * shares[i] * shares[j]
            for (i, j), found in self.correlations.items()
        )
        total = math.fsum(one**2 for one in shares) + products
        return math.hypot(largest * math.sqrt(total), math.sqrt(drift))
