"""Answers that are one of several labels, read strictly or by the published rules.

Strictly, the label that an answer settles on must be the row's own one, every row counts, and the
rows of each label weigh the same together, so that no constant answer beats a guess. Published
rules differ from set to set; each scorer has its own. All give the fields of `reading`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from unicomp.instruments import Instruments
from unicomp.scoring.statements import Labels, settled
from unicomp.spec import Item, Reading

ALL = "all"
"""The group of rows that are not told apart."""


def reading(
    *,
    correct: bool,
    gold: str,
    said: str | None,
    group: str = ALL,
    counted: bool = True,
    gap: str | None = None,
) -> Reading:
    """What was read of an answer: the label it gave, and the one it should have given.

    Rows that are not `counted` are left out; the rows of a `group` weigh as much as those of any
    other one.
    """
    return Reading(
        fields={
            "correct": float(correct and counted),
            "gold": gold,
            "said": said or "",
            "group": group,
            "counted": float(counted),
        },
        parsed=said is not None,
        gap=gap,
    )


class ClosedAnswer(ABC):
    """Reads answers that are one of several labels."""

    @abstractmethod
    def labels(self, row: Mapping[str, Any]) -> Labels:
        """The labels that can be given for a row, and the ways to name them."""

    @abstractmethod
    def gold(self, row: Mapping[str, Any]) -> str:
        """The right one."""

    @abstractmethod
    def published(self, items: Sequence[Item], instruments: Instruments) -> list[Reading]:
        """What the published rules make of the answers."""

    def read_all(self, items: Sequence[Item], instruments: Instruments) -> list[Reading]:
        """What was read, with the fields `correct`, `gold`, `said`, `group` and `counted`."""
        if instruments.mode == "compat":
            return self.published(items, instruments)
        return [self._strict(item) for item in items]

    def _strict(self, item: Item) -> Reading:
        gold, said = self.gold(item.doc), settled(item.text, self.labels(item.doc))
        return reading(correct=said == gold, gold=gold, said=said, group=gold)
