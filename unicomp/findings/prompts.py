"""Checkpoints that were asked other prompts than the dense model, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from unicomp.scorecard import Scorecard
from unicomp.spec import OfCheckpoint


@dataclass(frozen=True, kw_only=True)
class PromptDifference(OfCheckpoint):
    """How many prompts of a checkpoint, over all its benchmarks, differ from the dense model's."""

    differ: int
    of: int
    why: dict[str, int]
    """Reason → prompts."""


def prompt_differences(card: Scorecard) -> list[PromptDifference]:
    """An entry for each checkpoint with prompts of its own."""
    found = []
    for checkpoint in card.checkpoints:
        known = [row.prompts for row in card.rows if row.checkpoint == checkpoint and row.prompts]
        why: Counter[str] = Counter()
        for one in known:
            why.update(one["why"])
        if why:
            total = sum(one["of"] for one in known)
            found.append(
                PromptDifference(
                    **checkpoint._asdict(),
                    differ=why.total(),
                    of=total,
                    why=dict(why.most_common()),
                )
            )
    return found
