"""Confidence limits of retention, at any level of error. Pure arithmetic.

Two kinds of evidence have limits. `PairedShares` is for items that are independent and right or
wrong: counts, and a score test. `Jackknifed` is for everything else: clusters, F1, correlations.
Both stay wide if nothing changed, since a change that n items never showed may still be there.
`Stated` has 95 % limits only. `Joint` adds up the parts of a metric.

`docs/statistics.md` has the assumptions and the measured error rates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri, stdtrit

from unicomp.spec import LEVEL
from unicomp.statistics import Interval, Statistic, effective_number, jackknife, widening

Array = NDArray[np.float64]

FEWEST_CLUSTERS = 20
"""With fewer clusters the limits do not hold, so nothing is decided."""
_MOST_EXPONENT = 709.0
"""The exponential of a larger number is not finite."""
FEWEST_RIGHT = 10
"""With fewer right answers of the baseline, the lower limit of a ratio of shares is 0."""
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


# -- independent items, right or wrong ----------------------------------------------------------


@dataclass(frozen=True)
class PairedShares:
    """The candidate's share of right answers against the baseline's, on the same items.

    `tables` has a row for each group of items that weighs the same in the score: the items that
    both have right, only the candidate, only the baseline, neither.
    """

    tables: tuple[tuple[float, float, float, float], ...]
    absolute: bool = False
    """Whether it is about candidate - baseline, in shares, instead of candidate / baseline."""
    f1: bool = False
    """Whether the score is 2p / (1 + p) of the share p, see `RightAnswerF1`."""

    @property
    def estimate(self) -> float:
        """The ratio, or difference, of the scores."""
        return self._scored(self._estimate)

    def limits(self, level: float = LEVEL) -> Interval:
        """The limits of the score test; those of several groups are added up in quadrature.

        The distance of each group's limit counts by the group's part in the baseline. Where groups
        differ in their ratios, the sampling error of that part counts, too.
        """
        plain = self._limits(level)
        return Interval(*map(self._scored, (plain.estimate, plain.low, plain.high)))

    def _scored(self, share: float) -> float:
        """The ratio, or difference, of the scores that belongs to one of the shares."""
        if not self.f1:
            return share
        baseline = float(np.mean(self._shares()[1]))
        candidate = baseline + share if self.absolute else baseline * share
        now, before = (2 * p / (1 + p) for p in (min(max(candidate, 0.0), 1.0), baseline))
        return now - before if self.absolute else now / before

    @property
    def _estimate(self) -> float:
        """The ratio, or difference, of the mean shares over the groups."""
        candidate, baseline = (float(np.mean(share)) for share in self._shares())
        return candidate - baseline if self.absolute else candidate / baseline

    def _limits(self, level: float) -> Interval:
        """The limits for the mean shares."""
        tables = np.array(self.tables, dtype=np.float64)
        candidate, baseline = self._shares()
        if self.absolute:
            low, high = difference_limits(tables, level)
            found = candidate - baseline
            below, above = (float(np.linalg.norm(found - one)) / len(tables) for one in (low, high))
            return Interval(self._estimate, self._estimate - below, self._estimate + above)
        low, high = ratio_limits(tables, level)
        few = tables.sum(axis=0)[[0, 2]].sum() < FEWEST_RIGHT
        estimate, total = self._estimate, float(baseline.sum())
        if len(tables) == 1:
            return Interval(estimate, 0.0 if few else float(low[0]), float(high[0]))
        n = tables.sum(axis=1)
        # a group without a right answer of the baseline has no ratio, but a share
        high = np.where(baseline > 0, high, 0.0)
        down = np.where(baseline > 0, candidate - low * baseline, candidate)
        up = np.where(baseline > 0, high * baseline, _most(candidate, n, level)) - candidate
        drift = (candidate - estimate * baseline) / np.where(baseline > 0, baseline, 1.0)
        drift *= -ndtri(level) * np.sqrt(baseline * (1 - baseline) / n)
        below, above = (
            float(np.sqrt(np.sum(side**2) + np.sum(drift**2))) / total for side in (down, up)
        )
        return Interval(estimate, 0.0 if few else max(estimate - below, 0.0), estimate + above)

    def turned(self) -> PairedShares:
        """The same for the share of wrong answers."""
        tables = tuple((neither, lost, gained, both) for both, gained, lost, neither in self.tables)
        return replace(self, tables=tables)

    def _shares(self) -> tuple[Array, Array]:
        """The shares of the candidate and of the baseline in each group."""
        both, gained, lost, neither = np.array(self.tables, dtype=np.float64).T
        n = both + gained + lost + neither
        return (both + gained) / n, (both + lost) / n


def ratio_limits(tables: Array, level: float = LEVEL) -> tuple[Array, Array]:
    """The limits of the ratio of paired shares, for tables of shape (k, 4).

    They invert the constrained score test of Nam and Blackwelder (Superiority of a new treatment in
    paired binary data, Statistics in Medicine 21, 2002), which stays wide at 0/n and n/n. A limit
    that claims more changes than the bound permits, a lower one above 1 or an upper one below 1, is
    corrected for continuity by half an item: with few changes the plain test errs in up to 5 %.
    The limits of a table without right answers of the baseline are 0 and infinity.
    """
    return _each(_ratio_limits, tables, level)


def difference_limits(tables: Array, level: float = LEVEL) -> tuple[Array, Array]:
    """The limits of the difference of paired shares, for tables of shape (k, 4).

    They invert Tango's score test (Equivalence test and confidence interval for the difference in
    proportions for the paired-sample design, Statistics in Medicine 17, 1998), corrected for
    continuity as `ratio_limits`: a lower limit above 0, and an upper one below 0.
    """
    return _each(_difference_limits, tables, level)


_Table = tuple[float, float, float, float]


def _each(
    limits: Callable[[_Table, float], tuple[float, float]], tables: Array, level: float
) -> tuple[Array, Array]:
    found = [limits((a, b, c, d), level) for a, b, c, d in np.asarray(tables).tolist()]
    low, high = np.array(found, dtype=np.float64).reshape(-1, 2).T
    return low, high


@lru_cache(maxsize=100_000)
def _ratio_limits(table: _Table, level: float) -> tuple[float, float]:
    both, gained, lost, _ = table
    if both + lost <= 0:
        return 0.0, math.inf
    estimate = (both + gained) / (both + lost)
    low, high = _score_limits(partial(_ratio_score, table), level, estimate, 1.0, 1e-9, 1e9)
    return (0.0 if both + gained <= 0 else low), high


@lru_cache(maxsize=100_000)
def _difference_limits(table: _Table, level: float) -> tuple[float, float]:
    _, gained, lost, _ = table
    estimate = (gained - lost) / sum(table)
    return _score_limits(partial(_difference_score, table), level, estimate, 0.0, -1.0, 1.0)


def _score_limits(
    score: Callable[[float, float], float],
    level: float,
    estimate: float,
    same: float,
    least: float,
    most: float,
) -> tuple[float, float]:
    """The limits that `score(bound, correction)` has; it falls with the bound.

    `same` is the value of a candidate that is like its baseline; `least` and `most` bracket all.
    """
    z = float(-ndtri(level))
    inside = min(max(estimate, least), most)

    def limit(target: float, below: float, above: float, correction: float) -> float:
        if score(below, correction) <= target:
            return below
        if score(above, correction) >= target:
            return above
        found = brentq(lambda x: score(x, correction) - target, below, above, xtol=1e-12)
        return float(found)

    low = limit(z, least, inside, 0.0)
    if low > same:
        low = max(limit(z, least, inside, 0.5), same)
    above = 2 * max(inside, same, 0.5)
    while above < most and score(above, 0.0) > -z:
        above *= 2
    high = limit(-z, inside, min(above, most), 0.0)
    if high < same:
        high = min(limit(-z, inside, min(above, most), 0.5), same)
    return min(low, estimate), max(high, estimate)


def _ratio_score(table: _Table, ratio: float, correction: float) -> float:
    """The score statistic for a hypothetical ratio."""
    both, gained, lost, neither = table
    n = both + gained + lost + neither
    p, q = (both + gained) / n, (both + lost) / n
    p10, p01, p00 = gained / n, lost / n, neither / n
    root = math.sqrt(max((p - ratio**2 * q) ** 2 + 4 * ratio**2 * p10 * p01, 0.0))
    baseline_only = (-p + ratio**2 * (q + 2 * p10) + root) / (2 * ratio * (ratio + 1))
    candidate_only = ratio * baseline_only - (ratio - 1) * (1 - p00)
    variance = n * ratio * (candidate_only + baseline_only)
    return _standardized(n * (p - ratio * q), variance, n, correction)


def _difference_score(table: _Table, bound: float, correction: float) -> float:
    """The score statistic for a hypothetical difference."""
    _, gained, lost, _ = table
    n = sum(table)
    # the losses under the hypothesis: the larger root of Tango's quadratic equation
    linear = -gained - lost + (2 * n - gained + lost) * bound
    constant = -lost * bound * (1 - bound)
    root = math.sqrt(max(linear**2 - 8 * n * constant, 0.0))
    expected = max((root - linear) / (4 * n), -bound, 0.0)
    variance = n * (2 * expected + bound - bound**2)
    return _standardized(gained - lost - n * bound, variance, n, correction)


def _standardized(distance: float, variance: float, n: float, correction: float) -> float:
    """The distance, shortened by the correction, in standard errors; finite."""
    if abs(distance) < 1e-9 * n:
        return 0.0
    shortened = math.copysign(max(abs(distance) - correction, 0.0), distance)
    return shortened / math.sqrt(max(variance, 1e-24))


def _most(share: Array, n: Array, level: float) -> Array:
    """The upper limit of a share of n items, by Wilson's score interval."""
    z = -ndtri(level)
    centre = share + z**2 / (2 * n)
    slack = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.asarray((centre + slack) / (1 + z**2 / n))


# -- all other scores ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Jackknifed:
    """A quantity of clusters, with the influence of each on it.

    `weighted` has two entries if clusters have several items: every item weighs the same, and every
    cluster does. The limits hold for both. The second one knows of changes in large clusters
    before any is seen there, if the size of a cluster does not tell its risk.
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

    @property
    def estimate(self) -> float:
        """The estimate, every item weighing the same."""
        return self.weighted[0][0]

    def limits(self, level: float = LEVEL) -> Interval:
        """Student's t limits, widened as for a sum of few Poisson events.

        An effective number of k changes is as uncertain as a Poisson variable of mean k, whose
        exact limits are wider than the normal ones. Even without a change, a rate of
        -ln(level) / m is possible in m clusters, 3.69 / m at 2.5 %. Fewer than 20 clusters decide
        nothing: their limits are infinite. A skewness widens its side by the second term of
        Johnson's modified t (Journal of the American Statistical Association 73, 1978), as Hall
        inverts it (Journal of the Royal Statistical Society B 54, 1992).
        """
        if self.clusters < FEWEST_CLUSTERS or math.inf in (error for _, error, _ in self.weighted):
            return Interval(self.estimate, -math.inf, math.inf)
        unseen = -math.log(level) * self.unit / self.informative if self.informative else 0.0
        lows, highs = [], []
        for estimate, error, effective in self.weighted:
            slack, skewed = unseen, 0.0
            student = float(-stdtrit(self.clusters - 1, level))
            if error > 0:
                slack = max(slack, float(widening(effective, level)) * student * error)
            if self.skewness:
                skewed = self.skewness * error * (1 + 2 * student**2) / 6 / math.sqrt(self.clusters)
            lows.append(estimate - slack + min(skewed, 0.0))
            highs.append(estimate + slack + max(skewed, 0.0))
        return Interval(self.estimate, min(lows), max(highs))


def jackknifed(
    quantity: Callable[[Sequence[Array]], Array],
    statistics: Sequence[Statistic],
    clusters: NDArray[np.int64],
    *,
    share: float | None,
    unit: float = 1.0,
) -> Jackknifed:
    """The evidence about a quantity of several statistics of the same items.

    `share` is the baseline's score as a share of the best one, and None for a score that moves with
    every change of a model, such as a perplexity. `unit` is the largest change that the
    informative items could show.
    """
    sizes = np.bincount(clusters)
    m = len(sizes)
    bases = [np.ones(len(clusters))]
    if sizes.max() > 1:
        bases.append(1.0 / sizes[clusters])
    weighted, skewness = [], 0.0
    for base in bases:
        estimate = float(quantity([statistic(base[None, :]) for statistic in statistics])[0])
        left = quantity(list(jackknife(statistics, clusters, base)))
        weighted.append((estimate, *_spread(left)))
        if share is None and len(weighted) == 1:
            skewness = _skewness(-left)
    informative = 0.0 if share is None else m * min(max(share, 1.0 / m), 1.0)
    return Jackknifed(tuple(weighted), m, informative, abs(unit), skewness)


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


# -- intervals and sums --------------------------------------------------------------------------


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


# -- evidence as JSON values ----------------------------------------------------------------------

_KINDS: Mapping[str, type[PairedShares] | type[Jackknifed]] = {
    "paired_shares": PairedShares,
    "jackknifed": Jackknifed,
}


def to_json(evidence: PairedShares | Jackknifed) -> dict[str, Any]:
    """The evidence as JSON values."""
    kind = next(name for name, one in _KINDS.items() if isinstance(evidence, one))
    return {"kind": kind, **asdict(evidence)}


def from_json(found: Mapping[str, Any]) -> PairedShares | Jackknifed:
    """The evidence from `to_json`, also after a way through JSON."""
    values = {name: one for name, one in found.items() if name != "kind"}
    for name in ("tables", "weighted"):
        if name in values:
            # JSON has no infinity
            values[name] = tuple(
                tuple(math.inf if x is None else float(x) for x in row) for row in values[name]
            )
    return _KINDS[found["kind"]](**values)
