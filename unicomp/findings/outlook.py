"""What would decide the undecided: more items of which benchmarks, or which floor."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unicomp.scorecard import Scorecard
from unicomp.spec import LEVEL, OfCheckpoint
from unicomp.verdict import MetricRow, Row, evidence

if TYPE_CHECKING:
    from unicomp.confidence import Joint
    from unicomp.power import Remedy


@dataclass(frozen=True, kw_only=True)
class Outlook(OfCheckpoint):
    """What would decide one critical metric or benchmark that is undecided."""

    name: str
    floor: float
    """The floor, in percent, that it passes as it is; 0 if there is none."""
    items: Mapping[str, int]
    """Benchmark → about how many more items would decide, if the estimate stays as it is."""
    alone: Mapping[str, int]
    """Benchmark that cannot decide alone → the number of its rows."""
    words: str
    """All this in a few words."""


def outlooks(card: Scorecard) -> list[Outlook]:
    """One for each metric or benchmark that keeps the gate undecided.

    None for one that stopped early: a full run would leave it undecided as well.
    """
    return list(_outlooks(card))


def _outlooks(card: Scorecard) -> Iterator[Outlook]:
    ends: list[Row | MetricRow] = [*card.metrics, *card.rows]
    for row in ends:
        if row.verdict != "undecided" or row.tier != "critical" or row.allowed is not None:
            continue
        if row.early:
            continue
        if row.floor is None or (isinstance(row, Row) and (row.unit is not None or not row.n)):
            continue
        yield _outlook(card, row)


def _outlook(card: Scorecard, row: Row | MetricRow) -> Outlook:
    tested = sum(one.checkpoint == row.checkpoint for one in (*card.rows, *card.metrics))
    found = remedy_of(
        card,
        row,
        row.floor or 0.0,
        level=card.levels.get(row.checkpoint, LEVEL),
        strictest=LEVEL / tested,
    )
    return Outlook(
        **row.checkpoint._asdict(),
        name=row.name,
        floor=found.floor,
        items=found.items,
        alone=found.alone,
        words=str(found),
    )


def remedy_of(
    card: Scorecard, row: Row | MetricRow, floor: float, *, level: float, strictest: float
) -> Remedy:
    """What would decide whether a metric or a benchmark is at or above a floor, in percent.

    It passes at `level` and fails at `strictest`. Raises ValueError for a metric without a ratio.
    """
    from unicomp.power import remedy_seen

    joint, items = joint_of(card, row)
    # without --samples, all rows were used
    rows = card.environment.get("there", {}).get(row.model, {})
    there = {n: rows.get(n, math.inf) for n in items} if card.environment.get("samples") else items
    return remedy_seen(
        joint,
        items,
        {n: int(most) for n, most in there.items() if most < math.inf},
        floor / 100.0,
        level=level,
        strictest=strictest,
    )


def joint_of(card: Scorecard, row: Row | MetricRow) -> tuple[Joint, dict[str, int]]:
    """The evidence about a metric or a benchmark, and benchmark → the items that were measured.

    Raises ValueError for a metric without a ratio.
    """
    from unicomp.confidence import Joint, Part

    if isinstance(row, MetricRow):
        joint, parts = card.evidence_of(row), card.rows_of(row)
    else:
        parts = {row.benchmark: row}
        joint = Joint((Part(evidence(row), 1.0),), {})
    return joint, {name: one.n or 0 for name, one in parts.items()}
