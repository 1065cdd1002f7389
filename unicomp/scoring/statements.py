"""The one label that a generated answer settles on, by transparent rules.

An answer is read sentence by sentence. A statement (`Answer: A`, `I choose B`, `the most likely
diagnosis is …`) decides; without a statement, the first sentence that names a label does. Reasons
(`because …`, `rather than …`), doubts and negations (`not good`) are ignored. An answer settles on
no label if it names several where it decides, adds a bare one later, or lists them like options.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

Labels = Mapping[str, str]
"""Label → a regular expression for the ways to name it, as whole words in any letter case. A label
that contains another one comes before it."""

_END = re.compile(r"(?<!\b\w)[.!?;](?=\W*(?:\s|$))|\n+")
"""The end of a sentence; in `A.` and `1.` the stop marks an option."""
_STATED = re.compile(
    r"""\b(?:
        (?:answer|judge?ment|verdict|diagnosis|classification|conclusion|choice|label|option)
          (?:\s(?:for|of|to)\s(?:this|the)\s\w+)?\W{0,4}?(?:\sis|\swould\sbe|:)
      | (?:i|we)(?:['’]d|['’]ll|\swould|\swill)?\s(?:choose|pick|select|opt\sfor|go\swith|classify)
      | most\s(?:likely|consistent|probable|appropriate)
    )(?!\w)""",
    re.IGNORECASE | re.VERBOSE,
)
_REASON = re.compile(
    r"\b(?:because|since|rather|instead|although|whereas|while|unlike|but|over)\b", re.IGNORECASE
)
_DOUBT = re.compile(r"\b(?:not (?:sure|certain|clear)|unsure|uncertain|depends)\b", re.IGNORECASE)
_NEGATION = re.compile(
    r"(?:\b(?:not|never|neither|nor|cannot)|n['’]t)\s+(?:\w+\s+)?\W*$", re.IGNORECASE
)
_BARE = 2
"""A sentence of at most so many words is a bare label."""


def settled(text: str, labels: Labels) -> str | None:
    """The one label that an answer settles on; None for none or several."""
    sentences = [part for part in _END.split(text) if part.strip()]
    stated = [
        _END.split(text[found.end() :].lstrip("*_ \t\n"))[0] for found in _STATED.finditer(text)
    ]
    named: set[str] = set().union(*(_labels_in(part, labels) for part in stated))
    if not named:
        named = next(filter(None, (_labels_in(part, labels) for part in sentences)), set())
        named |= set().union(*(_listed_label(part, labels) for part in sentences))
    for part in sentences:
        if len(re.findall(r"\w+", part)) <= _BARE:
            named |= _labels_in(part, labels)
    return named.pop() if len(named) == 1 else None


def _labels_in(sentence: str, labels: Labels) -> set[str]:
    """The labels that a sentence names."""
    if _DOUBT.search(sentence):
        return set()
    said = _REASON.split(sentence)[0]
    return {
        label
        for label, found in _occurrences(said, labels)
        if not _NEGATION.search(said[max(0, found.start() - 40) : found.start()])
    }


def _listed_label(sentence: str, labels: Labels) -> set[str]:
    """The label that begins a sentence and is written like an option: `A. …`, `(B) …`, `1: …`."""
    for label, found in _occurrences(sentence, labels):
        before, after = sentence[: found.start()], sentence[found.end() :]
        if re.fullmatch(r"\W*", before) and re.match(r"[.):]", after):
            return {label}
    return set()


def _occurrences(text: str, labels: Labels) -> list[tuple[str, re.Match[str]]]:
    """The labels in a text with their places; a label inside another one is not found."""
    names = list(labels)
    return [
        (names[int((found.lastgroup or "")[1:])], found)
        for found in _pattern(tuple(labels.values())).finditer(text)
    ]


@lru_cache(maxsize=512)
def _pattern(ways: tuple[str, ...]) -> re.Pattern[str]:
    named = "|".join(f"(?P<g{number}>{way})" for number, way in enumerate(ways))
    return re.compile(rf"(?<!\w)(?:{named})(?!\w)", re.IGNORECASE)
