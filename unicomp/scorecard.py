"""The scorecard: all rows of a session, their metrics, and the decision of the gate."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from unicomp.changes import Comparison
from unicomp.data.calibration import GENERIC, UNSEEN
from unicomp.decision import Bound, Decision, allowed, bound, decision, holm
from unicomp.framework import METRICS, VERBOSITY, Profile
from unicomp.looks import PolicyChange
from unicomp.policy import Policy
from unicomp.spec import DENSE, LEVEL, CheckpointId, OfCheckpoint
from unicomp.verdict import (
    TEST_FAILED,
    MetricRow,
    Row,
    joint_evidence,
    judged,
    length_evidence,
    metric_row,
    rows_with_length,
    verbosity_row,
)

if TYPE_CHECKING:
    from unicomp.confidence import Joint

SCHEMA = "unicomp/scorecard/4"
"""The version of the scorecard as JSON; it changes with the meaning of a field."""


STOPPED_EARLY = "asking stopped early: run without --early"
"""Why a figure is not there that only a full run gives."""


@dataclass(frozen=True, kw_only=True)
class Work(OfCheckpoint):
    """One piece of expensive work on a checkpoint, done now or found in the store."""

    stage: Literal["build", "answer", "measure"]
    calibration: str = UNSEEN
    cached: bool
    seconds: float = 0.0
    items: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    """For a build, cached or not: its known costs, from the checkpoint's facts,
    `judged_against`, the model it is compared with if that is not its `base`, and `made`: family,
    settings and calibration. For answers of a server: `crosschecks`, how its scores differ from
    those of the engine in process. Of work that a cluster did: `nodes`, and for measurements
    `machine`, the fingerprint of the node."""


@dataclass(frozen=True, kw_only=True)
class Scorecard:
    """The result of a session."""

    rows: tuple[Row, ...]
    metrics: tuple[MetricRow, ...]
    environment: Mapping[str, Any] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    """Benchmarks that are reported and belong to no metric."""
    work: tuple[Work, ...] = ()
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    """Model → the profile of its metrics."""
    levels: Mapping[CheckpointId, float] = field(default_factory=dict)
    """Checkpoint → the error at which its critical results had to pass."""
    looks: Mapping[CheckpointId, int] = field(default_factory=dict)
    """Checkpoint → the number of this look at it; see `unicomp.looks`."""
    policy: str = ""
    """The digest of the policy."""
    policy_changes: tuple[PolicyChange, ...] = ()
    """What was changed in the policy after answers of a candidate were seen."""
    comparison: Comparison | None = None
    """What changed since the last release; None without `--baseline`."""
    parts: int = 1
    """The sessions that it is made of; see `unicomp.joint.merged`."""

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
    def ends(self) -> tuple[Row | MetricRow, ...]:
        """All rows and metrics: what has a verdict."""
        return (*self.rows, *self.metrics)

    @property
    def gaps(self) -> tuple[Row | MetricRow, ...]:
        """The rows and metrics that did not pass, allowed or not; without undecided guards."""
        return tuple(
            row
            for row in self.ends
            if row.verdict != "pass" and (row.verdict != "undecided" or row.tier == "critical")
        )

    @property
    def origins(self) -> dict[str, tuple[Any, Any]]:
        """Model → where it is from: source and revision."""
        return {
            name: (facts.get("source"), facts.get("revision"))
            for name, facts in self.environment.get("models", {}).items()
        }

    @property
    def keys(self) -> dict[CheckpointId, tuple[str, str | None]]:
        """Checkpoint → the keys of its content and of its baseline's; without those of probes."""
        return {row.checkpoint: (row.candidate, row.baseline) for row in self.rows if row.candidate}

    def rows_of(self, metric: MetricRow) -> dict[str, Row]:
        """Benchmark → its row, of all that have not left the metric. Raises KeyError."""
        own = {row.benchmark: row for row in self.rows if row.checkpoint == metric.checkpoint}
        if metric.metric == VERBOSITY:
            rows = rows_with_length(own, self.profiles[metric.model])
            return {name: row for name, row in rows.items() if name not in metric.left_out}
        return {name: own[name] for name in self._profile_of(metric).benchmarks(metric.metric)}

    def evidence_of(self, metric: MetricRow) -> Joint:
        """The evidence about a metric that has a value.

        Raises KeyError or ValueError if its rows do not give it, for example since items of one
        were asked in part.
        """
        if metric.early:
            raise ValueError(f"items of {metric.metric} were asked in part")
        rows, profile = self.rows_of(metric), self._profile_of(metric)
        if metric.metric == VERBOSITY:
            return length_evidence([*rows.values()])
        return joint_evidence(metric.metric, rows, profile)  # type: ignore[return-value]

    def _profile_of(self, metric: MetricRow) -> Profile:
        """The profile of its model without what has left the metric."""
        return self.profiles[metric.model].without(metric.metric, metric.left_out)

    def asked_of(self, row: Row | MetricRow) -> tuple[int, int]:
        """The items that were asked for a benchmark or metric, and those of the full run."""
        rows = [row] if isinstance(row, Row) else self._known_rows_of(row)
        asked = sum(one.n or 0 for one in rows)
        return asked, asked + sum((one.full_n or 0) - (one.n or 0) for one in rows if one.early)

    def _known_rows_of(self, metric: MetricRow) -> list[Row]:
        """Those rows of a metric's benchmarks that are there; none without a profile."""
        profile = self.profiles.get(metric.model)
        names = profile.benchmarks(metric.metric) if profile else ()
        return [r for r in self.rows if r.checkpoint == metric.checkpoint and r.name in names]

    @cached_property
    def in_full(self) -> Scorecard:
        """The scorecard as if nothing were known of what stopped early.

        Findings, comparisons, tables and floors follow from this one. Its early rows and metrics
        are not measured, so that whoever needs their figures names them with the reason.
        """
        if not any(row.early for row in self.ends):
            return self

        def stopped(metric: MetricRow) -> bool:
            # of several parts, one may have the metric in full, and another a worse early row
            return metric.early or any(row.early for row in self._known_rows_of(metric))

        return replace(
            self,
            rows=tuple(_row_not_in_full(row) if row.early else row for row in self.rows),
            metrics=tuple(
                _metric_not_in_full(row) if stopped(row) else row for row in self.metrics
            ),
        )

    @property
    def decision(self) -> Decision:
        """The decision of the gate."""
        return decision(self.rows, self.metrics)

    @property
    def bound(self) -> Bound:
        """The chances of a wrong decision, of the checkpoint that was looked at most often."""
        looks = max(self.looks.values(), default=1)
        level = min(self.levels.values(), default=LEVEL)
        return bound(self.rows, self.metrics, level=level, looks=looks, parts=self.parts)


def _row_not_in_full(row: Row) -> Row:
    """A row that stopped early, without its result: what it is, and what was asked of it."""
    known = {name: getattr(row, name) for name in _WITHOUT_RESULT}
    return Row(**row.checkpoint._asdict(), **known, verdict="not_measured", reason=STOPPED_EARLY)


_WITHOUT_RESULT = (
    *("benchmark", "metric", "dimension", "tier", "floor", "max_drop", "ceiling", "figures"),
    *("higher_is_better", "in_points", "candidate", "baseline", "prompts", "allowed"),
)
"""The columns of a row that do not depend on how many items were asked; `prompts` are a warning
about those that were."""


def _metric_not_in_full(row: MetricRow) -> MetricRow:
    """A metric that stopped early, without its result."""
    nothing = replace(row, value=None, low=None, high=None, p_pass=None, p_fail=None)
    nothing = replace(nothing, clusters=None, early_error=None, published=None)
    return replace(nothing, verdict="not_measured", reason=STOPPED_EARLY)


def scorecard(
    rows: Iterable[Row],
    profiles: Mapping[str, Profile],
    policy: Policy,
    environment: Mapping[str, Any] | None = None,
    work: Sequence[Work] = (),
    *,
    planned: Mapping[CheckpointId, int] | None = None,
    looks: Mapping[CheckpointId, int] | None = None,
    pick: bool = False,
) -> Scorecard:
    """Judge all rows and metrics of a session, and look up which gaps are allowed.

    `profiles` gives the profile of each model by name. A metric gets a verdict if at least one of
    its benchmarks has a row. `planned` is the number of rows and metrics that a checkpoint was to
    have; `looks` the number of this look at it. With `pick`, one of the compressed checkpoints of a
    model will be chosen by its results, so each passes at the level / their number.
    """
    environment = environment or {}
    kappa = environment.get("instruments", {}).get("judge_agreement", {}).get("kappa")
    found: dict[CheckpointId, list[Row]] = {}
    for row in rows:
        known = replace(row, kappa=kappa) if row.judged else row
        found.setdefault(row.checkpoint, []).append(known)
    looks = {checkpoint: (looks or {}).get(checkpoint, 1) for checkpoint in found}
    levels = {one: LEVEL / looks[one] / (_rivals(one, found) if pick else 1) for one in found}
    judged_rows: list[Row] = []
    metrics: list[MetricRow] = []
    for checkpoint, own in found.items():
        profile = profiles[checkpoint.model]
        named = [
            metric
            for metric in METRICS
            if not {row.benchmark for row in own}.isdisjoint(profile.benchmarks(metric))
        ]
        tested = len(own) + len(named) + profile.has_verbosity
        family = max((planned or {}).get(checkpoint, 0), tested)
        own = [_judged(row, levels[checkpoint], family) for row in own]
        by_name = {row.benchmark: row for row in own}
        of_metrics = [
            metric_row(
                checkpoint,
                metric,
                by_name,
                profile,
                policy,
                level=levels[checkpoint],
                family=family,
            )
            for metric in named
        ]
        verbosity = verbosity_row(
            checkpoint, by_name, profile, policy, level=levels[checkpoint], family=family
        )
        of_metrics += [verbosity] if verbosity else []
        own, of_metrics = holm(own, of_metrics, family)
        judged_rows += own
        metrics += of_metrics
    parts = {name for profile in profiles.values() for name in profile.names}
    beside = dict.fromkeys(
        row.benchmark for row in judged_rows if row.benchmark not in parts and row.unit is None
    )
    return Scorecard(
        rows=tuple(replace(row, allowed=allowed(row, policy)) for row in judged_rows),
        metrics=tuple(metrics),
        environment=environment,
        beside=tuple(beside),
        work=tuple(work),
        profiles=profiles,
        levels=levels,
        looks=looks,
        policy=policy.digest,
    )


def _rivals(checkpoint: CheckpointId, found: Collection[CheckpointId]) -> int:
    """The compressed checkpoints of the same model."""
    return max(sum(o.model == checkpoint.model and o.method != DENSE.name for o in found), 1)


def _judged(row: Row, level: float, family: int) -> Row:
    """A row that can be judged; any other one, or one whose test failed, as it is."""
    if not row.decided or row.reason == TEST_FAILED:
        return row
    return judged(row, level=level, family=family)
