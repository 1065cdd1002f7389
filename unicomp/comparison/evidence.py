"""The evidence about the change of a retention between two releases, and how it was found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from unicomp.changes import TOLERANCE, Way
from unicomp.confidence import Evidence, Joint, Part, Stated
from unicomp.errors import UnicompError
from unicomp.framework import Profile
from unicomp.item_records import ItemRecords
from unicomp.retention import change_between, correlation, score_pair
from unicomp.scorecard import Scorecard
from unicomp.scores import Records
from unicomp.spec import DENSE, LEVEL, Benchmark, CheckpointId
from unicomp.statistics import Interval, difference
from unicomp.verdict import MetricRow, Row, evidence

Behind = Callable[[Row], ItemRecords | None]
"""Finds the records behind a row; None if they are not there."""


@dataclass(frozen=True)
class Difference:
    """The evidence about a difference of two quantities, taken as independent."""

    now: Evidence
    before: Evidence

    @property
    def estimate(self) -> float:
        """The difference."""
        return self.now.estimate - self.before.estimate

    def limits(self, level: float = LEVEL) -> Interval:
        """The distances to the limits of both, added in quadrature; see `difference`."""
        return difference(self.now.limits(level), self.before.limits(level))


@dataclass(frozen=True)
class Centred:
    """Evidence with the stated estimate, whose limits are as far away as those of `around`."""

    estimate: float
    around: Evidence

    def limits(self, level: float = LEVEL) -> Interval:
        """The limits."""
        found = self.around.limits(level)
        shift = self.estimate - found.estimate
        return Interval(self.estimate, found.low + shift, found.high + shift)


@dataclass(frozen=True)
class Change:
    """How far a retention moved, as a share of the dense score."""

    way: Way
    evidence: Evidence
    same_weights: bool | None
    same_items: bool
    note: str = ""


@dataclass(frozen=True)
class Releases:
    """The scorecards of two releases, and the records behind their rows."""

    old: Scorecard
    new: Scorecard
    behind: Behind
    benchmarks: Mapping[str, Benchmark]
    """The declarations by which records are scored, as far as they are known."""
    same_conditions: bool
    """Whether software, engine and scoring are the same."""
    _known: dict[tuple[CheckpointId, str], Change] = field(default_factory=dict)
    """A benchmark's change counts for itself and for its metric."""

    def of_row(self, now: Row, before: Row) -> Change:
        """The change of a benchmark that both releases have a retention of."""
        key = (now.checkpoint, now.benchmark)
        if key not in self._known:
            self._known[key] = self._of_row(now, before)
        return self._known[key]

    def _of_row(self, now: Row, before: Row) -> Change:
        same_weights, same_items = _same_weights(now, before), _same_items(now, before)
        points = (now.retention or 0.0) - (before.retention or 0.0)
        # the dense model keeps 100 % of itself
        same = (same_weights and same_items) or now.method == DENSE.name
        records = None if same and self.same_conditions else self._records(now, before)
        if records is not None:
            around = change_between(self.benchmarks[now.benchmark], *records)
            return Change("paired", Centred(points / 100, around), same_weights, same_items)
        if same:
            return Change("exact", _certain(points), same_weights, same_items)
        apart = Difference(evidence(now), evidence(before))
        return Change("intervals", Centred(points / 100, apart), same_weights, same_items)

    def of_metric(self, now: MetricRow, before: MetricRow) -> Change:
        """The change of a metric that both releases have a value of.

        It is paired, or exact, only if all of its benchmarks are.
        """
        points = (now.value or 0.0) - (before.value or 0.0)
        try:
            rows, olds = self.new.rows_of(now), self.old.rows_of(before)
        except KeyError:  # a scorecard that was not measured here
            rows, olds = {}, {}
        if rows.keys() != olds.keys():
            others = ", ".join(sorted(rows.keys() ^ olds.keys()))
            note = f"not of the same benchmarks: {others} is in one of them only"
            return Change("intervals", self._apart(now, before), None, False, note)
        found = {name: self.of_row(row, olds[name]) for name, row in rows.items()}
        ways = {one.way for one in found.values()}
        weights = {one.same_weights for one in found.values()}
        same_weights = None if None in weights or not weights else weights == {True}
        same_items = bool(found) and all(one.same_items for one in found.values())
        if ways == {"exact"}:
            return Change("exact", _certain(points), same_weights, same_items)
        if ways and "intervals" not in ways:
            together = self._together(now, rows, olds, found)
            return Change("paired", Centred(points / 100, together), same_weights, same_items)
        apart = self._apart(now, before)
        return Change("intervals", Centred(points / 100, apart), same_weights, same_items)

    def _apart(self, now: MetricRow, before: MetricRow) -> Difference:
        """The evidence from that of each release."""
        return Difference(_of_metric(self.new, now), _of_metric(self.old, before))

    def _together(
        self,
        metric: MetricRow,
        rows: Mapping[str, Row],
        olds: Mapping[str, Row],
        found: Mapping[str, Change],
    ) -> Joint:
        """The evidence from the changes of all benchmarks of a metric."""
        profile: Profile = self.new.profiles[metric.model].without(metric.metric, metric.left_out)
        dense = {name: row.oriented(row.dense or 0.0) for name, row in rows.items()}
        slopes = profile.slopes(metric.metric, dense)
        names = list(slopes)
        parts = [Part(found[n].evidence, slopes[n] * dense[n] / 100.0) for n in names]
        shared = {
            (i, j): self._correlation(rows, olds, names[i], names[j])
            for j in range(len(names))
            for i in range(j)
            if names[j] in rows[names[i]].shared or names[i] in rows[names[j]].shared
        }
        return Joint(tuple(parts), shared)

    def _correlation(
        self, rows: Mapping[str, Row], olds: Mapping[str, Row], first: str, second: str
    ) -> float:
        """The correlation of the changes of two benchmarks that share their items."""
        pairs = []
        for name in (first, second):
            if (records := self._records(rows[name], olds[name])) is None:
                return 1.0
            (now, _), (before, _) = records
            pairs.append((self.benchmarks[name], now, before))
        return correlation(*pairs)

    def _records(
        self, now: Row, before: Row
    ) -> tuple[tuple[Records, Records], tuple[Records, Records]] | None:
        """The records of both releases, candidate and dense, of the items that all have a score of.

        None if they are not there, or are not those of the rows: the benchmark may have been
        scored otherwise.
        """
        benchmark = self.benchmarks.get(now.benchmark)
        if benchmark is None or now.items is None or now.items != before.items:
            return None
        sides = [self.behind(row) for row in (now, before)]
        if sides[0] is None or sides[1] is None:
            return None
        four = [one for side in sides if side for one in (side.candidate, side.baseline)]
        if any(one.items != four[0].items for one in four):
            return None
        if any(any(one.gaps) for one in four):
            kept = [not any(gaps) for gaps in zip(*(one.gaps for one in four), strict=True)]
            if not any(kept):
                return None
            four = [one.only(kept) for one in four]
        found = (four[0], four[1]), (four[2], four[3])
        for row, pair in zip((now, before), found, strict=True):
            if not _is_scored_so(benchmark, row, pair):
                return None
        return found


def of_probe(now: Row, before: Row) -> Difference:
    """The evidence about the change of a gain."""
    return Difference(evidence(now), evidence(before))


def _is_scored_so(benchmark: Benchmark, row: Row, pair: tuple[Records, Records]) -> bool:
    """Whether the declaration gives the scores of a row."""
    try:
        score, dense = score_pair(benchmark, *pair)
    except UnicompError:
        return False
    known = (row.score or 0.0, row.dense or 0.0)
    return all(abs(a - b) <= TOLERANCE for a, b in zip(known, (score, dense), strict=True))


def _of_metric(card: Scorecard, metric: MetricRow) -> Evidence:
    """The evidence about a metric, with its stated value as the estimate."""
    value, low, high = (one or 0.0 for one in (metric.value, metric.low, metric.high))
    stated = Stated(value / 100, low / 100, high / 100)
    try:
        return Centred(stated.estimate, card.evidence_of(metric))
    except (KeyError, ValueError):  # its rows do not give it: a scorecard from elsewhere
        return stated


def _certain(points: float) -> Stated:
    return Stated(points / 100, points / 100, points / 100)


def _same_weights(now: Row, before: Row) -> bool | None:
    keys = (now.candidate, now.baseline), (before.candidate, before.baseline)
    return None if None in (*keys[0], *keys[1]) else keys[0] == keys[1]


def _same_items(now: Row, before: Row) -> bool:
    return now.items is not None and now.items == before.items
