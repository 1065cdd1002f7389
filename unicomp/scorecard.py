"""The scorecard: all rows of a session, the metrics they add up to, and the gate's decision."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from unicomp.calibration import GENERIC, UNSEEN, base_name
from unicomp.framework import EFFICIENCY, METRICS, Profile, compared, dimension_of
from unicomp.gate import DECIDED, Policy, Verdict, decide

if TYPE_CHECKING:
    from unicomp.statistics import Interval

Subject = tuple[str, str, str]
"""(model, method, calibration): whose scorecard it is."""


PERPLEXITY = "wikitext"
"""The benchmark whose retention is summed up over models; it is part of no metric."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One benchmark of one checkpoint, as it ended.

    Scores and `dense` are in the benchmark's unit, points for most; retention, interval and floor
    in percent. Values that JSON has: a row crosses process borders.
    """

    model: str
    method: str
    calibration: str
    benchmark: str
    metric: str | None = None
    dimension: str | None = None
    """Of a benchmark of no metric."""
    verdict: Verdict = "missing"
    reason: str = ""
    score: float | None = None
    dense: float | None = None
    retention: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
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
    """Where there were any: the agreement of the judge with labels, Cohen's kappa."""
    details: Mapping[str, float] = field(default_factory=dict)
    """Further scores of the benchmark by name, and the dense model's as `dense.NAME`."""
    higher_is_better: bool = True
    in_points: bool = True
    unit: str | None = None
    """Of the values of an efficiency measurement; None for a benchmark."""
    budget: float | None = None
    """What compressing may take, where that is measured and limited."""
    promised: float | None = None
    """Of an efficiency measurement: what the checkpoint's format lets one expect, in percent of
    dense, where that is a gain."""
    allowed: str | None = None
    """Why this gap does not shut the gate."""

    @property
    def subject(self) -> Subject:
        """Whose row it is."""
        return (self.model, self.method, self.calibration)

    @property
    def decided(self) -> bool:
        """Whether it was measured and compared; a degenerate row fails without.

        What compressing took is compared with nothing but its budget.
        """
        compared = self.retention is not None or (self.unit is not None and self.score is not None)
        return self.verdict in DECIDED and compared

    @property
    def realised(self) -> bool | None:
        """Whether a gain that the format promises was measured, with its whole interval."""
        if self.promised is None or self.low is None:
            return None
        return self.low > 100.0

    def oriented(self, score: float) -> float:
        """A score of the benchmark, turned so that more is better."""
        if self.higher_is_better:
            return score
        return 100.0 - score if self.in_points else 1.0 / score


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


@dataclass(frozen=True, kw_only=True)
class KnowledgeBias:
    """How much further reasoning fell than knowledge."""

    model: str
    method: str
    calibration: str
    points: float
    """Retention of knowledge less that of reasoning."""
    biased: bool
    """Whether reasoning fell, and more than twice as far as knowledge: of the estimates."""
    certain: bool
    """Whether it is biased, and reasoning fell with its whole interval."""


def knowledge_bias(card: Scorecard) -> list[KnowledgeBias]:
    """The knowledge bias of each compressed checkpoint that has both metrics."""
    values = {(row.subject, row.metric): row.value for row in card.metrics}
    highs = {row.subject: row.high for row in card.metrics if row.metric == "reasoning"}
    found: list[KnowledgeBias] = []
    for subject in card.subjects:
        model, method, calibration = subject
        knowledge = values.get((subject, "knowledge"))
        reasoning = values.get((subject, "reasoning"))
        if method == "dense" or knowledge is None or reasoning is None:
            continue
        if math.isfinite(knowledge - reasoning):
            fell, high = 100.0 - reasoning, highs[subject]
            biased = fell > 0.0 and fell > 2.0 * (100.0 - knowledge)
            found.append(
                KnowledgeBias(
                    model=model,
                    method=method,
                    calibration=calibration,
                    points=knowledge - reasoning,
                    biased=biased,
                    certain=biased and high is not None and high < 100.0,
                )
            )
    return found


@dataclass(frozen=True, kw_only=True)
class PerplexityRow:
    """Retained perplexity of one method, in percent: the mean over the models of one kind."""

    kind: str
    """`normal`, `reasoning` or `moe`."""
    method: str
    calibration: str
    models: tuple[str, ...]
    value: float


def retained_perplexity(card: Scorecard) -> list[PerplexityRow]:
    """What the methods kept of perplexity, dense / compressed, summed up as in the paper."""
    kinds = {name: about["kind"] for name, about in card.environment.get("models", {}).items()}
    kept: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in card.rows:
        if row.retention is None or not math.isfinite(row.retention):
            continue
        if row.benchmark == PERPLEXITY:
            group = kept.setdefault((kinds.get(row.model, "normal"), *row.subject[1:]), {})
            group[row.model] = row.retention
    return [
        PerplexityRow(
            kind=kind,
            method=method,
            calibration=calibration,
            models=tuple(group),
            value=math.fsum(group.values()) / len(group),
        )
        for (kind, method, calibration), group in kept.items()
    ]


@dataclass(frozen=True, kw_only=True)
class Decoupling:
    """How performance and reliability move together over the compressed checkpoints of a model.

    The paper's second finding is that they do not have to: the rank correlation says how far.
    """

    model: str
    checkpoints: Mapping[str, tuple[float, float]]
    """Checkpoint → mean retention of its performance and of its reliability metrics, in percent."""
    correlation: float | None = None
    """Spearman's, in [-1, 1]; None where there are too few checkpoints, or all are alike."""
    low: float | None = None
    high: float | None = None


def decoupling(card: Scorecard) -> list[Decoupling]:
    """Performance beside reliability, for each model whose checkpoints have both.

    Draws of further seeds are left out: they would pass for checkpoints of other methods.
    """
    from unicomp.statistics import rank_correlation

    values: dict[Subject, dict[str, list[float]]] = {}
    for row in card.metrics:
        if row.method == "dense" or base_name(row.calibration) != row.calibration:
            continue
        if row.value is not None and math.isfinite(row.value):
            groups = values.setdefault(row.subject, {})
            groups.setdefault(dimension_of(row.metric), []).append(row.value)
    found = []
    for model in dict.fromkeys(subject[0] for subject in values):
        both = {
            card.name_of(*subject[1:]): (_mean(of["performance"]), _mean(of["reliability"]))
            for subject, of in values.items()
            if subject[0] == model and {"performance", "reliability"} <= of.keys()
        }
        if not both:
            continue
        pairs = list(both.values())
        interval = rank_correlation([one for one, _ in pairs], [other for _, other in pairs])
        found.append(
            Decoupling(
                model=model,
                checkpoints=both,
                correlation=interval.estimate if interval else None,
                low=interval.low if interval else None,
                high=interval.high if interval else None,
            )
        )
    return found


@dataclass(frozen=True, kw_only=True)
class EfficiencyRow:
    """An efficiency metric of one checkpoint: percent of the best in a comparison."""

    model: str
    method: str
    calibration: str
    metric: str
    value: float
    compared_with: tuple[str, ...]
    """All checkpoints in the comparison, this one included: the value holds among these."""


def efficiency(card: Scorecard) -> list[EfficiencyRow]:
    """Equations 5 to 8 of the paper on what was measured, for each model.

    Timings enter as their ratios to the dense model, which was timed beside each checkpoint, so
    that what else the machine did does not count. A checkpoint that lacks a component has no value,
    and is none of those that are compared.
    """
    found: list[EfficiencyRow] = []
    for model in dict.fromkeys(subject[0] for subject in card.subjects):
        for metric, components in EFFICIENCY.items():
            measured: dict[Subject, dict[str, float]] = {}
            for row in card.rows:
                if row.model == model and row.benchmark in components and row.decided:
                    measured.setdefault(row.subject, {})[row.benchmark] = _component(row)
            whole = [
                subject for subject, has in measured.items() if has.keys() == components.keys()
            ]
            names = {str(number): subject for number, subject in enumerate(whole)}
            try:
                values = compared(metric, {n: measured[names[n]] for n in names})
            except ValueError:  # nothing that costs nothing has a ratio
                continue
            rivals = tuple(card.name_of(*names[number][1:]) for number in values)
            found += [
                EfficiencyRow(
                    model=model,
                    method=names[number][1],
                    calibration=names[number][2],
                    metric=metric,
                    value=value,
                    compared_with=rivals,
                )
                for number, value in values.items()
            ]
    return found


def _component(row: Row) -> float:
    if row.retention is None:  # what compressing took has no dense counterpart
        assert row.score is not None
        return row.score
    return row.retention if row.higher_is_better else 1.0 / row.retention


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
