"""What the limits of a full run will be, when only a part of its items was asked.

The baseline's answers are known for all items, and the items are asked in random order. So the full
run's table of a group of items has two unknown numbers: the baseline's right answers that the
candidate loses, and its wrong ones that it gains. All pairs of numbers under which the answers so
far are not too surprising are kept, see `urns`. The limits that the full run can have are those of
the pairs that are kept. With a chance of at most exp(-nats) the full run's own pair is ever
left out, whenever one looks and stops.

For a sum of several groups or benchmarks the surprises add up. What the sum can be then follows
from Lagrange's duality, whose bounds hold however coarse the search for them is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import ndtri

from unicomp.confidence.shares import lower_limits, most_of, reach, stay_below, upper_limits
from unicomp.confidence.sums import Joint, Part
from unicomp.confidence.urns import Urn, log_mixed, log_mixture
from unicomp.statistics import Array

_T = TypeVar("_T", np.float64, np.bool_)

CELLS = 24
"""The most intervals into which the totals of one urn are divided; more take longer, and one may
stop a little sooner."""
FINE = 96
"""The same where no limits are searched, so that a cell costs little."""
_ROUNDS = 3
"""How often the slope of the square root is improved; see `_least_lower`."""


class Range(NamedTuple):
    """The values that a figure of the full run can have."""

    least: float
    most: float


class Answer(NamedTuple):
    """Whether something holds in the full run."""

    surely: bool
    possibly: bool


class PartTable(NamedTuple):
    """A group of items that weigh the same, asked in part."""

    right: float
    """Items that the baseline has right, and `wrong` those it has wrong."""
    wrong: float
    seen_right: float
    """Of the right ones, those that were asked; of these the candidate has `lost` some."""
    lost: float
    seen_wrong: float
    """Of the wrong ones, those that were asked; of these the candidate has `gained` some."""
    gained: float

    @property
    def urns(self) -> tuple[Urn, Urn]:
        """Those of the losses and of the gains."""
        a, b, c, d, e, f = map(int, self)
        return Urn(a, c, d), Urn(b, e, f)

    @property
    def baseline(self) -> float:
        """The baseline's share of right answers."""
        return self.right / (self.right + self.wrong)

    @property
    def expected(self) -> float:
        """The candidate's share of right answers that is likely in the full run."""
        losses, gains = self.urns
        return (self.right - losses.expected + gains.expected) / (self.right + self.wrong)


@dataclass(frozen=True)
class PartialShares:
    """The candidate's share of right answers against the baseline's, asked in part.

    `tables` has one for each group of items that weighs the same, as those of `PairedShares`.
    """

    tables: tuple[PartTable, ...]
    absolute: bool = False
    """Whether it is about candidate - baseline, in shares, instead of candidate / baseline."""

    @property
    def estimate(self) -> float:
        """The ratio, or difference, that is likely in the full run."""
        candidate, baseline = self.shares
        return candidate - baseline if self.absolute else candidate / baseline

    @property
    def shares(self) -> tuple[float, float]:
        """The candidate's share of right answers that is likely in the full run; the baseline's."""
        count = len(self.tables)
        candidate = math.fsum(one.expected for one in self.tables) / count
        return candidate, math.fsum(one.baseline for one in self.tables) / count

    @property
    def asked(self) -> int:
        """The items that were asked."""
        return int(sum(one.seen_right + one.seen_wrong for one in self.tables))

    def terms(
        self, weight: float = 1.0, power: float = 1.0, drifts: Sequence[Drift] = ()
    ) -> list[Term]:
        """The terms of a sum that has this quantity with a weight.

        `drifts` are those of the quantity; see `Term` for them and for `power`.
        """
        count = len(self.tables)
        if self.absolute:
            return [Term(table, weight / count, True, power) for table in self.tables]
        total = math.fsum(one.baseline for one in self.tables)
        shares = [one.baseline / total for one in self.tables]
        spreads = [
            one.baseline * (1 - one.baseline) / (one.right + one.wrong) / total**2
            for one in self.tables
        ]
        own = [0.0] * count
        if count > 1:  # groups that differ: see `PairedShares`, and `bounded`
            own = [weight**2 * one for one in bounded(spreads, shares)]
        return [
            Term(
                table,
                weight / total,
                power=power,
                drifts=(
                    *((Drift(coefficient, self.estimate),) if coefficient else ()),
                    *(replace(drift, weight=drift.weight * share) for drift in drifts),
                ),
            )
            for table, coefficient, share in zip(self.tables, own, shares, strict=True)
        ]

    def likely(self, nats: float) -> Likely:
        """What the full run can be, but for a chance of exp(-nats)."""
        return PartialSum(tuple(self.terms())).likely(nats)


def bounded(spreads: Sequence[float], shares: Sequence[float]) -> list[float]:
    """Coefficients c with Σ spread (r - mean)² ≤ Σ c (r - centre)² for any centre.

    `mean` is that of r with the weights `shares`. (r - mean)² is at most 2 (r - centre)² +
    2 (mean - centre)², and the last square is at most Σ share (r - centre)².
    """
    total = math.fsum(spreads)
    return [2 * (one + total * share) for one, share in zip(spreads, shares, strict=True)]


@dataclass(frozen=True)
class Drift:
    """A part of a sum's sampling variance that grows with the distance of a ratio from a centre."""

    weight: float
    centre: float


@dataclass(frozen=True)
class Term:
    """A group of items in a sum."""

    table: PartTable
    weight: float
    """What the sum gains if the candidate's share of right answers grows by 1."""
    absolute: bool = False
    power: float = 1.0
    """The power of the group's e-process. It is 1 / k for k benchmarks whose orders may depend on
    each other: the geometric mean of their processes is one, by Hölder's inequality, and their
    product need not be."""
    drifts: tuple[Drift, ...] = ()


@dataclass(frozen=True)
class PartialSum:
    """A weighted sum of shares of which some groups were asked in part, such as a metric."""

    terms: tuple[Term, ...]
    fixed: tuple[Part, ...] = ()
    """The parts that are known, with their weights."""
    correlations: Mapping[tuple[int, int], float] = field(default_factory=dict)
    """Of the known parts; see `Joint`."""
    drift: float = 0.0
    """The square of the standard error that the known parts add by `Drift`."""

    @property
    def estimate(self) -> float:
        """The sum that is likely in the full run."""
        own = (one.weight * (one.table.expected - _offset(one)) for one in self.terms)
        return math.fsum(own) + Joint(self.fixed, self.correlations).estimate

    def likely(self, nats: float) -> Likely:
        """What the full run can be, but for a chance of exp(-nats)."""
        urns = [one.table.urns for one in self.terms]
        constant = log_mixed(
            [(one.power, log_mixture(*pair)) for one, pair in zip(self.terms, urns, strict=True)]
        )
        least = math.fsum(
            -one.power * float(urn.log_likelihoods().max())
            for one, pair in zip(self.terms, urns, strict=True)
            for urn in pair
        )
        slack = max(nats - constant - least, 0.0)
        return Likely(self, [_group(one, slack) for one in self.terms], nats - constant)


@dataclass(frozen=True)
class Likely:
    """The values that figures of the full run can have: all but with the given chance."""

    sum: PartialSum
    groups: list[_Group]
    """The totals of each term that are not too surprising."""
    nats: float
    """The most surprise of all terms together."""

    @cached_property
    def _surprises(self) -> list[Array]:
        return [one.surprise for one in self.groups]

    @cached_property
    def _known(self) -> Joint:
        return Joint(self.sum.fixed, self.sum.correlations)

    def estimates(self) -> Range:
        """The values that the full run's estimate can have."""
        groups = [self._fine] if self._is_alone else self.groups
        values, surprises = [_values(one) for one in groups], [one.surprise for one in groups]
        known = self._known.estimate
        return Range(
            known + _least([low for low, _ in values], surprises, self.nats),
            known - _least([-high for _, high in values], surprises, self.nats),
        )

    def lower(self, level: float) -> Range:
        """The lower limits at a level that the full run can have."""
        return self._limits(level, 1.0)

    def upper(self, level: float) -> Range:
        """The upper limits at a level that the full run can have."""
        found = self._limits(level, -1.0)
        return Range(-found.most, -found.least)

    def reaches(self, level: float, bound: float) -> Answer:
        """Whether the full run's lower limit at a level is at or above a bound; see `lower`."""
        return self._compared(level, bound, 1.0)

    def stays_below(self, level: float, bound: float) -> Answer:
        """Whether the full run's upper limit at a level is below a bound; see `upper`."""
        return self._compared(level, bound, -1.0)

    def _compared(self, level: float, bound: float, sign: float) -> Answer:
        if self._is_alone and self.sum.terms[0].table.right:
            met, possible = _met(self.groups[0], level, bound, sign), self._corners <= self.nats
            if met[possible].any() and not met[possible].all():
                return Answer(surely=False, possibly=True)
            never, ever = self._fine.extremes(_met(self._fine, level, bound, sign))
            possible = self._fine.surprise <= self.nats
            return Answer(bool(never[possible].all()), bool(ever[possible].any()))
        least, most = (self.lower if sign > 0 else self.upper)(level)
        if sign > 0:
            return Answer(least >= bound, most >= bound)
        return Answer(most < bound, least < bound)

    @property
    def _is_alone(self) -> bool:
        """Whether the sum is one group, and nothing else."""
        terms = self.sum.terms
        return len(terms) == 1 and not self.sum.fixed and not terms[0].drifts

    @cached_property
    def _fine(self) -> _Group:
        """The only group in smaller cells."""
        (alone,) = self.groups
        slack = max(self.nats - float(alone.surprise.min()), 0.0)
        return _group(alone.term, slack, FINE)

    @cached_property
    def _corners(self) -> Array:
        """The surprise at each corner of the only group."""
        (alone,) = self.groups
        losses, gains = (
            -alone.term.power * urn.log_likelihoods()[np.rint(edges - urn.marked).astype(int)]
            for urn, edges in zip(alone.term.table.urns, (alone.losses, alone.gains), strict=True)
        )
        return np.asarray(losses[:, None] + gains[None, :])

    def _limits(self, level: float, sign: float) -> Range:
        """The lower limits for a `sign` of 1, and the negative upper ones for -1."""
        interval = self._known.limits(level)
        side = interval.estimate - interval.low if sign > 0 else interval.high - interval.estimate
        if not math.isfinite(side):
            return Range(-math.inf, -math.inf)
        fixed = side**2 + float(ndtri(level)) ** 2 * self.sum.drift
        groups = [_side(one, level, sign) for one in self.groups]
        if self._is_alone:
            low, high = groups[0].limits
            return Range(
                _least([low], self._surprises, self.nats),
                -_least([-high], self._surprises, self.nats),
            )
        known = sign * interval.estimate
        return Range(
            known + _least_lower(groups, self._surprises, self.nats, fixed),
            known + _most_lower(groups, self._surprises, self.nats, fixed),
        )


# -- the totals of one group ----------------------------------------------------------------------


@dataclass(frozen=True)
class _Group:
    """Cells of pairs of totals, of shape (losses, gains), and what holds in each."""

    term: Term
    surprise: Array
    """The least surprise in each cell, without the constant."""
    losses: Array
    """The corners of the cells: totals of losses, and of gains."""
    gains: Array
    exact: tuple[bool, bool]
    """Whether each total is a cell of its own, so that its corners are one."""

    def extremes(self, values: NDArray[_T]) -> tuple[NDArray[_T], NDArray[_T]]:
        """The least and the largest value at the corners of each cell, from those of all."""
        low = high = values
        for axis, exact in enumerate(self.exact):
            if not exact:
                ahead = [slice(None)] * 2
                behind = [slice(None)] * 2
                ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
                low = np.minimum(low[tuple(behind)], low[tuple(ahead)])
                high = np.maximum(high[tuple(behind)], high[tuple(ahead)])
        return low, high

    @cached_property
    def tables(self) -> Array:
        """The full run's table at each corner, shape (corners, 4), as those of `PairedShares`."""
        table = self.term.table
        losses, gains = np.broadcast_arrays(self.losses[:, None], self.gains[None, :])
        both, neither = table.right - losses, table.wrong - gains
        return np.stack([both, gains, losses, neither], axis=-1).reshape(-1, 4)

    @cached_property
    def candidate(self) -> Array:
        """The candidate's share of right answers at each corner."""
        table = self.term.table
        right = table.right - self.losses[:, None] + self.gains[None, :]
        return np.asarray(right / (table.right + table.wrong))


def _group(term: Term, slack: float, most: int = CELLS) -> _Group:
    """The cells of the totals whose surprise exceeds the least one by at most `slack`.

    `most` is the number of cells of an urn.
    """
    losses, gains = term.table.urns
    edges, cells, exact = zip(
        *(_cells(urn, term.power, slack, most) for urn in (losses, gains)), strict=True
    )
    surprise = cells[0][:, None] + cells[1][None, :]
    return _Group(term, surprise, edges[0], edges[1], (exact[0], exact[1]))


@lru_cache(maxsize=4096)
def _cells(urn: Urn, power: float, slack: float, most: int) -> tuple[Array, Array, bool]:
    """The corners of an urn's cells, the least surprise in each, and whether each is one total."""
    surprise = -power * urn.log_likelihoods()
    near = np.flatnonzero(surprise <= surprise.min() + slack)
    first, last = int(near[0]), int(near[-1])
    totals, surprise = urn.totals[first : last + 1], surprise[first : last + 1]
    if len(totals) <= most + 1:
        return totals, surprise, True
    edges = np.unique(np.linspace(0, len(totals) - 1, most + 1).round().astype(int))
    inside = np.minimum.reduceat(surprise, edges[:-1])
    return totals[edges], np.minimum(inside, surprise[edges[1:]]), False


def _met(group: _Group, level: float, bound: float, sign: float) -> NDArray[np.bool_]:
    """Whether each corner's lower limit is at or above a bound, or its upper one below it."""
    term = group.term
    weight = term.weight * (1.0 if term.absolute else term.table.baseline)
    own = round(bound / weight, 12)  # a bound of 1 stays 1, at which limits are often cut off
    compare = reach if sign > 0 else stay_below
    found = compare(group.tables, level, own, absolute=term.absolute)
    return found.reshape(*group.candidate.shape)


def _offset(term: Term) -> float:
    """What is subtracted from the candidate's share."""
    return term.table.baseline if term.absolute else 0.0


def _values(group: _Group) -> tuple[Array, Array]:
    """The least and the largest contribution to the sum in each cell."""
    term = group.term
    return group.extremes(term.weight * (group.candidate - _offset(term)))


@dataclass(frozen=True)
class _Side:
    """What each cell of a group adds to a sum and to its distance from the limit on one side."""

    value: tuple[Array, Array]
    """The least and the largest contribution to the sum, times the sign of the side."""
    limits: tuple[Array, Array]
    """The least and the largest limit of the group alone. Losses lower a value and its limits, and
    gains raise them, so the least of both are at one corner, and the largest at another."""
    drift: Array
    """The largest contribution to the square of the distance besides; convex, so at a corner."""


def _side(group: _Group, level: float, sign: float) -> _Side:
    term, table = group.term, group.term.table
    candidate = group.candidate
    if table.right:
        found = lower_limits if sign > 0 else upper_limits
        limit = found(group.tables, level, absolute=term.absolute).reshape(candidate.shape)
        limit = limit + table.baseline if term.absolute else limit * table.baseline
    elif sign > 0:
        limit = np.zeros_like(candidate)
    else:
        limit = most_of(candidate, np.float64(table.wrong), level)  # type: ignore[arg-type]
    distance = term.weight * np.abs(candidate - limit)
    value = sign * term.weight * (candidate - _offset(term))
    drift = np.zeros_like(candidate)
    if table.right:
        ratio = candidate / table.baseline
        for one in term.drifts:
            drift = drift + float(ndtri(level)) ** 2 * one.weight * (ratio - one.centre) ** 2
    return _Side(
        value=group.extremes(value),
        limits=group.extremes(value - distance),
        drift=group.extremes(drift)[1],
    )


# -- sums -----------------------------------------------------------------------------------------


def _least(values: Sequence[Array], surprises: Sequence[Array], nats: float) -> float:
    """A bound below the sum of one value of each group whose surprises add up to at most `nats`.

    Lagrange's dual: for any price of a nat, the sum of the least (value + price x surprise) minus
    price x nats is such a bound. The best price is searched.
    """
    if len(values) == 1:
        return float(np.min(values[0], where=surprises[0] <= nats, initial=math.inf))
    return _priced(values, surprises, nats)[0]


def _priced(
    values: Sequence[Array], surprises: Sequence[Array], nats: float
) -> tuple[float, list[tuple[int, ...]]]:
    """The bound of `_least` with the best price, and the cells that give it."""
    spread = sum(float(np.ptp(one)) for one in values) or 1.0

    def bound(exponent: float) -> float:
        price = spread * math.exp(exponent)
        pairs = zip(values, surprises, strict=True)
        return sum(float((v + price * s).min()) for v, s in pairs) - price * nats

    found = minimize_scalar(
        lambda exponent: -bound(exponent),
        bounds=(-12.0, 2.0),
        method="bounded",
        options={"xatol": 0.05},
    )
    price = spread * math.exp(float(found.x))
    cells = [
        np.unravel_index(int((v + price * s).argmin()), v.shape)
        for v, s in zip(values, surprises, strict=True)
    ]
    free = sum(float(one.min()) for one in values)  # whatever it costs
    return max(bound(float(found.x)), free), [tuple(map(int, cell)) for cell in cells]


def _least_lower(
    groups: Sequence[_Side], surprises: Sequence[Array], nats: float, fixed: float
) -> float:
    """A bound below the lower limit of a sum, whose distance is the root of a sum of squares.

    For any t the root of x is at most x / 2t + t / 2, which is a sum over the groups again. Within
    a cell a value may rise and its limit stay, so that the distance grows as much. What the sum
    gains is concave in that rise, so it is least at one of its ends.
    """
    squares = [(one.value[0] - one.limits[0]) ** 2 + one.drift for one in groups]
    longest = [(one.value[1] - one.limits[0]) ** 2 + one.drift for one in groups]
    t = math.sqrt(fixed + sum(float(one.min()) for one in squares)) or 1e-12
    best = -math.inf
    for _ in range(_ROUNDS):
        values = [
            np.minimum(one.value[0] - short / (2 * t), one.value[1] - long / (2 * t))
            for one, short, long in zip(groups, squares, longest, strict=True)
        ]
        found, cells = _priced(values, surprises, nats)
        best = max(best, found - fixed / (2 * t) - t / 2)
        t = math.sqrt(fixed + sum(float(s[c]) for s, c in zip(squares, cells, strict=True))) or t
    return best


def _most_lower(
    groups: Sequence[_Side], surprises: Sequence[Array], nats: float, fixed: float
) -> float:
    """A bound above the lower limit of a sum: the root is at least any weighted mean of distances.

    The weights of Cauchy and Schwarz, whose squares add up to 1; drifts are left out. As no weight
    exceeds 1, the sum is largest where both a value and its limit are.
    """
    least = [one.value[1] - one.limits[1] for one in groups]
    own = [
        float(distance.flat[int(s.argmin())]) for distance, s in zip(least, surprises, strict=True)
    ]
    best = math.inf
    for _ in range(_ROUNDS):
        root = math.sqrt(fixed + math.fsum(one**2 for one in own))
        weights = [one / root if root > 0 else 0.0 for one in own]
        values = [
            weight * distance - one.value[1]
            for one, weight, distance in zip(groups, weights, least, strict=True)
        ]
        found, cells = _priced(values, surprises, nats)
        known = fixed / root if root > 0 else 0.0
        best = min(best, -found - known)
        own = [float(distance[cell]) for distance, cell in zip(least, cells, strict=True)]
    return best
