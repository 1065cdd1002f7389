"""Answers that must name certain texts, and no other candidates of the prompt.

Source: NVIDIA/RULER, `scripts/eval/synthetic/constants.py` (Apache 2.0): an expected text counts if
it is a part of the answer, whatever the case; the score is the share that counts
(`string_match_all`). One rule is added, since an answer that lists all candidates would have full
marks: a named candidate that is wrong counts against the answer. Several wordings of one answer
(`string_match_part`) do not occur in texts that are made.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from unicomp.instruments.readability import visible
from unicomp.spec import Item, Reading

_WORD = re.compile(r"[\w-]*\w")


@dataclass(frozen=True)
class NamesExpected:
    """The share of expected texts that an answer names, for `Mean("correct", by="task")`.

    Columns of the rows: `outputs`, the expected texts; `wrong`, the other candidates in the prompt;
    and `task`. Fields: `correct`, from 0 to 1, and `task`. An empty answer is wrong and unparsed.
    """

    def __call__(self, item: Item) -> Reading:
        """How much of what is expected one answer names."""
        text = visible(item.text)
        correct = share_named(text, item.doc["outputs"], item.doc["wrong"])
        return Reading(
            fields={"correct": correct, "task": str(item.doc["task"])}, parsed=bool(text.strip())
        )


def share_named(text: str, expected: Sequence[str], wrong: Collection[str]) -> float:
    """The share of the expected texts in an answer, or of all candidates that it names.

    The lower of the two counts.

    >>> share_named("It is 12 or 34.", ["12"], ["34", "56"])
    0.5
    """
    lower = text.lower()
    named = sum(one.lower() in lower for one in expected)
    others = len({*_WORD.findall(lower)} & {one.lower() for one in wrong})
    return named / max(len(expected), named + others)
