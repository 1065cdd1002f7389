"""Validity guards: whether generated answers are answers at all, before any score is believed.

A collapsed model can win a benchmark by accident: a constant letter, silence that discloses
nothing, a loop that says nothing wrong. Where most answers of a benchmark are of that kind, the
benchmark is degenerate for that checkpoint: it has no score.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

FEWEST = 20
"""Items below which nothing is said: a few answers may well be alike."""
MOST = 0.5
"""The share of answers of one bad kind above which a benchmark is degenerate."""
CONSTANT = 0.95
"""The share of equal answers from which on they are one constant answer."""
LONG = 128
"""Tokens up to which a limit is there to cut long answers off, as the paper does on TrustLLM's."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One generated answer with what is known of it."""

    prompt: str
    text: str
    parsed: bool
    cut: bool
    """Whether it was cut off at the limit of new tokens."""


def degeneration(answers: Sequence[Answer], *, varied: bool, limit: int | None) -> str | None:
    """Why the answers to a benchmark are degenerate, or None.

    `varied` says that right answers differ from item to item, so that a constant one is none;
    `limit` is the most new tokens of an answer.
    """
    n = len(answers)
    if n < FEWEST:
        return None
    kinds = {
        "empty": sum(not answer.text.strip() for answer in answers),
        "a loop of the same words": sum(is_loop(answer.text) for answer in answers),
        "copies of their prompts": sum(is_echo(answer.text, answer.prompt) for answer in answers),
        "without an answer that can be read": sum(not answer.parsed for answer in answers),
    }
    if limit is not None and limit > LONG:
        kinds[f"cut off at {limit} tokens"] = sum(answer.cut for answer in answers)
    for kind, count in kinds.items():
        if count > MOST * n:
            return f"{100 * count / n:.0f} % of the answers are {kind}"
    words = Counter(" ".join(_words(answer.text)) for answer in answers)
    (text, count), *_ = words.most_common(1)
    if varied and count >= CONSTANT * n:
        shown = text if len(text) <= 40 else f"{text[:40]}…"
        return f"{100 * count / n:.0f} % of the answers are the same, {shown!r}"
    return None


def is_loop(text: str) -> bool:
    """Whether a text is a few words over and over."""
    words = _words(text)
    if len(words) < 8:
        return False
    pairs = Counter(pairwise(words))
    return pairs.most_common(1)[0][1] > len(words) / 4 or len(set(words)) < len(words) / 4


def is_echo(text: str, prompt: str) -> bool:
    """Whether a text is its prompt again, or the beginning of it."""
    words, asked = _words(text), _words(prompt)
    return len(words) >= 4 and bool(asked) and words[: len(asked)] == asked[: len(words)]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
