"""Validity guards: whether generated answers are answers at all, before any score is believed.

A collapsed model can win a benchmark by accident: a constant letter, silence that discloses
nothing, a loop that says nothing wrong. Where most answers of a benchmark are of that kind, the
benchmark is degenerate for that checkpoint: it has no score.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from unicomp.instruments.languages import words_of
from unicomp.instruments.repetition import is_copy, is_loop

FEWEST = 20
"""Items below which nothing is said: a few answers may well be alike."""
MOST = 0.5
"""The share of answers of one bad kind above which a benchmark is degenerate."""
CONSTANT = 0.95
"""The share of equal answers from which on they are one constant answer."""
LONG = 128
"""Tokens up to which a limit is there to cut long answers off, as the paper does on TrustLLM's."""


@dataclass(frozen=True, kw_only=True)
class GeneratedAnswer:
    """One generated answer with what is known of it."""

    prompt: str
    text: str
    parsed: bool
    cut: bool
    """Whether it was cut off at the limit of new tokens."""


def degeneration(answers: Sequence[GeneratedAnswer], *, limit: int | None) -> str | None:
    """Why the answers to a benchmark are none, or None; `limit` is their most new tokens."""
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
    """That the answers to a benchmark are all the same, and which one; None where they differ.

    What it means is the benchmark's matter: one answer may be right to every item.
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
    """Whether most responses to harmless prompts are refusals; `kinds` is what each one is."""
    return len(kinds) >= FEWEST and kinds.count("refusal") > MOST * len(kinds)
