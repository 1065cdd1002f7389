"""The checkpoints among which is chosen, each with its figures in percent of the dense model.

They come from a scorecard, with intervals, or from a table of raw scores, as point estimates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING

from unicomp.data.calibration import UNSEEN
from unicomp.findings import Findings
from unicomp.findings.outlook import joint_of
from unicomp.findings.pareto import AXES
from unicomp.framework import DIMENSIONS, EFFICIENCY, METRICS, oriented
from unicomp.rawscores import ModelScores, RawScores, metric_scores
from unicomp.scorecard import Scorecard
from unicomp.spec import DENSE, Family, Method, OfCheckpoint
from unicomp.verdict import MetricRow, Row, evidence

if TYPE_CHECKING:
    from unicomp.confidence import Evidence

LOWER_IS_BETTER = {
    name: better == "lower" for parts in EFFICIENCY.values() for name, better in parts.items()
}
"""Component of efficiency → whether less of it is better."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A retention or a gain in percent of the dense model; more is better."""

    value: float
    low: float | None = None
    high: float | None = None
    """The 95 % interval; None for a point estimate."""
    evidence: Evidence | None = None
    """Limits at any level, as a ratio; None for a point estimate."""
    amount: float | None = None
    """A probe's value, in `unit`."""
    dense: float | None = None
    """The dense model's."""
    unit: str | None = None
    """None for a retention, and where the unit is not known."""
    lower_is_better: bool = False
    """Of the amount."""
    items: int | None = None
    """Items of a benchmark, rounds of a probe."""


@dataclass(frozen=True, kw_only=True)
class Candidate(OfCheckpoint):
    """A checkpoint with all that is known of it."""

    name: str
    """METHOD, or METHOD (CALIBRATION)."""
    given: str
    """What `--model` takes for its model: a name, or a hub id."""
    families: frozenset[Family] = frozenset()
    """Empty if they are not known."""
    trained: bool | None = None
    """Whether it was trained; None if that is not known."""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    """Metric, benchmark or probe → its figure."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """Metric, benchmark or probe without a figure → why."""
    quality: float | None = None
    """The mean retention of the performance metrics; None if one is lacking."""
    quality_low: float | None = None
    quality_high: float | None = None
    gains: Mapping[str, float] = field(default_factory=dict)
    """Axis → gain in percent of dense; 100 for a timing that shows no difference."""
    cost: float | None = None
    """The time of the compression, in seconds; in the unit of a table of raw scores."""
    weights_bytes: int | None = None
    """Bytes of its weights, as stored; None if they are not known."""

    @property
    def is_dense(self) -> bool:
        """Whether it is the baseline."""
        return self.method == DENSE.name

    @property
    def has_intervals(self) -> bool:
        """Whether its figures are more than point estimates."""
        return any(one.evidence is not None for one in self.figures.values())


def candidates_of(
    card: Scorecard, findings: Findings, methods: Mapping[str, Method]
) -> list[Candidate]:
    """The checkpoints of a scorecard, in its order. `methods` are the known ones, by name."""
    quality = {one.checkpoint: one for one in findings.quality}
    weighed = {(one.checkpoint, one.axis): one for one in findings.pareto}
    stored = {one.checkpoint: one.bytes for one in findings.formats}
    trained = {
        one.checkpoint
        for one in findings.costs
        if "tokens" in {**(one.estimated or {}), **(one.published or {})}
    }
    found = []
    for checkpoint in card.checkpoints:
        # a metric and one of its benchmarks may have the same name: `ethics`
        rows = [r for r in card.rows if r.checkpoint == checkpoint and r.benchmark not in METRICS]
        own_metrics = (row for row in card.metrics if row.checkpoint == checkpoint)
        metrics = [row for row in own_metrics if row.ceiling is None]  # of which more is better
        own = {axis: weighed[checkpoint, axis] for axis in AXES if (checkpoint, axis) in weighed}
        mean = quality.get(checkpoint)
        families = _families(methods.get(checkpoint.method))
        ends: list[Row | MetricRow] = [*rows, *metrics]
        figures = {row.name: one for row in ends if (one := _figure(card, row)) is not None}
        cost = own.get("compression_time")
        found.append(
            Candidate(
                **checkpoint._asdict(),
                name=card.name_of(checkpoint),
                given=_given(card, checkpoint.model),
                families=families,
                trained=checkpoint in trained or _is_trained(families),
                figures=figures,
                failures={row.name: _why(row) for row in ends if row.name not in figures},
                quality=mean.value if mean else None,
                quality_low=mean.low if mean else None,
                quality_high=mean.high if mean else None,
                gains={a: one.benefit for a, one in own.items() if one.relative is not None},
                cost=cost.value if cost else None,
                weights_bytes=stored.get(checkpoint) or None,
            )
        )
    return found


def _given(card: Scorecard, model: str) -> str:
    about = card.environment.get("models", {}).get(model, {})
    source, revision = str(about.get("source", "")), about.get("revision")
    if "/" not in source:  # a shipped model, or a folder that only its user knows
        return model
    return f"{source}@{revision}" if revision else source


def _figure(card: Scorecard, row: Row | MetricRow) -> Figure | None:
    """The figure of a metric, benchmark or probe; None if it has none."""
    if isinstance(row, MetricRow):
        if row.value is None:
            return None
        joint, _ = joint_of(card, row)
        return Figure(value=row.value, low=row.low, high=row.high, evidence=joint)
    if row.retention is None or not row.decided or not math.isfinite(row.retention):
        return None
    return Figure(
        value=row.retention,
        low=row.low,
        high=row.high,
        evidence=evidence(row),
        amount=row.score if row.unit else None,
        dense=row.dense if row.unit else None,
        unit=row.unit,
        lower_is_better=not row.higher_is_better,
        items=row.n,
    )


def _why(row: Row | MetricRow) -> str:
    verdict = row.verdict.replace("_", " ")
    return f"{verdict}: {row.reason}" if row.reason else verdict


def _families(method: Method | None) -> frozenset[Family]:
    return frozenset(one for one in (method and method.family, method and method.also) if one)


def _is_trained(families: frozenset[Family]) -> bool | None:
    return "distillation" in families if families else None


# -- point estimates ----------------------------------------------------------------------------


def candidates_of_raw(
    raw: RawScores, reading: str, methods: Mapping[str, Method]
) -> list[Candidate]:
    """The methods of a table of raw scores, as point estimates, `dense` first.

    Raises SpecError for an unknown reading.
    """
    scores = metric_scores(raw, reading)
    found = []
    for model, measured in raw.items():
        for method in sorted(measured, key=lambda method: method != DENSE.name):
            own = [one for one in scores if (one.model, one.method) == (model, method)]
            metrics = [one for one in own if one.metric in METRICS]
            retained = {one.metric: one.value for one in metrics if one.value is not None}
            found.append(
                point_estimate(
                    model,
                    method,
                    methods.get(method),
                    {
                        **_ratios(measured, method, reading),
                        **{
                            name: value
                            for name, value in retained.items()
                            if name not in EFFICIENCY
                        },
                    },
                    measured[method],
                    measured.get(DENSE.name, {}),
                    {one.metric: one.reason for one in metrics if one.value is None},
                )
            )
    return found


def point_estimate(
    model: str,
    method: str,
    known: Method | None,
    retained: Mapping[str, float],
    amounts: Mapping[str, float],
    dense: Mapping[str, float],
    failures: Mapping[str, str] | None = None,
) -> Candidate:
    """A candidate without intervals, from retentions in percent and from measured amounts.

    `amounts` and those of `dense` are by component of efficiency, in any unit that both share.
    """
    figures = {name: Figure(value=value) for name, value in retained.items()}
    for name, lower in LOWER_IS_BETTER.items():
        if name in amounts and name in dense:
            ratio = dense[name] / amounts[name] if lower else amounts[name] / dense[name]
            figures[name] = Figure(
                value=100.0 * ratio, amount=amounts[name], dense=dense[name], lower_is_better=lower
            )
    figures = {name: one for name, one in figures.items() if math.isfinite(one.value)}
    performance = DIMENSIONS["performance"]
    kept = [retained[name] for name in performance if name in retained]
    whole = bool(kept) and not any(name in performance for name in failures or {})
    families = _families(known)
    return Candidate(
        model=model,
        method=method,
        calibration=UNSEEN,
        name=method,
        given=model,
        families=families,
        trained=_is_trained(families),
        figures=figures,
        failures=failures or {},
        quality=fmean(kept) if whole else None,
        gains={axis: figures[axis].value for axis in AXES if axis in figures},
        cost=amounts.get("compression_time"),
    )


def _ratios(measured: ModelScores, method: str, reading: str) -> dict[str, float]:
    """The retention of each benchmark in percent, where it has one."""
    dense = oriented(measured.get(DENSE.name, {}), reading)
    own = oriented(measured[method], reading)
    return {
        name: 100.0 * value / dense[name]
        for name, value in own.items()
        if name not in {*LOWER_IS_BETTER, *METRICS} and dense.get(name, 0.0) > 0
    }


def names_of(candidates: Sequence[Candidate]) -> set[str]:
    """All metrics, benchmarks and probes that a candidate has a figure of, or failed."""
    return {name for one in candidates for name in (*one.figures, *one.failures)}
