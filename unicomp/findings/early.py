"""What asking early saved, and of what there is no finding because of it."""

from __future__ import annotations

from dataclasses import dataclass

from unicomp.scorecard import Scorecard
from unicomp.spec import OfCheckpoint


@dataclass(frozen=True, kw_only=True)
class EarlyStop(OfCheckpoint):
    """One checkpoint for which asking stopped early."""

    full: int
    """Items that the full run asks of all its benchmarks that have a result."""
    asked: int
    """Items of these that were asked."""
    names: tuple[str, ...]
    """The metrics that stopped early, and the benchmarks of no such metric."""

    @property
    def share(self) -> float:
        """The share of the items that was asked, in [0, 1]."""
        return self.asked / self.full


def early_stops(card: Scorecard) -> list[EarlyStop]:
    """One for each checkpoint that has a row or metric that stopped early."""
    found = []
    for checkpoint in card.checkpoints:
        rows = [row for row in card.rows if row.checkpoint == checkpoint and row.unit is None]
        metrics = [one.metric for one in card.metrics if one.checkpoint == checkpoint and one.early]
        others = [row.name for row in rows if row.early and row.metric not in metrics]
        if not metrics and not others:
            continue
        counts = [card.asked_of(row) for row in rows]
        found.append(
            EarlyStop(
                **checkpoint._asdict(),
                asked=sum(asked for asked, _ in counts),
                full=sum(full for _, full in counts),
                names=(*metrics, *others),
            )
        )
    return found
