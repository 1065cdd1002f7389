"""TrustLLM's rows as items: with options in another order, or with the number of their pair.

The order of options follows from the row alone. It is the same in every run and for every model.
"""

import hashlib
import re
from typing import Any

from unicomp import listed_options

_LETTERED = re.compile(r"(?s)(Here are the options: )(.*?)(\n\nOnly return)")
_OPTION = re.compile(r"(?m)^([A-D])\. ")
LETTERS = "ABCD"


def shuffled_options(dataset: Any) -> Any:
    """The rows with their options `A. …` in another order, and the right letter as `label`."""
    return dataset.map(lambda row: _lettered(row, shuffle=True))


def with_letter(dataset: Any) -> Any:
    """The rows as they are, with the right letter as `label`."""
    return dataset.map(lambda row: _lettered(row, shuffle=False))


def _lettered(row: dict[str, Any], *, shuffle: bool) -> dict[str, str]:
    before, listed, after = _parts(_LETTERED, row["prompt"])
    options = [option.rstrip("\n") for option in _OPTION.split(listed)[2::2]]
    if shuffle:
        options = _shuffled(options)
        listed = "\n".join(f"{LETTERS[i]}. {option}" for i, option in enumerate(options))
    return {
        "prompt": f"{before}{listed}{after}",
        "label": LETTERS[options.index(row["answer"].strip())],
    }


def shuffled_diagnoses(dataset: Any) -> Any:
    """The rows with the diagnoses that their prompts list in another order."""
    return dataset.map(_rearranged)


def _rearranged(row: dict[str, Any]) -> dict[str, str]:
    options = listed_options(row["prompt"])
    return {"prompt": row["prompt"].replace(str(options), str(_shuffled(options)))}


def paired(dataset: Any) -> Any:
    """The rows with the number of their pair, as `pair`: two neighbours each."""
    return dataset.map(lambda row, number: {"pair": str(number // 2)}, with_indices=True)


def _shuffled(options: list[str]) -> list[str]:
    joined = "\n".join(sorted(options))
    return sorted(
        options, key=lambda option: hashlib.sha256(f"{joined}\n{option}".encode()).hexdigest()
    )


def _parts(pattern: re.Pattern[str], prompt: str) -> tuple[str, str, str]:
    """A prompt in three parts: up to a pattern's first group, its second group, and the rest."""
    found = pattern.search(prompt)
    if found is None:
        raise ValueError("a prompt lists no options: 'Here are the options: …'")
    return prompt[: found.end(1)], found[2], prompt[found.start(3) :]
