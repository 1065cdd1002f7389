"""Verdicts: how a row ends, and every rule that decides it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Subject = tuple[str, str, str]
"""(model, method, calibration): whose scorecard it is."""

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
    expected_gain: float | None = None
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
        """Whether the expected gain of the format was measured, with the whole interval."""
        if self.expected_gain is None or self.low is None:
            return None
        return self.low > 100.0

    def oriented(self, score: float) -> float:
        """A score of the benchmark, turned so that more is better."""
        if self.higher_is_better:
            return score
        return 100.0 - score if self.in_points else 1.0 / score


def decide(low: float, high: float, floor: float) -> Verdict:
    """The verdict on an interval, in percent; NaN never passes."""
    if high >= low >= floor:
        return "pass"
    return "inconclusive" if high >= floor else "fail"
