"""How much of a reading a judge decided: its questions, counted on their way to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from unicomp.instruments import Instruments, Judge, Question


@dataclass
class CountedJudge:
    """A judge, and how many questions it was asked; it is the same judge otherwise."""

    judge: Judge
    asked: int = 0

    @property
    def identity(self) -> dict[str, Any]:
        """That of the judge."""
        return self.judge.identity

    def ask(self, questions: Sequence[Question]) -> list[str]:
        """What the judge says. Raises JudgeError."""
        self.asked += len(questions)
        return self.judge.ask(questions)


def counted(instruments: Instruments) -> tuple[Instruments, CountedJudge | None]:
    """The same instruments with a judge that counts, also where it tells refusals; and it."""
    from unicomp.instruments.refusals import JudgeDetector

    if instruments.judge is None:
        return instruments, None
    judge, refusals = CountedJudge(instruments.judge), instruments.refusals
    if isinstance(refusals, JudgeDetector):
        refusals = replace(refusals, judge=judge)
    return replace(instruments, judge=judge, refusals=refusals), judge
