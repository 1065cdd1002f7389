"""How capabilities moved apart: knowledge from reasoning, performance from reliability."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unicomp.data.calibration import base_name
from unicomp.framework import dimension_of
from unicomp.scorecard import Scorecard
from unicomp.verdict import Subject


@dataclass(frozen=True, kw_only=True)
class KnowledgeBias:
    """How much further reasoning fell than knowledge."""

    model: str
    method: str
    calibration: str
    points: float
    """Retention of knowledge less that of reasoning."""
    biased: bool
    """Whether reasoning fell, and more than twice as far as knowledge: of the estimates."""
    certain: bool
    """Whether it is biased, and reasoning fell with its whole interval."""


def knowledge_bias(card: Scorecard) -> list[KnowledgeBias]:
    """The knowledge bias of each compressed checkpoint that has both metrics."""
    values = {(row.subject, row.metric): row.value for row in card.metrics}
    highs = {row.subject: row.high for row in card.metrics if row.metric == "reasoning"}
    found: list[KnowledgeBias] = []
    for subject in card.subjects:
        model, method, calibration = subject
        knowledge = values.get((subject, "knowledge"))
        reasoning = values.get((subject, "reasoning"))
        if method == "dense" or knowledge is None or reasoning is None:
            continue
        if math.isfinite(knowledge - reasoning):
            fell, high = 100.0 - reasoning, highs[subject]
            biased = fell > 0.0 and fell > 2.0 * (100.0 - knowledge)
            found.append(
                KnowledgeBias(
                    model=model,
                    method=method,
                    calibration=calibration,
                    points=knowledge - reasoning,
                    biased=biased,
                    certain=biased and high is not None and high < 100.0,
                )
            )
    return found


@dataclass(frozen=True, kw_only=True)
class Decoupling:
    """How performance and reliability move together over the compressed checkpoints of a model.

    The paper's second finding is that they do not have to: the rank correlation says how far.
    """

    model: str
    checkpoints: Mapping[str, tuple[float, float]]
    """Checkpoint → mean retention of its performance and of its reliability metrics, in percent."""
    correlation: float | None = None
    """Spearman's, in [-1, 1]; None where there are too few checkpoints, or all are alike."""
    low: float | None = None
    high: float | None = None


def decoupling(card: Scorecard) -> list[Decoupling]:
    """Performance beside reliability, for each model whose checkpoints have both.

    Draws of further seeds are left out: they would pass for checkpoints of other methods.
    """
    from unicomp.statistics import rank_correlation

    values: dict[Subject, dict[str, list[float]]] = {}
    for row in card.metrics:
        if row.method == "dense" or base_name(row.calibration) != row.calibration:
            continue
        if row.value is not None and math.isfinite(row.value):
            groups = values.setdefault(row.subject, {})
            groups.setdefault(dimension_of(row.metric), []).append(row.value)
    found = []
    for model in dict.fromkeys(subject[0] for subject in values):
        both = {
            card.name_of(*subject[1:]): (_mean(of["performance"]), _mean(of["reliability"]))
            for subject, of in values.items()
            if subject[0] == model and {"performance", "reliability"} <= of.keys()
        }
        if not both:
            continue
        pairs = list(both.values())
        interval = rank_correlation([one for one, _ in pairs], [other for _, other in pairs])
        found.append(
            Decoupling(
                model=model,
                checkpoints=both,
                correlation=interval.estimate if interval else None,
                low=interval.low if interval else None,
                high=interval.high if interval else None,
            )
        )
    return found


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
