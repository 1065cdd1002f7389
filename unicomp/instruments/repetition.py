"""Texts that say again what was said: the same words over and over, or those of the prompt.

A collapsed model writes both, in any language; Chinese and Japanese characters count as words.
"""

from __future__ import annotations

import re
from collections import Counter
from difflib import SequenceMatcher
from itertools import pairwise

from unicomp.instruments.languages import plain, script_of, words_of

# ---- loops

FORMULA = re.compile(
    r"\\[a-z]+\{|\\(?:frac|sqrt|begin|cdot|times)|\d\s*[-+*/=^]\s*[\d(]|[a-z\d]\s=\s[-\d(a-z]"
)
"""What only a calculation or a proof has."""


def is_loop(text: str) -> bool:
    """Whether a text is one character, one word or a few words over and over.

    A word that stands there less than eight times may well have been asked for.
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
    """Whether most of the runs of six signs in a calculation stood there before."""
    runs = [tuple(signs[i : i + 6]) for i in range(len(signs) - 5)]
    return len(runs) >= 8 and len(set(runs)) < len(runs) / 2


# ---- copies

_LABELS = frozenset(
    [
        "question",
        "answer",
        "prompt",
        "user",
        "assistant",
        "instruction",
        "response",
        "input",
        "output",
        "q",
        "a",
        "sure",
        "certainly",
        "okay",
        "ok",
        "frage",
        "antwort",
        "anfrage",
        "réponse",
        "pregunta",
        "respuesta",
        "pergunta",
        "resposta",
        "سؤال",
        "جواب",
        "السؤال",
        "الجواب",
    ]
)
"""Words that stand around a prompt that is copied."""
_HAN_LABELS = re.compile("^(?:问题|提问|用户|问)[：:]|(?:回答|答案|答)[：:]?$")


def _bare(text: str) -> list[str]:
    words = words_of(plain(_HAN_LABELS.sub("", text.strip())))
    while words and words[0] in _LABELS:
        words = words[1:]
    while words and words[-1] in _LABELS:
        words = words[:-1]
    return words


def is_copy(response: str, prompt: str) -> bool:
    """Whether a response is its prompt again, or the beginning of it, and nothing follows."""
    asked, told = _bare(prompt), _bare(response)
    return bool(asked and told) and _beyond(asked, told) == 0


def without_copy(response: str, prompt: str) -> str | None:
    """A response without the prompt that it begins with; None where nothing else is in it.

    It is one to a request in a few words: an answer to a long prompt may stand there word by word.
    """
    asked, told = _bare(prompt), _bare(response)
    if not asked or not told:
        return response
    beyond = _beyond(asked, told)
    if beyond < len(told):
        return _tail(response, beyond) if beyond else None
    if len(told) < 4:
        return response
    copied = _copied(asked, told)
    if copied == len(told) and len(told) >= 12:
        return None  # the end of a long prompt
    begun = asked[:2] == told[:2] or len(told) - copied <= 2
    near = SequenceMatcher(None, " ".join(asked), " ".join(told), autojunk=False).ratio()
    return None if begun and near > 0.88 and len(asked) >= 5 else response


def _beyond(asked: list[str], told: list[str]) -> int:
    """How many words follow where the prompt was copied; all of them where it was not."""
    if told == asked:
        return 0
    if len(told) < 4:
        return len(told)
    rest = told
    while rest[: len(asked)] == asked:
        rest = rest[len(asked) :]
    if rest == told:
        return 0 if asked[: len(told)] == told else len(told)  # cut short, or no copy
    new = len(rest) - _copied(asked, rest)
    return len(rest) if new > 3 or len(rest) > len(asked) else 0


def _copied(asked: list[str], told: list[str]) -> int:
    """How many words of `told` stand in runs of two and more that `asked` has too."""
    blocks = SequenceMatcher(None, asked, told, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks if block.size >= 2)


def _tail(response: str, words: int) -> str:
    """The end of a response that holds its last so many words."""
    starts = [
        match.start() for match in re.finditer(r"[぀-ヿ㐀-鿿]|[^\W_]+(?:['’][^\W_]+)*", response)
    ]
    return response[starts[-words] :] if 0 < words <= len(starts) else response
