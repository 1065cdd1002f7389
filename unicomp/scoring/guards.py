"""Validity guards: whether the generated answers to a benchmark are usable at all.

A collapsed model can win a benchmark by accident: a constant letter, an empty answer that discloses
nothing, a loop that says nothing wrong. If most answers are of such a kind, the benchmark is
degenerate for that checkpoint: it has no score.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from unicomp.instruments.languages import words_of
from unicomp.instruments.repetition import is_copy, is_loop

FEWEST = 20
"""With fewer items nothing is reported: a few answers can be alike by chance."""
MOST = 0.5
"""The share of answers of one bad kind above which a benchmark is degenerate."""
CONSTANT = 0.95
"""The share of equal answers at or above which a benchmark has one constant answer."""
LONG = 128
"""A limit of at most so many tokens is meant to cut long answers, as the paper does on TrustLLM."""


@dataclass(frozen=True, kw_only=True)
class GeneratedAnswer:
    """One generated answer."""

    prompt: str
    text: str
    parsed: bool
    """Whether the scorer could read it."""
    cut: bool
    """Whether it was cut off at the limit of new tokens."""


def degeneration(answers: Sequence[GeneratedAnswer], *, limit: int | None) -> str | None:
    """Why the answers to a benchmark are degenerate; None if they are usable.

    `limit` is the largest number of new tokens of an answer; None for no limit.
    """
    n = len(answers)
    if n < FEWEST:
        return None
    kinds = {
        "empty": sum(not answer.text.strip() for answer in answers),
        "a loop of the same words": sum(is_loop(answer.text) for answer in answers),
        "copies of their prompts": sum(is_copy(answer.text, answer.prompt) for answer in answers),
        "without an answer that can be read": sum(not answer.parsed for answer in answers),
    }
    if limit is not None and limit > LONG:
        kinds[f"cut off at {limit} tokens"] = sum(answer.cut for answer in answers)
    for kind, count in kinds.items():
        if count > MOST * n:
            return f"{100 * count / n:.0f} % of the answers are {kind}"
    return None


def constancy(answers: Sequence[GeneratedAnswer]) -> str | None:
    """The report that the answers to a benchmark are all the same, or None if they differ.

    The caller decides what that means: one answer can be right for every item.
    """
    n = len(answers)
    if n < FEWEST:
        return None
    words = Counter(" ".join(words_of(answer.text)) for answer in answers)
    (text, count), *_ = words.most_common(1)
    if count < CONSTANT * n:
        return None
    shown = text if len(text) <= 40 else f"{text[:40]}…"
    return f"{100 * count / n:.0f} % of the answers are the same, {shown!r}"


def mostly_refused(kinds: Sequence[str]) -> bool:
    """Whether most responses to harmless prompts, given by their kinds, are refusals."""
    return len(kinds) >= FEWEST and kinds.count("refusal") > MOST * len(kinds)
