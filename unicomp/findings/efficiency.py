"""The three efficiency metrics: each checkpoint relative to the best of a comparison."""

from __future__ import annotations

from dataclasses import dataclass

from unicomp.data.calibration import UNSEEN
from unicomp.efficiency.fingerprint import machine_name
from unicomp.findings.costs import compression_costs
from unicomp.framework import EFFICIENCY, compared
from unicomp.scorecard import Scorecard
from unicomp.spec import DENSE, CheckpointId, OfCheckpoint
from unicomp.verdict import Row


@dataclass(frozen=True, kw_only=True)
class EfficiencyMetric(OfCheckpoint):
    """An efficiency metric of one checkpoint: percent of the best in a comparison."""

    metric: str
    value: float
    compared_with: tuple[str, ...]
    """All checkpoints in the comparison, this one included: the value depends on them."""
    published: bool = False
    """Whether a component is as published by the authors of the checkpoint: not measured."""


def efficiency_metrics(card: Scorecard) -> list[EfficiencyMetric]:
    """Equations 5 to 8 of the paper on the measured values, for each model.

    Timings enter as ratios to the dense model, which was timed alongside each checkpoint, so that
    other load on the machine cancels out. The dense model is part of each comparison that has it
    as a baseline, whether or not its own tests ran. A checkpoint that lacks a component has no
    value and is not compared. The published cost of a checkpoint that others made is compared with
    measured costs, and marked.
    """
    pairs = [(model, metric) for model in card.models for metric in EFFICIENCY]
    return [found for model, metric in pairs for found in _of(card, model, metric)]


def machine_of(card: Scorecard) -> str | None:
    """The name of the machine that timings were taken on; None if it is not known."""
    return machine_name(card.environment.get("measuring", {}).get("machine", {}))


def _of(card: Scorecard, model: str, metric: str) -> list[EfficiencyMetric]:
    components = EFFICIENCY[metric]
    measured: dict[CheckpointId, dict[str, float]] = {}
    for row in card.rows:
        if row.model == model and row.benchmark in components and row.shown:
            if row.dense is not None:
                dense = CheckpointId(model, DENSE.name, UNSEEN)
                measured.setdefault(dense, {})[row.benchmark] = _relative(100.0, row)
            measured.setdefault(row.checkpoint, {})[row.benchmark] = _component(row)
    published = _published(card, model) if metric == "compute_cost" and measured else {}
    stated = {one: has for one, has in published.items() if one not in measured}
    measured |= stated
    complete = [one for one, has in measured.items() if has.keys() == components.keys()]
    try:
        values = compared(metric, {str(i): measured[one] for i, one in enumerate(complete)})
    except ValueError:  # a component of zero has no ratio
        return []
    rivals = tuple(card.name_of(complete[int(number)]) for number in values)
    return [
        EfficiencyMetric(
            **complete[int(number)]._asdict(),
            metric=metric,
            value=value,
            compared_with=rivals,
            published=complete[int(number)] in stated,
        )
        for number, value in values.items()
    ]


def _published(card: Scorecard, model: str) -> dict[CheckpointId, dict[str, float]]:
    """Checkpoint → its published costs, in the units of the measured ones."""
    return {
        cost.checkpoint: cost.published_components
        for cost in compression_costs(card)
        if cost.model == model and cost.published_components
    }


def _component(row: Row) -> float:
    if row.retention is None:  # a cost of building has no dense counterpart
        assert row.score is not None
        return row.score
    return _relative(row.retention, row)


def _relative(percent: float, row: Row) -> float:
    """A percentage of dense, more being better, in the direction of the component."""
    return percent if row.higher_is_better else 1.0 / percent
