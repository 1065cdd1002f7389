"""Limits of the paired shares of items that are independent, and right or wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtri

from unicomp.spec import LEVEL
from unicomp.statistics import Array, Interval

_N = TypeVar("_N", float, Array)

_ROUNDING = 1e-9
"""The part of an item by which a distance of 0 may be missed."""
_LEAST_VARIANCE = 1e-24
"""So that a distance can be divided by its root."""

FEWEST_RIGHT = 10
"""With fewer right answers of the baseline, the lower limit of a ratio of shares is 0."""


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
        up = np.where(baseline > 0, high * baseline, most_of(candidate, n, level)) - candidate
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
    return _standardized(*_ratio_moments(table, ratio), sum(table), correction)


def _ratio_moments(table: Sequence[_N], ratio: _N) -> tuple[_N, _N]:
    """The distance of a table from a hypothetical ratio, and its variance under it."""
    both, gained, lost, neither = table
    n = both + gained + lost + neither
    p, q = (both + gained) / n, (both + lost) / n
    p10, p01, p00 = gained / n, lost / n, neither / n
    root = _positive((p - ratio**2 * q) ** 2 + 4 * ratio**2 * p10 * p01) ** 0.5
    baseline_only = (-p + ratio**2 * (q + 2 * p10) + root) / (2 * ratio * (ratio + 1))
    candidate_only = ratio * baseline_only - (ratio - 1) * (1 - p00)
    return n * (p - ratio * q), n * ratio * (candidate_only + baseline_only)


def _difference_score(table: _Table, bound: float, correction: float) -> float:
    """The score statistic for a hypothetical difference."""
    return _standardized(*_difference_moments(table, bound), sum(table), correction)


def _difference_moments(table: Sequence[_N], bound: _N) -> tuple[_N, _N]:
    """The distance of a table from a hypothetical difference, and its variance under it."""
    both, gained, lost, neither = table
    n = both + gained + lost + neither
    # the losses under the hypothesis: the larger root of Tango's quadratic equation
    linear = -gained - lost + (2 * n - gained + lost) * bound
    constant = -lost * bound * (1 - bound)
    root = _positive(linear**2 - 8 * n * constant) ** 0.5
    expected = _positive((root - linear) / (4 * n) + bound) - bound  # not below -bound
    expected = _positive(expected)
    return gained - lost - n * bound, n * (2 * expected + bound - bound**2)


def _positive(number: _N) -> _N:
    """The number, or 0 if it is negative."""
    return (number + abs(number)) / 2


def _standardized(distance: float, variance: float, n: float, correction: float) -> float:
    """The distance, shortened by the correction, in standard errors; finite."""
    if abs(distance) < _ROUNDING * n:
        return 0.0
    shortened = math.copysign(max(abs(distance) - correction, 0.0), distance)
    return shortened / math.sqrt(max(variance, _LEAST_VARIANCE))


# -- many tables at once --------------------------------------------------------------------------


def lower_limits(tables: Array, level: float, *, absolute: bool) -> Array:
    """The lower limits of `ratio_limits`, or of `difference_limits` if `absolute`, shape (k,).

    They are found for all tables together, which takes far less time for thousands of them.
    """
    return _one_side(tables, level, absolute, 1.0)


def upper_limits(tables: Array, level: float, *, absolute: bool) -> Array:
    """The upper limits, as `lower_limits`."""
    return _one_side(tables, level, absolute, -1.0)


def reach(tables: Array, level: float, bound: float, *, absolute: bool) -> NDArray[np.bool_]:
    """Whether the lower limits are at or above a bound, shape (k,); no limit is searched."""
    return _statistic(tables, bound, absolute, bound > _same(absolute)) >= float(-ndtri(level))


def stay_below(tables: Array, level: float, bound: float, *, absolute: bool) -> NDArray[np.bool_]:
    """Whether the upper limits are below a bound, shape (k,); no limit is searched."""
    return _statistic(tables, bound, absolute, bound <= _same(absolute)) < float(ndtri(level))


def _same(absolute: bool) -> float:
    """The value of a candidate that is like its baseline."""
    return 0.0 if absolute else 1.0


def _statistic(tables: Array, bound: float, absolute: bool, corrected: bool) -> Array:
    """The score statistics of tables of shape (k, 4) for a hypothetical value, which fall with it.

    They are infinite for a value that no limit can be at.
    """
    columns = np.asarray(tables, dtype=np.float64).T
    if bound <= (-1.0 if absolute else 0.0):
        return np.full(len(tables), math.inf)
    moments = _difference_moments if absolute else _ratio_moments
    distance, variance = moments(tuple(columns), np.full(len(tables), bound))
    found = np.maximum(np.abs(distance) - (0.5 if corrected else 0.0), 0.0)
    near = np.abs(distance) < _ROUNDING * columns.sum(axis=0)
    found = np.where(near, 0.0, np.copysign(found, distance))
    found = found / np.sqrt(np.maximum(variance, _LEAST_VARIANCE))
    return found if absolute else np.where(columns[0] + columns[2] > 0, found, 0.0)


def _one_side(tables: Array, level: float, absolute: bool, sign: float) -> Array:
    """The lower limits for a `sign` of 1, the upper ones for -1."""
    both, gained, lost, _ = columns = np.asarray(tables, dtype=np.float64).T
    n = columns.sum(axis=0)
    baseline = both + lost
    moments = _difference_moments if absolute else _ratio_moments
    same = _same(absolute)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = (gained - lost) / n if absolute else (both + gained) / baseline
    estimate = np.where(np.isfinite(estimate), estimate, 0.0)
    z = float(-ndtri(level))
    least, most = (-1.0, 1.0) if absolute else (1e-9, 1e9)
    slope = n if absolute else np.maximum(baseline, 1e-9)

    def solved(table: Array, start: Array, slope: Array, correction: float) -> Array:
        """Where the score is `sign` * z, from the estimate outwards."""
        centre = start - sign * correction / slope

        def beyond(bound: Array) -> Array:
            """How far a bound is above the one that its own variance gives; it grows."""
            variance = moments(tuple(table), bound)[1]
            return np.asarray(
                bound - centre + sign * z * np.sqrt(np.maximum(variance, _LEAST_VARIANCE)) / slope
            )

        inside = np.clip(start, least, most)
        if sign > 0:
            outside = np.full_like(inside, least)
        else:
            outside = np.minimum(2 * np.maximum(np.maximum(inside, same), 0.5), most)
            while np.any(short := (beyond(outside) < 0) & (outside < most)):
                outside = np.where(short, np.minimum(2 * outside, most), outside)
        reached = sign * beyond(outside) >= 0  # no bound is as far away
        low, high = np.minimum(inside, outside), np.maximum(inside, outside)
        # without any change the estimate is a root as well, and this is the other one
        first = np.clip(inside - sign * z**2 / (slope + (z**2 if sign > 0 else 0.0)), low, high)
        root = _root(beyond, low, high, first)
        return np.where(reached, outside, root)

    found = solved(columns, estimate, slope, 0.0)
    crossed = found > same if sign > 0 else found < same
    if crossed.any():
        corrected = solved(columns[:, crossed], estimate[crossed], slope[crossed], 0.5)
        limit = np.maximum if sign > 0 else np.minimum
        found[crossed] = limit(corrected, same)
    found = np.minimum(found, estimate) if sign > 0 else np.maximum(found, estimate)
    if absolute:
        return found
    if sign > 0:
        return np.where((baseline <= 0) | (both + gained <= 0), 0.0, found)
    return np.where(baseline <= 0, math.inf, found)


_ROUNDS = 100
"""Far more than a search needs."""
_NEAR = 1e-13
"""The last step of a search, as a part of what is searched."""


def _root(rising: Callable[[Array], Array], low: Array, high: Array, start: Array) -> Array:
    """Where functions that rise are 0, between `low` and `high`, shape (k,).

    By secants, and by halving the bracket where one would leave it.
    """
    at, value = start, rising(start)
    step = value
    for _ in range(_ROUNDS):
        low, high = np.where(value < 0, at, low), np.where(value > 0, at, high)
        done = np.abs(step) <= _NEAR * (1.0 + np.abs(at))
        if done.all():
            break
        ahead = at - step
        inside = done | ((ahead >= low) & (ahead <= high))
        before, found = at, value
        at = np.where(inside, ahead, (low + high) / 2)
        value = rising(at)
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = (at - before) / (value - found)
        step = np.where((value == 0) | done, 0.0, value * slope)
    return at


def most_of(share: Array, n: Array, level: float) -> Array:
    """The upper limit of a share of n items, by Wilson's score interval."""
    z = -ndtri(level)
    centre = share + z**2 / (2 * n)
    slack = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.asarray((centre + slack) / (1 + z**2 / n))
