"""What the compressions cost: measured in their builds, estimated, or as published.

The three are never mixed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unicomp.data.calibration import UNSEEN
from unicomp.scorecard import Work

_MEASURED = ("seconds", "peak_rss_bytes", "peak_accelerator_bytes", "device", "threads")


@dataclass(frozen=True, kw_only=True)
class CompressionCost:
    """What is known of the cost of one checkpoint."""

    subject: str
    """MODEL/METHOD."""
    calibration: str = UNSEEN
    measured: Mapping[str, Any] | None = None
    """`seconds` and `peak_rss_bytes` of the compression, `peak_accelerator_bytes`, `device` and
    `threads`; None for a checkpoint that was not built here."""
    estimated: Mapping[str, Any] | None = None
    """`hours`, `gpu_memory_gb`, `tokens`, `gpus`, each where it is known, and the `basis`."""
    published: Mapping[str, Any] | None = None
    """The same."""
    base: str | None = None
    """The hub id of the model that it was made from, as its authors state it."""
    judged_against: str | None = None
    """The model that it was compared with, where that is another one."""

    @property
    def known(self) -> bool:
        """Whether there is anything to tell."""
        return any((self.measured, self.estimated, self.published))


def costs_of(work: Sequence[Work]) -> list[CompressionCost]:
    """The cost of each checkpoint that was built or found, once."""
    built: dict[tuple[str, str], Mapping[str, Any]] = {}
    for piece in work:
        key = (piece.subject, piece.calibration)
        if piece.stage == "build" and (key not in built or not piece.cached):
            built[key] = piece.facts
    return [
        CompressionCost(
            subject=subject,
            calibration=calibration,
            measured={name: facts.get(name) for name in _MEASURED} if "seconds" in facts else None,
            estimated=facts.get("estimate"),
            published=facts.get("published"),
            base=facts.get("base"),
            judged_against=facts.get("judged_against"),
        )
        for (subject, calibration), facts in built.items()
        if facts
    ]
