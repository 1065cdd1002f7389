"""Intervals of ratios and sums, standard errors. Pure arithmetic.

A statistic is a function of weights, a matrix of shape (draws, n): how often each of the n items
counts in each resampled data set. It returns shape (draws,). A row of ones gives the plain value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm, t

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]

DRAWS = 4000
FEW_CLUSTERS = 30
"""With fewer clusters a percentile interval is too narrow, and is widened."""
_CHUNK = 500
"""Draws held in memory at a time."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % confidence interval."""

    estimate: float
    low: float
    high: float


def value(statistic: Statistic, n: int) -> float:
    """The statistic of the n items, each counted once."""
    return float(statistic(np.ones((1, n)))[0])


def cluster_ids(clusters: Sequence[str]) -> NDArray[np.int64]:
    """The number of each item's cluster, 0 … m - 1, in order of first appearance."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in clusters], dtype=np.int64)


def resample(
    statistics: Sequence[Statistic], clusters: NDArray[np.int64], draws: int = DRAWS, seed: int = 0
) -> Array:
    """The cluster bootstrap of several statistics of the same items, with the same draws.

    Each draw takes as many clusters as there are, with replacement. Returns shape
    (len(statistics), draws).
    """
    results = []
    for counts in _cluster_counts(int(clusters.max()) + 1, draws, seed):
        weights = counts[:, clusters].astype(np.float64)
        results.append(np.stack([statistic(weights) for statistic in statistics]))
    return np.concatenate(results, axis=1)


@lru_cache(maxsize=2)
def _cluster_counts(m: int, draws: int, seed: int) -> tuple[NDArray[np.uint16], ...]:
    """How often each of m clusters is drawn, in chunks of shape (chunk, m)."""
    rng = np.random.default_rng(seed)
    chunks = []
    for start in range(0, draws, _CHUNK):
        size = min(_CHUNK, draws - start)
        drawn = rng.integers(0, m, size=(size, m)) + m * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * m).reshape(size, m)
        chunks.append(counts.astype(np.uint16))
    return tuple(chunks)


def standard_error(statistic: Statistic, clusters: NDArray[np.int64]) -> float:
    """The bootstrap standard error of a statistic, in its unit."""
    return float(np.std(resample([statistic], clusters)[0], ddof=1))


def ratio_interval(
    compressed: Statistic, dense: Statistic, clusters: NDArray[np.int64]
) -> Interval | None:
    """The percentile interval of compressed / dense from joint draws of clusters.

    None if all draws with a ratio give the same one, as for 0/n and n/n: that says nothing about
    other items. The dense value must be positive; a draw in which it is not
    counts as an infinite ratio.
    """
    n = len(clusters)
    top, bottom = resample([compressed, dense], clusters)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(bottom > 0, top / bottom, np.inf)
    finite = ratios[bottom > 0]
    if not len(finite) or np.ptp(finite) <= 1e-12 * abs(finite[0]):
        return None
    low, high = np.quantile(ratios, [0.025, 0.975], method="inverted_cdf")
    found = Interval(value(compressed, n) / value(dense, n), float(low), float(high))
    return _widened(found, int(clusters.max()) + 1)


def _widened(interval: Interval, clusters: int) -> Interval:
    """Widen the interval for few clusters: Student's t in place of the normal distribution.

    Resampling also underestimates the variance of m clusters by the factor (m - 1) / m.
    """
    if clusters >= FEW_CLUSTERS or clusters < 2:
        return interval
    student = float(t.ppf(0.975, clusters - 1) / norm.ppf(0.975))
    factor = student * math.sqrt(clusters / (clusters - 1))
    estimate = interval.estimate
    low = estimate - factor * (estimate - interval.low)
    high = estimate + factor * (interval.high - estimate)
    return Interval(estimate, max(low, 0.0) if interval.low >= 0 else low, high)


def paired_score_interval(
    both: float, only_compressed: float, only_dense: float, neither: float
) -> Interval:
    """The score interval of a ratio of paired proportions, from the 2 x 2 table of counts.

    It inverts the constrained score test of Nam and Blackwelder (Superiority of a new treatment in
    paired binary data, Statistics in Medicine 21, 2002), which does not collapse at 0/n and n/n.
    Counts need not be whole numbers. Raises ValueError if the dense proportion is zero.
    """
    n = both + only_compressed + only_dense + neither
    x, y = both + only_compressed, both + only_dense
    if y <= 0:
        raise ValueError("the ratio to a proportion of zero does not exist")
    p, q = x / n, y / n
    p10, p01, p00 = only_compressed / n, only_dense / n, neither / n

    def score(ratio: float) -> float:
        root = math.sqrt(max((p - ratio**2 * q) ** 2 + 4 * ratio**2 * p10 * p01, 0.0))
        dense_only = (-p + ratio**2 * (q + 2 * p10) + root) / (2 * ratio * (ratio + 1))
        compressed_only = ratio * dense_only - (ratio - 1) * (1 - p00)
        variance = n * ratio * max(compressed_only + dense_only, 0.0)
        difference = x - ratio * y
        if variance <= 1e-12 * n:
            return 0.0 if abs(difference) < 1e-9 * n else math.copysign(math.inf, difference)
        return difference / math.sqrt(variance)

    z = float(norm.ppf(0.975))

    def limit(target: float, inside: float, outside: float) -> float:
        clipped = lambda r: max(min(score(r) - target, 1e6), -1e6)  # noqa: E731
        return float(brentq(clipped, inside, outside, xtol=1e-12))

    estimate = x / y
    tiny = 1e-9
    low = 0.0 if x <= 0 else limit(z, tiny, estimate)
    outside = max(2 * estimate, 1.0)
    while score(outside) > -z and outside < 1e9:
        outside *= 2
    high = limit(-z, max(estimate, tiny), outside)
    return Interval(estimate, min(low, estimate), max(high, estimate))


def ratio_of_pairs(first: Array, second: Array) -> Interval:
    """The ratio first / second of paired positive values, shape (n,), with its 95 % interval.

    The estimate is Hodges and Lehmann's for the logarithms of the pairs' ratios; the interval is
    from Wilcoxon's signed ranks (Hollander, Wolfe and Chicken, Nonparametric Statistical Methods,
    3.2 and 3.3). It assumes only that the logarithms of the errors are symmetric around 0. Then
    its coverage is exact, and a few outliers move it little. One pair has an unbounded interval.
    """
    logs = np.log(first) - np.log(second)
    n = len(logs)
    rows, columns = np.triu_indices(n)
    averages = np.sort((logs[rows] + logs[columns]) / 2)
    outside = max(_signed_rank_quantile(n), 1) - 1
    found = Interval(float(np.median(averages)), averages[outside], averages[-1 - outside])
    return _from_logarithms(found, logs - found.estimate)


def ratio_of_totals(first: Array, second: Array, seed: int = 0) -> Interval:
    """The ratio of the totals of paired positive values, shape (n,), with its 95 % interval.

    The limits are quantiles of the ratio in subsets of the pairs, all of them or many at random:
    Hartigan's typical values (Using subsample values as typical values, Journal of the American
    Statistical Association 64, 1969). If the errors are symmetric around 0, the true
    ratio lies between any two neighbouring ratios with equal probability, even with heavy tails or
    few pairs. One pair has an unbounded interval.
    """
    n = len(first)
    subsets = _subsets(n, seed)
    ratios = np.sort(np.log(subsets @ first) - np.log(subsets @ second))
    outside = max(int(0.025 * (len(ratios) + 1)), 1) - 1
    estimate = math.log(math.fsum(first)) - math.log(math.fsum(second))
    found = Interval(estimate, ratios[outside], ratios[-1 - outside])
    return _from_logarithms(found, first / np.mean(first) - second / np.mean(second))


def ratio_of_samples(first: Array, second: Array) -> Interval:
    """The ratio of independent positive values, shapes (m,) and (n,), with its 95 % interval.

    The estimate is Hodges and Lehmann's for the logarithms, the median of the ratios of all pairs;
    the interval is from Mann, Whitney and Wilcoxon's rank sums (Hollander, Wolfe and Chicken,
    Nonparametric Statistical Methods, 4.2 and 4.3). Its coverage is exact if one side is
    distributed like the other times a factor, for any distribution. It is unbounded if there
    are too few values for 95 %, such as one to a side.
    """
    logs = np.sort(np.subtract.outer(np.log(first), np.log(second)).ravel())
    outside = _rank_sum_quantile(len(first), len(second))
    estimate = math.exp(float(np.median(logs)))
    if outside < 1:
        return Interval(estimate, 0.0, math.inf)
    low, high = (math.exp(float(logs[place])) for place in (outside - 1, -outside))
    return Interval(estimate, min(low, estimate), max(high, estimate))


def blurred(ratio: Interval, error: float) -> Interval:
    """The interval of a positive ratio after multiplication by an independent random error.

    `error` is the standard deviation of that error's logarithm. The distances of the logarithms add
    in quadrature, each side separately, as in `combine`.
    """
    slack = float(norm.ppf(0.975)) * error
    with np.errstate(divide="ignore"):  # a limit of 0 stays 0
        low, estimate, high = np.log([ratio.low, ratio.estimate, ratio.high])
    down, up = np.hypot(estimate - low, slack), np.hypot(high - estimate, slack)
    with np.errstate(over="ignore"):
        limits = np.exp([estimate - down, estimate + up])
    return Interval(ratio.estimate, float(limits[0]), float(limits[1]))


FEW_PAIRS = 6
"""With fewer pairs, subsets give no 95 % limit, so Student's t is used as well."""
_ENUMERATED = 12
"""Up to this many pairs all subsets are computed."""


def _from_logarithms(found: Interval, deviations: Array) -> Interval:
    """The interval of a ratio, from that of its logarithm and the deviation of each pair."""
    n = len(deviations)
    low, high = min(found.low, found.estimate), max(found.high, found.estimate)
    if n < FEW_PAIRS:
        error = float(np.std(deviations, ddof=1)) / math.sqrt(n)
        slack = float(t.ppf(0.975, n - 1)) * error
        low, high = min(low, found.estimate - slack), max(high, found.estimate + slack)
    with np.errstate(over="ignore", under="ignore"):  # too large is unbounded
        return Interval(*(float(np.exp(limit)) for limit in (found.estimate, low, high)))


@lru_cache(maxsize=64)
def _signed_rank_quantile(n: int) -> int:
    """The 95 % interval's lower limit as a rank among the averages of two of n values.

    Ranks count from 1; 0 if there is no such limit.
    """
    chances = np.ones(1)  # of each sum of the ranks of positive values
    for rank in range(1, n + 1):
        longer = np.zeros(len(chances) + rank)
        longer[: len(chances)] += chances / 2
        longer[rank:] += chances / 2
        chances = longer
    return int(np.searchsorted(np.cumsum(chances), 0.025, side="right"))


@lru_cache(maxsize=64)
def _rank_sum_quantile(m: int, n: int) -> int:
    """The 95 % interval's lower limit as a rank among the differences of m and n values.

    Ranks count from 1; 0 if there is no such limit.
    """
    # ways to choose m of m + n ranks, by their sum less the least sum: Gauss's binomial coefficient
    ways = [1] + [0] * (m * n)
    for rank in range(1, m + 1):
        for total in range(m * n, n + rank - 1, -1):
            ways[total] -= ways[total - n - rank]
        for total in range(rank, m * n + 1):
            ways[total] += ways[total - rank]
    below = np.cumsum([count / math.comb(m + n, m) for count in ways])
    return int(np.searchsorted(below, 0.025, side="right"))


@lru_cache(maxsize=16)
def _subsets(n: int, seed: int) -> Array:
    """Non-empty subsets of n pairs, as 0 and 1 of shape (subsets, n): all, or many random ones."""
    if n <= _ENUMERATED:
        numbers = np.arange(1, 2**n)[:, None]
        return ((numbers >> np.arange(n)) & 1).astype(np.float64)
    drawn = np.random.default_rng(seed).integers(0, 2, size=(DRAWS - 1, n)).astype(np.float64)
    drawn[~drawn.any(axis=1), 0] = 1.0
    return drawn


def rule_of_three(estimate: float, dense_points: float, clusters: int) -> Interval:
    """An interval if nothing varied and there is no table of counts.

    An event that n clusters never showed may still have a rate of 3 / n (95 %). The score, in
    points, may be off by as much in either direction.
    """
    slack = 300.0 / clusters / dense_points
    low = estimate - slack
    return Interval(estimate, max(low, 0.0) if estimate >= 0 else low, estimate + slack)


def hull(first: Interval, second: Interval) -> Interval:
    """The narrowest interval that contains both, with the estimate of the first."""
    return Interval(first.estimate, min(first.low, second.low), max(first.high, second.high))


def combine(parts: Sequence[Interval], weights: Sequence[float]) -> Interval:
    """The interval of a weighted sum of independent estimates; weights are not negative.

    The distances to the limits add in quadrature, each side separately: the method of variance
    estimates recovery (Zou and Donner, Statistics in Medicine 27, 2008).
    """
    estimate = math.fsum(w * part.estimate for w, part in zip(weights, parts, strict=True))
    down = math.hypot(*(w * (p.estimate - p.low) for w, p in zip(weights, parts, strict=True)))
    up = math.hypot(*(w * (p.high - p.estimate) for w, p in zip(weights, parts, strict=True)))
    return Interval(estimate, estimate - down, estimate + up)


def difference(first: Interval, second: Interval) -> Interval:
    """The interval of first - second, as if the two were independent (Zou and Donner).

    Estimates from the same items mostly move together; then the interval is too wide, never too
    narrow.
    """
    return combine([first, Interval(-second.estimate, -second.high, -second.low)], [1.0, 1.0])


def flips(dense: NDArray[Any], compressed: NDArray[Any]) -> tuple[int, int]:
    """(lost, gained): items that only the dense model, or only the compressed one, got right."""
    right, still = dense.astype(bool), compressed.astype(bool)
    return int(np.sum(right & ~still)), int(np.sum(~right & still))
