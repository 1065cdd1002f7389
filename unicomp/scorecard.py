"""The scorecard: all rows of a session, their metrics, and whether the gate opens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from unicomp.data.calibration import GENERIC, UNSEEN
from unicomp.framework import METRICS, Profile
from unicomp.policy import Policy
from unicomp.spec import CheckpointId, OfCheckpoint
from unicomp.verdict import MetricRow, Row, allowed, metric_row, opens


@dataclass(frozen=True, kw_only=True)
class Work(OfCheckpoint):
    """One piece of expensive work on a checkpoint, done now or found in the store."""

    stage: Literal["build", "answer", "measure"]
    calibration: str = UNSEEN
    cached: bool
    seconds: float = 0.0
    items: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    """For a build, cached or not: its known costs, from the checkpoint's facts, and
    `judged_against`, the model it is compared with if that is not its `base`. For answers of a
    server: `crosschecks`, how its scores differ from those of the engine in process."""


@dataclass(frozen=True, kw_only=True)
class Scorecard:
    """The result of a session."""

    rows: tuple[Row, ...]
    metrics: tuple[MetricRow, ...]
    environment: Mapping[str, Any] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    """Benchmarks that are reported and belong to no metric."""
    work: tuple[Work, ...] = ()

    @property
    def checkpoints(self) -> tuple[CheckpointId, ...]:
        """All checkpoints, in the order of their first row."""
        return tuple(dict.fromkeys(row.checkpoint for row in self.rows))

    @property
    def models(self) -> tuple[str, ...]:
        """The names of all models, in the order of their first row."""
        return tuple(dict.fromkeys(row.model for row in self.rows))

    @cached_property
    def calibrations(self) -> tuple[str, ...]:
        """All calibrations that a checkpoint saw, in the order of their first row."""
        seen = dict.fromkeys(row.calibration for row in self.rows)
        return tuple(name for name in seen if name != UNSEEN)

    def is_named(self, calibration: str) -> bool:
        """Whether names of checkpoints include the calibration; the default alone is left out."""
        return calibration != UNSEEN and self.calibrations != (GENERIC,)

    def name_of(self, checkpoint: CheckpointId) -> str:
        """The name of a checkpoint among those of its model: METHOD, or METHOD (CALIBRATION)."""
        method, calibration = checkpoint.method, checkpoint.calibration
        return f"{method} ({calibration})" if self.is_named(calibration) else method

    @property
    def gaps(self) -> tuple[Row | MetricRow, ...]:
        """The rows and metrics that did not pass, allowed or not."""
        everything: tuple[Row | MetricRow, ...] = (*self.rows, *self.metrics)
        return tuple(row for row in everything if row.verdict != "pass")

    @property
    def passed(self) -> bool:
        """Whether the gate opens."""
        return opens(self.rows, self.metrics)


def scorecard(
    rows: Iterable[Row],
    profiles: Mapping[str, Profile],
    policy: Policy,
    environment: Mapping[str, Any] | None = None,
    work: Sequence[Work] = (),
) -> Scorecard:
    """Add up the metrics and look up which gaps are allowed.

    `profiles` gives the profile of each model by name. A metric gets a verdict if at least one of
    its benchmarks has a row.
    """
    environment = environment or {}
    kappa = environment.get("instruments", {}).get("judge_agreement", {}).get("kappa")
    rows = [replace(row, kappa=kappa) if row.judged else row for row in rows]
    rows = [replace(row, allowed=allowed(row, policy)) for row in rows]
    found: dict[CheckpointId, dict[str, Row]] = {}
    for row in rows:
        found.setdefault(row.checkpoint, {})[row.benchmark] = row
    metrics = [
        metric_row(checkpoint, metric, own, profiles[checkpoint.model], policy)
        for checkpoint, own in found.items()
        for metric in METRICS
        if not own.keys().isdisjoint(profiles[checkpoint.model].benchmarks(metric))
    ]
    parts = {name for p in profiles.values() for metric in p for name in p.benchmarks(metric)}
    beside = dict.fromkeys(
        row.benchmark for row in rows if row.benchmark not in parts and row.unit is None
    )
    return Scorecard(
        rows=tuple(rows),
        metrics=tuple(metrics),
        environment=environment,
        beside=tuple(beside),
        work=tuple(work),
    )
