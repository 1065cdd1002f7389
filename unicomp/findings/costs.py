"""The costs of compression: measured during the build, estimated, or published.

The three are never mixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unicomp.scorecard import Scorecard
from unicomp.spec import CheckpointId, OfCheckpoint

_MEASURED = (
    *("seconds", "cpu_seconds", "other_load", "shared_machine"),
    *("peak_rss_bytes", "peak_accelerator_bytes", "device", "threads"),
)


@dataclass(frozen=True, kw_only=True)
class CompressionCost(OfCheckpoint):
    """The known costs of one checkpoint."""

    measured: Mapping[str, Any] | None = None
    """`seconds`, `cpu_seconds`, `peak_rss_bytes` and `peak_accelerator_bytes` of the compression,
    `other_load` on the machine, which makes it a `shared_machine`, `device` and `threads`; None
    for a checkpoint that was not built here."""
    estimated: Mapping[str, Any] | None = None
    """`hours`, `gpu_memory_gb`, `tokens`, `gpus`, each if it is known, and their `basis`."""
    published: Mapping[str, Any] | None = None
    """The same, as published."""
    base: str | None = None
    """The hub id of the model that it was made from, as its authors state it."""
    judged_against: str | None = None
    """The model that it was compared with, if that is another one."""

    @property
    def published_components(self) -> dict[str, float]:
        """The published wall-clock time in seconds and the memory of all GPUs in bytes, if known.

        The names are those of the components of `compute_cost`.
        """
        known = self.published or {}
        found = {
            "compression_time": (known.get("hours"), 3600.0),
            "compression_memory": (known.get("gpu_memory_gb"), 1e9),
        }
        return {name: value * unit for name, (value, unit) in found.items() if value}

    @property
    def seconds(self) -> float | None:
        """The time of the compression: measured, else published."""
        measured = (self.measured or {}).get("seconds")
        return measured if measured else self.published_components.get("compression_time")


def compression_costs(card: Scorecard) -> list[CompressionCost]:
    """The cost of each checkpoint that was built or found, once; none if nothing is known."""
    built: dict[CheckpointId, Mapping[str, Any]] = {}
    for piece in card.work:
        if piece.stage == "build" and (piece.checkpoint not in built or not piece.cached):
            built[piece.checkpoint] = piece.facts
    return [
        CompressionCost(
            **checkpoint._asdict(),
            measured={name: facts.get(name) for name in _MEASURED} if "seconds" in facts else None,
            estimated=facts.get("estimate"),
            published=facts.get("published"),
            base=facts.get("base"),
            judged_against=facts.get("judged_against"),
        )
        for checkpoint, facts in built.items()
        if facts.keys() - {"format", "made"}
    ]
