"""What responses are, by the session's detector of refusals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from unicomp.instruments import Exchange, Instruments, ResponseKind
from unicomp.scoring.refusal import UNREADABLE
from unicomp.spec import Item

__all__ = ["NO_DETECTOR", "UNREADABLE", "kinds"]

NO_DETECTOR = "the detector of refusals gave no verdict"
"""The gap of a response of which it was not said what it is."""


def kinds(
    items: Sequence[Item], instruments: Instruments, numbers: Iterable[int] | None = None
) -> Mapping[int, ResponseKind | None]:
    """What the responses to `row["prompt"]` are, by number; of all items, or of some."""
    asked = sorted(range(len(items)) if numbers is None else numbers)
    exchanges = [Exchange(str(items[i].doc["prompt"]), items[i].text) for i in asked]
    return dict(zip(asked, instruments.refusals.classify(exchanges), strict=True))
