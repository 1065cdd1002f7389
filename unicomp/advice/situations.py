"""The map: the best measured checkpoint for three situations that practitioners meet.

- memory without training: the highest quality of what is smaller than dense and was not trained
- speed with a training budget: the lowest latency, trained or not
- sparsity required: the highest quality of what is pruned
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from unicomp.advice.candidates import Candidate
from unicomp.findings.pareto import AXES

SituationName = Literal["memory_without_training", "speed_with_training", "sparsity_required"]
TITLES: dict[SituationName, str] = {
    "memory_without_training": "memory, without training",
    "speed_with_training": "latency, with a budget for training",
    "sparsity_required": "sparsity required",
}


@dataclass(frozen=True, kw_only=True)
class Situation:
    """One line of the map of a model."""

    model: str
    situation: SituationName
    chosen: str | None
    """The name of the checkpoint; None if no measured one serves."""
    figures: dict[str, float]
    """Those of the chosen one: `quality`, `knowledge`, `reasoning`, its gains by axis in percent of
    dense, and `compression_time`."""
    instead_of: str | None = None
    """The next best in this situation."""
    instead_figures: dict[str, float]
    reason: str = ""
    """Why there is none, or what was compared."""


def situations(candidates: Sequence[Candidate]) -> list[Situation]:
    """The map of each model, from its compressed checkpoints."""
    models = dict.fromkeys(one.model for one in candidates)
    return [
        _situation(model, name, [one for one in candidates if one.model == model])
        for model in models
        for name in TITLES
    ]


def _situation(model: str, name: SituationName, candidates: Sequence[Candidate]) -> Situation:
    compressed = [one for one in candidates if not one.is_dense and one.quality is not None]
    pools: dict[SituationName, Callable[[], tuple[list[Candidate], str]]] = {
        "memory_without_training": lambda: _smaller(compressed),
        "speed_with_training": lambda: _faster(compressed),
        "sparsity_required": lambda: (
            sorted([one for one in compressed if "pruning" in one.families], key=_by_quality),
            "no pruned checkpoint was measured",
        ),
    }
    best, reason = pools[name]()
    return Situation(
        model=model,
        situation=name,
        chosen=best[0].name if best else None,
        figures=figures_of(best[0]) if best else {},
        instead_of=best[1].name if len(best) > 1 else None,
        instead_figures=figures_of(best[1]) if len(best) > 1 else {},
        reason="" if best else reason,
    )


def figures_of(one: Candidate) -> dict[str, float]:
    """The figures that a line shows of a checkpoint."""
    found = {} if one.quality is None else {"quality": one.quality}
    for name in ("knowledge", "reasoning"):
        if name in one.figures:
            found[name] = one.figures[name].value
    found |= {axis: one.figures[axis].value for axis in AXES if axis in one.figures}
    return found if one.cost is None else {**found, "compression_time": one.cost}


def _smaller(candidates: Sequence[Candidate]) -> tuple[list[Candidate], str]:
    """What saves memory, else what saves disk space, without a training; best quality first."""
    untrained = [one for one in candidates if one.trained is False]
    for axis in ("inference_memory", "model_size"):
        if found := [one for one in untrained if one.gains.get(axis, 0.0) > 100.0]:
            return sorted(found, key=_by_quality), ""
    known = any({"inference_memory", "model_size"} & one.gains.keys() for one in untrained)
    return [], _nothing("is smaller than dense", known)


def _faster(candidates: Sequence[Candidate]) -> tuple[list[Candidate], str]:
    """What has a lower latency than dense, else a higher throughput; the fastest first."""
    for axis in ("latency", "throughput"):
        found = [one for one in candidates if one.gains.get(axis, 0.0) > 100.0]
        if found:
            return sorted(found, key=lambda one, axis=axis: -one.gains[axis]), ""  # type: ignore[misc]
    return [], _nothing("is faster than dense", any("latency" in one.gains for one in candidates))


def _nothing(what: str, measured: bool) -> str:
    return f"no measured checkpoint {what}" if measured else "it was not measured"


def _by_quality(one: Candidate) -> float:
    return math.inf if one.quality is None else -one.quality
