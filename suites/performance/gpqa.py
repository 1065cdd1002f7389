"""GPQA's rows as items, with the options in another order; and the letter that an answer gives."""

import hashlib
from collections.abc import Sequence
from typing import Any

from unicomp import lettered, settled

COLUMNS = ("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")
LETTERS = "ABCD"


def with_choices(dataset: Any) -> Any:
    """The rows with `choices`, the right one as `answer`, such as `(B)`, and a `solution`.

    A solution, for the examples, is the row's explanation and then its answer. The order of the
    options follows from the row alone: it is the same in every run, and in examples and items.
    """
    return dataset.map(_with_choices)


def _with_choices(row: dict[str, Any]) -> dict[str, Any]:
    options = [" ".join(str(row[column]).split()) for column in COLUMNS]
    order = sorted(
        range(len(options)),
        key=lambda i: hashlib.sha256(f"{row['Question']} {options[i]} {i}".encode()).hexdigest(),
    )
    answer = f"({LETTERS[order.index(0)]})"
    explanation = " ".join(str(row.get("Explanation") or "").split())
    return {
        "choices": [options[i] for i in order],
        "answer": answer,
        "solution": f"{explanation} The answer is {answer}.".strip(),
    }


def chosen(text: str, choices: Sequence[str] = ()) -> str | None:
    """The letter that an answer settles on; None for none or several.

    An answer that is nothing but the text of one of the `choices` chooses that one.
    """
    said = _spaced(text)
    named = [
        letter for letter, choice in zip(LETTERS, choices, strict=False) if _spaced(choice) == said
    ]
    if len(named) == 1 and len(said) > 1:  # a single sign is a letter, whatever the options say
        return named[0]
    return settled(text, lettered(LETTERS))


def _spaced(text: str) -> str:
    """A text without marks around it, with single spaces, in lower case."""
    return " ".join(text.split()).strip(" .*`\"'$").lower()


def judge(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Whether an answer settles on a letter (`parsed`), and on the right one (`exact_match`)."""
    letter = chosen(results[0], doc.get("choices", ()))
    right = letter is not None and f"({letter})" == doc["answer"]
    return {"exact_match": float(right), "parsed": float(letter is not None)}
