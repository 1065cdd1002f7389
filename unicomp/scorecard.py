"""The scorecard: all rows of a session, the metrics they add up to, and the gate's decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from unicomp.data.calibration import GENERIC, UNSEEN
from unicomp.framework import METRICS, Profile
from unicomp.policy import Policy
from unicomp.verdict import Row, Subject, Verdict, decide

if TYPE_CHECKING:
    from unicomp.statistics import Interval


@dataclass(frozen=True, kw_only=True)
class Work:
    """One piece of expensive work, done now or found in the store."""

    stage: Literal["build", "answer", "measure"]
    subject: str
    cached: bool
    seconds: float = 0.0
    items: int = 0
    calibration: str = UNSEEN
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Of a build, also one that was found: what is known of its cost, out of the checkpoint's
    facts, and `judged_against`, the model, where that is not the `base` it states. Of answers by a
    server: `crosschecks`, how far its scores are from those of the engine in process."""


@dataclass(frozen=True, kw_only=True)
class MetricRow:
    """One metric of one checkpoint: its retention in percent with the 95 % interval."""

    model: str
    method: str
    calibration: str
    metric: str
    verdict: Verdict
    floor: float
    reason: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    allowed: str | None = None

    @property
    def subject(self) -> Subject:
        """Whose row it is."""
        return (self.model, self.method, self.calibration)


@dataclass(frozen=True, kw_only=True)
class Scorecard:
    """What a session found."""

    rows: tuple[Row, ...]
    metrics: tuple[MetricRow, ...]
    environment: Mapping[str, Any] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    """Benchmarks that are reported, and are part of no metric."""

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """All checkpoints, in the order of their first row."""
        return tuple(dict.fromkeys(row.subject for row in self.rows))

    @cached_property
    def calibrations(self) -> tuple[str, ...]:
        """All calibrations that a checkpoint saw, in the order of their first row."""
        seen = dict.fromkeys(row.calibration for row in self.rows)
        return tuple(name for name in seen if name != UNSEEN)

    def is_named(self, calibration: str) -> bool:
        """Whether a checkpoint is told by its calibration too; the default one alone is not."""
        return calibration != UNSEEN and self.calibrations != (GENERIC,)

    def name_of(self, method: str, calibration: str) -> str:
        """What a checkpoint of a model is called."""
        return f"{method} ({calibration})" if self.is_named(calibration) else method

    @property
    def gaps(self) -> tuple[Row | MetricRow, ...]:
        """What did not pass, allowed or not."""
        everything: tuple[Row | MetricRow, ...] = (*self.rows, *self.metrics)
        return tuple(row for row in everything if row.verdict != "pass")

    @property
    def passed(self) -> bool:
        """Whether the gate opens: something was judged, and every gap is allowed."""
        judged = any(row.decided for row in self.rows)
        return judged and all(row.allowed for row in self.gaps)


def scorecard(
    rows: Iterable[Row],
    profiles: Mapping[str, Profile],
    policy: Policy,
    environment: Mapping[str, Any] | None = None,
) -> Scorecard:
    """Add up the metrics and look up what is allowed.

    `profiles` says for each model which profile its metrics are made of. A metric is judged where
    at least one of its benchmarks was to be run; it then needs all of them.
    """
    agreement = (environment or {}).get("instruments", {}).get("judge_agreement", {})
    rows = [replace(row, kappa=agreement.get("kappa")) if row.judged else row for row in rows]
    judged = tuple(
        replace(
            row,
            allowed=policy.allowed(
                model=row.model,
                method=row.method,
                metric=row.metric,
                benchmark=row.benchmark,
                dimension=row.dimension,
            ),
        )
        if row.verdict != "pass"
        else row
        for row in rows
    )
    by_subject: dict[Subject, dict[str, Row]] = {}
    for row in judged:
        by_subject.setdefault(row.subject, {})[row.benchmark] = row
    metrics = [
        _metric_row(subject, metric, found, profiles[subject[0]], policy)
        for subject, found in by_subject.items()
        for metric in METRICS
        if any(name in found for name in profiles[subject[0]].benchmarks(metric))
    ]
    parts = {name for p in profiles.values() for metric in p for name in p.benchmarks(metric)}
    beside = dict.fromkeys(
        row.benchmark for row in judged if row.benchmark not in parts and row.unit is None
    )
    return Scorecard(
        rows=judged,
        metrics=tuple(metrics),
        environment=environment or {},
        beside=tuple(beside),
    )


def _metric_row(
    subject: Subject, metric: str, found: Mapping[str, Row], profile: Profile, policy: Policy
) -> MetricRow:
    model, method, calibration = subject
    floor = policy.floor(model=model, method=method, metric=metric)
    base = MetricRow(
        model=model,
        method=method,
        calibration=calibration,
        metric=metric,
        verdict="missing",
        floor=floor,
    )
    names = profile.benchmarks(metric)
    absent = [name for name in names if name not in found]
    averaged = {name for part in profile.sub_scores(metric) for name in part.shares()}
    undecided = [
        row
        for row in (found[name] for name in names if name in found)
        if not row.decided
        # a ratio that means nothing by itself may be part of a mean that has one
        and not (
            row.benchmark in averaged and row.verdict == "not_comparable" and row.score is not None
        )
    ]
    gaps = [name for name in names if name not in found or found[name].verdict != "pass"]
    allowed = _allowed(policy, base, gaps)
    if absent or undecided:
        verdict = _worst(undecided) if not absent else "missing"
        parts = [f"{name} was not run" for name in absent]
        parts += [
            f"{row.benchmark} is {'degenerate' if row.verdict == 'fail' else row.verdict}"
            for row in undecided
        ]
        return replace(base, verdict=verdict, reason=", ".join(parts), allowed=allowed)
    from unicomp.statistics import combine

    rows = {name: found[name] for name in names}
    dense = {name: row.oriented(row.dense or 0.0) for name, row in rows.items()}
    try:
        value = profile.retained(metric, {n: _kept(row).estimate for n, row in rows.items()}, dense)
        slopes = profile.slopes(metric, dense)
    except ValueError as error:
        return replace(base, verdict="not_comparable", reason=str(error), allowed=allowed)
    total = combine([_kept(rows[name]) for name in slopes], list(slopes.values()))
    low, high = value - (total.estimate - total.low), value + (total.high - total.estimate)
    verdict = decide(low, high, floor)
    return replace(
        base,
        verdict=verdict,
        value=value,
        low=low,
        high=high,
        allowed=None if verdict == "pass" else allowed,
    )


def _kept(row: Row) -> Interval:
    """A row's score, turned so that more is better, with its 95 % interval."""
    from unicomp.statistics import Interval

    assert row.score is not None
    score = row.oriented(row.score)
    if row.decided and row.low is not None and row.high is not None:
        # the interval of the retention: that of the score with the items of the dense model's
        unit = row.oriented(row.dense or 0.0) / 100.0
        return Interval(score, unit * row.low, unit * row.high)
    slack = 1.96 * (row.standard_error or 0.0)
    return Interval(score, score - slack, score + slack)


def _allowed(policy: Policy, row: MetricRow, gaps: Sequence[str]) -> str | None:
    """Why a metric that did not pass does not shut the gate, or None.

    It is named itself, or each of its benchmarks that did not pass is, of which there must be one.
    """
    reasons = [
        policy.allowed(model=row.model, method=row.method, metric=row.metric, benchmark=name)
        for name in gaps or (None,)
    ]
    return "; ".join(dict.fromkeys(filter(None, reasons))) if all(reasons) else None


def _worst(rows: Sequence[Row]) -> Verdict:
    order: tuple[Verdict, ...] = (
        "fail",
        "missing",
        "unsupported",
        "not_comparable",
        "not_measured",
    )
    verdicts = {row.verdict for row in rows}
    return next((verdict for verdict in order if verdict in verdicts), "missing")
