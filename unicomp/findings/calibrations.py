"""The effect of calibrations relative to a control, and their spread over seeds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from unicomp.data.calibration import UNSEEN, base_name
from unicomp.findings.intervals import interval_of
from unicomp.scorecard import Scorecard
from unicomp.verdict import MetricRow, Verdict

if TYPE_CHECKING:
    from unicomp.statistics import Interval

MetricCell = tuple[str, str, str]
"""(model, method, metric)."""


@dataclass(frozen=True, kw_only=True)
class CalibrationEffect:
    """The effect of a calibration on one metric, in points of retention."""

    model: str
    method: str
    calibration: str
    control: str
    """The calibration that it is compared with: the first of the session."""
    metric: str
    points: float
    low: float
    high: float
    """The 95 % interval. It treats the two as independent, so it is too wide."""
    relative: float | None = None
    """The same in percent of the retention with the control; None if the control kept nothing."""


@dataclass(frozen=True, kw_only=True)
class SeedSpread:
    """One metric of one method over the seeds of a calibration, in percent of dense.

    Mean and spread are None if a seed has no value.
    """

    model: str
    method: str
    calibration: str
    metric: str
    values: Mapping[str, float | None]
    """Seeded calibration, such as `reasoning@43`, → retention."""
    verdicts: Mapping[str, Verdict]
    agree: bool
    """Whether all seeds lead to the same verdict."""
    mean: float | None = None
    low: float | None = None
    """The lowest value."""
    high: float | None = None
    """The highest value."""
    standard_deviation: float | None = None
    """The standard deviation over seeds."""
    item_low: float | None = None
    """The mean of the lower ends of the seeds' intervals over items. It is an interval for one
    seed, not for the mean."""
    item_high: float | None = None

    @property
    def verdict_counts(self) -> list[tuple[Verdict, int]]:
        """How many seeds lead to each verdict, passes first."""
        counts = Counter(self.verdicts.values()).most_common()
        return sorted(counts, key=lambda pair: pair[0] != "pass")


def calibrations_of(card: Scorecard) -> tuple[str, ...]:
    """The calibrations of a session without their seeds; the first one is the control."""
    return tuple(dict.fromkeys(map(base_name, card.calibrations)))


def calibration_effects(card: Scorecard, control: str | None = None) -> list[CalibrationEffect]:
    """The effect of each calibration on each metric of each method, against the control.

    With several seeds it is the difference of the means, and the interval of each calibration
    spans the intervals of all its seeds.
    """
    from unicomp.statistics import difference

    names = calibrations_of(card)
    control = control or next(iter(names), "")
    found = []
    for name in (name for name in names if name != control):
        for (model, method, metric), kept in retentions(card).items():
            if name not in kept or control not in kept:
                continue
            effect = difference(kept[name], kept[control])
            before = kept[control].estimate
            found.append(
                CalibrationEffect(
                    model=model,
                    method=method,
                    calibration=name,
                    control=control,
                    metric=metric,
                    points=effect.estimate,
                    low=effect.low,
                    high=effect.high,
                    relative=100.0 * effect.estimate / before if before > 0 else None,
                )
            )
    return found


def retentions(card: Scorecard) -> dict[MetricCell, dict[str, Interval]]:
    """The retention of each metric of each method by calibration: the mean over the seeds.

    The interval spans those of all seeds. A calibration is left out if one of its seeds has no
    value.
    """
    pooled = {
        cell: {name: _pooled(rows) for name, rows in calibrations.items()}
        for cell, calibrations in _by_calibration(card).items()
    }
    return {
        cell: {name: one for name, one in kept.items() if one is not None}
        for cell, kept in pooled.items()
    }


def seed_spreads(card: Scorecard) -> list[SeedSpread]:
    """Each metric of each method over the seeds of a calibration, if there are several."""
    return [
        _spread(cell, calibration, rows)
        for cell, calibrations in _by_calibration(card).items()
        for calibration, rows in calibrations.items()
        if len(rows) > 1
    ]


def _by_calibration(card: Scorecard) -> dict[MetricCell, dict[str, list[MetricRow]]]:
    """The rows of one metric of one method by calibration, one for each seed."""
    groups: dict[MetricCell, dict[str, list[MetricRow]]] = {}
    for row in card.metrics:
        if row.calibration != UNSEEN:
            group = groups.setdefault((row.model, row.method, row.metric), {})
            group.setdefault(base_name(row.calibration), []).append(row)
    return groups


def _spread(cell: MetricCell, calibration: str, rows: Sequence[MetricRow]) -> SeedSpread:
    model, method, metric = cell
    verdicts = {row.calibration: row.verdict for row in rows}
    measured = [one for row in rows if (one := interval_of(row))]
    values = [one.estimate for one in measured]
    numbers: dict[str, float] = {}
    if len(measured) == len(rows):
        mean = fmean(values)
        squares = math.fsum((value - mean) ** 2 for value in values)
        numbers = {
            "mean": mean,
            "low": min(values),
            "high": max(values),
            "standard_deviation": math.sqrt(squares / (len(values) - 1)),
            "item_low": fmean([one.low for one in measured]),
            "item_high": fmean([one.high for one in measured]),
        }
    return SeedSpread(
        model=model,
        method=method,
        calibration=calibration,
        metric=metric,
        values={row.calibration: row.value if _is_measured(row) else None for row in rows},
        verdicts=verdicts,
        agree=len(set(verdicts.values())) == 1,
        **numbers,
    )


def _pooled(rows: Sequence[MetricRow]) -> Interval | None:
    from unicomp.statistics import Interval

    measured = [one for row in rows if (one := interval_of(row))]
    if len(measured) < len(rows):
        return None
    return Interval(
        fmean([one.estimate for one in measured]),
        min(one.low for one in measured),
        max(one.high for one in measured),
    )


def _is_measured(row: MetricRow) -> bool:
    return row.value is not None and math.isfinite(row.value)
