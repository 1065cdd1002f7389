"""Limits of everything but shares of independent items: clusters, F1, correlations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from unicomp.spec import LEVEL
from unicomp.statistics import (
    Array,
    Interval,
    Statistic,
    effective_number,
    jackknife,
    widening,
)

FEWEST_CLUSTERS = 20
"""With fewer clusters the limits do not hold, so nothing is decided."""
FEW_CHANGES = 6.0
"""With fewer effective changes of repeated items, a change that was not seen may be larger."""


@dataclass(frozen=True)
class Jackknifed:
    """A quantity of clusters, with the influence of each on it.

    `weighted` has two entries if clusters have several items: every item weighs the same, and every
    cluster does. The limits hold for both. The second one knows of changes in large clusters
    before any is seen there, if the size of a cluster does not tell its risk. A quantity that is
    one of several, such as a worst one, has the entries of all of them, see `spanning`.
    """

    weighted: tuple[tuple[float, float, float], ...]
    """(estimate, standard error, effective number of clusters that moved it)."""
    clusters: int
    informative: float
    """The number of clusters that could show a change; 0 if a quantity always varies."""
    unit: float = 1.0
    """The largest change that all of them together could show."""
    skewness: float = 0.0
    """Of the clusters' influences, if the quantity always varies; negative if a few lose much."""
    repeated: bool = False
    """Whether a cluster is one item with several samples, so that most of them move a little."""

    @property
    def estimate(self) -> float:
        """The estimate, every item weighing the same."""
        return self.weighted[0][0]

    def spanning(self, other: Jackknifed) -> Jackknifed:
        """The quantity with limits that span its own and those of another one."""
        return replace(
            self,
            weighted=self.weighted + other.weighted,
            informative=min(self.informative, other.informative),
            unit=max(self.unit, other.unit),
        )

    def limits(self, level: float = LEVEL) -> Interval:
        """Student's t limits, widened as for a sum of few Poisson events.

        An effective number of k changes is as uncertain as a Poisson variable of mean k, whose
        exact limits are wider than the normal ones. Even without a change, a rate of
        -ln(level) / m is possible in m clusters, 3.69 / m at 2.5 %. Fewer than 20 clusters decide
        nothing: their limits are infinite. A skewness widens its side by the second term of
        Johnson's modified t (Journal of the American Statistical Association 73, 1978), as Hall
        inverts it (Journal of the Royal Statistical Society B 54, 1992).

        Of repeated items most move a little, so that changes are no rare events: t has the degrees
        of freedom of `_degrees`, and what was not seen counts below `FEW_CHANGES` only.
        """
        if self.clusters < FEWEST_CLUSTERS or math.inf in (error for _, error, _ in self.weighted):
            return Interval(self.estimate, -math.inf, math.inf)
        unseen = -math.log(level) * self.unit / self.informative if self.informative else 0.0
        lows, highs = [], []
        for estimate, error, effective in self.weighted:
            slack, skewed = unseen, 0.0
            student = float(-stdtrit(self._degrees(effective), level))
            if self.repeated:
                few = effective < FEW_CHANGES
                slack = max(student * error, unseen if few else 0.0)
            elif error > 0:
                slack = max(slack, float(widening(effective, level)) * student * error)
            if self.skewness:
                skewed = self.skewness * error * (1 + 2 * student**2) / 6 / math.sqrt(self.clusters)
            lows.append(estimate - slack + min(skewed, 0.0))
            highs.append(estimate + slack + max(skewed, 0.0))
        return Interval(self.estimate, min(lows), max(highs))

    def _degrees(self, effective: float) -> float:
        """The degrees of freedom of the standard error.

        m - 1, and of repeated items as many as its own variance has: 2k / (1 - k / m) for an
        effective number k (Satterthwaite, Biometrics Bulletin 2, 1946). For changes of one size
        and direction, this and the skewness come close to the limits of a Poisson count.
        """
        most = self.clusters - 1
        if not self.repeated or effective >= self.clusters:
            return most
        return min(max(2 * effective / (1 - effective / self.clusters), 1.0), most)


def jackknifed(
    quantity: Callable[[Sequence[Array]], Array],
    statistics: Sequence[Statistic],
    clusters: NDArray[np.int64],
    *,
    share: float | None,
    unit: float = 1.0,
    repeated: bool = False,
) -> Jackknifed:
    """The evidence about a quantity of several statistics of the same items.

    `share` is the baseline's score as a share of the best one, and None for a score that moves with
    every change of a model, such as a perplexity. `unit` is the largest change that the
    informative items could show. `repeated` says that a cluster is one item with several samples.
    """
    sizes = np.bincount(clusters)
    m = len(sizes)
    bases = [np.ones(len(clusters))]
    if sizes.max() > 1 and not (repeated and sizes.min() == sizes.max()):
        bases.append(1.0 / sizes[clusters])
    weighted, skewness = [], 0.0
    for base in bases:
        estimate = float(quantity([statistic(base[None, :]) for statistic in statistics])[0])
        left = quantity(list(jackknife(statistics, clusters, base)))
        weighted.append((estimate, *_spread(left)))
        if (repeated or share is None) and len(weighted) == 1:
            skewness = _skewness(-left)
    informative = 0.0 if share is None else m * min(max(share, 1.0 / m), 1.0)
    return Jackknifed(tuple(weighted), m, informative, abs(unit), skewness, repeated)


def _spread(left: Array) -> tuple[float, float]:
    """The standard error, and the effective number of clusters, from the values without each one.

    The number is (Σ d²)² / Σ d⁴ of the deviations d; 0 if nothing varies.
    """
    finite = left[np.isfinite(left)]
    if len(finite) < len(left) or np.ptp(left) <= 1e-12 * max(1.0, abs(float(left[0]))):
        return (0.0, 0.0) if len(finite) == len(left) else (math.inf, 1.0)
    deviations = left - left.mean()
    n = len(left)
    error = math.sqrt((n - 1) / n * float((deviations**2).sum()))
    return error, effective_number(deviations)


def _skewness(values: Array) -> float:
    """The third central moment in units of the standard deviation; 0 if nothing varies."""
    if not np.isfinite(values).all():
        return 0.0
    deviations = values - values.mean()
    spread = float(np.sqrt(np.mean(deviations**2)))
    return float(np.mean((deviations / spread) ** 3)) if spread > 1e-12 else 0.0
