"""Asking a judge, where there is one."""

from __future__ import annotations

from collections.abc import Sequence

from unicomp.instruments import Instruments, Question

NO_JUDGE = "needs a judge: set [judge] in unicomp.toml"
"""The gap of an item that only a judge can decide."""


def verdicts(instruments: Instruments, questions: Sequence[Question | None]) -> list[str | None]:
    """The judge's verdict on each question; None where nothing is asked, or there is no judge."""
    asked = [question for question in questions if question is not None]
    if instruments.judge is None or not asked:
        return [None] * len(questions)
    given = iter(instruments.judge.ask(asked))
    return [None if question is None else next(given) for question in questions]
