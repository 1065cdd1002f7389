"""The three efficiency metrics: each checkpoint relative to the best of a comparison."""

from __future__ import annotations

from dataclasses import dataclass

from unicomp.framework import EFFICIENCY, compared
from unicomp.scorecard import Scorecard
from unicomp.verdict import Row, Subject


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
