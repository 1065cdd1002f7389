"""Intervals of means, ratios and shares of items that come in clusters. Pure arithmetic.

Values are arrays of shape (n,), one for each item; `ids` are the numbers of their clusters, from 0.
All intervals have 95 %. They hold for items of one distribution; with fewer than about 20 clusters
they are rough.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, betaincinv, stdtrit

from unicomp.spec import LEVEL
from unicomp.statistics import Array, Interval, effective_number, widening

Ids = NDArray[np.int64]

_CHANGED_AT_MOST = 3.69
"""Clusters that may be different although none was seen to be: -ln .025."""

_FEWEST_OF_EACH = 5.0
"""Right, and wrong, items from which their values tell how much a mean of them varies."""


def mean_of_positive(values: Array, ids: Ids) -> Interval:
    """The mean of values that are not negative, such as divergences, with its interval.

    A cluster-robust t interval of the logarithm, since such values are skewed. It is [0, infinity)
    for a mean of 0 or for one cluster.
    """
    mean = float(np.mean(values))
    if mean <= 0 or ids.max() < 1:
        return Interval(mean, 0.0, math.inf)
    slack = _student(ids) * _error(values - mean, ids) / mean
    return Interval(mean, mean * math.exp(-slack), mean * math.exp(slack))


def ratio_of_means(top: Array, bottom: Array, ids: Ids) -> Interval:
    """The ratio of two means of the same items, of values from 0 to 1, with its interval.

    A cluster-robust t interval, widened where a few clusters decide: losses are then counts, whose
    error is Poisson's. As a few clusters may be lost altogether although none was seen to be, it is
    never narrower than the rule of three. Unbounded for one cluster. Raises ValueError if `bottom`
    is zero.
    """
    base = float(np.mean(bottom))
    if base <= 0:
        raise ValueError("there is no ratio to a mean of zero")
    ratio = float(np.mean(top)) / base
    if ids.max() < 1:
        return Interval(ratio, 0.0, math.inf)
    residuals = top - ratio * bottom
    slack = _student(ids) * _error(residuals, ids) / base
    if number := effective_number(np.bincount(ids, residuals).astype(np.float64)):
        slack *= float(widening(number, LEVEL))
    slack = max(slack, ratio * _CHANGED_AT_MOST / (int(ids.max()) + 1))
    return Interval(ratio, max(ratio - slack, 0.0), ratio + slack)


def mean_of_shares(values: Array, ids: Ids) -> Interval:
    """The mean of values from 0 to 1 with its interval: that of the ratio to a constant 1."""
    found = ratio_of_means(values, np.ones_like(values), ids)
    return Interval(found.estimate, found.low, min(found.high, 1.0))


def mean_of_items(values: Array, ids: Ids) -> Interval:
    """The mean of values from 0 to 1, such as each item's share of right samples.

    Wilson's interval (Journal of the American Statistical Association 22, 1927) for as many
    independent answers, right or wrong, as would vary like the mean does, with Student's t. If
    fewer than 5 items in all are right, or wrong, clusters count as one answer each: so few do not
    tell how much the mean varies. It is [0, 1] for one cluster.
    """
    mean, sizes = float(np.mean(values)), np.bincount(ids)
    if len(sizes) < 2:
        return Interval(mean, 0.0, 1.0)
    number = len(ids) ** 2 / float((sizes**2).sum())
    if min(mean, 1 - mean) * number >= _FEWEST_OF_EACH and (error := _error(values - mean, ids)):
        number = mean * (1 - mean) / error**2
    squared = _student(ids) ** 2 / number
    middle = (mean + squared / 2) / (1 + squared)
    slack = math.sqrt(squared * mean * (1 - mean) + squared**2 / 4) / (1 + squared)
    return Interval(mean, max(min(middle - slack, mean), 0.0), min(max(middle + slack, mean), 1.0))


def share(marked: NDArray[np.bool_], ids: Ids, *, alike: bool = True) -> Interval:
    """The share of marked items with its interval, which always has a width.

    Clopper and Pearson's (Biometrika 26, 1934), which is exact for independent items. Clusters
    count as if their items were `alike`, all marked or none: a bound on any correlation. Otherwise
    their correlation is estimated, which suits many items in few clusters.
    """
    sizes = np.bincount(ids)
    found = float(np.mean(marked))
    n = float(len(ids))
    effective = n**2 / float((sizes**2).sum())
    if not alike and 0.0 < found < 1.0 and len(sizes) > 1:
        variance = _error(marked.astype(np.float64) - found, ids) ** 2
        effective = min(max(found * (1 - found) / variance, effective), n) if variance else n
    seen = found * effective
    rest = effective - seen
    low = 0.0 if found <= 0.0 else float(betaincinv(seen, rest + 1, 0.025))
    high = 1.0 if found >= 1.0 else float(betaincinv(seen + 1, rest, 0.975))
    return Interval(found, min(low, found), max(high, found))


def mcnemar(lost: int, gained: int) -> float:
    """McNemar's exact two-sided p-value: losses and gains are equally likely.

    Items count as independent. McNemar (Psychometrika 12, 1947).
    """
    flips = lost + gained
    return min(2.0 * float(bdtr(min(lost, gained), flips, 0.5)), 1.0)


def _error(residuals: Array, ids: Ids) -> float:
    """The standard error of a mean from residuals around it, robust to clusters."""
    sums = np.bincount(ids, residuals)
    m = len(sums)
    return math.sqrt(m / (m - 1) * float((sums**2).sum())) / len(residuals)


def _student(ids: Ids) -> float:
    return float(stdtrit(int(ids.max()), 0.975))
