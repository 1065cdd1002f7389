"""Retained perplexity, added up over the models of a kind as in table 7 of the paper."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from unicomp.scorecard import Scorecard
from unicomp.verdict import Row

PERPLEXITY = "wikitext"
"""The benchmark whose score is a perplexity; it is part of no metric."""


@dataclass(frozen=True, kw_only=True)
class RetainedPerplexity:
    """Retained perplexity of one method over the models of one kind, in percent."""

    kind: str
    """`normal`, `reasoning` or `moe`."""
    method: str
    calibration: str
    models: tuple[str, ...]
    value: float
    """100 × the sum of the dense perplexities / the sum of the compressed ones (table 7)."""


@dataclass(frozen=True, kw_only=True)
class OverallPerplexity:
    """The overall score of one method: its retained perplexity over models of all kinds."""

    method: str
    calibration: str
    models: tuple[str, ...]
    value: float
    """100 × the mean over the models of the dense / the compressed perplexity. Each model weighs
    the same, so one with a high perplexity does not decide alone."""


def retained_perplexity(card: Scorecard) -> list[RetainedPerplexity]:
    """The retained perplexity of each method, for each kind of models."""
    kinds = {name: about["kind"] for name, about in card.environment.get("models", {}).items()}
    groups: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in _perplexities(card):
        kind = kinds.get(row.model, "normal")
        groups.setdefault((kind, row.method, row.calibration), {})[row.model] = row
    return [
        RetainedPerplexity(
            kind=kind,
            method=method,
            calibration=calibration,
            models=tuple(rows),
            value=_ratio_of_sums(list(rows.values())),
        )
        for (kind, method, calibration), rows in groups.items()
    ]


def _ratio_of_sums(rows: Sequence[Row]) -> float:
    dense, compressed = (
        math.fsum(getattr(row, name) for row in rows) for name in ("dense", "score")
    )
    return 100.0 * dense / compressed


def overall_perplexity(card: Scorecard) -> list[OverallPerplexity]:
    """The retained perplexity of each method over all models that it was measured on."""
    groups: dict[tuple[str, str], dict[str, float]] = {}
    for row in _perplexities(card):
        groups.setdefault((row.method, row.calibration), {})[row.model] = row.retention or 0.0
    return [
        OverallPerplexity(
            method=method, calibration=calibration, models=tuple(kept), value=fmean(kept.values())
        )
        for (method, calibration), kept in groups.items()
    ]


def _perplexities(card: Scorecard) -> Iterator[Row]:
    for row in card.rows:
        measured = row.retention is not None and math.isfinite(row.retention)
        if row.benchmark == PERPLEXITY and measured:
            yield row
