"""What stands in each section of the page, as its templates need it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from unicomp.decision import FEW_CLUSTERS, decides, measured_error, shuts, with_few_clusters
from unicomp.findings import Findings
from unicomp.findings.claims import Status
from unicomp.findings.efficiency import EfficiencyMetric
from unicomp.findings.outlook import Outlook
from unicomp.framework import DIMENSIONS, METRICS, RETAINED, expected_metrics
from unicomp.scorecard import Scorecard
from unicomp.spec import CheckpointId
from unicomp.verdict import MetricRow, Row, Verdict

MARKS: Mapping[str, str] = {
    "pass": "✓",
    "fail": "✗",
    "undecided": "?",
    "missing": "∅",
    "unsupported": "∅",
    "not_measured": "∅",
    "not_comparable": "∅",
}
"""Verdict → its mark, so that no verdict is told by colour alone."""

STATUSES: Mapping[Status, str] = {
    "shown": "✓",
    "contradicted": "✗",
    "not shown": "?",
    "not measured": "∅",
}
"""Status of a claim → its mark."""


def words(name: str) -> str:
    """A name of the framework as words."""
    return name.replace("_", " ")


@dataclass(frozen=True)
class Obstacle:
    """A metric or row that did not pass."""

    row: Row | MetricRow
    kind: str
    """What it is, in words."""
    part: str
    """What it does to the gate."""
    outlook: Outlook | None
    place: str
    """That of the outlook in the scorecard's file."""


def obstacles(card: Scorecard, findings: Findings) -> list[Obstacle]:
    """All that did not pass: what shuts the gate first, then what it waits for, then the rest."""
    remedies = {
        (one.checkpoint, one.name): (one, f"undecided/{number}")
        for number, one in enumerate(findings.outlook)
    }
    found = []
    for row in card.gaps:
        outlook, place = remedies.get((row.checkpoint, row.name), (None, ""))
        found.append(Obstacle(row, _kind(row), _part(row), outlook, place))
    return sorted(found, key=lambda one: (_PARTS.index(one.part), isinstance(one.row, Row)))


_PARTS = ("shuts the gate", "keeps the gate undecided", "allowed", "does not decide")


def _kind(row: Row | MetricRow) -> str:
    if isinstance(row, MetricRow):
        return "metric"
    kind = "benchmark" if row.unit is None else "measurement"
    return f"{kind} of {words(row.metric)}" if row.metric else kind


def _part(row: Row | MetricRow) -> str:
    if shuts(row):
        return _PARTS[0]
    if row.allowed is not None:
        return _PARTS[2]
    return _PARTS[1] if decides(row) else _PARTS[3]


@dataclass(frozen=True)
class Decided:
    """By what was decided, and what stands beside that, as lists of names."""

    critical: Sequence[str]
    reported: Sequence[str]
    left_out: Sequence[str]
    not_run: Sequence[str]
    few_clusters: Sequence[str]
    measured_error: float
    fewest: int = FEW_CLUSTERS


def decided(card: Scorecard) -> Decided:
    """By what the gate was decided."""
    ends: list[Row | MetricRow] = [*card.metrics, *card.rows]
    critical = dict.fromkeys(words(row.name) for row in ends if row.tier == "critical")
    advisory = dict.fromkeys(words(row.name) for row in ends if row.tier == "advisory")
    left_out = dict.fromkeys(
        f"{name} ({words(row.metric)} of {row.model}: {why})"
        for row in card.metrics
        for name, why in row.left_out.items()
        if why != "advisory"
    )
    run = {row.metric for row in card.metrics}
    asked = expected_metrics(card.profiles.values())
    return Decided(
        critical=[*critical],
        reported=[name for name in advisory if name not in critical],
        left_out=[*left_out],
        not_run=[words(one) for one in asked if run and one in RETAINED and one not in run],
        few_clusters=[*dict.fromkeys(words(o.metric) for o in with_few_clusters(card.metrics))],
        measured_error=measured_error(card.rows),
    )


@dataclass(frozen=True)
class Map:
    """The metrics of all checkpoints of one model."""

    model: str
    dimensions: Mapping[str, Sequence[str]]
    """Dimension → its metrics, those that were measured."""
    checkpoints: Sequence[CheckpointId]
    cells: Mapping[tuple[CheckpointId, str], MetricRow]
    compared: Mapping[tuple[CheckpointId, str], tuple[EfficiencyMetric, str]]
    """The efficiency metrics, each with its place in the scorecard's file."""


def maps(card: Scorecard, findings: Findings) -> Iterator[Map]:
    """A map for each model."""
    for model in card.models:
        cells = {(row.checkpoint, row.metric): row for row in card.metrics if row.model == model}
        compared = {
            (one.checkpoint, one.metric): (one, f"efficiency/{number}")
            for number, one in enumerate(findings.efficiency)
            if one.model == model
        }
        found = {metric for _, metric in (*cells, *compared)}
        dimensions = {
            name: [metric for metric in metrics if metric in found]
            for name, metrics in DIMENSIONS.items()
        }
        own = [one for one in card.checkpoints if one.model == model]
        if found:
            shown = {name: metrics for name, metrics in dimensions.items() if metrics}
            yield Map(model, shown, own, cells, compared)


@dataclass(frozen=True)
class Choices:
    """What the filter of the benchmarks offers."""

    checkpoints: Sequence[str]
    metrics: Sequence[str]
    verdicts: Sequence[Verdict]


def choices(card: Scorecard) -> Choices:
    """The checkpoints, metrics and verdicts among the rows."""
    found = {row.metric for row in card.rows}
    return Choices(
        checkpoints=[*dict.fromkeys(full_name(card, row.checkpoint) for row in card.rows)],
        metrics=[one for one in METRICS if one in found],
        verdicts=[*dict.fromkeys(row.verdict for row in card.rows)],
    )


def item_keys(card: Scorecard) -> list[tuple[str, str, str]]:
    """Model, benchmark and the key of the items that were answered."""
    keys = ((row.model, row.benchmark, row.items) for row in card.rows)
    return [*dict.fromkeys((model, name, key) for model, name, key in keys if key is not None)]


def full_name(card: Scorecard, checkpoint: CheckpointId) -> str:
    """The name of a checkpoint, with its model if there are several."""
    name = card.name_of(checkpoint)
    return f"{checkpoint.model} {name}" if len(card.models) > 1 else name
