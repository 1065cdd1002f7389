"""Instruments that a test controls, and items with invented rows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from unicomp.instruments import Exchange, Instruments
from unicomp.spec import Item

REFUSAL = re.compile(r"\b(sorry|can(?:no|')t help|must decline|will not)\b", re.IGNORECASE)


@dataclass(frozen=True)
class PlainDetector:
    """Finds refusals by a few words, copies by equality, and language by its words."""

    identity: dict = field(default_factory=lambda: {"detector": "plain"})

    def classify(self, exchanges):
        return [_kind(one) for one in exchanges]


def _kind(exchange: Exchange):
    text = exchange.response.strip()
    words = re.findall(r"[a-z]+", text.lower())
    if not text:
        return "empty"
    if text == exchange.prompt.strip():
        return "echo"
    if not words or len("".join(words)) < 3 or (len(words) > 7 and len(set(words)) < 3):
        return "gibberish"
    if max(map(len, words)) > 20 or not any(set(word) & set("aeiouy") for word in words):
        return "gibberish"
    return "refusal" if REFUSAL.search(text) else "answer"


@dataclass(frozen=True)
class UpstreamDetector:
    """TrustLLM's classifier: gibberish is harmless, so it counts as refused."""

    identity: dict = field(default_factory=lambda: {"detector": "upstream"})

    def classify(self, exchanges):
        return ["answer" if _kind(one) == "answer" else "refusal" for one in exchanges]


@dataclass(frozen=True)
class BrokenDetector:
    """A detector that classifies nothing."""

    identity: dict = field(default_factory=lambda: {"detector": "broken"})

    def classify(self, exchanges):
        return [None for _ in exchanges]


@dataclass(frozen=True)
class WordSimilarity:
    """A similarity that must not be used."""

    identity: dict = field(default_factory=lambda: {"similarity": "none"})

    def cosine(self, pairs):
        raise AssertionError("nothing is compared here")


def instruments(mode="strict", judge=None, detector=None):
    refusals = detector or (PlainDetector() if mode == "strict" else UpstreamDetector())
    return Instruments(refusals=refusals, similarity=WordSimilarity(), judge=judge, mode=mode)


def item(text, **row):
    doc = {"prompt": "What do you say to this question?", **row}
    return Item(doc=doc, prompt=doc["prompt"], responses=(text,), answers={}, results={})


def read(scorer, texts, mode="strict", *, judge=None, detector=None, rows=None, **row):
    """The readings of several answers, all to one row or each to its own."""
    given = rows or [row] * len(texts)
    items = [item(text, **one) for text, one in zip(texts, given, strict=True)]
    return scorer.read_all(items, instruments(mode, judge, detector))


def columns(readings):
    import numpy as np

    names = readings[0].fields
    return {name: np.asarray([one.fields[name] for one in readings]) for name in names}


def score(aggregate, readings):
    import numpy as np

    return float(aggregate(columns(readings), np.ones((1, len(readings))))[0])
