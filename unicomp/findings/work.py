"""How much expensive work a session did, and how much of it was found in the store."""

from __future__ import annotations

import math
from dataclasses import dataclass

from unicomp.scorecard import Scorecard, Work


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The work of one stage."""

    checkpoints: int = 0
    items: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class WorkSummary:
    """The work of a session by stage, new and cached."""

    built: Stage
    built_before: Stage
    answered: Stage
    answered_before: Stage
    measured: Stage


def work_summary(card: Scorecard) -> WorkSummary:
    """Add up the work of a session."""

    def total(stage: str, *, cached: bool) -> Stage:
        pieces = [one for one in card.work if (one.stage, one.cached) == (stage, cached)]
        return _total(pieces)

    return WorkSummary(
        built=total("build", cached=False),
        built_before=total("build", cached=True),
        answered=total("answer", cached=False),
        answered_before=total("answer", cached=True),
        measured=total("measure", cached=False),
    )


def _total(pieces: list[Work]) -> Stage:
    return Stage(
        checkpoints=len({piece.checkpoint for piece in pieces}),
        items=sum(piece.items for piece in pieces),
        seconds=math.fsum(piece.seconds for piece in pieces),
    )
