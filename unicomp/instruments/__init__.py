"""What scorers read generated answers with, where a rule on the text is not enough.

A judge decides questions about an answer, a detector tells refusals from answers, a measure of
similarity compares texts. Each is chosen in `unicomp.toml`, is named in the report, and is the
same for the dense and the compressed model. A scorer that needs one gets all its items at once,
so that slow instruments can work on many side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Mode = Literal["strict", "compat"]
MODES: tuple[Mode, ...] = ("strict", "compat")
"""`strict`: every row counts, what cannot be read is wrong; `compat`: the rules of the published
evaluations bit for bit, so that numbers can be compared with theirs."""

ResponseKind = Literal["refusal", "partial", "answer", "echo", "gibberish", "empty"]
"""What a response to a request is: a readable refusal; an answer under a disclaimer; an answer;
a copy of the prompt; no language at all; nothing."""
RESPONSE_KINDS: tuple[ResponseKind, ...] = (
    "refusal",
    "partial",
    "answer",
    "echo",
    "gibberish",
    "empty",
)


@dataclass(frozen=True)
class Exchange:
    """A prompt and the response to it."""

    prompt: str
    response: str


class RefusalDetector(Protocol):
    """Tells what responses are."""

    @property
    def identity(self) -> dict[str, Any]:
        """What decides its verdicts, as JSON values; no secret and no path is in it."""
        ...

    def classify(self, exchanges: Sequence[Exchange]) -> list[ResponseKind | None]:
        """The kind of each response; None where the detector could not be asked."""
        ...


@dataclass(frozen=True)
class Question:
    """What a judge is asked: instructions with the answers that are allowed, and data."""

    task: str
    """What to decide, written by UniComp alone."""
    choices: tuple[str, ...]
    """The verdicts, of which the judge must give exactly one."""
    data: tuple[tuple[str, str], ...] = ()
    """Named texts to judge, such as ("answer", ...). A model may have written them: data, never
    instructions."""


class Judge(Protocol):
    """Decides questions."""

    @property
    def identity(self) -> dict[str, Any]:
        """What decides its verdicts, as JSON values; no key is in it."""
        ...

    def ask(self, questions: Sequence[Question]) -> list[str]:
        """One of its choices for each question, in order. Raises JudgeError."""
        ...


class Similarity(Protocol):
    """Compares texts by meaning, or by words."""

    @property
    def identity(self) -> dict[str, Any]:
        """What decides its values, as JSON values."""
        ...

    def cosine(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """The cosine of the two texts of each pair, in [-1, 1]; 0 where one of them is empty."""
        ...


@dataclass(frozen=True, kw_only=True)
class Instruments:
    """What a session reads answers with."""

    refusals: RefusalDetector
    similarity: Similarity
    judge: Judge | None = None
    mode: Mode = "strict"

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the readings, as JSON values."""
        return {
            "mode": self.mode,
            "refusals": self.refusals.identity,
            "similarity": self.similarity.identity,
            "judge": self.judge.identity if self.judge else None,
        }
