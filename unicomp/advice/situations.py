"""The map: the best measured checkpoint for three situations that practitioners meet.

- memory without training: the highest quality of what is smaller than dense and was not trained
- speed with a training budget: the lowest latency, trained or not
- sparsity required: the highest quality of what is pruned
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from unicomp.advice.candidates import Candidate
from unicomp.findings.pareto import AXES

SituationName = Literal["memory_without_training", "speed_with_training", "sparsity_required"]
TITLES: dict[SituationName, str] = {
    "memory_without_training": "memory, without training",
    "speed_with_training": "latency, with a budget for training",
    "sparsity_required": "sparsity required",
}


LEAST_GAIN = 105.0
"""The gain, in percent of dense, from which an axis speaks for a checkpoint. A buffer more or less
moves a measurement by less, and nobody chooses a model for it."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A checkpoint with the figures that speak for it."""

    name: str
    figures: dict[str, float]
    """`quality`, `knowledge`, `reasoning` and its gains by axis in percent of dense, and
    `compression_time`."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """One line of the map of a model."""

    model: str
    situation: SituationName
    axis: str | None = None
    """What was gained: the probe by which checkpoints were chosen; None for zeros."""
    choices: tuple[Choice, ...] = ()
    """The best measured checkpoint, and the next best; empty if no measured one serves."""
    reason: str = ""
    """Why there is none."""
    nearest: Choice | None = None
    """If there is none: the one that came nearest."""
    published: Choice | None = None
    """The choice by the published table, where that method was not measured here."""


def situations(
    candidates: Sequence[Candidate], published: Sequence[Candidate] = ()
) -> list[Situation]:
    """The map of each model, from its compressed checkpoints.

    `published` are those of another model, for what was not measured.
    """
    found = []
    for model in dict.fromkeys(one.model for one in candidates):
        own = [one for one in candidates if one.model == model]
        measured = {one.method for one in own}
        for name in TITLES:
            line = _situation(model, name, own)
            known = _situation(model, name, published).choices[:1]
            new = [one for one in known if one.name not in measured]
            found.append(replace(line, published=new[0] if new else None))
    return found


def _situation(model: str, name: SituationName, candidates: Sequence[Candidate]) -> Situation:
    line = Situation(model=model, situation=name)
    compressed = [one for one in candidates if not one.is_dense and one.quality is not None]
    pool = sorted(compressed, key=_by_quality)
    if name == "sparsity_required":
        sparse = [one for one in pool if "pruning" in one.families]
        reason = "" if sparse else "no pruned checkpoint with a quality was measured"
        return replace(line, choices=_choices(sparse), reason=reason)
    if name == "memory_without_training":
        untrained = [one for one in pool if one.trained is False]
        return _gaining(line, untrained, ("inference_memory", "model_size"), fastest=False)
    return _gaining(line, pool, ("latency", "throughput"), fastest=True)


def _gaining(
    line: Situation, pool: Sequence[Candidate], axes: tuple[str, str], *, fastest: bool
) -> Situation:
    """The candidates that gain in the first axis, else in the second.

    They are in the order of `pool`, or with `fastest` the largest gain first.
    """
    for axis in axes:
        if found := [one for one in pool if one.gains.get(axis, 0.0) >= LEAST_GAIN]:
            ordered = sorted(found, key=partial(_loss, axis)) if fastest else found
            return replace(line, axis=axis, choices=_choices(ordered))
    measured = [one for one in pool if axes[0] in one.gains]
    if not measured:
        return replace(line, reason=f"{axes[0]} was not measured")
    best = min(measured, key=partial(_loss, axes[0]))
    reason = f"no measured checkpoint gains {LEAST_GAIN - 100:g} % in {' or '.join(axes)}"
    return replace(line, reason=reason, nearest=_choices([best])[0])


def _choices(candidates: Sequence[Candidate]) -> tuple[Choice, ...]:
    return tuple(Choice(name=one.name, figures=figures_of(one)) for one in candidates[:2])


def _loss(axis: str, one: Candidate) -> float:
    return -one.gains[axis]


def _by_quality(one: Candidate) -> float:
    return math.inf if one.quality is None else -one.quality


def figures_of(one: Candidate) -> dict[str, float]:
    """The figures that a line shows of a checkpoint."""
    found = {} if one.quality is None else {"quality": one.quality}
    for name in ("knowledge", "reasoning"):
        if name in one.figures:
            found[name] = one.figures[name].value
    found |= {axis: one.figures[axis].value for axis in AXES if axis in one.figures}
    return found if one.cost is None else {**found, "compression_time": one.cost}
