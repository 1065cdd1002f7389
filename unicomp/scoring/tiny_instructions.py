"""The `tiny:` instructions of the embedded world, checked by code.

The core of an answer is the text without an opener (`Answer: `), a closer (the run of `!?.~` at its
end) and a pair of marks around it. They are removed in this order, each at most once. The words are
the maximal runs of ASCII letters in the core.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_OPENER = re.compile(r"[A-Z][a-z]+: ")
_CLOSER = re.compile(r"[!?.~]+$")
_MARKS = {'"': '"', "[": "]", "(": ")", "*": "*"}


@dataclass(frozen=True)
class AnswerParts:
    """The parts of an answer: the text, its core, its words, its marks and its closer."""

    text: str
    core: str
    words: tuple[str, ...]
    marks: tuple[str, str]
    closer: str

    @classmethod
    def of(cls, response: str) -> AnswerParts:
        """Split a response into its parts; never fails."""
        text = response.strip()
        opener = _OPENER.match(text)
        rest = text[opener.end() :] if opener else text
        found = _CLOSER.search(rest)
        closer = found.group() if found else ""
        core = rest[: len(rest) - len(closer)]
        marks = ("", "")
        if len(core) > 1 and _MARKS.get(core[0]) == core[-1]:
            marks, core = (core[0], core[-1]), core[1:-1]
        return cls(text, core, tuple(re.findall(r"[A-Za-z]+", core)), marks, closer)

    @property
    def lowered(self) -> list[str]:
        """The words in lower case."""
        return [word.lower() for word in self.words]


Check = Callable[[AnswerParts, Mapping[str, Any]], bool]

CHECKS: Mapping[str, Check] = {
    "tiny:copy": lambda a, k: a.lowered == list(k["words"]),
    "tiny:reverse_order": lambda a, k: a.lowered == list(k["words"])[::-1],
    "tiny:alphabetical": lambda a, k: a.lowered == sorted(k["words"]),
    "tiny:omit": lambda a, k: a.lowered == [w for w in k["words"] if w != k["word"]],
    "tiny:first_words": lambda a, k: a.lowered == list(k["words"])[: int(k["count"])],
    "tiny:repeat": lambda a, k: a.lowered == list(k["words"]) * int(k["count"]),
    "tiny:uppercase": lambda a, k: a.core.isupper(),
    "tiny:title_case": lambda a, k: (
        bool(a.words) and all(re.fullmatch("[A-Z][a-z]*", word) for word in a.words)
    ),
    "tiny:separator": lambda a, k: a.core == str(k["separator"]).join(a.words),
    "tiny:starts_with": lambda a, k: a.text.startswith(f"{k['phrase']} "),
    "tiny:ends_with": lambda a, k: a.closer == k["phrase"],
    "tiny:wrapped": lambda a, k: a.marks == (k["left"], k["right"]),
}
