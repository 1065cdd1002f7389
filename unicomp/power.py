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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri, stdtrit
from scipy.stats import betabinom, norm

from unicomp.confidence import FEWEST_CLUSTERS, FEWEST_RIGHT, LEVEL, Joint, ratio_limits
from unicomp.framework import Profile

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
    return max(math.floor(10.0 * percent) / 10.0, 0.0) if math.isfinite(percent) else 0.0


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
        drift = drift * norm.isf(level) * np.sqrt(before * (1 - before) / n)
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
        one_way = betabinom.pmf(np.arange(s + 1), s, rate * scale, (1 - rate) * scale)
    probabilities = np.convolve(one_way[::-1], one_way)
    counts = random.multinomial(m, probabilities / probabilities.sum(), _DRAWS)
    mean = counts @ net / m
    squares = (net - mean[:, None]) ** 2
    total = (counts * squares).sum(axis=1)
    changed = total > 0
    effective = np.where(changed, total**2 / np.maximum((counts * squares**2).sum(axis=1), 1e-9), 1)
    exact = chdtri(2 * effective + 2, level) / 2
    widening = (exact - effective) / (norm.isf(level) * np.sqrt(effective))
    right = max(part.right, 1.0 / m)
    error = np.sqrt(m / (m - 1) * total) / (m * s * right)
    unseen = -math.log(level) / (m * min(right, 1.0))
    below = np.maximum(widening * -stdtrit(m - 1, level) * error, unseen)
    return 1.0 + mean / (s * right), below, changed


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
    """What gives a lossless candidate a chance of 80 %.

    `rows` is benchmark → the rows that there are. The fewest items are named: of one benchmark if
    that is enough, else of all.
    """
    floor = reachable_floor(unit)
    if chance(unit) >= ENOUGH:
        return Remedy(floor=floor)
    most = {part.name: max(rows.get(part.name, 0), part.items) for part in unit.parts}
    ways, alone = [], {}
    for part in unit.parts:
        if (way := _least(unit, {part.name: most[part.name]})) is None:
            alone[part.name] = most[part.name]
        else:
            ways.append(way)
    if not ways and len(unit.parts) > 1 and (way := _least(unit, most)) is not None:
        ways.append(way)
    cheapest = min(ways, key=lambda way: sum(way.values()), default={})
    return Remedy(
        items={name: _about(extra) for name, extra in cheapest.items()},
        floor=floor,
        alone=alone if len(unit.parts) > 1 or not cheapest else {},
    )


def _least(unit: Unit, most: Mapping[str, int]) -> dict[str, int] | None:
    """The additional items of some benchmarks, in proportion, for a chance of 80 %; or None."""
    now = {part.name: part.items for part in unit.parts if part.name in most}

    def grown(factor: float) -> dict[str, int]:
        return {name: min(math.ceil(n * factor), most[name]) for name, n in now.items()}

    low, high = 1.0, max(most[name] / n for name, n in now.items())
    if chance(unit.with_items(grown(high))) < ENOUGH:
        return None
    while high / low > 1.02:
        middle = math.sqrt(low * high)
        enough = chance(unit.with_items(grown(middle))) >= ENOUGH
        low, high = (low, middle) if enough else (middle, high)
    return {name: n - now[name] for name, n in grown(high).items() if n > now[name]}


def _about(number: float) -> int:
    """Two digits of a number of items, rounded up."""
    step = int(10 ** max(math.floor(math.log10(max(number, 1))) - 1, 0))
    return math.ceil(number / step) * step


def remedy_seen(
    joint: Joint,
    names: Sequence[str],
    items: Mapping[str, int],
    rows: Mapping[str, int],
    bound: float,
    *,
    level: float,
    strictest: float,
) -> Remedy:
    """What would decide an undecided unit, if its estimate stays as it is.

    The parts of `joint` are called `names`; `items` were measured of each, of the `rows` that there
    are (a benchmark without an entry has any number). It would pass at `level` if the estimate is
    at or above the `bound`, and fail at `strictest` if it is below. Distances shrink with the
    square root of the items.
    """
    passes = joint.estimate >= bound
    at = level if passes else strictest
    target = abs(joint.estimate - bound)
    floor = _rounded_down(100.0 * joint.limits(level).low)
    distances = list(_distances(joint, at, below=passes))
    if math.inf in distances or target <= 0:
        return Remedy(floor=floor, alone={name: rows.get(name, items[name]) for name in names})
    drift = math.fsum((norm.isf(at) * part.drift) ** 2 for part in joint.parts)
    whole = math.fsum(one**2 for one in distances) + drift
    cross = [0.0] * len(distances)
    for (i, j), found in joint.correlations.items():
        product = max(found, 0.0) * distances[i] * distances[j]
        cross[i] += product
        cross[j] += product
    whole += math.fsum(cross)
    ways: list[dict[str, float]] = []
    alone: dict[str, int] = {}
    for name, own, shared in zip(names, distances, cross, strict=True):
        # own² x² + 2 shared x + rest = target², where x² = items now / items needed
        spare = target**2 - (whole - own**2 - 2 * shared)
        x = (math.sqrt(shared**2 + own**2 * spare) - shared) / own**2 if spare > 0 < own else 0.0
        extra = items[name] * (1 / x**2 - 1) if x > 0 else math.inf
        if items[name] + extra <= rows.get(name, math.inf) and extra < math.inf:
            ways.append({name: extra})
        else:
            alone[name] = rows.get(name, items[name])
    together = {name: items[name] * (whole / target**2 - 1) for name in names}
    enough = all(items[n] + extra <= rows.get(n, math.inf) for n, extra in together.items())
    if not ways and len(names) > 1 and enough:
        ways.append(together)
    cheapest = min(ways, key=lambda way: sum(way.values()), default={})
    return Remedy(
        items={name: _about(max(extra, 1.0)) for name, extra in cheapest.items()},
        floor=floor,
        alone=alone if len(names) > 1 or not cheapest else {},
    )


def _distances(joint: Joint, level: float, *, below: bool) -> Iterator[float]:
    """The distances of the parts' limits on one side, weighted."""
    for part in joint.parts:
        at = part.evidence.limits(level)
        yield part.weight * (at.estimate - at.low if below else at.high - at.estimate)
