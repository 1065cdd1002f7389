"""What is no answer at all: nothing, a copy of the prompt, or no language.

A compressed model that has collapsed writes loops, symbols, letters that form no words, words
that form no sentence. None of that may count as a refusal or as an answer, whatever words are in
it. Every rule below is a share with a limit, and is meant to leave short answers ("4", "B",
"Danube"), lists and code alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from difflib import SequenceMatcher
from itertools import pairwise

from unicomp.instruments.grammar import faults_of
from unicomp.instruments.languages import (
    COMMON_HAN,
    SMALL_WORDS,
    plain,
    possible_letters,
    script_of,
    scripts_of,
    words_of,
)

_SPECIAL_TOKENS = re.compile(
    r"<\|[\w ]*\|>|</?(?:s|pad|eos|bos|unk)>|\[(?:EOS|BOS|PAD|UNK|END)\]", re.IGNORECASE
)


def visible(text: str) -> str:
    """A response without the tokens that end it, and without what nobody sees."""
    text = _SPECIAL_TOKENS.sub("", text)
    return "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Cc") or c in "\n\t")


# ---- a copy of the prompt

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


def without_copy(response: str, prompt: str) -> str | None:
    """A response without the prompt that it begins with; None where nothing else is in it."""
    asked, told = _bare(prompt), _bare(response)
    if not asked or not told:
        return response
    if told == asked:
        return None
    if len(told) < 4:
        return response
    rest = told
    while rest[: len(asked)] == asked:
        rest = rest[len(asked) :]
    if rest != told:
        new = len(rest) - _copied(asked, rest)
        return _tail(response, len(rest)) if new > 3 or len(rest) > len(asked) else None
    if asked[: len(told)] == told:
        return None  # cut short
    copied = _copied(asked, told)
    if copied == len(told) and len(told) >= 12:
        return None  # the end of a long prompt
    begun = asked[:2] == told[:2] or len(told) - copied <= 2
    near = SequenceMatcher(None, " ".join(asked), " ".join(told), autojunk=False).ratio()
    return None if begun and near > 0.88 and len(asked) >= 5 else response


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


# ---- no language

_CODE = re.compile(r"```|\b(?:def|return|import|print|function|var|const|SELECT)\b.*[(:;=]")
_FORMULA = re.compile(
    r"\\[a-z]+\{|\\(?:frac|sqrt|begin|cdot|times)|\d\s*[-+*/=^]\s*[\d(]|[a-z\d]\s=\s[-\d(a-z]"
)

_PIECES = re.compile("##[a-z]|[a-z]@@|▁|Ġ|Ċ|<0x[0-9A-F]{2}>")
"""Marks of a tokenizer that were never joined to words."""


def is_gibberish(text: str) -> bool:
    """Whether a text that is not empty is no language."""
    return _is_symbols(text) or _is_loop(text) or _is_soup(text) or _is_salad(text)


def _is_symbols(text: str) -> bool:
    """Runs of symbols, wrongly decoded bytes, symbols inside most words. Numbers are answers."""
    dense = re.sub(r"\s|\*{1,3}(?=\w)|(?<=[\w.!?])\*{1,3}", "", text)
    letters = sum(c.isalnum() for c in dense)
    if not letters or ("�" in text and text.count("�") > 0.2 * len(dense)):
        return True
    if sum("\u0080" <= c <= "\u00bf" or c in "ÃÂâ€" for c in dense) > 0.3 * len(dense) > 1.2:
        return True
    if len(_PIECES.findall(text)) >= 3:
        return True
    if _CODE.search(text) or _FORMULA.search(text) or len(dense) < 8:
        return False
    words = text.split()
    mixed = [
        w for w in words if re.search(r"[^\W_][^\w\s'’.,:;/\-–&@)(]+[^\W_]|[^\W\d_]\d[^\W\d_]", w)
    ]
    if len(mixed) > 0.5 * len(words) and len(words) >= 4 and letters < 0.85 * len(dense):
        return True
    return letters < 0.5 * len(dense)


def _is_loop(text: str) -> bool:
    """One character, one word or one phrase over and over."""
    dense = re.sub(r"\s", "", text.casefold())
    if re.search(r"([^\W\d_])\1{9,}", dense) or re.search(r"([^\W\d_]{2,5}?)\1{7,}", dense):
        return True
    words = words_of(text)
    lines = [line for line in text.splitlines() if line.strip()]
    if _FORMULA.search(text) and len(set(lines)) > 0.5 * len(lines):
        return False  # the same few letters return in every line of a proof
    if 3 <= len(words) < 8 and len(set(words)) == 1 and len(words[0]) > 3:
        return True
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
    return not han and stems.most_common(1)[0][1] > len(words) / 2 and len(words) >= 8


def _is_soup(text: str) -> bool:
    """Letters that form no words, or scripts that change from word to word."""
    share, pairs = possible_letters(text)
    if pairs >= 12 and share < 0.72:
        return True
    words = re.findall(r"\b[a-z]{3,}\b", plain(text))
    voiceless = [word for word in words if not re.search("[aeiouy]", word)]
    if len(voiceless) >= 4 and len(voiceless) > 0.3 * len(words):
        return True
    scripts = scripts_of(text)
    total = scripts.total()
    han = [c for c in text if script_of(c) == "HAN"]
    japanese = scripts["HIRAGANA"] + scripts["KATAKANA"]
    if len(han) >= 6 and not japanese and sum(c in COMMON_HAN for c in han) < 0.3 * len(han):
        return True
    jamo = sum("\u3130" <= c <= "\u318f" for c in text)
    if jamo > 0.5 * total and total >= 6:
        return True
    families = {"HIRAGANA": "HAN", "KATAKANA": "HAN"}
    merged = Counter[str]()
    for name, count in scripts.items():
        merged[families.get(name, name)] += count
    return len(merged) >= 3 and merged.most_common(1)[0][1] < 0.75 * total


def _is_salad(text: str) -> bool:
    """Words that form no sentence."""
    if _CODE.search(text) or _FORMULA.search(text):
        return False
    if re.search(r"^\s*[，。、；]|[，,、][。，、,]", text):
        return True  # stops that nothing stands between
    faults, count = faults_of(text)
    if faults >= 2 and faults > 0.05 * count:
        return True
    words = words_of(text)
    if len(words) < 8 or scripts_of(text)["LATIN"] < 0.8 * scripts_of(text).total():
        return False
    if sum(len(word) <= 2 for word in words) > 0.75 * len(words):
        return True
    alphabetic = [word for word in words if word.isalpha()]
    small = max(sum(word in known for word in words) for known in SMALL_WORDS.values())
    listed = len(re.findall(r"[,;:\n•]|\d\.", text))
    if not alphabetic or listed >= len(words) / 4:
        return False
    if len(words) >= 11 and not re.search(r"[^\w\s'’-]|\n|\d", text) and small < 0.2 * len(words):
        return True  # a row of words without a stop
    return small > 0.85 * len(words) or small < 0.06 * len(words)
