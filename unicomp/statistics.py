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
from scipy.special import chdtri, ndtri, stdtrit

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]

DRAWS = 4000
_GROUPS = 1000
"""The most sets of weights of a jackknife."""
_CHUNK = 250
"""The most sets of weights held in memory at a time."""
_CELLS = 2**25
"""The most weights held in memory at a time."""


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


def jackknife(
    statistics: Sequence[Statistic], clusters: NDArray[np.int64], base: Array | None = None
) -> Array:
    """Several statistics of the same items, each time without one cluster.

    `base` are the weights of the items, 1 by default. More than 1000 clusters are left out in 1000
    groups. Returns shape (len(statistics), clusters or groups).
    """
    numbers = np.arange(int(clusters.max()) + 1)
    if len(numbers) > _GROUPS:  # rows may alternate, such as between languages
        numbers = np.random.default_rng(0).permutation(numbers)
    groups = (numbers % _GROUPS)[clusters]
    weights = np.ones(len(clusters)) if base is None else base
    results = []
    step = max(min(_CHUNK, _CELLS // len(clusters)), 1)
    for start in range(0, int(groups.max()) + 1, step):
        left_out = np.arange(start, min(start + step, int(groups.max()) + 1))
        kept = np.where(groups[None, :] == left_out[:, None], 0.0, weights[None, :])
        with np.errstate(divide="ignore", invalid="ignore"):  # nothing may be left
            results.append(np.stack([statistic(kept) for statistic in statistics]))
    return np.concatenate(results, axis=1)


def effective_number(deviations: Array) -> float:
    """How many equal deviations would vary as these do: (Σ d²)² / Σ d⁴; 0 if all are 0."""
    largest = float(np.abs(deviations).max(initial=0.0))
    if not largest > 0.0:
        return 0.0
    # the number has no unit: by a power of two, very small ones keep their fourth powers
    squares = np.ldexp(deviations, -math.frexp(largest)[1]) ** 2
    return float(squares.sum()) ** 2 / float((squares**2).sum())


def widening(effective: Array | float, level: float) -> Array:
    """The exact upper limit of a Poisson mean of k over the normal one, in standard errors.

    `effective` is k, the number of changes, more than 0.
    """
    exact = chdtri(2 * effective + 2, level) / 2
    return np.asarray((exact - effective) / (-ndtri(level) * np.sqrt(effective)))


def standard_error(statistic: Statistic, clusters: NDArray[np.int64]) -> float:
    """The jackknife standard error of a statistic, in its unit; 0 for a single cluster."""
    if not clusters.any():
        return 0.0
    left = jackknife([statistic], clusters)[0]
    return float(math.sqrt((len(left) - 1) / len(left) * np.sum((left - left.mean()) ** 2)))


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


def median_in_order(values: Array) -> Interval:
    """The median of positive values, shape (n,), in the order in which they were taken.

    The 95 % limits are order statistics, as in the sign test: no distribution is assumed
    (Hollander, Wolfe and Chicken, 3.6). But neighbours are alike, since what slows a machine lasts
    a while. With a correlation of r between the sides of the median on which neighbours lie, the
    ranks are further out by sqrt((1 + r) / (1 - r)), as for an autoregression of first order. If
    there are too few values for such ranks, the logarithmic distances to the outermost ones are
    stretched. Fewer than three values have an unbounded interval.
    """
    n, middle = len(values), float(np.median(values))
    if n < _FEWEST_IN_ORDER:
        return Interval(middle, 0.0, math.inf)
    sides = np.sign(values - middle)
    # the sides are centred by their own median, which biases r by -1/n
    alike = min(max(float(sides[1:] @ sides[:-1]) / (n - 1) + 1 / n, 0.0), _MOST_ALIKE)
    distance = float(ndtri(0.975)) * math.sqrt(n * (1 + alike) / (1 - alike)) / 2
    rank = max(math.floor(n / 2 - distance), 1)
    stretched = max(distance / (n / 2 - 1), 1.0)
    ordered = np.sort(values)
    with np.errstate(over="ignore", under="ignore"):
        low, high = middle * (ordered[[rank - 1, n - rank]] / middle) ** stretched
    return Interval(middle, float(low), float(high))


_FEWEST_IN_ORDER = 3
_MOST_ALIKE = 0.9
"""The most that neighbours are taken to be correlated; so few values cannot show more."""


def blurred(ratio: Interval, error: float) -> Interval:
    """The interval of a positive ratio after multiplication by an independent random error.

    `error` is the standard deviation of that error's logarithm. The distances of the logarithms add
    in quadrature, each side separately, as in `combine`.
    """
    slack = float(ndtri(0.975)) * error
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
        slack = float(stdtrit(n - 1, 0.975)) * error
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
