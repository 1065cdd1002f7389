"""The map of a scorecard, checkpoints × metrics, as every short table shows it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from unicomp.findings import Findings
from unicomp.framework import METRICS
from unicomp.scorecard import Scorecard
from unicomp.spec import CheckpointId
from unicomp.verdict import MetricRow, Row, Verdict


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One figure of the map."""

    value: float | None
    """In percent; None if it was not measured."""
    verdict: Verdict | None = None
    """None for an efficiency metric, which is compared and has none."""
    allowed: bool = False
    early: bool = False
    """Whether asking stopped early, so that the value is only expected of the full run."""

    @classmethod
    def of(cls, row: Row | MetricRow) -> Cell:
        """The figure of a metric, or of a benchmark."""
        value = row.retention if isinstance(row, Row) else row.value
        allowed = row.allowed is not None
        return cls(value=value, verdict=row.verdict, allowed=allowed, early=row.early)


@dataclass(frozen=True, kw_only=True)
class Column:
    """A metric, or a benchmark outside of all metrics that decides."""

    name: str
    cells: Mapping[CheckpointId, Cell]
    compared: bool = False
    """Whether the values are percentages of the best rather than of dense."""
    beside: bool = False
    """Whether it is a benchmark beside a metric that is measured without it."""


def columns(card: Scorecard, findings: Findings) -> list[Column]:
    """All metrics that were measured or should have been, then the benchmarks of no metric.

    Then the gains of an efficiency metric that has no value, since something was left out.
    """
    metrics = list(_metrics(card, findings))
    return [*metrics, *_benchmarks(card), *_gains(card, {one.name for one in metrics})]


def _metrics(card: Scorecard, findings: Findings) -> Iterator[Column]:
    for metric in METRICS:
        cells = {row.checkpoint: Cell.of(row) for row in card.metrics if row.metric == metric}
        if cells:
            yield Column(name=metric, cells=cells)
        compared = {
            one.checkpoint: Cell(value=one.value)
            for one in findings.efficiency
            if one.metric == metric
        }
        if compared:
            yield Column(name=metric, cells=compared, compared=True)


def _benchmarks(card: Scorecard) -> Iterator[Column]:
    own = [row for row in card.rows if row.tier == "critical" and row.unit is None]
    measured = {row.metric for row in card.metrics}
    for name, metric in dict.fromkeys((row.benchmark, row.metric) for row in own):
        cells = {row.checkpoint: Cell.of(row) for row in own if row.benchmark == name}
        yield Column(name=name, cells=cells, beside=metric in measured)


def _gains(card: Scorecard, known: Collection[str]) -> Iterator[Column]:
    own = [row for row in card.rows if row.unit and row.retention is not None]
    for name in dict.fromkeys(row.benchmark for row in own if row.metric not in known):
        cells = {row.checkpoint: Cell.of(row) for row in own if row.benchmark == name}
        yield Column(name=name, cells=cells)
