"""GPQA's rows as items: options in an order of their own, and the letter an answer ends with."""

import hashlib
import re
from typing import Any

COLUMNS = ("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")
LETTERS = "ABCD"

_STATED = re.compile(r"answer\s*(?:is|:)\W{0,4}([A-D])\b", re.IGNORECASE)
_BRACKETED = re.compile(r"\(([A-D])\)")


def with_choices(dataset: Any) -> Any:
    """The rows with `choices` and the right one as `answer`, such as `(B)`.

    The order of the options depends on the row alone, so it is the same in every run, and in the
    examples of a prompt as in the items.
    """
    return dataset.map(_with_choices)


def _with_choices(row: dict[str, Any]) -> dict[str, Any]:
    options = [" ".join(str(row[column]).split()) for column in COLUMNS]
    order = sorted(
        range(len(options)),
        key=lambda i: hashlib.sha256(f"{row['Question']} {options[i]} {i}".encode()).hexdigest(),
    )
    return {
        "choices": [options[i] for i in order],
        "answer": f"({LETTERS[order.index(0)]})",
    }


def chosen(text: str) -> str | None:
    """The letter that a generated answer settles on: the last one stated as the answer, or the
    last one in brackets.
    """
    found = _STATED.findall(text) or _BRACKETED.findall(text)
    return str(found[-1]).upper() if found else None


def judge(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Whether the letter of a generated answer is the right one."""
    return {"exact_match": float(f"({chosen(results[0])})" == doc["answer"])}
