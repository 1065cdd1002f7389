"""The churn of recorded runs: how many items of a benchmark a method flipped, for the next plan.

It is kept in the store, in one file for each model, method and benchmark; the last run counts.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from statistics import median

from unicomp.spec import DENSE
from unicomp.store import CHURN, Store, content_key
from unicomp.verdict import Row


@dataclass(frozen=True, kw_only=True)
class Churn:
    """What a run showed of one benchmark. All are shares in [0, 1]."""

    right: float | None = None
    """The baseline's score, oriented so that more is better; None if it is not in points."""
    churn: float | None = None
    """The share of items that a lossless candidate would flip: twice the gained ones, since it
    loses as many as it gains. Half an item is added: what a few items did not show may still
    be there. For a score that is no share of right answers, the one that explains
    the width of its limits. None for the baseline itself."""
    correlation: float | None = None
    """Of the changes within a cluster; None without clusters, or if nothing changed."""


def observed(row: Row) -> Churn | None:
    """What a row shows; None if it has no score in points, or asking stopped early."""
    if row.early or row.dense is None or row.unit is not None or not row.in_points or not row.n:
        return None
    right = row.oriented(row.dense) / 100.0
    if not 0.0 < right <= 1.0:
        return None
    if not row.evidence or row.repeats > 1:  # a plan is for items that are asked once
        return Churn(right=right)
    kept = row.evidence.get("kept", {})
    error = kept["weighted"][0][1] if kept.get("kind") == "jackknifed" else None
    clusters = row.clusters or row.n
    if row.lost is None or row.gained is None:
        if error is None or not math.isfinite(error):
            return Churn(right=right)
        seen = error**2 * right**2 * clusters
        return Churn(right=right, churn=min(max(seen, 1 / (clusters + 1)), 1.0))
    correlation, size = None, row.n / clusters
    if error and math.isfinite(error) and size > 1:
        excess = error**2 * right**2 * row.n**2 / (row.lost + row.gained) - 1
        correlation = min(max(excess / (size - 1), 0.0), 1.0)
    return Churn(
        right=right, churn=min(2 * (row.gained + 0.5) / (row.n + 1), 1.0), correlation=correlation
    )


def remember(store: Store, rows: Iterable[Row]) -> None:
    """Keep what the rows of a session show. Raises StoreError if the disk is full."""
    for row in rows:
        if found := observed(row):
            key, value = _key(row.model, row.method, row.benchmark), asdict(found)
            if store.recall(CHURN, key) != value:  # a write waits for the disk
                store.remember(CHURN, key, value)


def recall(store: Store, model: str, benchmark: str, methods: Collection[str]) -> Churn:
    """What is recorded: the baseline's score, and the median over the methods of all else."""
    found = [
        Churn(**known)
        for method in dict.fromkeys((DENSE.name, *methods))
        if (known := store.recall(CHURN, _key(model, method, benchmark)))
    ]

    def middle(values: Iterable[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return median(known) if known else None

    return Churn(
        right=next((one.right for one in found if one.right is not None), None),
        churn=middle(one.churn for one in found),
        correlation=middle(one.correlation for one in found),
    )


def _key(model: str, method: str, benchmark: str) -> str:
    return content_key({"model": model, "method": method, "benchmark": benchmark})
