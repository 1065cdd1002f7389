"""Read the items of one task from lm-eval's log, a JSON object on each line.

lm-eval writes a line for each item and each filter of the task. Numbers of responses are texts in
the log, in full precision.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unicomp.errors import SpecError

_NEEDED = ("doc_id", "doc", "arguments", "resps", "filtered_resps", "filter")
_OF_ITEM = frozenset(
    {*_NEEDED, "target", "metrics", "doc_hash", "prompt_hash", "target_hash", "schema_version"}
)
"""The fields of a line that are no values of metrics."""


@dataclass(frozen=True, kw_only=True)
class LoggedItem:
    """One item of a task with the model's responses."""

    line: int
    """Its first line in the file, from 1."""
    number: int
    """Its position in the data set: lm-eval's `doc_id`."""
    doc: Mapping[str, Any]
    prompt: str
    prompts: tuple[str, ...]
    """The prompt of each request; they differ where the options are in the prompts."""
    continuations: tuple[str, ...]
    """What is to follow each prompt; empty for generated text."""
    responses: tuple[Any, ...]
    """One for each request: a text, `(log-likelihood, is greedy)`, or a log-likelihood."""
    decoding: str
    """The decoding settings as JSON; empty if nothing is generated."""
    target: str
    """The right answer, as lm-eval writes it."""
    repeats: int
    """Responses to each request; all but the first are in the values alone."""
    answers: dict[str, Any] = field(default_factory=dict)
    """Filter → the answer that the task reads."""
    results: dict[str, Any] = field(default_factory=dict)
    """`metric,filter` → the task's value."""


def read_samples(path: Path) -> list[LoggedItem]:
    """The items of a log, by their position in the data set.

    Raises SpecError with the line for a log that is damaged, cut off or empty, or that has an item
    twice.
    """
    found: dict[int, LoggedItem] = {}
    seen: dict[tuple[int, str], int] = {}
    for line, row in _lines(path):
        try:
            number, name = int(row["doc_id"]), str(row["filter"])
            first = seen.setdefault((number, name), line)
            if first != line:
                raise SpecError(
                    f"{path}:{line}: the item {number} stands here again, first in line {first}: "
                    "keep one of them"
                )
            item = found.setdefault(number, _item(row, line))
            given = [_response(one) for one in row["filtered_resps"]]
            item.answers[name] = given[0] if len(given) == 1 else given
            for metric in row.get("metrics") or row.keys() - _OF_ITEM:
                item.results[f"{metric},{name}"] = row[metric]
        except SpecError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise SpecError(
                f"{path}:{line}: not an item of lm-eval ({type(error).__name__}: {error}): give a "
                "log that --log_samples wrote"
            ) from None
    if not found:
        raise SpecError(f"{path} is empty: give a log that --log_samples wrote")
    return [found[number] for number in sorted(found)]


def is_log(path: Path) -> bool:
    """Whether the first line of a file is an item as lm-eval writes it."""
    try:
        with path.open(encoding="utf-8") as file:
            row = json.loads(file.readline())
    except (OSError, ValueError):
        return False
    return isinstance(row, dict) and {"doc_id", "resps"} <= row.keys()


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    line = 0
    try:
        with path.open(encoding="utf-8") as file:
            for line, text in enumerate(file, start=1):
                if not text.strip():
                    continue
                row = json.loads(text)
                if not isinstance(row, dict):
                    raise SpecError(f"{path}:{line}: not a JSON object")
                for name in _NEEDED:
                    if name not in row:
                        raise SpecError(
                            f"{path}:{line}: there is no field {name!r}: give a log that "
                            "--log_samples wrote, of lm-eval 0.4.13 or nearly so"
                        )
                yield line, row
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}") from None
    except json.JSONDecodeError:
        raise SpecError(
            f"{path}:{line}: not JSON, the line is cut off or damaged: copy the file again"
        ) from None
    except UnicodeDecodeError:
        raise SpecError(f"{path}:{line + 1}: the file is not UTF-8 text") from None


def _item(row: Mapping[str, Any], line: int) -> LoggedItem:
    requests = list(row["arguments"].values())
    followed = [one.get("arg_1") for one in requests]
    decoding = followed[0] if isinstance(followed[0], dict) else None
    return LoggedItem(
        line=line,
        number=int(row["doc_id"]),
        doc=dict(row["doc"]),
        prompt=str(requests[0]["arg_0"]),
        prompts=tuple(str(one["arg_0"]) for one in requests),
        continuations=tuple(one for one in followed if isinstance(one, str)),
        responses=tuple(_response(given[0]) for given in row["resps"]),
        decoding=json.dumps(decoding, sort_keys=True) if decoding is not None else "",
        target=str(row.get("target")),
        repeats=max(len(given) for given in row["resps"]),
    )


def _response(value: Any) -> Any:
    """A text as it is; of a likelihood its number, and whether it is greedy."""
    if not isinstance(value, list):
        return value
    if len(value) != 2 or value[1] not in ("True", "False"):
        return value
    try:
        number = float(value[0])
    except ValueError:  # texts that a filter has found
        return value
    if math.isnan(number):
        raise ValueError("a log-likelihood is NaN: the model computes no numbers")
    return number, value[1] == "True"
