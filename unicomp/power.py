"""Power: how likely a lossless candidate passes at its floor, and what would decide it.

Nothing is measured here. A lossless candidate flips items of the baseline, and loses as many as it
gains. Its lost and gained items are drawn with a fixed seed; each draw gets the limits that
`unicomp.confidence` would give it. The chance is the share of draws whose lower limit is at or
above the floor, with a standard error of at most 1.1 points.

Assumed unless a recorded run says otherwise: the baseline has 60 % right, 2 % of the items flip,
and changes within a cluster have a correlation of .3. Always assumed: clusters of equal size,
groups of equal size, and benchmarks that change independently of each other.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, ndtri, stdtrit

from unicomp.confidence import (
    FEWEST_CLUSTERS,
    FEWEST_RIGHT,
    Jackknifed,
    Joint,
    PairedShares,
    Part,
    ratio_limits,
)
from unicomp.framework import Profile
from unicomp.spec import LEVEL
from unicomp.statistics import widening

Array = NDArray[np.float64]

RIGHT = 0.6
"""The baseline's share of right answers where none is recorded."""
CHURN = 0.02
"""The share of items that flip, either way, where none is recorded."""
CORRELATION = 0.3
"""The correlation of changes within a cluster where none is recorded."""
ENOUGH = 0.8
"""The chance that is enough to run."""
_DRAWS = 2000
_SEED = 12


@dataclass(frozen=True, kw_only=True)
class Outline:
    """What is known of a benchmark before a candidate is measured."""

    name: str
    items: int
    clusters: int
    """Independent clusters of items; the items, if each is its own."""
    groups: int = 1
    """Groups of items that weigh the same in the score."""
    share: bool = True
    """Whether the score is a share of right answers, or a mean of such shares."""
    f1: bool = False
    """Whether the score is 2p / (1 + p) of the share p."""
    right: float = RIGHT
    """The baseline's score, oriented so that more is better, as a share of the best."""
    least: float = 0.0
    """The lowest score there is, as a share of the best; it may be negative."""
    churn: float = CHURN
    """The share of items that flip, either way."""
    correlation: float = CORRELATION
    """Of the changes within a cluster."""
    rows: str = ""
    """Benchmarks with the same text here have the same rows; empty if that is not known."""

    def with_items(self, items: int) -> Outline:
        """The same benchmark with another number of items."""
        return replace(self, items=items, clusters=round(self.clusters * items / self.items))


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A metric, or a critical benchmark, with the floor that decides it."""

    name: str
    floor: float
    """In percent of the baseline."""
    parts: tuple[Outline, ...]
    weights: tuple[float, ...]
    """The unit's change for a change of each part's retention by 1."""
    level: float = LEVEL
    """The error at which it must pass."""

    @classmethod
    def of_metric(
        cls,
        metric: str,
        profile: Profile,
        parts: Sequence[Outline],
        floor: float,
        level: float = LEVEL,
    ) -> Unit:
        """A metric of a profile, of which `parts` are all the benchmarks that count.

        Raises ValueError for a baseline without a ratio.
        """
        known = {part.name: part for part in parts}
        dense = {name: 100.0 * part.right for name, part in known.items()}
        slopes = profile.slopes(metric, dense)
        return cls(
            name=metric,
            floor=floor,
            parts=tuple(known[name] for name in slopes),
            weights=tuple(slope * dense[name] / 100.0 for name, slope in slopes.items()),
            level=level,
        )

    def with_items(self, items: Mapping[str, int]) -> Unit:
        """The same unit with other numbers of items of the named benchmarks."""
        parts = (p.with_items(items[p.name]) if p.name in items else p for p in self.parts)
        return replace(self, parts=tuple(parts))


def chance(unit: Unit, floor: float | None = None) -> float:
    """The probability that a lossless candidate passes, at the unit's floor or another one."""
    return float(np.mean(_lows(unit) >= (unit.floor if floor is None else floor) / 100.0))


def reachable_floor(unit: Unit) -> float:
    """The highest floor, in percent, that a lossless candidate passes with a chance of 80 %.

    Rounded down to a tenth; 0 if there is none.
    """
    low = float(np.quantile(_lows(unit), 1.0 - ENOUGH, method="lower"))
    return _rounded_down(100.0 * low)


def _rounded_down(percent: float) -> float:
    return max(math.floor(10.0 * percent) / 10.0, 0.0) if math.isfinite(10.0 * percent) else 0.0


# -- draws --------------------------------------------------------------------------------------


def _lows(unit: Unit) -> Array:
    """The lower limits of a lossless candidate, one for each draw; as `Joint.limits` has them."""
    drawn = [_drawn(part, unit.level) for part in unit.parts]
    estimate, squares = np.zeros(_DRAWS), np.zeros(_DRAWS)
    for weight, (estimates, below, _) in zip(unit.weights, drawn, strict=True):
        estimate += weight * estimates
        squares += (weight * below) ** 2
    for i, j in combinations(range(len(drawn)), 2):
        if unit.parts[i].rows and unit.parts[i].rows == unit.parts[j].rows:
            # parts of the same rows count as one while one of them has not changed
            together = unit.weights[i] * drawn[i][1] * unit.weights[j] * drawn[j][1]
            squares += np.where(drawn[i][2] & drawn[j][2], 0.0, 2 * together)
    return np.asarray(estimate - np.sqrt(squares))


_Drawn = tuple[Array, Array, NDArray[np.bool_]]
"""For each draw: the retention, the distance to its lower limit, and whether anything changed."""


@lru_cache(maxsize=1024)
def _drawn(part: Outline, level: float) -> _Drawn:
    random = np.random.default_rng((_SEED, zlib.crc32(part.name.encode())))
    if part.share and part.clusters == part.items:
        return _drawn_shares(part, level, random)
    return _drawn_clusters(part, level, random)


def _flip_rate(part: Outline) -> float:
    """The share of items that are lost, and that are gained: half of the churn."""
    return max(min(part.churn / 2, part.right, 1.0 - part.right), 0.0)


def _drawn_shares(part: Outline, level: float, random: np.random.Generator) -> _Drawn:
    """Of independent items, right or wrong: the limits of `PairedShares`."""
    k = min(part.groups, part.items)
    n = np.full(k, part.items // k) + (np.arange(k) < part.items % k)
    right = np.rint(n * part.right).astype(int)
    if k == 1 and not right[0]:
        return np.zeros(_DRAWS), np.full(_DRAWS, math.inf), np.zeros(_DRAWS, bool)
    rate = _flip_rate(part)
    lost, gained = (
        random.binomial(of, np.minimum(rate * n / np.maximum(of, 1), 1.0), (_DRAWS, k))
        for of in (right, n - right)
    )
    tables = np.stack(
        [right - lost, gained, lost, n - right - gained], axis=-1, dtype=np.float64
    ).reshape(-1, 4)
    distinct, place = np.unique(tables, axis=0, return_inverse=True)
    low = ratio_limits(distinct, level)[0][place].reshape(_DRAWS, k)
    before = right / n
    now = (right - lost + gained) / n
    total = float(before.sum())
    estimate = now.sum(axis=1) / total
    if k == 1:
        least = low[:, 0]
    else:
        drift = (now - estimate[:, None] * before) / np.where(before > 0, before, 1.0)
        drift = drift * -ndtri(level) * np.sqrt(before * (1 - before) / n)
        distances = (np.where(before > 0, now - low * before, now)) ** 2 + drift**2
        least = np.maximum(estimate - np.sqrt(distances.sum(axis=1)) / total, 0.0)
    if right.sum() < FEWEST_RIGHT:
        least = np.zeros(_DRAWS)
    if part.f1:
        baseline = total / k
        estimate, least = (_f1(baseline * one) / _f1(baseline) for one in (estimate, least))
    return estimate, estimate - least, np.asarray((lost + gained).any(axis=1))


def _f1(share: Array | float) -> Array:
    clipped = np.clip(share, 0.0, 1.0)
    return np.asarray(2 * clipped / (1 + clipped))


def _drawn_clusters(part: Outline, level: float, random: np.random.Generator) -> _Drawn:
    """Of m clusters with s items each: the limits of `Jackknifed`.

    In each cluster the lost and the gained items are beta-binomial. So the number of clusters with
    each net change is multinomial.
    """
    m, s, rate = part.clusters, max(round(part.items / part.clusters), 1), _flip_rate(part)
    if m < FEWEST_CLUSTERS:
        return np.ones(_DRAWS), np.full(_DRAWS, math.inf), np.zeros(_DRAWS, bool)
    net = np.arange(-s, s + 1, dtype=np.float64)
    both = min(max(part.correlation, 0.001), 0.999)
    one_way = np.eye(s + 1)[0]
    if rate > 0:
        scale = 1 / both - 1
        one_way = _beta_binomial(s, rate * scale, (1 - rate) * scale)
    probabilities = np.convolve(one_way[::-1], one_way)
    counts = random.multinomial(m, probabilities / probabilities.sum(), _DRAWS)
    mean = counts @ net / m
    squares = (net - mean[:, None]) ** 2
    total = (counts * squares).sum(axis=1)
    changed = total > 0
    effective = np.where(changed, total**2 / np.maximum((counts * squares**2).sum(axis=1), 1e-9), 1)
    right = max(part.right, 1.0 / m)
    error = np.sqrt(m / (m - 1) * total) / (m * s * right)
    reach = max(right - part.least, 1.0 / m)  # what can be lost
    informative = m * min(reach / (1.0 - part.least), 1.0)
    unseen = -math.log(level) * (reach / right) / informative
    below = np.maximum(widening(effective, level) * -stdtrit(m - 1, level) * error, unseen)
    return 1.0 + mean / (s * right), below, changed


def _beta_binomial(n: int, a: float, b: float) -> Array:
    """The probabilities of 0 to n."""
    k = np.arange(n + 1)
    choices = -betaln(k + 1, n - k + 1) - math.log(n + 1)  # the logarithm of n over k
    return np.asarray(np.exp(choices + betaln(k + a, n - k + b) - betaln(a, b)))


# -- what would decide ----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """What would decide a unit: more items, or a lower floor."""

    items: Mapping[str, int] = field(default_factory=dict)
    """Benchmark → about how many more items are needed, all of them together; empty if no number
    of the rows that there are would do."""
    floor: float
    """The floor, in percent, that can be decided as it is; 0 if there is none."""
    alone: Mapping[str, int] = field(default_factory=dict)
    """Benchmark that cannot decide alone → the number of its rows."""

    def __str__(self) -> str:
        """Such as `about 640 more items of gsm8k; or a floor of 96.8`."""
        more = " and ".join(f"{extra:,} more items of {name}" for name, extra in self.items.items())
        floor = f"a floor of {self.floor:g}" if self.floor else ""
        words = [f"about {more}"] if more else []
        if floor:
            words.append(f"or {floor}" if more else floor)
        if self.alone:
            cannot = ", ".join(
                f"{name} alone cannot ({n:,} items)" for name, n in self.alone.items()
            )
            words.append(cannot)
        return "; ".join(words) if words else "no number of items"


def remedy(unit: Unit, rows: Mapping[str, int]) -> Remedy:
    """What gives a lossless candidate a chance of 80 %; `rows` is benchmark → the rows there are.

    The fewest items are named: of one benchmark if that is enough, else of all.
    """
    floor = reachable_floor(unit)
    if chance(unit) >= ENOUGH:
        return Remedy(floor=floor)
    items = {part.name: part.items for part in unit.parts}
    most = {name: max(rows.get(name, 0), n) for name, n in items.items()}
    return _cheapest(items, most, floor, lambda more: chance(unit.with_items(more)) >= ENOUGH)


def remedy_seen(
    joint: Joint,
    items: Mapping[str, int],
    rows: Mapping[str, int],
    bound: float,
    *,
    level: float,
    strictest: float,
) -> Remedy:
    """What would decide an undecided unit, if more items are like those that were measured.

    `items` has the name of each part of `joint` in order, and the items that were measured; `rows`
    those that there are, without an entry any number. It would pass at `level` if the estimate is
    at or above the `bound`, and fail at `strictest` if it is below.
    """
    floor = _rounded_down(100.0 * joint.limits(level).low)
    most = {name: rows.get(name, _MOST_TIMES * n) for name, n in items.items()}

    def enough(more: Mapping[str, int]) -> bool:
        grown = replace(
            joint,
            parts=tuple(
                _grown(part, more.get(name, n) / n)
                for part, (name, n) in zip(joint.parts, items.items(), strict=True)
            ),
        )
        if joint.estimate >= bound:
            return grown.limits(level).low >= bound
        return grown.limits(strictest).high < bound

    return _cheapest(items, most, floor, enough)


_MOST_TIMES = 1000
"""More than this many times the items are not looked for."""


def _grown(part: Part, factor: float) -> Part:
    """The part of a metric with so many times the items, all like those that were measured."""
    found = part.evidence
    if isinstance(found, PairedShares):
        tables = tuple(tuple(factor * n for n in table) for table in found.tables)
        found = replace(found, tables=tables)  # type: ignore[arg-type]
    elif isinstance(found, Jackknifed):
        found = replace(
            found,
            weighted=tuple((e, se / math.sqrt(factor), k * factor) for e, se, k in found.weighted),
            clusters=round(found.clusters * factor),
            informative=found.informative * factor,
        )
    return replace(part, evidence=found, drift=part.drift / math.sqrt(factor))


def _cheapest(
    items: Mapping[str, int],
    most: Mapping[str, int],
    floor: float,
    enough: Callable[[Mapping[str, int]], bool],
) -> Remedy:
    """The fewest more items with which it is enough; `enough` gets the numbers that change."""
    ways, alone = [], {}
    for name in items:
        if (way := _least({name: items[name]}, most, enough)) is None:
            alone[name] = most[name]
        else:
            ways.append(way)
    if not ways and len(items) > 1 and (way := _least(items, most, enough)) is not None:
        ways.append(way)
    cheapest = min(ways, key=lambda way: sum(way.values()), default={})
    more = {name: _about(extra) for name, extra in cheapest.items()}
    return Remedy(items=more, floor=floor, alone=alone)


def _least(
    items: Mapping[str, int],
    most: Mapping[str, int],
    enough: Callable[[Mapping[str, int]], bool],
) -> dict[str, int] | None:
    """The additional items of some benchmarks, in proportion; None if all rows are not enough."""

    def grown(factor: float) -> dict[str, int]:
        return {name: min(math.ceil(n * factor), most[name]) for name, n in items.items()}

    low, high = 1.0, max(most[name] / n for name, n in items.items())
    if not enough(grown(high)):
        return None
    while high / low > 1.02:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if enough(grown(middle)) else (middle, high)
    return {name: n - items[name] for name, n in grown(high).items() if n > items[name]}


def _about(number: int) -> int:
    """Two digits of a number of items, rounded up."""
    step = int(10 ** max(len(str(number)) - 2, 0))
    return math.ceil(number / step) * step
