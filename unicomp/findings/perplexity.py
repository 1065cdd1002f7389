"""Retained perplexity, summed up over models as in the paper."""

from __future__ import annotations

import math
from dataclasses import dataclass

from unicomp.scorecard import Scorecard

PERPLEXITY = "wikitext"
"""The benchmark whose retention is summed up over models; it is part of no metric."""


@dataclass(frozen=True, kw_only=True)
class PerplexityRow:
    """Retained perplexity of one method, in percent: the mean over the models of one kind."""

    kind: str
    """`normal`, `reasoning` or `moe`."""
    method: str
    calibration: str
    models: tuple[str, ...]
    value: float


def retained_perplexity(card: Scorecard) -> list[PerplexityRow]:
    """What the methods kept of perplexity, dense / compressed, summed up as in the paper."""
    kinds = {name: about["kind"] for name, about in card.environment.get("models", {}).items()}
    kept: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in card.rows:
        if row.retention is None or not math.isfinite(row.retention):
            continue
        if row.benchmark == PERPLEXITY:
            group = kept.setdefault((kinds.get(row.model, "normal"), *row.subject[1:]), {})
            group[row.model] = row.retention
    return [
        PerplexityRow(
            kind=kind,
            method=method,
            calibration=calibration,
            models=tuple(group),
            value=math.fsum(group.values()) / len(group),
        )
        for (kind, method, calibration), group in kept.items()
    ]
