"""Answers that are one of several labels, by the strict or by the published rules; and the judge.

Strictly, an answer must settle on the right label. Every row counts, and all labels weigh the same,
so that no constant answer beats a guess. Published rules differ: each scorer has its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from unicomp.instruments import Instruments, Question
from unicomp.scoring.statements import Labels, settled
from unicomp.spec import Item, Reading

NO_JUDGE = "needs a judge: set [judge] in unicomp.toml"
"""The gap of an item that only a judge can decide."""

ALL = "all"
"""The group of all rows, where labels do not weigh the same."""


def ask_judge(instruments: Instruments, questions: Sequence[Question | None]) -> list[str | None]:
    """The choice of the judge for each question; None without a question or without a judge."""
    asked = [question for question in questions if question is not None]
    if instruments.judge is None or not asked:
        return [None] * len(questions)
    choices = iter(instruments.judge.ask(asked))
    return [None if question is None else next(choices) for question in questions]


def reading(
    *,
    correct: bool,
    gold: str,
    said: str | None,
    group: str = ALL,
    counted: bool = True,
    gap: str | None = None,
) -> Reading:
    """The reading of an answer that gives the label `said`, where `gold` is the right one.

    All groups weigh the same. A row that is not `counted` is left out.
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
    """Reads answers that are one of several labels.

    Fields: `correct` (0 or 1); `gold`, the right label; `said`, the given one, empty where none can
    be read; `group`, in which rows weigh together; and `counted` (0 or 1), whether the row counts.
    """

    @abstractmethod
    def labels(self, row: Mapping[str, Any]) -> Labels:
        """The labels that an answer to a row can give, and the ways to name them."""

    def gold(self, row: Mapping[str, Any]) -> str:
        """The right label, from the column `label`."""
        return str(row["label"])

    def read_all(self, items: Sequence[Item], instruments: Instruments) -> list[Reading]:
        """The label of each answer, in order."""
        if instruments.mode == "compat":
            return self.published(items, instruments)
        return [self._strict(item) for item in items]

    def published(self, items: Sequence[Item], instruments: Instruments) -> list[Reading]:
        """The readings by the published rules."""
        return [self._published(item) for item in items]

    @abstractmethod
    def _published(self, item: Item) -> Reading:
        """The reading of one answer by the published rules."""

    def _strict(self, item: Item) -> Reading:
        gold, said = self.gold(item.doc), settled(item.text, self.labels(item.doc))
        return reading(correct=said == gold, gold=gold, said=said, group=self._group(gold))

    def _group(self, gold: str) -> str:
        """The group of a row in the strict score."""
        return gold
