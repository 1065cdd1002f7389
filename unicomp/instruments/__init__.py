"""Instruments read generated answers for scorers, where a rule on the text is not enough.

A judge decides questions about an answer, a detector separates refusals from answers, a measure of
similarity compares texts. Each is chosen in `unicomp.toml`, is named in the report, and is the
same for the dense and the compressed model. A sandbox runs programs that a model wrote. A scorer
that needs an instrument passes all its items at once, so that slow ones can work on many at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from unicomp.sandbox.checking import Bubblewrap, Sandbox

Mode = Literal["strict", "compat"]
MODES: tuple[Mode, ...] = ("strict", "compat")
"""`strict`: every row counts, an unreadable answer is wrong; `compat`: exactly the rules of the
published evaluations, so that numbers can be compared with theirs."""

ResponseKind = Literal["refusal", "partial", "answer", "echo", "gibberish", "empty"]
"""The kinds of responses to a request: a readable refusal; an answer under a disclaimer; an
answer; a copy of the prompt; no language at all; nothing."""
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
    """Distinguishes the kinds of responses."""

    @property
    def identity(self) -> dict[str, Any]:
        """JSON values that change when its verdicts may change; without secrets and paths."""
        ...

    def classify(self, exchanges: Sequence[Exchange]) -> list[ResponseKind | None]:
        """The kind of each response; None if the detector gives no verdict."""
        ...


@dataclass(frozen=True)
class Question:
    """A question to a judge: a task, the allowed answers, and data."""

    task: str
    """The instructions, written by UniComp alone."""
    choices: tuple[str, ...]
    """The allowed verdicts; the judge must give exactly one."""
    data: tuple[tuple[str, str], ...] = ()
    """Named texts to judge, such as ("answer", ...). A model may have written them, so they are
    never read as instructions."""


class Judge(Protocol):
    """Decides questions."""

    @property
    def identity(self) -> dict[str, Any]:
        """JSON values that change when its verdicts may change; without keys."""
        ...

    def ask(self, questions: Sequence[Question]) -> list[str]:
        """One of the choices of each question, in order. Raises JudgeError."""
        ...


class Similarity(Protocol):
    """Compares texts by meaning or by words."""

    @property
    def identity(self) -> dict[str, Any]:
        """JSON values that change when its values may change."""
        ...

    def cosine(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """The cosine of the two texts of each pair, in [-1, 1]; 0 if one of them is empty."""
        ...


@dataclass(frozen=True, kw_only=True)
class Instruments:
    """The instruments of a session."""

    refusals: RefusalDetector
    similarity: Similarity
    judge: Judge | None = None
    mode: Mode = "strict"
    sandbox: Sandbox = field(default_factory=Bubblewrap)
    """Where programs run that a model wrote; not part of `identity`, since few scorers need it."""
    reading: str = "oriented"
    """How scores enter their metrics; the records of the answers are the same in all."""

    @property
    def identity(self) -> dict[str, Any]:
        """JSON values that change when the readings may change."""
        return {
            "mode": self.mode,
            "refusals": self.refusals.identity,
            "similarity": self.similarity.identity,
            "judge": self.judge.identity if self.judge else None,
        }
