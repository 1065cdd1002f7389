"""What the paper's tables and figures show, of one model or several.

A study is made of a scorecard, or of a table of raw scores, which has no calibrations, languages
and perplexities. What was not measured is not in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from statistics import fmean

from unicomp.errors import SpecError
from unicomp.findings.calibrations import CalibrationEffect, calibration_effects
from unicomp.findings.efficiency import efficiency_metrics
from unicomp.findings.families import family_of, shipped_family
from unicomp.findings.languages import GROUPS, language_scores
from unicomp.findings.perplexity import overall_perplexity, retained_perplexity
from unicomp.findings.sub_scores import sub_score_figures
from unicomp.framework import DIMENSIONS, EFFICIENCY
from unicomp.rawscores import RawScores, metric_scores
from unicomp.scorecard import STOPPED_EARLY, Scorecard
from unicomp.spec import DENSE, CheckpointId

Cell = tuple[str, str, str]
"""(model, name of the checkpoint, what it is)."""

UNITS: Mapping[str, float] = {"bytes": 2.0**30, "FLOPs": 1e12}
"""Unit of a probe → what the paper counts it in: GiB, and 10¹² operations."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """The measured values, by model and checkpoint; `dense` is the first checkpoint of a model."""

    reading: str
    """How the components of reliability enter: `paper` or `oriented`."""
    units: str
    """The units of efficiency, in words."""
    checkpoints: Mapping[str, tuple[str, ...]]
    """Model → the names of its checkpoints."""
    families: Mapping[str, str | None] = field(default_factory=dict)
    """Name of a checkpoint → the family of its method."""
    scores: Mapping[Cell, float] = field(default_factory=dict)
    """Raw scores in points, and efficiency in the paper's units."""
    metrics: Mapping[Cell, float] = field(default_factory=dict)
    """Metrics in percent, and sub-scores in points as `METRIC.SUB_SCORE`."""
    reasons: Mapping[Cell, str] = field(default_factory=dict)
    """Why a metric is missing."""
    published: frozenset[Cell] = frozenset()
    """The metrics that contain a cost as its authors published it."""
    languages: Mapping[Cell, float] = field(default_factory=dict)
    """The score in each language, and the retention of both groups: `high` and `low`."""
    perplexities: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """(name of the checkpoint, kind of models or `overall`) → retained perplexity in percent."""
    effects: tuple[CalibrationEffect, ...] = ()

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """All (model, checkpoint)."""
        return [(model, name) for model, names in self.checkpoints.items() for name in names]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the checkpoints of all models, each once."""
        return tuple(dict.fromkeys(name for _, name in self.pairs))

    def metrics_of(self, model: str, name: str, dimension: str) -> int:
        """How many metrics of a dimension a checkpoint has."""
        return sum((model, name, metric) in self.metrics for metric in DIMENSIONS[dimension])

    def average(self, model: str, name: str, dimension: str) -> float | None:
        """The mean of the metrics of a dimension; None unless all that the model has are there.

        The model has a metric if one of its compressed checkpoints has a value, or would have one
        if asking had not stopped early.
        """
        own = [one for one in self.checkpoints[model] if one != DENSE.name]
        early = {cell for cell, reason in self.reasons.items() if reason == STOPPED_EARLY}
        known = self.metrics.keys() | early
        had = [m for m in DIMENSIONS[dimension] if any((model, o, m) in known for o in own)]
        if not had or any((model, name, metric) not in self.metrics for metric in had):
            return None
        return fmean(self.metrics[model, name, metric] for metric in had)


def study_of_card(card: Scorecard) -> Study:
    """The study of a scorecard.

    A metric is the paper's: over all benchmarks of the profile. Where one of them has no score, it
    is the metric that the gate decides by, which names what it leaves out. What stopped early is
    missing, with that reason.
    """
    card = card.in_full
    named = {one: card.name_of(one) for one in card.checkpoints}
    scores: dict[Cell, float] = {}
    languages: dict[Cell, float] = {}
    for row in card.rows:
        cell = (row.model, named[row.checkpoint], row.benchmark)
        if row.score is not None and math.isfinite(row.score):
            scores[cell] = row.score / UNITS.get(row.unit or "", 1.0)
        for group, benchmark in GROUPS.items():
            if row.benchmark == benchmark and row.retention is not None:
                languages[*cell[:2], group] = row.retention
    for one in language_scores(card):
        languages[one.model, named[one.checkpoint], one.language] = one.score
    metrics: dict[Cell, float] = {}
    reasons: dict[Cell, str] = {}
    for metric in card.metrics:
        cell = (metric.model, named[metric.checkpoint], metric.metric)
        value = metric.published if metric.published is not None else metric.value
        if value is None or not math.isfinite(value):
            reasons[cell] = metric.reason
        else:
            metrics[cell] = value
    for figure in sub_score_figures(card):
        cell = (figure.model, named[figure.checkpoint], f"{figure.metric}.{figure.sub_score}")
        metrics[cell] = figure.score
    efficiency = {
        (one.model, card.name_of(one.checkpoint), one.metric): one
        for one in efficiency_metrics(card)
    }
    perplexities: dict[tuple[str, str], float] = {}
    for kept in retained_perplexity(card):
        perplexities[_name(card, kept.method, kept.calibration), kept.kind] = kept.value
    for overall in overall_perplexity(card):
        perplexities[_name(card, overall.method, overall.calibration), "overall"] = overall.value
    return Study(
        reading=card.environment.get("reading", "oriented"),
        units="sizes and memory in GiB, operations in 10^12, times in s",
        checkpoints={
            model: _dense_first([name for one, name in named.items() if one.model == model])
            for model in card.models
        },
        families={name: family_of(card, one.method) for one, name in named.items()},
        scores=scores,
        metrics={**metrics, **{cell: one.value for cell, one in efficiency.items()}},
        reasons=reasons,
        published=frozenset(cell for cell, one in efficiency.items() if one.published),
        languages=languages,
        perplexities=perplexities,
        effects=tuple(calibration_effects(card)),
    )


def study_of_scores(raw: RawScores, reading: str = "paper") -> Study:
    """The study of a table of raw scores. Raises SpecError for an unknown reading."""
    found = metric_scores(raw, reading)
    return Study(
        reading=reading,
        units="units as in the file of raw scores",
        checkpoints={model: _dense_first([*methods]) for model, methods in raw.items()},
        families={name: shipped_family(name) for methods in raw.values() for name in methods},
        scores={
            (model, method, benchmark): value
            for model, methods in raw.items()
            for method, scores in methods.items()
            for benchmark, value in scores.items()
        },
        metrics={
            (one.model, one.method, one.metric): one.value for one in found if one.value is not None
        },
        reasons={
            (one.model, one.method, one.metric): one.reason for one in found if one.value is None
        },
    )


def joined(studies: Sequence[Study]) -> Study:
    """Several studies of different models as one.

    Raises SpecError for a model that two of them have, and for different readings.
    """
    models = [model for one in studies for model in one.checkpoints]
    if twice := sorted({model for model in models if models.count(model) > 1}):
        raise SpecError(f"the model {twice[0]!r} is in two of the files: give each model once")
    if len(readings := {one.reading for one in studies}) > 1:
        raise SpecError(
            f"the files have the readings {' and '.join(sorted(readings))}: give files of one "
            "reading, or name it for raw scores with --reading"
        )
    first, *others = studies
    if not others:
        return first
    tables = [one.name for one in fields(Study) if isinstance(getattr(first, one.name), Mapping)]
    return Study(
        reading=first.reading,
        units="; ".join(dict.fromkeys(one.units for one in studies)),
        published=frozenset().union(*(one.published for one in studies)),
        effects=tuple(effect for one in studies for effect in one.effects),
        **{
            name: {key: value for one in studies for key, value in getattr(one, name).items()}
            for name in tables
        },
    )


def components_of(metric: str) -> tuple[str, ...]:
    """The components of an efficiency metric."""
    return tuple(EFFICIENCY[metric])


def _name(card: Scorecard, method: str, calibration: str) -> str:
    return card.name_of(CheckpointId("", method, calibration))


def _dense_first(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(dict.fromkeys(names), key=lambda name: name != DENSE.name))
