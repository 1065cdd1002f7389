"""Quality against size, memory, speed and cost: the trade-offs, and which of them lie on the front.

Quality is the mean retention of the performance metrics. A checkpoint lies on the front of an axis
unless another one of its model is at least as good in both quality and axis, and better in one.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from unicomp.data.calibration import UNSEEN
from unicomp.findings.intervals import interval_of
from unicomp.framework import DIMENSIONS
from unicomp.scorecard import STOPPED_EARLY, Scorecard
from unicomp.spec import DENSE, CheckpointId, OfCheckpoint
from unicomp.verdict import Row

if TYPE_CHECKING:
    from unicomp.statistics import Interval

K = TypeVar("K", bound=Hashable)

AXES = ("model_size", "inference_memory", "throughput", "latency", "compression_time")
"""The probes that quality is weighed against."""


@dataclass(frozen=True, kw_only=True)
class Quality(OfCheckpoint):
    """The mean retention of a checkpoint over the performance metrics, in percent of dense."""

    metrics: tuple[str, ...]
    """The performance metrics that some checkpoint of the model has; the mean is over all."""
    lacking: tuple[str, ...] = ()
    """Those of them that this checkpoint has no value of."""
    value: float | None = None
    """None if a metric is lacking."""
    low: float | None = None
    high: float | None = None
    """The 95 % interval. The metrics are asked different items, so they are independent."""


@dataclass(frozen=True, kw_only=True)
class TradeOff(OfCheckpoint):
    """The quality of one checkpoint against one axis. The dense model is among them."""

    quality: float | None
    quality_low: float | None
    quality_high: float | None
    axis: str
    """One of `AXES`."""
    value: float
    """As measured, in `unit`."""
    unit: str | None
    relative: float | None
    """In percent of the dense model, more being better: 200 is half the size, half the latency or
    twice the throughput. None for a cost of compression, which the dense model does not have."""
    low: float | None
    high: float | None
    """The 95 % interval of `relative`; None for a limit that is not finite."""
    benefit: float
    """What counts for the front, more being better: `relative`, but 100 for a timing whose interval
    contains 100; a cost of compression with a minus."""
    on_front: bool
    """Whether no other checkpoint of the model is at least as good in both, and better in one.
    Without a quality it is False."""


def qualities(card: Scorecard) -> list[Quality]:
    """The quality of each checkpoint whose model has a performance metric, the dense one first."""
    rows = {
        (row.checkpoint, row.metric): interval
        for row in card.metrics
        if (interval := interval_of(row)) is not None
    }
    # one that stopped early is a gap, and no reason to take the mean of fewer metrics
    known = {*rows, *((r.checkpoint, r.metric) for r in card.metrics if r.reason == STOPPED_EARLY)}
    found = []
    for model in card.models:
        own = [one for one in _with_dense(card, model) if one.model == model]
        metrics = tuple(
            metric
            for metric in DIMENSIONS["performance"]
            if any((one, metric) in known for one in own)
        )
        if metrics:
            found += [_quality(one, metrics, rows) for one in own]
    return found


def trade_offs(card: Scorecard) -> list[TradeOff]:
    """The quality of each checkpoint against each axis that was measured of it."""
    quality = {one.checkpoint: one for one in qualities(card)}
    measured = {
        (row.checkpoint, row.benchmark): row
        for row in card.rows
        if row.shown and all(map(_is_finite, (row.score, row.retention)))
    }
    found = []
    for model in card.models:
        for axis in AXES:
            own = [
                _trade_off(one, axis, measured[one, axis], quality.get(one))
                for one in _with_dense(card, model)
                if (one, axis) in measured
            ]
            points = {
                one.checkpoint: (one.quality, one.benefit) for one in own if one.quality is not None
            }
            best = front(points)
            found += [replace(one, on_front=one.checkpoint in best) for one in own]
    return found


def front(points: Mapping[K, Sequence[float]]) -> set[K]:
    """The keys of the points that no other one dominates. More is better in each coordinate.

    Equal points lie on the front together. A point that is not finite never does.
    """
    finite = {key: tuple(one) for key, one in points.items() if all(map(math.isfinite, one))}
    return {
        key
        for key, point in finite.items()
        if not any(dominates(other, point) for other in finite.values())
    }


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether a point is at least as good as another in all coordinates, and better in one."""
    pairs = list(zip(one, other, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def _with_dense(card: Scorecard, model: str) -> tuple[CheckpointId, ...]:
    """The checkpoints of a model, the dense one first, whether or not it has rows of its own."""
    dense = CheckpointId(model, DENSE.name, UNSEEN)
    own = (one for one in card.checkpoints if one.model == model)
    return tuple(dict.fromkeys((dense, *own)))


def _quality(
    checkpoint: CheckpointId,
    metrics: tuple[str, ...],
    rows: Mapping[tuple[CheckpointId, str], Interval],
) -> Quality:
    from unicomp.statistics import Interval, combine

    whole = Interval(100.0, 100.0, 100.0)
    known = {
        metric: whole if checkpoint.method == DENSE.name else rows[checkpoint, metric]
        for metric in metrics
        if checkpoint.method == DENSE.name or (checkpoint, metric) in rows
    }
    base = Quality(**checkpoint._asdict(), metrics=metrics)
    if len(known) < len(metrics):
        return replace(base, lacking=tuple(one for one in metrics if one not in known))
    mean = combine(list(known.values()), [1.0 / len(known)] * len(known))
    return replace(base, value=mean.estimate, low=mean.low, high=mean.high)


def _trade_off(checkpoint: CheckpointId, axis: str, row: Row, quality: Quality | None) -> TradeOff:
    assert row.score is not None
    return TradeOff(
        **checkpoint._asdict(),
        quality=quality.value if quality else None,
        quality_low=quality.low if quality else None,
        quality_high=quality.high if quality else None,
        axis=axis,
        value=row.score,
        unit=row.unit,
        relative=row.retention,
        low=row.low if _is_finite(row.low) else None,
        high=row.high if _is_finite(row.high) else None,
        benefit=_benefit(row),
        on_front=False,
    )


def _is_finite(value: float | None) -> bool:
    """Whether a value is a finite number, or none that could be anything else."""
    return value is None or math.isfinite(value)


def _benefit(row: Row) -> float:
    """How good a measurement is, more being better."""
    if row.retention is None:  # a cost of compression: less is better
        assert row.score is not None
        return -row.score
    return 100.0 if row.differs is False else row.retention
