"""The number that a worked answer ends in.

A stated answer (`#### 18`, a box, `The answer is 18`) decides, else the conclusion of the last
sentence that has one. Amounts in notes, reasons and brackets do not count, nor do denied ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from unicomp.scoring.prose import answer_part, plain
from unicomp.spec import Item, Reading

_NUMBER = re.compile(
    r"""(?<![A-Za-z\d.^/])(?P<sign>(?<![\d)%]\s)(?<![\w)%])[-−])?
    (?P<whole>\d{1,3}(?:(?:,|\ )\d{3})+(?!\d)|\d+)?(?P<part>\.\d+)?(?<=\d)
    (?!(?:st|nd|rd|th)\b)
    (?:\s?/\s?(?P<below>\d+)(?![\d/])|\s(?P<over>\d+)/(?P<under>\d+)|:00)?
    (?:\s?(?:[x*×]|\\times|\\cdot)\s?10\s?\^\s?(?P<power>-?\d+)|[eE](?P<exponent>[+-]?\d+)\b)?
    (?P<scale>\s?(?:thousand|million|billion|[kK])\b)?""",
    re.VERBOSE,
)
_SCALES = {"thousand": 1e3, "k": 1e3, "million": 1e6, "billion": 1e9}
_FRACTION = re.compile(r"\\[dt]?frac\s*\{?(-?\d+)\}?\s*\{?(\d+)\}?")
_HASHES = re.compile(r"#{3,}\s*(?:answer\W*)?(?=[^\w\n]{0,4}\d)", re.IGNORECASE)
_STATED = re.compile(
    r"\banswers?\b(?! (?:the|this|that|these) question)[^.\n=:\d]{0,60}?"
    r"(?:\b(?:is|are|was|be|equals|comes to)\b|[:=]|->)",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+(?=\D|\d+\s?[-+*/])|\n+")
_NOTE = re.compile(
    r"\W*(?:note|check|verif\w+|this assumes|assuming|remember|let me know|(?:i )?hope|p\.?s|proof|"
    r"(?:we|to|you) (?:can )?(?:check|verify)|recall|this is (?:because|since)|explanation)\b",
    re.IGNORECASE,
)
_LINK = re.compile(r"^\W*(?:so|then|thus|therefore|hence|and|finally|now)\b,?\s*", re.IGNORECASE)
_SUBORDINATE = re.compile(
    r"\W(?:because|since|after|before|when|while|which|where|if|as|who|whose|given|assuming|"
    r"\w+ing \d|leaving aside|and there (?:are|is|were)|instead of|rather than|not|unlike|compared)\b.*",
    re.IGNORECASE | re.DOTALL,
)
_BY_THE_WAY = re.compile(
    r"\b(?<!total of )(?<!sum of )(?<!profit of )(?<!cost of )(?<!amount of )(?<!price of )"
    r"(?<!average of )(?<!balance of )"
    r"(?:for|after|in|of|from|with|by|per|every|each|than|over|within|during|on|among|out of|using|to \w+)\s+"
    r"(?:(?:the|all|these|those|her|his|their|its|every|each|only|about|just|other|a total of)\s+){0,2}$",
    re.IGNORECASE,
)
"""Words before an amount that is not the one asked for."""
_RANGE = re.compile(r"\bbetween\b|\beither\b|\d\s*(?:\bor\b|\bto\b|(?<=\d)-(?=\d))[\s$]*\d", re.I)
_NEAR = 60
"""Characters before a number that say what it is."""
_UNFINISHED = re.compile(r"[=+*/×÷(]\s*$|(?<=\s)-\s*$")


@dataclass(frozen=True)
class FinalNumber:
    """Whether a worked answer ends in the right number, which follows `####` in the column `answer`.

        Benchmark(..., scorer=FinalNumber(), aggregate=Mean("correct"))

    Field: `correct` (0 or 1). Numbers are compared by value: `18`, `$18.00` and `18..` are equal.
    An answer without a number, or with several to choose from, is unparsed.
    """

    answer: str = "answer"

    def __call__(self, item: Item) -> Reading:
        """Compare the number of one answer."""
        (gold, *_) = _numbers(_prepared(str(item.doc[self.answer]).rpartition("####")[2]))
        said = final_number(item.text)
        right = said is not None and abs(said - gold) <= 1e-6 * max(1.0, abs(gold))
        return Reading(fields={"correct": float(right)}, parsed=said is not None)


def final_number(text: str) -> float | None:
    """The number that an answer gives; None for none or several."""
    read = _prepared(answer_part(text))
    stated = list(_STATED.finditer(read))
    for found in reversed(stated[-_NEAR:]):
        after = read[found.end() : found.end() + 10 * _NEAR]
        line = next((part for part in after.split("\n") if part.strip(" .")), "")
        sentence = _SENTENCE_END.split(line.strip())[0]
        if _RANGE.search(sentence):
            return None
        if (value := _first(sentence)) is not None:
            return value
    return _concluded(read)


def _prepared(text: str) -> str:
    """A text in plain characters, with stated answers as `Answer: …` and fractions as `a/b`."""
    text = re.sub(r"\b[A-Z]{1,3}\$", "$", text)
    text = _HASHES.sub("\nAnswer: ", _FRACTION.sub(r"\1/\2", text))
    text = plain(text.replace("{,}", ",").replace("\\,", " ").replace("\\!", ""))
    text = re.sub(r"\\(?=[\d\s%])", "", text)
    return re.sub(
        r"(?m)^[ \t]*\d{1,2}[.)][ \t]+(?=\D*[A-Za-z])|\b(?:step|part|question|problem)\s+\d+",
        " ",
        text,
        flags=re.I,
    )


def _first(sentence: str) -> float | None:
    """The number of a stated answer: what an equation comes to, else the first one not denied."""
    sentence = (
        re.sub(r"\([^)]*\d[^)]*\)(?=\s*\S|$)", "", sentence)
        if _numbers(re.sub(r"\([^)]*\)", "", sentence))
        else sentence
    )
    sentence = re.sub(r"\bnot\s+[$]?[-\d.,]+", "", sentence)
    clause = _SUBORDINATE.sub("", sentence)
    clause = re.split(r",\s+(?=[A-Za-z])", clause)[0] if "=" not in clause else clause
    equal = [part for part in clause.split("=")[1:] if _numbers(part)]
    found = _numbers(equal[-1] if equal else clause) or _numbers(sentence)
    return found[0] if found else None


def _concluded(text: str) -> float | None:
    """The number in the last sentence that concludes something."""
    sentences = [part for part in _SENTENCE_END.split(text) if part.strip()]
    if sentences and _UNFINISHED.search(sentences[-1]):
        return None
    kept = [part for part in sentences if not _NOTE.match(part)]
    for sentence in reversed(kept):
        bare = _LINK.sub("", re.sub(r"\([^)]*\)", " ", sentence))
        if not _numbers(bare):
            bare = sentence if sentence is kept[0] and len(kept) == 1 else bare
        said = bare[:1] + _SUBORDINATE.sub("", bare[1:])
        if not _numbers(said):
            if _numbers(bare) and re.match(
                r"\W*(?:not|after|in|when|if|since|as|because)\b", bare, re.I
            ):
                said = bare
            else:
                continue
        if re.search(r"\bor\s+[$]?\d", said) or re.search(r"\bbetween\b", said):
            return None
        equal = said.rpartition("=")[2]
        found = list(_found(equal if "=" in said and _numbers(equal) else said))
        if "=" in said and _numbers(equal):
            return found[0][0]
        primary = [
            value
            for value, start in found
            if not _BY_THE_WAY.search(said[max(0, start - _NEAR) : start])
        ]
        return primary[-1] if primary else found[0][0]
    return None


def _numbers(text: str) -> list[float]:
    return [value for value, _ in _found(text)]


def _found(text: str) -> Iterator[tuple[float, int]]:
    """The numbers in a text with their places."""
    for found in _NUMBER.finditer(text):
        whole = re.sub(r"[, ]", "", found["whole"] or "0")
        value = float(whole + (found["part"] or ""))
        if found["below"]:
            value = value / float(found["below"]) if float(found["below"]) else value
        if found["under"] and float(found["under"]):
            value += float(found["over"]) / float(found["under"])
        power = found["power"] or found["exponent"]
        if power and abs(int(power)) < 300:
            value *= 10.0 ** int(power)
        value *= _SCALES.get((found["scale"] or "").strip().lower(), 1.0)
        yield (-value if found["sign"] else value), found.start()
