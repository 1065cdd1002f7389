"""Answers that are one of several labels, by the strict or by the published rules; and the judge.

Strictly, an answer must settle on the right label. Every row counts, and all labels weigh the same,
so that no constant answer beats a guess. Published rules differ: each scorer has its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from unicomp.instruments import Instruments, Question
from unicomp.scoring.statements import Labels, settled
from unicomp.spec import Item, Reading

NO_JUDGE = "needs a judge: set [judge] in unicomp.toml"
"""The gap of an item that only a judge can decide."""

ALL = "all"
"""The group of all rows, where labels do not weigh the same."""


def ask_judge(instruments: Instruments, questions: Mapping[int, Question]) -> dict[int, str | None]:
    """The judge's choice for each question, by number; None without a judge. Raises JudgeError."""
    if instruments.judge is None or not questions:
        return dict.fromkeys(questions)
    return dict(zip(questions, instruments.judge.ask(list(questions.values())), strict=True))


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

    counts_every_row: ClassVar[bool] = True
    """Whether, in the mode strict, a row counts whatever is answered, in a group that its right
    label decides: the score is a share of items, so that asking may stop early."""
    ways: ClassVar[Labels] = {}
    """The labels and the ways to name them, where they are the same for every row."""

    def labels(self, row: Mapping[str, Any]) -> Labels:
        """The labels that an answer to a row can give, and the ways to name them."""
        return self.ways

    def gold(self, row: Mapping[str, Any]) -> str:
        """The right label, from the column `label`."""
        return str(row["label"])

    def read_all(self, items: Sequence[Item], instruments: Instruments) -> list[Reading]:
        """The label of each answer, in order. Raises JudgeError."""
        if instruments.mode == "compat":
            return self.published(items, instruments)
        return [self._strict(item) for item in items]

    def published(self, items: Sequence[Item], instruments: Instruments) -> list[Reading]:
        """The readings by the published rules; a judge decides where they ask one."""
        asked = {i: asked for i, item in enumerate(items) if (asked := self._question(item))}
        choices = ask_judge(instruments, asked)
        texts = [choices.get(i, item.text) for i, item in enumerate(items)]
        return [
            self._undecided(item) if text is None else self._published(item, text)
            for item, text in zip(items, texts, strict=True)
        ]

    @abstractmethod
    def _published(self, item: Item, text: str) -> Reading:
        """The reading by the published rules of a text: the response, or the judge's choice."""

    def _question(self, item: Item) -> Question | None:
        """The question to a judge about a response that the published rules cannot read."""
        return None

    def _undecided(self, item: Item) -> Reading:
        gold = self.gold(item.doc)
        group = self._group(gold)
        return reading(correct=False, gold=gold, said=None, group=group, gap=NO_JUDGE)

    def _strict(self, item: Item) -> Reading:
        gold, said = self.gold(item.doc), self._said(item)
        return reading(correct=said == gold, gold=gold, said=said, group=self._group(gold))

    def _said(self, item: Item) -> str | None:
        """The label that an answer settles on."""
        return settled(item.text, self.labels(item.doc), prompt=str(item.doc.get("prompt", "")))

    def _group(self, gold: str) -> str:
        """The group of a row in the strict score."""
        return gold
