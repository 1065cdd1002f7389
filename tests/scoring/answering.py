"""Readings of answers to invented rows, with a judge and a measure of similarity for tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.scoring.scripted import PlainDetector, item
from unicomp.instruments import Instruments


@dataclass
class DecidingJudge:
    """A judge that applies `decide` to the texts of a question; it remembers the questions."""

    decide: Callable[[dict[str, str]], str]
    asked: list = field(default_factory=list)
    identity: dict = field(default_factory=lambda: {"judge": "deciding"})

    def ask(self, questions):
        self.asked += questions
        found = [self.decide(dict(one.data)) for one in questions]
        assert all(one in asked.choices for one, asked in zip(found, questions, strict=True))
        return found


@dataclass(frozen=True)
class SharedWords:
    """A similarity: the share of words that two texts have in common; 0 if one is empty."""

    identity: dict = field(default_factory=lambda: {"similarity": "shared words"})

    def cosine(self, pairs):
        return [_shared(set(a.lower().split()), set(b.lower().split())) for a, b in pairs]


def _shared(a, b):
    return len(a & b) / len(a | b) if a and b else 0.0


def read(scorer, texts, mode="strict", *, judge=None, rows=None, detector=None, **row):
    """The readings of several answers, all to one row or each to its own."""
    given = rows or [row] * len(texts)
    items = [item(text, **one) for text, one in zip(texts, given, strict=True)]
    instruments = Instruments(
        refusals=detector or PlainDetector(), similarity=SharedWords(), judge=judge, mode=mode
    )
    return scorer.read_all(items, instruments)


def said(scorer, text, mode="strict", **row):
    """The label that one answer gives; None if it cannot be read."""
    (reading,) = read(scorer, [text], mode, **row)
    assert reading.parsed == (reading.fields["said"] != "")
    return reading.fields["said"] or None
