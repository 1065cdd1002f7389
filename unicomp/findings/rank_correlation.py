"""Spearman's rank correlation of few values: with a p-value, or with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_WITHOUT_INTERVAL = 9
"""Up to so many pairs the interval's coverage is far from 95 %, so there is a p-value instead."""
MOST_EXACT = 7
"""Up to so many pairs all orders are tried."""
DRAWS = 20_000
"""Orders that are drawn for more pairs."""


@dataclass(frozen=True, kw_only=True)
class RankCorrelation:
    """Spearman's rank correlation in [-1, 1], with either a p-value or a 95 % interval."""

    estimate: float
    p_value: float | None = None
    """The share of orders of one side that correlate at least as much, in either direction."""
    low: float | None = None
    high: float | None = None


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> RankCorrelation | None:
    """The rank correlation of paired values.

    Fewer than ten pairs have the p-value of a permutation test, exact up to seven pairs. More have
    Bonett and Wright's interval (Psychometrika 65, 2000). None if there is no correlation: fewer
    than three pairs, or one side all equal.
    """
    n = len(first)
    if n < 3 or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    from scipy.stats import rankdata  # takes longer to import than all else here

    one, other = (ranks - ranks.mean() for ranks in (rankdata(first), rankdata(second)))
    scale = math.sqrt(float(one @ one) * float(other @ other))
    found = min(max(float(one @ other) / scale, -1.0), 1.0)
    if n <= MOST_WITHOUT_INTERVAL:
        return RankCorrelation(estimate=found, p_value=_p_value(one, other))
    low, high = _interval(found, n)
    return RankCorrelation(estimate=found, low=low, high=high)


def _p_value(one: NDArray[Any], other: NDArray[Any]) -> float:
    """The two-sided p-value of centred ranks; drawn orders include the observed one."""
    n = len(one)
    observed = abs(float(one @ other)) - 1e-9
    if n <= MOST_EXACT:
        orders = np.array(list(permutations(range(n))))
        return float(np.mean(np.abs(other[orders] @ one) >= observed))
    drawn = np.random.default_rng(0).permuted(np.tile(other, (DRAWS, 1)), axis=1)
    return float((1 + np.sum(np.abs(drawn @ one) >= observed)) / (1 + DRAWS))


def _interval(found: float, n: int) -> tuple[float, float]:
    """The 95 % interval. It treats perfect agreement as one exchange of neighbours short of it.

    Its transformation is infinite at 1 and -1, and would leave no width there.
    """
    most = 1 - 12 / (n**3 - n)
    slack = 1.96 * math.sqrt((1 + found**2 / 2) / (n - 3))
    centre = math.atanh(min(max(found, -most), most))
    return min(math.tanh(centre - slack), found), max(math.tanh(centre + slack), found)
