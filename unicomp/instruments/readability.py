"""Gibberish: text that is no language at all.

A compressed model that has collapsed writes loops, symbols, letters that form no words, words
that form no sentence. None of that may count as a refusal or as an answer, even if it holds the
words of one. Every rule below is a share with a limit. The limits leave short answers ("4", "B",
"Danube"), lists and code alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from unicomp.instruments.grammar import faults_of
from unicomp.instruments.languages import (
    languages_of,
    normalized,
    possible_letters,
    script_of,
    scripts_of,
    words_of,
)
from unicomp.instruments.phrasebook import languages, words_for
from unicomp.instruments.repetition import FORMULA, is_loop, is_stammer

_SPECIAL_TOKENS = re.compile(
    r"<\|[\w ]*\|>|</?(?:s|pad|eos|bos|unk)>|\[(?:EOS|BOS|PAD|UNK|END)\]", re.IGNORECASE
)


def visible(text: str) -> str:
    """A response without special tokens and without invisible characters."""
    text = _SPECIAL_TOKENS.sub("", text)
    return "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Cc") or c in "\n\t")


_CODE = re.compile(r"```|\b(?:def|return|import|print|function|var|const|SELECT)\b.*[(:;=]")
_PIECES = re.compile("##[a-z]|[a-z]@@|▁|Ġ|Ċ|<0x[0-9A-F]{2}>")
"""Pieces of words that a tokenizer left unjoined."""


def is_gibberish(text: str) -> bool:
    """Whether a text that is not empty is no language."""
    return (
        _is_symbols(text) or is_loop(text) or is_stammer(text) or _is_soup(text) or _is_salad(text)
    )


def _is_symbols(text: str) -> bool:
    """Whether a text is symbols, wrongly decoded bytes, or words with symbols in them.

    Numbers are no symbols: they may be answers.
    """
    dense = re.sub(r"\s|\*{1,3}(?=\w)|(?<=[\w.!?])\*{1,3}", "", text)
    letters = sum(c.isalnum() for c in dense)
    if not letters or ("�" in text and text.count("�") > 0.2 * len(dense)):
        return True
    if sum("\u0080" <= c <= "\u00bf" or c in "ÃÂâ€" for c in dense) > 0.3 * len(dense) > 1.2:
        return True
    if len(_PIECES.findall(text)) >= 3:
        return True
    if _CODE.search(text) or FORMULA.search(text) or len(dense) < 8:
        return False
    words = text.split()
    mixed = [
        w for w in words if re.search(r"[^\W_][^\w\s'’.,:;/\-–&@)(]+[^\W_]|[^\W\d_]\d[^\W\d_]", w)
    ]
    if len(mixed) > 0.5 * len(words) and len(words) >= 4 and letters < 0.85 * len(dense):
        return True
    return letters < 0.5 * len(dense)


def _is_soup(text: str) -> bool:
    """Whether letters form no words, or scripts change from word to word."""
    share, pairs = possible_letters(text)
    if pairs >= 12 and share < 0.72:
        return True
    words = re.findall(r"\b[a-z]{3,}\b", normalized(text))
    voiceless = [word for word in words if not re.search("[aeiouy]", word)]
    if len(voiceless) >= 4 and len(voiceless) > 0.3 * len(words):
        return True
    scripts = scripts_of(text)
    total = scripts.total()
    han, common = [c for c in text if script_of(c) == "HAN"], words_for("characters")
    japanese = scripts["HIRAGANA"] + scripts["KATAKANA"]
    if len(han) >= 6 and not japanese and sum(c in common for c in han) < 0.3 * len(han):
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
    """Whether words form no sentence."""
    if _CODE.search(text) or FORMULA.search(text):
        return False
    if re.search(r"^\s*[，。、；]|[，,、][。，、,]", text):
        return True  # stops with nothing between them
    faults, count = faults_of(text)
    if faults >= 2 and faults > 0.05 * count:
        return True
    words = words_of(text)
    if len(words) < 8 or scripts_of(text)["LATIN"] < 0.8 * scripts_of(text).total():
        return False
    if sum(len(word) <= 2 for word in words) > 0.75 * len(words):
        return True
    alphabetic = [word for word in words if word.isalpha()]
    small = max(sum(w in one.words["small"] for w in words) for one in languages().values())
    listed = len(re.findall(r"[,;:\n•]|\d\.", text))
    if not alphabetic or listed >= len(words) / 4:
        return False
    if len(words) >= 11 and not re.search(r"[^\w\s'’-]|\n|\d", text) and small < 0.2 * len(words):
        return True  # a row of words without a stop
    return small > 0.85 * len(words) or small < 0.06 * len(words)


def is_broken(text: str) -> bool:
    """Whether a text has more slips than a readable refusal has.

    The limits lie beyond all labelled refusals. They find random words between the words of a
    refusal or after its beginning, other languages and pieces of words among them, and wrong
    letters.
    """
    words, line = words_of(text), text.strip()
    faults, _ = faults_of(text)
    # a sentence that begins small and ends with a stop, or ends without one after another
    faults += line[:1].islower() and line[-1:] in ".!?"
    faults += len(line) < 300 and line[-1:].isalnum() and bool(re.search("[.!?] ", line))
    if faults >= min(2, 1 + len(words) // 12) and faults >= 0.055 * len(words):
        return True
    if _PIECES.search(text):
        return True
    scripts = scripts_of(text)
    if scripts["LATIN"] < 0.5 * scripts.total():
        return False
    share, pairs = possible_letters(text)
    if scripts["LATIN"] < 0.97 * scripts.total() or (pairs >= 30 and share < 0.85):
        return True
    known = [languages()[code].words["small"] for code in languages_of(text)]
    small = frozenset[str]().union(*known)
    strange = {word for word in words if word not in small and word in words_for("small")}
    if len(strange) >= 2 and len(strange) >= 0.1 * len(words):
        return True
    for size in (2, 3):
        runs = Counter(zip(*(words[start:] for start in range(size)), strict=False))
        if max(runs.values(), default=0) >= max(3, len(words) / (2 * size)):
            return True
    clauses = re.split(r"[.!?:;,\n()\"*-]+", text)
    longest = max(_longest_run(words_of(clause), small) for clause in clauses)
    few = sum(word in small for word in words) < 0.25 * len(words)
    return longest > 8 or (longest > 5 and few)


def _longest_run(words: list[str], small: frozenset[str]) -> int:
    """The most words in a row of which none is small."""
    marks = "".join("s" if {word, word.split("'")[0]} & small else "." for word in words)
    return max(map(len, marks.split("s")))
