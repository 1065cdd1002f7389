"""What is known of a checkpoint's verdicts from the answers so far, and so which items to ask.

The rule is that of `verdict.py`: a jury judges the rows of what was asked, and metrics of them, and
asks on while more than one verdict of the full run is possible.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from unicomp.confidence import PartialShares, from_json
from unicomp.decision import allowed, shuts
from unicomp.early.usable import KINDS, Known, mostly_withheld, usable, varied
from unicomp.errors import UnicompError
from unicomp.framework import METRICS, Profile
from unicomp.policy import Policy
from unicomp.retention import Retention, partial_evidence, partial_outline, retention
from unicomp.scores import Records, guarded
from unicomp.spec import Benchmark, CheckpointId
from unicomp.verdict import (
    UNSETTLED,
    MetricRow,
    Row,
    asking,
    demand_of,
    ended,
    expected,
    metric_row,
    row_of,
)

_OF_VERDICTS = 0.9
"""The part of the error that verdicts may spend; the rest is for whether answers are usable."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a jury judges a checkpoint by."""

    checkpoint: CheckpointId
    policy: Policy
    profile: Profile
    family: int
    """The rows and metrics that are planned for the checkpoint."""
    level: float
    """The error of passing."""
    error: float
    """The chance that the full run has another verdict, of anything of the checkpoint."""
    gives_up: bool = False
    """Whether the rest is skipped once the gate cannot open any more."""

    @property
    def row_error(self) -> float:
        """The chance for one row or metric."""
        return self.error * _OF_VERDICTS / self.family

    @property
    def usable_nats(self) -> float:
        """How surely the answers of one benchmark have to be usable, for each kind."""
        return -math.log(self.error * (1 - _OF_VERDICTS) / (self.family * KINDS))


@dataclass
class _Case:
    """A benchmark that can stop early."""

    benchmark: Benchmark
    dense: Records
    whole: Retention
    """Of the dense model itself."""
    records: Records | None = None
    step: int = 0
    """The items of the last batch."""
    row: Row | None = None
    """The verdict from the records so far; None before the first, and after new ones."""
    known: Known = "open"
    """Whether the full run's answers are usable; judged with the row."""

    @property
    def complete(self) -> bool:
        """Whether all items were asked."""
        return self.records is not None and len(self.records.items) == len(self.dense.items)


class Panel:
    """A jury (see `unicomp.asking.Jury`) of the rows and metrics of one checkpoint."""

    def __init__(
        self,
        rules: Rules,
        benchmarks: Mapping[str, Benchmark],
        dense: Mapping[str, Records],
        stopping: Collection[str],
        expect: Callable[[str, int], None] = lambda benchmark, items: None,
    ) -> None:
        """`benchmarks` are those of the checkpoint, as they are scored and read.

        `dense` has the dense model's records of all items, at least those of the benchmarks that
        can stop, `stopping`. `expect` takes the items that are likely to be asked of a benchmark.
        """
        self._rules = rules
        self._benchmarks = benchmarks
        self._dense = dense
        self._expect = expect
        self._heard: dict[str, Records] = {}
        self._cases = {
            name: _Case(
                benchmarks[name], dense[name], retention(benchmarks[name], dense[name], dense[name])
            )
            for name in benchmarks
            if name in stopping
        }
        self._rows: dict[str, Row] = {}
        """Of benchmarks that were asked to the end, or have one of `_cases`."""
        self._metrics: dict[str, MetricRow] = {}
        self._moved: set[str] = set()
        """Benchmarks whose row is newer than the metrics."""

    @property
    def row_error(self) -> float:
        """The chance that the full run has another verdict on one row or metric."""
        return self._rules.row_error

    # -- what `asking` calls ----------------------------------------------------------------------

    def hear(self, benchmark: str, records: Records) -> None:
        """Take in the records of a benchmark's first items."""
        self._heard[benchmark] = records
        for name, bench in self._benchmarks.items():
            if name in self._heard and benchmark in (name, bench.benign):
                if (case := self._cases.get(name)) is not None:
                    before = len(case.records.items) if case.records else 0
                    case.records, case.row = self._heard[name], None
                    case.step = max(len(case.records.items) - before, case.step)
                elif name in self._dense:
                    self._rows[name] = self._in_full(name, self._heard[name])
                    self._moved.add(name)

    def waits(self) -> Mapping[str, Collection[str]]:
        """The benchmarks that can stop; one whose own verdict is known waits for its metric's."""
        self._judge()
        return {
            name: [
                one
                for one in self._members(self._metric_of(name))
                if one not in self._cases and one not in self._rows
            ]
            if self._is_settled(name)
            else []
            for name in self._cases
        }

    def unsettled(self) -> Collection[str]:
        """The benchmarks whose own verdict, or that of their metric, is not known.

        And those of harmless prompts as long as they do not show whether a constant refusal of
        another benchmark is degenerate.
        """
        self._judge()
        return [
            name
            for name, case in self._cases.items()
            if not case.complete
            and not (
                self._is_settled(name)
                and self._is_known(self._metric_of(name))
                and self._shows_refusals(case)
            )
        ]

    def skipped(self) -> Mapping[str, str]:
        """The benchmarks without a verdict, once the gate cannot open any more."""
        self._judge()
        if not self._rules.gives_up or (why := self._why_shut()) is None:
            return {}
        reason = f"not asked to the end, since the gate is shut: {why}"
        return {name: reason for name in self._benchmarks if not self._is_done(name)}

    # -- what a display shows ---------------------------------------------------------------------

    def _likely_items(self) -> Iterator[tuple[str, int]]:
        """The benchmarks that can stop, and the items that are likely to be asked in all."""
        skipped = self.skipped()
        waiting = set(self.unsettled()) - skipped.keys()
        for name, case in self._cases.items():
            if case.records is not None:
                yield name, self._likely(case) if name in waiting else len(case.records.items)
        for name in skipped:
            if name not in self._heard:
                yield name, 0

    def _likely(self, case: _Case) -> int:
        """When the limits will have left the bound, if they narrow as they do by chance.

        At least as many as the last batch had will be asked.
        """
        assert case.records is not None
        n, items = len(case.records.items), len(case.dense.items)
        row = case.row
        if row is None or row.floor is None or not row.evidence or row.reason != UNSETTLED:
            return items
        found = from_json(row.evidence["kept"])
        assert isinstance(found, PartialShares)
        region = found.likely(-math.log(self._rules.row_error))
        ends = []
        for side in (region.lower(self._rules.level), region.upper(self._rules.level)):
            half = (side.most - side.least) / 2
            apart = abs((side.most + side.least) / 2 - row.floor / 100.0)
            ends.append(min(apart / half, 1.0) if half > 0 else 1.0)
        shrunk = max(min(ends), 1e-6) ** 2
        likely = math.ceil(1 / (1 / items + (1 / n - 1 / items) * shrunk))
        return min(max(likely, n + case.step), items)

    # -- verdicts ----------------------------------------------------------------------------------

    def _judge(self) -> None:
        """Judge what has new records."""
        changed = [name for name, one in self._cases.items() if one.records and one.row is None]
        for name in changed:
            case = self._cases[name]
            assert case.records is not None
            case.known = self._usability(case, case.records)
            case.row = self._rows[name] = self._row(name, case, case.records)
            self._moved.add(name)
        for metric in self._named:
            if metric not in self._metrics or not self._moved.isdisjoint(self._members(metric)):
                self._metrics[metric] = self._metric(metric)
        self._moved.clear()
        if changed:
            for name, items in self._likely_items():
                self._expect(name, items)

    def _row(self, name: str, case: _Case, records: Records) -> Row:
        if case.complete:
            return self._in_full(name, records)
        found = partial_evidence(case.benchmark, records, case.dense)
        if found is None or any(records.gaps):  # the full run is judged by other limits
            return replace(self._expected(name), verdict="undecided", reason=UNSETTLED)
        if case.known == "degenerate":
            return replace(self._expected(name), verdict="fail", reason="degenerate")
        kept = partial_outline(case.benchmark, found, case.whole, error=self._rules.row_error)
        faults = tuple(dict.fromkeys((*kept.faults, *records.faults)))
        row = self._judged(name, replace(kept, faults=faults))
        if row.verdict != "fail" and case.known == "open":
            return replace(row, verdict="undecided", reason=UNSETTLED)
        return row

    def _usability(self, case: _Case, records: Records) -> Known:
        """Whether the answers of the full run are usable, by their kinds and as one constant."""
        items, nats = len(case.dense.items), self._rules.usable_nats
        if case.complete:
            return "usable"  # the row says if they are not
        known = usable(records, items, nats)
        if known != "usable" or varied(records, items, nats):
            return known
        return "usable" if self._may_be_constant(case.benchmark) else "open"

    def _shows_refusals(self, case: _Case) -> bool:
        """Whether it is known if harmless prompts are refused, or nothing depends on it."""
        name, records = case.benchmark.name, case.records
        asking = (one for one, bench in self._benchmarks.items() if bench.benign == name)
        constant = any(one in self._heard and self._heard[one].constant for one in asking)
        if not constant or records is None or "kind" not in records.fields:
            return True
        return mostly_withheld(records, case.dense, self._rules.usable_nats) is not None

    def _may_be_constant(self, benchmark: Benchmark) -> bool:
        """Whether a constant answer of the full run would not be degenerate; see `guarded`."""
        if benchmark.varied:
            return False
        benign = benchmark.benign
        if benign is None or benign not in self._benchmarks:
            return True
        heard, dense = self._heard.get(benign), self._dense.get(benign)
        if heard is None or dense is None or "kind" not in heard.fields:
            return False
        return mostly_withheld(heard, dense, self._rules.usable_nats) is False

    def _in_full(self, name: str, records: Records) -> Row:
        """The row of a benchmark whose items were all asked."""
        bench = self._benchmarks[name]
        known = guarded(bench, records, self._heard.get(bench.benign or ""))
        try:
            return self._judged(name, retention(bench, known, self._dense[name]))
        except UnicompError as error:
            return ended(self._expected(name), error)

    def _expected(self, name: str) -> Row:
        rules, bench = self._rules, self._benchmarks[name]
        demand = demand_of(rules.policy, rules.profile, rules.checkpoint, bench)
        return asking(expected(rules.checkpoint, bench), demand)

    def _judged(self, name: str, kept: Retention) -> Row:
        rules = self._rules
        row = row_of(
            rules.checkpoint,
            self._benchmarks[name],
            kept,
            rules.policy,
            rules.profile,
            level=rules.level,
            family=rules.family,
        )
        return replace(row, allowed=allowed(row, rules.policy))

    def _metric(self, metric: str) -> MetricRow:
        rules = self._rules
        return metric_row(
            rules.checkpoint,
            metric,
            self._rows,
            rules.profile,
            rules.policy,
            level=rules.level,
            family=rules.family,
        )

    @property
    def _named(self) -> list[str]:
        return [metric for metric in METRICS if self._members(metric)]

    def _members(self, metric: str | None) -> list[str]:
        """The benchmarks of the checkpoint that are part of a metric."""
        names = () if metric is None else self._rules.profile.benchmarks(metric)
        return [name for name in names if name in self._benchmarks]

    def _metric_of(self, name: str) -> str | None:
        found = (one for one in self._rules.profile if name in self._rules.profile.benchmarks(one))
        return next(found, None)

    def _is_settled(self, name: str) -> bool:
        """Whether the verdict on a benchmark is known."""
        return name in self._rows and self._rows[name].reason != UNSETTLED

    def _is_known(self, metric: str | None) -> bool:
        """Whether the verdict on a metric is known, or none can become it."""
        if metric is None:
            return True
        members = self._members(metric)
        rows = [self._rows[name] for name in members if name in self._rows]
        if len(rows) < len(members) or any(
            row.retention is None and row.reason == UNSETTLED for row in rows
        ):
            return False
        row = self._metrics[metric]
        if row.verdict == "fail":
            return True
        # an unusable answer may still be found where a benchmark's own verdict is open
        return row.reason != UNSETTLED and all(map(self._is_usable, members))

    def _is_usable(self, name: str) -> bool:
        case = self._cases.get(name)
        return case is None or case.records is None or case.known != "open"

    def _is_done(self, name: str) -> bool:
        case = self._cases.get(name)
        if case is None:
            return name in self._rows
        return case.complete or name not in self.unsettled()

    def _why_shut(self) -> str | None:
        """What surely shuts the gate; None if it may still open."""
        ends: list[Row | MetricRow] = [*self._rows.values(), *self._metrics.values()]
        for row in ends:
            if row.verdict == "fail" and row.reason != UNSETTLED and shuts(row):
                return f"{row.name} fails"
        return None
