"""Count the questions that a judge is asked: they show how much of a reading it decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from unicomp.instruments import Instruments, Judge, Question


@dataclass
class CountedJudge:
    """A judge that counts the questions it is asked."""

    judge: Judge
    asked: int = 0

    @property
    def identity(self) -> dict[str, Any]:
        """The identity of the judge, without the count."""
        return self.judge.identity

    def ask(self, questions: Sequence[Question]) -> list[str]:
        """The judge's verdicts. Raises JudgeError."""
        self.asked += len(questions)
        return self.judge.ask(questions)


def counted(instruments: Instruments) -> tuple[Instruments, CountedJudge | None]:
    """Replace the judge by one that counts, also as detector of refusals; return both."""
    from unicomp.instruments.refusal_models import JudgeDetector

    if instruments.judge is None:
        return instruments, None
    judge, refusals = CountedJudge(instruments.judge), instruments.refusals
    if isinstance(refusals, JudgeDetector):
        refusals = replace(refusals, judge=judge)
    return replace(instruments, judge=judge, refusals=refusals), judge
