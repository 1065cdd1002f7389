"""Verdicts of rows and metrics, and whether the gate opens. All rules are in this module.

A row is one benchmark or probe of one checkpoint. The rules, in the order in which they apply:

1. `expected`: a row without any result is *missing*.
2. `ended`: a failed measurement is *unsupported*, *not_measured* or *missing*.
3. `measured`: degenerate answers *fail*; a benchmark that was not run as declared is
   *not_measured*; a baseline without a usable score makes it *not_comparable*.
4. `decide`: the whole interval at or above the floor passes, below it fails, else it is
   *inconclusive*. A cost passes within its budget.
5. `failed_with_test`: a row that passed fails if its test failed.
6. `metric_row`: a metric needs all its benchmarks; its interval is compared with its own floor.
7. `allowed`, `opens`: what did not pass shuts the gate, unless the policy allows it with a reason.

A `Desk` applies rules 1 to 4 while a test measures and compares. Nothing here needs pytest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from unicomp.efficiency.gain import Gain
from unicomp.errors import ScoringError, UnicompError, UnmeasuredError, UnsupportedError
from unicomp.framework import Profile
from unicomp.policy import Policy
from unicomp.retention import Retention
from unicomp.spec import Benchmark, CheckpointId, OfCheckpoint, Probe

if TYPE_CHECKING:
    from unicomp.statistics import Interval

T = TypeVar("T")

Verdict = Literal[
    "pass",
    "fail",
    "inconclusive",
    "missing",
    "unsupported",
    "not_measured",
    "not_comparable",
]
DECIDED: tuple[Verdict, ...] = ("pass", "fail", "inconclusive")
"""The verdicts of rows that were measured and compared; the others have no retention."""

_WORST_FIRST: tuple[Verdict, ...] = (
    "fail",
    "missing",
    "unsupported",
    "not_comparable",
    "not_measured",
)
"""A metric takes the first of these verdicts that one of its undecided rows has."""


@dataclass(frozen=True, kw_only=True)
class Row(OfCheckpoint):
    """The result of one benchmark or probe for one checkpoint.

    `score` and `dense` are in the unit of the benchmark, points for most, or of the probe;
    retention, interval and floor in percent. All values are JSON values, as rows are sent
    between processes.
    """

    benchmark: str
    """The name of the benchmark or probe."""
    metric: str | None = None
    dimension: str | None = None
    """The dimension of a benchmark that belongs to no metric."""
    verdict: Verdict = "missing"
    reason: str = ""
    score: float | None = None
    dense: float | None = None
    retention: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    """Items of a benchmark, rounds of a probe."""
    floor: float | None = None
    standard_error: float | None = None
    parse_rate: float | None = None
    above_chance: float | None = None
    lost: int | None = None
    gained: int | None = None
    overlong: int | None = None
    """Items whose prompts are longer than the model's context."""
    judged: int | None = None
    """Questions about the answers that a judge decided."""
    kappa: float | None = None
    """Agreement of the judge with labels, Cohen's kappa; None if no judge decided anything."""
    details: Mapping[str, float] = field(default_factory=dict)
    """Further scores of the benchmark by name, and the dense model's as `dense.NAME`."""
    divergence: Mapping[str, Any] = field(default_factory=dict)
    """How far the answers differ from the dense model's: `Divergence` as JSON values."""
    higher_is_better: bool = True
    in_points: bool = True
    unit: str | None = None
    """The unit of a probe's values; None for a benchmark."""
    budget: float | None = None
    """The highest accepted cost of the build, in `unit`; None without a budget."""
    expected_gain: float | None = None
    """The gain expected of the checkpoint's format, in percent of dense; None if there is none."""
    allowed: str | None = None
    """Why this row does not shut the gate; None if it passed or shuts it."""

    @property
    def decided(self) -> bool:
        """Whether it was measured and compared. A degenerate row fails without being compared.

        A cost has no dense counterpart: it is compared with its budget only.
        """
        compared = self.retention is not None or (self.unit is not None and self.score is not None)
        return self.verdict in DECIDED and compared

    @property
    def realised(self) -> bool | None:
        """Whether the whole interval shows a gain; None without an expected gain or an interval."""
        if self.expected_gain is None or self.low is None:
            return None
        return self.low > 100.0

    @property
    def differs(self) -> bool | None:
        """Whether a probe shows a difference from dense; None if rounds were not compared."""
        if not self.n or self.unit is None or self.low is None or self.high is None:
            return None
        return not self.low < 100.0 < self.high

    def oriented(self, score: float) -> float:
        """A score of the benchmark, oriented so that more is better."""
        if self.higher_is_better:
            return score
        return 100.0 - score if self.in_points else 1.0 / score


# -- rows ---------------------------------------------------------------------------------------


def expected(checkpoint: CheckpointId, measure: Benchmark | Probe) -> Row:
    """The row of a measure before it is measured: missing."""
    row = Row(
        **checkpoint._asdict(),
        benchmark=measure.name,
        metric=measure.metric,
        higher_is_better=measure.higher_is_better,
    )
    if isinstance(measure, Benchmark):
        return replace(row, dimension=measure.dimension, in_points=measure.in_points)
    return replace(row, in_points=False, unit=measure.unit)


def ended(row: Row, failure: UnicompError) -> Row:
    """A row whose measurement failed."""
    verdict: Verdict = "missing"
    if isinstance(failure, UnsupportedError):
        verdict = "unsupported"
    elif isinstance(failure, UnmeasuredError):
        verdict = "not_measured"
    return replace(row, verdict=verdict, reason=str(failure))


def measured(row: Row, kept: Retention) -> Row:
    """A row with the measured values; still `missing` if a floor can be compared with them."""
    names = {field.name for field in fields(Row)} & {field.name for field in fields(Retention)}
    values = {name: getattr(kept, name) for name in names - {"benchmark"}}
    row = replace(row, **values, retention=kept.value)
    if kept.degenerate and not kept.incomparable:
        row = replace(row, score=None, retention=None, low=None, high=None, above_chance=None)
        return replace(row, verdict="fail", reason=f"degenerate: {kept.degenerate}")
    if kept.faults:  # the scores are reported, but they are not those of the benchmark
        row = replace(row, retention=None, low=None, high=None, above_chance=None)
        return replace(row, verdict="not_measured", reason="; ".join(kept.faults))
    if kept.incomparable:
        return replace(row, verdict="not_comparable", reason=kept.incomparable)
    return row


def decide(low: float, high: float, floor: float) -> Verdict:
    """The verdict on an interval, in percent. Nothing is rounded, and NaN never passes."""
    if high >= low >= floor:
        return "pass"
    return "inconclusive" if high >= floor else "fail"


def failed_with_test(row: Row) -> Row:
    """The row after its test failed: a pass becomes a fail."""
    return replace(row, verdict="fail", reason="the test failed") if row.verdict == "pass" else row


# -- what a test compares -----------------------------------------------------------------------


class _Comparable:
    """A value that sets the verdict of its row when it is compared with a floor."""

    _compare: Callable[[float], bool]

    @classmethod
    def of(cls, found: Retention | Gain, compare: Callable[[float], bool]) -> Self:
        """The same values; `compare` is called with the floor of every comparison."""
        copy = cls(**{field.name: getattr(found, field.name) for field in fields(found)})
        object.__setattr__(copy, "_compare", compare)
        return copy

    def __ge__(self, floor: float) -> bool:
        return self._compare(float(floor))


class ComparableRetention(_Comparable, Retention):
    """A retention whose comparison with a floor sets its verdict."""


class ComparableGain(_Comparable, Gain):
    """A gain whose comparison with a floor sets its verdict."""


class ComparableCost(float):
    """A cost, in the unit of its probe, whose comparison with a budget sets its verdict."""

    _compare: Callable[[float], bool]
    _text: str

    @classmethod
    def of(cls, value: float, probe: Probe, compare: Callable[[float], bool]) -> ComparableCost:
        """The same value; `compare` is called with the budget of every comparison."""
        cost = cls(value)
        cost._compare, cost._text = compare, f"<{probe}: {value:.4g} {probe.unit}>"
        return cost

    def __repr__(self) -> str:
        return self._text

    def __le__(self, budget: float) -> bool:
        return self._compare(float(budget))


class Desk:
    """Measures for one test, and keeps a row for each measure with its verdict.

    The floor or budget of the policy applies until the test compares with another one.
    """

    def __init__(self, checkpoint: CheckpointId, policy: Policy) -> None:
        self._checkpoint, self._policy = checkpoint, policy
        self.rows: dict[str, Row] = {}
        """By the name of the benchmark or probe."""

    def retention(self, bench: Benchmark, measure: Callable[[], Retention]) -> ComparableRetention:
        """The retention that `measure` returns, to be compared with a floor.

        Raises the error of `measure`, or ScoringError if the retention cannot be compared.
        """
        floor = self._policy.floor_of(self._checkpoint, bench)
        row = replace(expected(self._checkpoint, bench), floor=floor)
        kept = self._found(row, measure)
        row = self.rows[bench.name] = measured(row, kept)
        if row.verdict != "missing":
            raise ScoringError(f"{bench}: {row.reason}")
        assert kept.low is not None
        assert kept.high is not None
        return ComparableRetention.of(kept, self._comparison(row, kept.low, kept.high, floor))

    def gain(self, probe: Probe, measure: Callable[[], Gain]) -> ComparableGain:
        """The gain that `measure` returns, to be compared with a floor; raises its error."""
        floor = self._policy.floor_of(self._checkpoint, probe)
        row = replace(expected(self._checkpoint, probe), floor=floor)
        found = self._found(row, measure)
        row = replace(
            row,
            score=found.score,
            dense=found.dense,
            retention=found.value,
            low=found.low,
            high=found.high,
            n=found.n,
            details=found.details,
            expected_gain=found.expected_gain,
        )
        return ComparableGain.of(found, self._comparison(row, found.low, found.high, floor))

    def cost(self, probe: Probe, measure: Callable[[], float]) -> ComparableCost:
        """The cost that `measure` returns, to be compared with a budget; raises its error."""
        begun = expected(self._checkpoint, probe)
        spent = self._found(begun, measure)

        def compare(most: float) -> bool:
            self.rows[probe.name] = replace(
                begun,
                score=spent,
                n=1,
                budget=most if math.isfinite(most) else None,
                verdict="pass" if spent <= most else "fail",
            )
            return spent <= most

        compare(self._policy.budget_of(self._checkpoint, probe))
        return ComparableCost.of(spent, probe, compare)

    def _found(self, row: Row, measure: Callable[[], T]) -> T:
        """Return the result of `measure`; if it raises, the row gets the reason."""
        self.rows[row.benchmark] = row
        try:
            return measure()
        except UnicompError as error:
            self.rows[row.benchmark] = ended(row, error)
            raise

    def _comparison(
        self, row: Row, low: float, high: float, floor: float
    ) -> Callable[[float], bool]:
        """A callback that sets the row's verdict for a floor; called with the policy's at once."""

        def compare(least: float) -> bool:
            verdict = decide(low, high, least)
            self.rows[row.benchmark] = replace(row, floor=least, verdict=verdict)
            return verdict == "pass"

        compare(floor)
        return compare


# -- metrics ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class MetricRow(OfCheckpoint):
    """One metric of one checkpoint: its retention in percent with the 95 % interval."""

    metric: str
    verdict: Verdict
    floor: float
    reason: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    allowed: str | None = None


def metric_row(
    checkpoint: CheckpointId,
    metric: str,
    found: Mapping[str, Row],
    profile: Profile,
    policy: Policy,
) -> MetricRow:
    """The verdict on a metric from the rows of its checkpoint, by benchmark.

    It needs every benchmark of the profile. A sub-score may be comparable even if one of its
    benchmarks is not; a part has no ratio if all of its benchmarks are not comparable.
    """
    floor = policy.floor(checkpoint, metric=metric)
    base = MetricRow(**checkpoint._asdict(), metric=metric, verdict="missing", floor=floor)
    names = profile.benchmarks(metric)
    gaps = [name for name in names if name not in found or found[name].verdict != "pass"]
    base = replace(base, allowed=_metric_allowed(policy, base, gaps))
    absent = [name for name in names if name not in found]
    undecided = [
        found[name]
        for part in profile.parts[metric]
        for name in _undecided([part] if isinstance(part, str) else list(part.shares()), found)
    ]
    if absent or undecided:
        reasons = [f"{name} was not run" for name in absent]
        reasons += [
            f"{row.benchmark} is {'degenerate' if row.verdict == 'fail' else row.verdict}"
            for row in undecided
        ]
        verdict = "missing" if absent else _worst(undecided)
        return replace(base, verdict=verdict, reason=", ".join(reasons))
    try:
        value, low, high = _metric_interval(metric, [found[name] for name in names], profile)
    except ValueError as error:
        return replace(base, verdict="not_comparable", reason=str(error))
    verdict = decide(low, high, floor)
    allowed = None if verdict == "pass" else base.allowed
    return replace(base, verdict=verdict, value=value, low=low, high=high, allowed=allowed)


def _undecided(names: Sequence[str], found: Mapping[str, Row]) -> list[str]:
    """The benchmarks of one part that leave the metric without a value."""
    rows = [found[name] for name in names if name in found]
    scored = [row for row in rows if row.score is not None]
    incomparable = [row for row in scored if row.verdict == "not_comparable"]
    usable = incomparable if len(incomparable) < len(rows) else []
    return [row.benchmark for row in rows if not row.decided and row not in usable]


def _metric_interval(
    metric: str, rows: Sequence[Row], profile: Profile
) -> tuple[float, float, float]:
    """The metric's retention and its limits, in percent. Raises ValueError without a ratio."""
    from unicomp.statistics import combine

    kept = {row.benchmark: _kept(row) for row in rows}
    dense = {row.benchmark: row.oriented(row.dense or 0.0) for row in rows}
    value = profile.retained(metric, {name: one.estimate for name, one in kept.items()}, dense)
    slopes = profile.slopes(metric, dense)
    total = combine([kept[name] for name in slopes], list(slopes.values()))
    return value, value - (total.estimate - total.low), value + (total.high - total.estimate)


def _kept(row: Row) -> Interval:
    """A row's score, oriented so that more is better, with its 95 % interval."""
    from unicomp.statistics import Interval

    assert row.score is not None
    score = row.oriented(row.score)
    if row.decided and row.low is not None and row.high is not None:
        # the retention's interval, rescaled: it pairs each item with the dense model's
        unit = row.oriented(row.dense or 0.0) / 100.0
        return Interval(score, unit * row.low, unit * row.high)
    slack = 1.96 * (row.standard_error or 0.0)
    return Interval(score, score - slack, score + slack)


def _worst(rows: Sequence[Row]) -> Verdict:
    verdicts = {row.verdict for row in rows}
    return next((verdict for verdict in _WORST_FIRST if verdict in verdicts), "missing")


# -- the gate -----------------------------------------------------------------------------------


def allowed(row: Row, policy: Policy) -> str | None:
    """The reason why a row that did not pass does not shut the gate, or None."""
    if row.verdict == "pass":
        return None
    return policy.allowed(
        row.checkpoint, metric=row.metric, benchmark=row.benchmark, dimension=row.dimension
    )


def _metric_allowed(policy: Policy, row: MetricRow, gaps: Sequence[str]) -> str | None:
    """The reason to allow a metric: its own, or those of all its benchmarks that did not pass."""
    reasons = [
        policy.allowed(row.checkpoint, metric=row.metric, benchmark=name)
        for name in gaps or (None,)
    ]
    return "; ".join(dict.fromkeys(filter(None, reasons))) if all(reasons) else None


def opens(rows: Sequence[Row], metrics: Sequence[MetricRow]) -> bool:
    """Whether the gate opens: something was decided, and everything passed or is allowed."""
    ends: list[Row | MetricRow] = [*rows, *metrics]
    passed = all(row.verdict == "pass" or row.allowed for row in ends)
    return any(row.decided for row in rows) and passed
