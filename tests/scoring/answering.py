"""Readings of answers to invented rows, with a judge and a measure of similarity for tests."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.scoring.scripted import PlainDetector, item
from unicomp.instruments import Instruments


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
