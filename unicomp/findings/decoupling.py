"""How capabilities moved apart: knowledge from reasoning, performance from reliability."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from unicomp.data.calibration import base_name
from unicomp.framework import DIMENSIONS
from unicomp.scorecard import Scorecard
from unicomp.spec import DENSE, CheckpointId, OfCheckpoint


@dataclass(frozen=True, kw_only=True)
class KnowledgeBias(OfCheckpoint):
    """How much further reasoning fell than knowledge."""

    points: float
    """Retention of knowledge minus retention of reasoning."""
    biased: bool
    """Whether the estimate of reasoning fell, and fell more than twice as far as knowledge's."""
    certain: bool
    """Whether it is biased, and the whole interval of reasoning lies below 100."""


def knowledge_bias(card: Scorecard) -> list[KnowledgeBias]:
    """The knowledge bias of each compressed checkpoint that has both metrics."""
    values = {(row.checkpoint, row.metric): row.value for row in card.metrics}
    highs = {row.checkpoint: row.high for row in card.metrics if row.metric == "reasoning"}
    found: list[KnowledgeBias] = []
    for checkpoint in card.checkpoints:
        knowledge = values.get((checkpoint, "knowledge"))
        reasoning = values.get((checkpoint, "reasoning"))
        if checkpoint.method == DENSE.name or knowledge is None or reasoning is None:
            continue
        if math.isfinite(knowledge - reasoning):
            fell, high = 100.0 - reasoning, highs[checkpoint]
            biased = fell > 0.0 and fell > 2.0 * (100.0 - knowledge)
            found.append(
                KnowledgeBias(
                    **checkpoint._asdict(),
                    points=knowledge - reasoning,
                    biased=biased,
                    certain=biased and high is not None and high < 100.0,
                )
            )
    return found


@dataclass(frozen=True, kw_only=True)
class Decoupling:
    """How performance and reliability move together over the compressed checkpoints of a model.

    The paper's second finding is that they need not: the rank correlation measures it.
    """

    model: str
    metrics: tuple[str, ...]
    """The metrics that all of these checkpoints have; the means are over these alone, so that
    all checkpoints are compared on the same metrics."""
    left_out: tuple[str, ...]
    """Metrics that only some of the checkpoints have."""
    checkpoints: Mapping[str, tuple[float, float]]
    """Checkpoint → mean retention of its performance and of its reliability metrics, in percent."""
    correlation: float | None = None
    """Spearman's, in [-1, 1]; None if there are too few checkpoints, or all are alike."""
    low: float | None = None
    high: float | None = None


def decoupling(card: Scorecard) -> list[Decoupling]:
    """Performance and reliability of each model whose compressed checkpoints have both.

    Further seeds of a calibration are left out: they would count as checkpoints of other methods.
    """
    values: dict[CheckpointId, dict[str, float]] = {}
    for row in card.metrics:
        if row.method == DENSE.name or base_name(row.calibration) != row.calibration:
            continue
        if row.value is not None and math.isfinite(row.value):
            values.setdefault(row.checkpoint, {})[row.metric] = row.value
    found = []
    for model in card.models:
        own = {card.name_of(one): has for one, has in values.items() if one.model == model}
        if (one := _decoupling(model, own)) is not None:
            found.append(one)
    return found


def _decoupling(model: str, values: Mapping[str, Mapping[str, float]]) -> Decoupling | None:
    """`values` is checkpoint → metric → retention."""
    from unicomp.statistics import rank_correlation

    sides = DIMENSIONS["performance"], DIMENSIONS["reliability"]
    both = {
        name: has
        for name, has in values.items()
        if all(any(metric in has for metric in side) for side in sides)
    }
    shared = [
        [metric for metric in side if all(metric in has for has in both.values())] for side in sides
    ]
    if not both or not all(shared):
        return None
    means = {
        name: (fmean([has[m] for m in shared[0]]), fmean([has[m] for m in shared[1]]))
        for name, has in both.items()
    }
    kept = [metric for side in shared for metric in side]
    some = (m for side in sides for m in side if any(m in has for has in both.values()))
    interval = rank_correlation([a for a, _ in means.values()], [b for _, b in means.values()])
    return Decoupling(
        model=model,
        metrics=tuple(kept),
        left_out=tuple(metric for metric in some if metric not in kept),
        checkpoints=means,
        correlation=interval.estimate if interval else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
    )
