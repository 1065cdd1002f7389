"""Answers in mathematics: whether the one that a solution ends in equals the right one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from unicomp.errors import ScoringError
from unicomp.scoring.numbers import NOTE, RIGHT
from unicomp.scoring.prose import answer_part, closing, is_unfinished
from unicomp.scoring.wording import CORRECTION
from unicomp.spec import Item, Reading

_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?=[{\w\\-])")
_STATED = re.compile(
    r"\banswer\b[^.\n=:$\\\d]{0,50}?(?:\b(?:is|are|was|be|equals)\b(?!\s+(?:that|found|obtained))|\bof\b(?=\s+[^A-Za-z\s])|:)"
    r"(?:\s*\*+)?[:\s]*",
    re.IGNORECASE,
)
_HOPE = re.compile(r"\.?\s*I hope (?:it|this) is correct.*", re.DOTALL)
_STOP = re.compile(r"\.\s+(?=[A-Z\\$(])|\.?\s*$|\n\s*\n|\.?\n(?=[A-Z])")
_TAGGED = re.compile(
    r"<(\w*answer)>(.*?)(?:</\1>|$)|\"\w*answer\"\s*:\s*\"?(.*?)\"?\s*[,}\n]", re.S
)
_DENIED = re.compile(
    r"[\s$)\]*]*(?:is|was|would be)\s+(?:wrong|incorrect|false|not\b)", re.IGNORECASE
)
_DENIAL = re.compile(r"\bnot\b(?!.*\bbut\b)|\bcannot\b|n't\b", re.IGNORECASE)
_ADDED = re.compile(
    r",?\s+(?:since|because|by (?:the|using)|(?<=, )as|(?:which is )?(?:attained|achieved|"
    r"reached)|occurring|when|where(?=\s\$?\w\b))\s.*$|"
    r"(?<=[\d}$)π]),?\s+(?:which is |or )?(?:approximately|about|roughly)\s.*$|"
    r"\s+\((?:[A-Za-z]{2,}\s[^()]*|[^()\d]*)\)$",
    re.DOTALL,
)
"""What is added after an answer: reasons, and remarks in brackets."""
_NOT_BUT = re.compile(r"\bnot\s+(\S+)\s+but\s+", re.IGNORECASE)
_NOT = re.compile(r",?\s*\b(?:not|rather than|instead of)\s+\S+.*$", re.IGNORECASE | re.DOTALL)
_TAIL = re.compile(
    r"^.*(?:\b(?:is|are|equals?|be|get|have|obtain|yields?|gives?|find|was|were|so|thus|"
    r"hence|therefore|pays?|makes?|earns?|needs?|takes?|left with|becomes|comes to|measures|"
    r"costs|has|at|i\.e\.)[,:]?\s+|(?<=:)\s*)(?=[^A-Za-z\s]|[A-Za-z]\b|\\|[A-Za-z]\w*[\^_(]|\w+$|[a-z]*\s?[=])",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class MathAnswer:
    """Whether a solution ends in an answer that equals the row's.

    Reads the columns `solution` and `answer`, of which one is enough. Field: `correct` (0 or 1).
    The answer is the last box, else what is stated as the answer, else what the last sentence comes
    to; it needs neither a box nor dollar signs. Equality is that of math-verify; texts, units and
    bases are compared as they are written. A solution without an answer is unparsed, and so is one
    that was cut off at its limit of tokens: it had not ended. Raises ScoringError if the row has no
    right answer.
    """

    def __call__(self, item: Item) -> Reading:
        """Compare the answer of one solution."""
        said = None if is_unfinished(item) else final_expression(item.text)
        solution, answer = (str(item.doc.get(name) or "") for name in ("solution", "answer"))
        golds = {boxed(solution) or "", answer} - {""}
        if not golds:
            raise ScoringError("a row has neither a solution with a box nor an answer")
        right = said is not None and any(equal(said, gold) for gold in golds)
        return Reading(fields={"correct": float(right)}, parsed=said is not None)


def boxed(text: str) -> str | None:
    """The content of the last box of a text; that of several boxes side by side, with commas."""
    boxes: list[tuple[str, int, int]] = []
    for found in list(_BOX.finditer(text))[-20:]:
        end = closing(text, found.end())
        if _DENIED.match(text, end):
            continue
        inner = text[found.end() : end]
        inner = (
            inner[1:-1] if inner.startswith("{") and inner.endswith("}") else inner.strip("{} $")
        )
        boxes.append((inner, found.start(), end))
    if not boxes:
        return None
    joined = [boxes[-1][0]]
    for (before, _, end), (_, start, _) in zip(boxes[-2::-1], boxes[:0:-1], strict=True):
        if not re.fullmatch(
            r"[\s$,]*(?:and|or|,|\\text\{\s*(?:and|or)\s*\})?[\s$]*", text[end:start]
        ):
            break
        if before != joined[0]:
            joined.insert(0, before)
    return ",".join(joined)


def final_expression(text: str) -> str | None:
    """The expression that a solution ends in; None without one."""
    read = answer_part(text).replace("\\$", "")
    *_, last = (0, *(found.end() for found in CORRECTION.finditer(read)))
    confirmed = RIGHT.search(read[last:]) or _BOX.search(read) or _STATED.search(read, last)
    if not confirmed and re.search(r"\d", read[last:]):
        read = read[last:]
    for candidate in _candidates(read):
        cleaned = candidate.strip().strip("*`\"' \n").rstrip(".,;:").strip()
        cleaned = _NOT.sub("", _NOT_BUT.sub("", cleaned)).strip()
        if re.search(r"[\w\\]", cleaned):
            return cleaned
    return None


def _candidates(text: str) -> Iterator[str]:
    if (box := boxed(text)) is not None:
        yield box
        return
    for found in reversed(list(_TAGGED.finditer(text))):
        yield found[2] or found[3] or ""
        return
    for found in reversed(list(_STATED.finditer(text))):
        if _DENIAL.search(found[0]):
            return
        rest = _HOPE.sub("", text[found.end() :].lstrip("* \n"))
        stated = _STOP.split(rest, maxsplit=1)[0]
        if rest.startswith(("$", "\\(", "\\[")) and (spans := _spans(stated)):
            yield spans[0]
        yield _ADDED.sub("", stated.rstrip(". "))
        return
    lines = [
        line
        for line in text.strip().split("\n")
        if re.search(r"[\w\\]", line) and not NOTE.match(line)
    ]
    if not lines:
        return
    line = re.sub(r"^[#>*\s]+|\*\*", "", lines[-1])
    if re.search(r"[=+*/(]\s*$|\bnot sure\b|\b(?:cannot|can't|unable)\b", line):
        return
    line = _NOT_BUT.sub("", line)
    parts = re.split(r"(?<=[.!?])\s+(?=[A-Z(])", line)
    sentence = next((one for one in reversed(parts) if not NOTE.match(one)), line).rstrip(". ")
    sentence = sentence[:1] + _ADDED.sub("", sentence[1:])
    if _DENIAL.search(sentence):
        return
    if spans := _spans(sentence, named=True):
        yield spans[-1]
    elif (tail := _TAIL.match(sentence)) is not None:
        yield sentence[tail.end() :]
    yield sentence


def _spans(text: str, *, named: bool = False) -> list[str]:
    """The contents of the formulas of a text; those that `and`, `or` or a comma joins are one.

    `named`: if a text says of some what they are, only those.
    """
    text = re.sub(r"\\[()]", "$", text)
    joined = re.sub(r"\$\s*(?:,|,?\s*(?:and|or))\s*\$", ",", text)
    found = list(re.finditer(r"\$\$?([^$]+)\$|\\\[(.+?)\\\]", joined))
    said = [one for one in found if _IS.search(joined[max(0, one.start() - 40) : one.start()])]
    return [one[1] or one[2] for one in (said if named and said else found)]


_IS = re.compile(r"(?:\b(?:is|are|equals?|be|was|were|get|obtain|exactly|only)|:)\s*$")
"""Words before a formula that is what was asked for."""

# -- equality -------------------------------------------------------------------------------------

_UNITS = (
    r"square units?|cubic units?|units?|degrees?|deg|°|dollars?|cents?|inch(?:es)?|feet|foot|ft|"
    r"yards?|miles?|mph|cm|mm|km|m|meters?|metres?|grams?|kg|pounds?|hours?|minutes?|seconds?|days?|"
    r"ways?|sides?|students?|points?|percent|people|litres?|liters?"
)
_UNIT = re.compile(
    rf"(?<=[\d}}\w)])[\s\\,]*(?:square |cubic |sq )?\b(?:{_UNITS})\.?(?:\^\{{?[23]\}}?|²|³)?$", re.I
)
_PLAIN = (
    (r"\\[dt]frac", r"\\frac"),
    (r"\\(?:left|right|displaystyle|,|!|;|:|quad|qquad)(?![A-Za-z])", ""),
    (r"\\(?:text|mbox|textbf|mathrm|mathbf)\s*\{([^{}]*)\}", r"\1"),
    (r"\^\{?\\circ\}?|°|\\degree", ""),
    (r"\\?%|\\?\$", ""),
    (r"\{,\}", ","),
    (r"(?<=\d),(?=\d{3}(?!\d))", ""),
    (r"√\s*\(([^()]*)\)|\bsqrt\s*\(([^()]*)\)", r"\\sqrt{\1\2}"),
    (r"√\s*(\w+)|(?<!\\)\bsqrt\s*\{?(\w+)\}?", r"\\sqrt{\1\2}"),
    (r"(?<!\\)pi\b|π", r"\\pi "),
    (r"∞|(?<!\\)\binf(?:inity)?\b", r"\\infty "),
    (r"(?<=\d)\s*[*·×]\s*(?=[\d\\a-z(])", r" \\cdot "),
    (r"[−–]", "-"),
    (r"≤", r"\\le "), (r"≥", r"\\ge "), (r"∪", r"\\cup "),
    (r"²", "^2"), (r"³", "^3"),
    (r"\\tfrac|\\dfrac", r"\\frac"),
    (r"(?<=\S),?\s+(?:and|or)\s+(?=\S)", ","),
    (r"^[a-z]\s*(?:\\in|∈)\s*", ""),
)  # fmt: skip


_COMPARED = r"(?:out|times|plus|minus|over|less|more|factorial)"
_PROSE = re.compile(r"(?:(?<!\\)\b[A-Za-z]{2,}\W+){6}")
"""Several words one after the other."""
_LONG = 200
"""Characters of an expression that is compared as mathematics."""


def equal(said: str, gold: str) -> bool:
    """Whether two answers are equal as mathematics, or as texts."""
    one, other = _normal(said), _normal(gold)
    if not one or not other or len(one) > _LONG:
        return False
    if _bare(one) == _bare(other):
        return True
    if "=" not in other and re.match(r"(?:\d+\s*[a-z]|[a-z]\s*\^\s*\{?\d+\}?)\s*=", one):
        return False  # `2x = 6` says nothing yet
    forms = [one]
    name = re.match(r"[A-Za-z](?:\([a-z]\))?\s*=", other)
    if not name:
        parts = [part.rpartition("=")[2] for part in one.split(",")]
        forms.append(",".join(parts) if "=" in one else one)
        forms.append(f"({','.join(parts)})" if one.count("=") == len(parts) > 1 else one)
    forms += [re.sub(r"\s+[a-z -]+$", "", form) for form in forms]
    if any(_bare(form) == _bare(other) for form in forms):
        return True
    if (
        re.fullmatch(r"[A-Za-z\s]+", other)
        or "_" in other
        or len(one) > _LONG
        or _PROSE.search(one)
    ):
        return False
    if counted := re.match(rf"(-?[\d.,]+)\s+(?!{_COMPARED}\b)[a-z]{{3,}}[\s-][a-z].*", one):
        forms.append(counted[1])
    if percent := re.fullmatch(r"(\d+(?:\.\d+)?)\s*\\?%", said.strip("$. ")):
        forms.append(f"\\frac{{{percent[1]}}}{{100}}")
    return any(_verified(form, other) for form in dict.fromkeys(forms))


def _normal(text: str) -> str:
    text = re.sub(r"^(?:an?|the)\s+(?=[A-Za-z]{2})", "", text.strip().strip("$").strip())
    text = re.sub(r"^[A-Za-z]{3,}\s+\(([^()]*\d[^()]*)\)$", r"\1", text)
    text = re.sub(r"^\\[(\[]|\\[)\]]$", "", text).strip()
    for pattern, put in _PLAIN:
        text = re.sub(pattern, put, text)
    text = _UNIT.sub("", text.strip().rstrip("."))
    return text.strip()


def _bare(text: str) -> str:
    """A text without blanks, braces of one character, and brackets around a letter."""
    text = re.sub(r"\s+|\\ ", "", text).lower()
    text = re.sub(r"\{(\w)\}", r"\1", text)
    return re.sub(r"^\(([a-z])\)$", r"\1", text)


@lru_cache(maxsize=4096)
def _verified(said: str, gold: str) -> bool:
    from math_verify import verify

    if ("," in gold) != ("," in said):
        return False
    if "," in gold and _brackets(said) != _brackets(gold):
        return False
    return bool(verify(_parsed(gold), _parsed(said)))


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Any:
    from math_verify import LatexExtractionConfig, parse

    return parse(f"${text}$", extraction_config=[LatexExtractionConfig()])


def _brackets(text: str) -> str:
    """The brackets around a text, which tell points, intervals and lists apart."""
    return text[0] + text[-1] if text[0] in "([" else ""
