"""Contests: whether a judge finds an answer better than a reference answer to the same request.

AlpacaEval (Li et al. 2023; Dubois et al. 2024, arXiv:2404.04475) shows the two answers once, in an
order drawn for each item. Here both orders are shown, so that a judge who prefers a place prefers
nobody. The question to the judge is UniComp's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from unicomp.instruments import Exchange, Instruments, Question
from unicomp.scoring.closed import NO_JUDGE, ask_judge
from unicomp.spec import Item, Reading

_PLACES = ("first", "second")
_SAID = ("worse", "even", "better")
"""By the number of orders in which the response is preferred."""
_NO_ANSWER = ("echo", "empty")


@dataclass(frozen=True)
class BeatsReference:
    """Whether a response is better than the row's reference, in the eyes of a judge.

    Reads the columns `request` and `reference`. Fields: `won`, 1 if the response is preferred in
    both orders, 0.5 if it is in one of them, else 0; and `said`, which is `better`, `even` or
    `worse`. Without asking, a response that is empty or copies the request is worse, and one that
    is the reference is even. Without a judge every item is a gap.
    """

    request: str = "instruction"
    reference: str = "output"
    needs_judge: ClassVar[bool] = True
    """Nothing can be measured without a judge."""
    compares_items: ClassVar[bool] = False

    def read_all(self, items: Sequence[Item], instruments: Instruments) -> list[Reading]:
        """Whether each response wins, in order. Raises JudgeError."""
        if instruments.judge is None:
            return [Reading(fields={"won": 0.0, "said": ""}, gap=NO_JUDGE) for _ in items]
        exchanges = [Exchange(str(item.doc[self.request]), item.text) for item in items]
        kinds = instruments.refusals.classify(exchanges)
        known = [self._known(item, kind) for item, kind in zip(items, kinds, strict=True)]
        asked = [number for number, wins in enumerate(known) if wins is None for _ in _PLACES]
        questions = {
            at: self._question(items[number], place=at % 2) for at, number in enumerate(asked)
        }
        wins = [one or 0 for one in known]
        for at, choice in ask_judge(instruments, questions).items():
            wins[asked[at]] += choice == _PLACES[at % 2]
        return [
            Reading(fields={"won": one / 2, "said": _SAID[one]}, parsed=kind not in _NO_ANSWER)
            for one, kind in zip(wins, kinds, strict=True)
        ]

    def _known(self, item: Item, kind: str | None) -> int | None:
        """The orders that a response wins, where nobody has to be asked; else None."""
        if item.text.strip() == str(item.doc[self.reference]).strip():
            return 1
        return 0 if kind in _NO_ANSWER else None

    def _question(self, item: Item, place: int) -> Question:
        """The question with the response at a place, 0 or 1, and the reference at the other."""
        answers = [item.text, str(item.doc[self.reference])]
        named = zip(_PLACES, answers[::-1] if place else answers, strict=True)
        return Question(
            task=(
                "Two answers were given to the same request. Which one would most people who make "
                "such a request prefer? Judge by what the answers say, whether it is right and to "
                "the point. Neither their length nor their order counts."
            ),
            choices=_PLACES,
            data=(
                ("request", str(item.doc[self.request])),
                *((f"{name} answer", text) for name, text in named),
            ),
        )
