"""Answers to invented rows, read with a judge and a measure of similarity that a test decides."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.scoring.scripted import PlainDetector, item
from unicomp.instruments import Instruments


@dataclass(frozen=True)
class SharedWords:
    """The share of words that two texts have in common; 0 where one has none."""

    identity: dict = field(default_factory=lambda: {"similarity": "shared words"})

    def cosine(self, pairs):
        return [_shared(set(a.lower().split()), set(b.lower().split())) for a, b in pairs]


def _shared(a, b):
    return len(a & b) / len(a | b) if a and b else 0.0


def read(scorer, texts, mode="strict", *, judge=None, rows=None, detector=None, **row):
    """The readings of several answers to the same row, or to a row each."""
    given = rows or [row] * len(texts)
    items = [item(text, **one) for text, one in zip(texts, given, strict=True)]
    instruments = Instruments(
        refusals=detector or PlainDetector(), similarity=SharedWords(), judge=judge, mode=mode
    )
    return scorer.read_all(items, instruments)


def said(scorer, text, mode="strict", **row):
    """What one answer says; None where it cannot be read."""
    (reading,) = read(scorer, [text], mode, **row)
    assert reading.parsed == (reading.fields["said"] != "")
    return reading.fields["said"] or None
