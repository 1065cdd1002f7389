"""The number that a worked answer ends in.

A stated answer (`#### 18`, a box, `The answer is 18`) decides, else the conclusion of the last
sentence that has one. Amounts in notes, reasons and brackets do not count, nor do denied ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from unicomp.scoring.prose import answer_part, is_unfinished, plain
from unicomp.scoring.wording import CORRECTION
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
NOTE = re.compile(
    r"\W*(?:note|check(?:ing)?|let (?:me|us) (?:double|re)?[- ]?(?:check|verify)|"
    r"the other (?:one|root|solution|value)s?|verif\w+|this assumes|assuming|remember|"
    r"let me know|(?:i )?hope|p\.?s|proof|"
    r"(?:we|to|you) (?:can )?(?:check|verify)|recall|this is (?:because|since)|explanation|"
    r"(?:s?he|they|it|\w+) (?:started|began) (?:out )?with|i (?:first|initially|"
    r"originally)\b(?!.*\bbut\b)|if you|feel free|(?:do|would) you|"
    r"please|(?:if|had|without|even if)\b.*\bwould)\b",
    re.IGNORECASE,
)
_DETAILS = re.compile(
    r"\n\W*(?:[\w-]+\s)?(?:breakdown|details|explanation|verification|check|here(?:'s|"
    r" is) (?:how|the))\b"
    r"(?:[^\n\d]*:|[ \t]*(?=\n))",
    re.IGNORECASE,
)
"""A line after which an answer is only explained."""
RIGHT = re.compile(
    r"\b(?:yes|indeed|correct(?=\W*(?:$|[.!\n]))|checks out|confirm\w*|(?:is|was|"
    r"are) (?:right|correct))\b",
    re.I,
)
"""A second look finds the first answer right."""
_COMES_TO = re.compile(
    r"(?:,\s*(?:giving|leaving|making)|,?\s(?:so|therefore|thus|hence|which (?:means|gives|"
    r"makes|equals|leaves|totals|comes to))|"
    r"\d\s?[-+*/×]\s?\d+,?\swhich is|,?\swhich rounds (?:up |down )?to|"
    r",?\sfor a (?:\w+ )?total of|totall?ing)\b",
    re.IGNORECASE,
)
_COUNTER = re.compile(
    r"\b(?:day|week|month|year|step|part|case|method|trip|round|example) \d+$", re.I
)
"""The number of a day or of a step, before a colon."""
_SAME = re.compile(
    r",?\s*\b(?:i\.e\.|that is,|in other words|or about|or roughly)|,\s*or(?=\s\$?\d)|"
    r",\s(?=\$?\d[\w ]* (?:more|less|\w+er) than\b)|"
    r"\s*=\s*(?=\d+ [a-z]+,? (?:and )?\d+ [a-z]+\W*$)",
    re.I,
)
"""The amount before it comes again, in other words or in its parts."""
_LINK = re.compile(r"^\W*(?:so|then|thus|therefore|hence|and|finally|now)\b,?\s*", re.IGNORECASE)
_SUBORDINATE = re.compile(
    r"\W(?:because|since|after|before|when|while|which|where|if|as|who|whose|given|assuming|"
    r"\w+ing \d|by \w+ing|leaving aside|and there (?:are|is|were|will be)|that (?:costs?|has|"
    r"have|holds?)|instead of|rather than|"
    r"not|unlike|"
    r"compared|having)\b.*",
    re.IGNORECASE | re.DOTALL,
)
_OPENING = re.compile(
    r"(?:after|by|since|because|as|when|with|if|given|out of|of|from|having|while|once)\b[^,]*"
    r"(?:,\d{3}[^,]*)*(?:,[^,]*){0,2}?,\s+(?=(?:s?he|they|it|the|there|we|i|you|each|his|her|their|"
    r"this|that|[A-Z]\w+)\b)",
    re.IGNORECASE,
)
"""A clause before the one that says what comes out."""
_AFTER_IT = re.compile(
    r"\b(?:after|before|when|with|by|from|in)\b[^.,]*?\b(?:is|are|was|be)\s(?:\w+\s)?\$?\d",
    re.IGNORECASE,
)
"""`The price after it is $60`."""
_BY_THE_WAY = re.compile(
    r"\b(?:(?<!total )(?<!sum )(?<!profit )(?<!cost )(?<!amount )(?<!price )(?<!average )"
    r"(?<!balance )of|for|after|in|from|(?<!left )with|by|per|every|each|than|over|within|"
    r"during|on|among|"
    r"out of|using|to \w+)\s+(?:(?:the|all|these|those|her|his|their|its|every|each|only|"
    r"about|just|other|"
    r"a total of)\s+){0,2}$",
    re.IGNORECASE,
)
"""Words before an amount that is not the one asked for."""
_RANGE = re.compile(r"\bbetween\b|\beither\b|\d\s*(?:\bor\b|\bto\b|(?<=\d)-(?=\d))[\s$]*\d", re.I)
_CORRECTIONS = 5
_NEAR = 60
"""Characters before a number that say what it is."""
_NUMBER_IN_BRACKETS = re.compile(r"\(([\d.,]+)\)")
_BRACKETS = re.compile(r"\([^()]*\)")
_UNFINISHED = re.compile(
    r"(?<=[\w,])\s(?:and|the|of|to|an?|from|with|for|in|is|are|or|by|which|we|you|need|it)\s*$|[=+*/×÷(]\s*$|(?<=\s)-\s*$"
)


@dataclass(frozen=True)
class FinalNumber:
    """Whether a worked answer ends in the number after `####` in the column `answer`.

        Benchmark(..., scorer=FinalNumber(), aggregate=Mean("correct"))

    Field: `correct` (0 or 1). Numbers are compared by value: `18`, `$18.00` and `18..` are equal.
    An answer without a number, or with several to choose from, is unparsed, and so is one that was
    cut off at its limit of tokens: its last number need not be the answer.
    """

    answer: str = "answer"

    def __call__(self, item: Item) -> Reading:
        """Compare the number of one answer."""
        (gold, *_) = _numbers(_prepared(str(item.doc[self.answer]).rpartition("####")[2]))
        said = None if is_unfinished(item) else final_number(item.text)
        right = said is not None and abs(said - gold) < 1e-6
        return Reading(fields={"correct": float(right)}, parsed=said is not None)


def final_number(text: str) -> float | None:
    """The number that an answer gives; None for none or several."""
    read = _prepared(answer_part(text))
    for found in reversed(list(CORRECTION.finditer(read))[-_CORRECTIONS:]):
        after = read[found.end() :]
        if not RIGHT.search(after) and (value := _settled(after)) is not None:
            return value
    return _settled(read)


def _settled(read: str) -> float | None:
    """The number that is stated in a text, else the one that it concludes."""
    stated = list(_STATED.finditer(read))
    for found in reversed(stated[-_NEAR:]):
        after = read[found.end() : found.end() + 10 * _NEAR]
        line = next((part for part in after.split("\n") if part.strip(" .")), "")
        sentence = _SENTENCE_END.split(line.strip())[0]
        if _RANGE.search(sentence):
            return None
        if (value := _first(sentence)) is not None:
            return value
    for found in _DETAILS.finditer(read):
        if _numbers(read[: found.start()]):
            return _concluded(read[: found.start()])
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
    bare = _BRACKETS.sub("", sentence)
    sentence = re.sub(r"\bnot\s+[-\d.,]+", "", bare if _numbers(bare) else sentence)
    clause = _SUBORDINATE.sub("", sentence)
    results = [part for part in clause.split("=")[1:] if _numbers(part)]
    found = _numbers(results[-1] if results else clause) or _numbers(sentence)
    return found[0] if found else None


def _concluded(text: str) -> float | None:
    """The number in the last sentence that concludes something."""
    sentences = [part for part in _SENTENCE_END.split(text) if part.strip()]
    if sentences and _UNFINISHED.search(sentences[-1]):
        return None
    told = [part for part in sentences if not NOTE.match(part)]
    for sentence in reversed(told if any(map(_numbers, told)) else sentences):
        bare = _main_part(sentence)
        said = bare[:1] + _SUBORDINATE.sub("", bare[1:])
        if not _numbers(said) and (_SUBORDINATE.match(f" {bare}") or _AFTER_IT.search(bare)):
            said = bare
        if not (found := list(_found(said))):
            continue
        if re.search(r"\bor\s+(?:\d|more\b|less\b|fewer\b)|\bbetween\b", said):
            return None
        if results := _numbers(said.rpartition("=")[2]):
            return results[0] if "=" in said else _asked(said, found)
    return None


def _main_part(sentence: str) -> str:
    """The part of a sentence that says what it comes to, without brackets and repetitions."""
    said = next((part for part in reversed(_COMES_TO.split(sentence)) if _numbers(part)), sentence)
    said = _LINK.sub("", said)
    if (opening := _OPENING.match(said)) and _numbers(said[opening.end() :]):
        said = said[opening.end() :]
    bare = _BRACKETS.sub(" ", said)
    said = bare if _numbers(bare) else _NUMBER_IN_BRACKETS.sub(r" \1 ", said)
    head = _SAME.split(said)[0]
    said = head if _numbers(head) else said
    head, _, parts = said.partition(": ")
    if (
        not re.search("[a-z]", parts)
        or "=" in parts
        or _COUNTER.search(head)
        or not _numbers(parts)
    ):
        return said
    return head if any(_asked_for(head, at) for _, at in _found(head)) else said


def _asked(said: str, found: list[tuple[float, int]]) -> float:
    """Of several numbers in a sentence, the one that it is about."""
    return next((value for value, at in reversed(found) if _asked_for(said, at)), found[0][0])


def _asked_for(said: str, at: int) -> bool:
    return not _BY_THE_WAY.search(said[max(0, at - _NEAR) : at])


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
