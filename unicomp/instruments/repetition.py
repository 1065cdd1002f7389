"""Loops of the same words, and copies of the prompt.

A collapsed model writes both, in any language. Chinese and Japanese characters count as words.
"""

from __future__ import annotations

import re
from collections import Counter
from difflib import SequenceMatcher
from itertools import pairwise

from unicomp.instruments.languages import normalized, script_of, words_of
from unicomp.instruments.phrasebook import phrases_for, words_for

# ---- loops

FORMULA = re.compile(
    r"\\[a-z]+\{|\\(?:frac|sqrt|begin|cdot|times)|\d\s*[-+*/=^]\s*[\d(]|[a-z\d]\s=\s[-\d(a-z]"
)
"""Signs that only a calculation or a proof has."""


def is_loop(text: str) -> bool:
    """Whether a text is one character, one word or a few words over and over.

    Fewer than eight times the same word may be an answer.
    """
    dense = re.sub(r"\s", "", text.casefold())
    if re.search(r"([^\W\d_])\1{9,}", dense) or re.search(r"([^\W\d_]{2,5}?)\1{7,}", dense):
        return True
    words = words_of(text)
    if FORMULA.search(text):  # the same few letters return in every line of a proof
        return _recurs(re.findall(r"\w+|[^\w\s]", text))
    if len(words) < 8:
        return False
    han = sum(script_of(word[0]) in ("HAN", "HIRAGANA", "KATAKANA") for word in words)
    rare = 1 / 5 if han > len(words) / 2 else 1 / 4
    pairs = Counter(pairwise(words))
    if len(set(words)) < rare * len(words) or pairs.most_common(1)[0][1] > len(words) / 4:
        return True
    if sum(first == second for first, second in pairwise(words)) > len(words) / 4:
        return True
    # the same stems in any order: "Job. Job? jobs"
    stems = Counter(word[:4] for word in words)
    return not han and stems.most_common(1)[0][1] > len(words) / 2


def is_stammer(text: str) -> bool:
    """Whether a text is one word three to seven times."""
    words = words_of(text)
    return 3 <= len(words) < 8 and len(set(words)) == 1 and len(words[0]) > 3


def _recurs(signs: list[str]) -> bool:
    """Whether a calculation repeats most of its runs of six signs."""
    runs = [tuple(signs[i : i + 6]) for i in range(len(signs) - 5)]
    return len(runs) >= 8 and len(set(runs)) < len(runs) / 2


# ---- copies


def _unlabelled(text: str) -> list[str]:
    """The words of a text without labels such as "Question:" at its ends."""
    words = words_of(normalized(phrases_for("label").sub("", text.strip())))
    while words and words[0] in words_for("labels"):
        words = words[1:]
    while words and words[-1] in words_for("labels"):
        words = words[:-1]
    return words


def is_copy(response: str, prompt: str) -> bool:
    """Whether a response is its prompt, or the beginning of it, and nothing follows."""
    asked, answered = _unlabelled(prompt), _unlabelled(response)
    return bool(asked and answered) and _beyond(asked, answered) == 0


def without_copy(response: str, prompt: str) -> str | None:
    """A response without the copy of its prompt at the start; None if nothing else is in it.

    An answer to a long prompt may stand in it word by word.
    """
    asked, answered = _unlabelled(prompt), _unlabelled(response)
    if not asked or not answered:
        return response
    beyond = _beyond(asked, answered)
    if beyond < len(answered):
        return _tail(response, beyond) if beyond else None
    if len(answered) < 4:
        return response
    copied = _copied(asked, answered)
    if copied == len(answered) and len(answered) >= 12:
        return None  # the end of a long prompt
    begun = asked[:2] == answered[:2] or len(answered) - copied <= 2
    near = SequenceMatcher(None, " ".join(asked), " ".join(answered), autojunk=False).ratio()
    return None if begun and near > 0.88 and len(asked) >= 5 else response


def _beyond(asked: list[str], answered: list[str]) -> int:
    """Count the words after a copy of the prompt; all of them if the prompt was not copied."""
    if answered == asked:
        return 0
    if len(answered) < 4:
        return len(answered)
    rest = answered
    while rest[: len(asked)] == asked:
        rest = rest[len(asked) :]
    if rest == answered:
        return 0 if asked[: len(answered)] == answered else len(answered)  # cut short, or no copy
    new = len(rest) - _copied(asked, rest)
    return len(rest) if new > 3 or len(rest) > len(asked) else 0


def _copied(asked: list[str], answered: list[str]) -> int:
    """Count the words of `answered` in runs of two or more that `asked` has too."""
    blocks = SequenceMatcher(None, asked, answered, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks if block.size >= 2)


def _tail(response: str, count: int) -> str:
    """The end of a response that holds its last `count` words."""
    starts = [
        match.start() for match in re.finditer(r"[぀-ヿ㐀-鿿]|[^\W_]+(?:['’][^\W_]+)*", response)
    ]
    return response[starts[-count] :] if 0 < count <= len(starts) else response
