"""How capabilities moved apart: knowledge from reasoning, performance from reliability."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from unicomp.data.calibration import base_name
from unicomp.findings.intervals import interval_of
from unicomp.framework import DIMENSIONS
from unicomp.scorecard import STOPPED_EARLY, Scorecard
from unicomp.spec import DENSE, CheckpointId, OfCheckpoint

if TYPE_CHECKING:
    from unicomp.statistics import Interval


OTHERS = ("reasoning", "multilingual", "instruction_following")
"""The metrics that are compared with knowledge."""


@dataclass(frozen=True, kw_only=True)
class KnowledgeBias(OfCheckpoint):
    """How much further another metric fell than knowledge.

    The two metrics are asked different items, so their estimates are independent.
    """

    metric: str
    """The metric that is compared with knowledge."""
    points: float
    """Retention of knowledge minus retention of the metric."""
    low: float
    high: float
    """The 95 % interval of `points`."""
    biased: bool
    """Whether the metric fell, and fell more than twice as far as knowledge. Both are significant:
    the interval of the metric lies below 100, and the one of its fall minus twice the fall of
    knowledge lies above 0."""


def knowledge_bias(card: Scorecard) -> list[KnowledgeBias]:
    """The knowledge bias of each metric that a compressed checkpoint has beside knowledge."""
    rows = {(row.checkpoint, row.metric): row for row in card.metrics}
    found = []
    for checkpoint in card.checkpoints:
        if checkpoint.method == DENSE.name or (checkpoint, "knowledge") not in rows:
            continue
        knowledge = interval_of(rows[checkpoint, "knowledge"])
        for metric in OTHERS:
            row = rows.get((checkpoint, metric))
            if row and knowledge and (other := interval_of(row)):
                found.append(_knowledge_bias(checkpoint, metric, knowledge, other))
    return found


def _knowledge_bias(
    checkpoint: CheckpointId, metric: str, knowledge: Interval, other: Interval
) -> KnowledgeBias:
    from unicomp.statistics import combine, difference

    twice = combine([knowledge], [2.0])
    excess = difference(twice, other)  # the fall beyond twice that of knowledge, plus 100
    points = difference(knowledge, other)
    return KnowledgeBias(
        **checkpoint._asdict(),
        metric=metric,
        points=points.estimate,
        low=points.low,
        high=points.high,
        biased=excess.low > 100.0 and other.high < 100.0,
    )


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
    """Metrics that only some of the checkpoints have, or that stopped early."""
    checkpoints: Mapping[str, tuple[float, float]]
    """Checkpoint → mean retention of its performance and of its reliability metrics, in percent."""
    correlation: float | None = None
    """Spearman's, in [-1, 1]; None if there are too few checkpoints, or all are alike."""
    p_value: float | None = None
    """That of a permutation test; None from ten checkpoints on."""
    low: float | None = None
    high: float | None = None
    """The 95 % interval of the correlation; None for fewer than ten checkpoints."""


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
        early = {r.metric for r in card.metrics if (r.model, r.reason) == (model, STOPPED_EARLY)}
        if (one := _decoupling(model, own, early)) is not None:
            found.append(one)
    return found


def _decoupling(
    model: str, values: Mapping[str, Mapping[str, float]], early: Collection[str]
) -> Decoupling | None:
    """`values` is checkpoint → metric → retention; `early` has metrics that stopped early."""
    from unicomp.findings.rank_correlation import rank_correlation

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
    known = {*early, *(metric for has in both.values() for metric in has)}
    some = (metric for side in sides for metric in side if metric in known)
    found = rank_correlation([a for a, _ in means.values()], [b for _, b in means.values()])
    return Decoupling(
        model=model,
        metrics=tuple(kept),
        left_out=tuple(metric for metric in some if metric not in kept),
        checkpoints=means,
        correlation=found.estimate if found else None,
        p_value=found.p_value if found else None,
        low=found.low if found else None,
        high=found.high if found else None,
    )
