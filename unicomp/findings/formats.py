"""The format of each checkpoint: what is quantized, to how many bits, and what was converted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from unicomp.scorecard import Scorecard
from unicomp.spec import CheckpointId, OfCheckpoint


@dataclass(frozen=True, kw_only=True)
class CheckpointFormat(OfCheckpoint):
    """The format of one checkpoint; see `unicomp.formats.description.Description`."""

    format: str
    line: str
    """All of it in one line."""
    kinds: Mapping[str, Mapping[str, Any]]
    """Kind of modules → `bits`, `declared`, `weights` and `bytes`."""
    quantized: tuple[str, ...] = ()
    activation_bits: int | None = None
    cache_bits: int | None = None
    ignored: tuple[str, ...] = ()
    bytes: int = 0
    origin: Mapping[str, Any] | None = None
    """What was read from which file, for a checkpoint that was given in another format."""


def checkpoint_formats(card: Scorecard) -> list[CheckpointFormat]:
    """The format of each checkpoint that was built, found or asked, once."""
    found: dict[CheckpointId, CheckpointFormat] = {}
    own = {one.name for one in fields(CheckpointFormat)} - {"model", "method", "calibration"}
    for piece in card.work:
        if piece.checkpoint not in found and (facts := piece.facts.get("format")):
            known = {name: value for name, value in facts.items() if name in own}
            found[piece.checkpoint] = CheckpointFormat(**piece.checkpoint._asdict(), **known)
    return list(found.values())
