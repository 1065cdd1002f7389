"""Read a JSON object from a file of a model's folder; anything else is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unicomp.errors import SpecError

LFS_POINTER = b"version https://git-lfs"
"""How a file begins that Git LFS has not fetched."""

_BOM = b"\xef\xbb\xbf"
_MOST_BYTES = 2**28
"""The largest file that is read. An index of 100,000 tensors has 10 MB."""
_LONGEST = 200
"""Characters of a name that are shown."""


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises SpecError, with the file and what is wrong with it."""
    text = read_text(path)
    try:
        value = json.loads(text, object_pairs_hook=_without_repeats)
        if "\\ud" in text.lower():  # half of a character cannot be printed
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise SpecError(f"{path} is not JSON: {error.msg}, line {error.lineno}") from None
    except UnicodeEncodeError:
        raise SpecError(f"{path} holds half of a surrogate pair, which is no text") from None
    except RecursionError:
        raise SpecError(f"{path} is nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits, or a repeated name
        raise SpecError(f"{path} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise SpecError(f"{path} is not a JSON object")
    return value


def read_text(path: Path) -> str:
    """The text of a file. Raises SpecError."""
    check_file(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}") from None
    if content.startswith(_BOM):
        raise SpecError(f"{path} begins with a byte order mark: save it as UTF-8 without one")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise SpecError(f"{path} is not UTF-8 text") from None


def check_file(path: Path) -> None:
    """Raise SpecError unless `path` is a readable file with content, and not a pointer to it."""
    try:
        if not path.is_file():
            reason = "is a folder, not a file" if path.is_dir() else "does not exist"
            raise SpecError(f"{path} {reason}")
        with path.open("rb") as stream:
            start = stream.read(len(LFS_POINTER))
        size = path.stat().st_size
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}") from None
    if start == LFS_POINTER:
        raise SpecError(f"{path} is a Git LFS pointer: fetch it with `git lfs pull`")
    if not start:
        raise SpecError(f"{path} is empty: fetch or save it again")
    if path.suffix == ".json" and size > _MOST_BYTES:
        raise SpecError(f"{path} has {size:,} bytes, too many for a file of settings")


def shown(text: object) -> str:
    """Something that a file holds, as it can stand in a message of one line."""
    whole = str(text)
    if not whole.isprintable():
        whole = ascii(whole)[1:-1]
    return whole if len(whole) <= _LONGEST else whole[:_LONGEST] + "…"


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A table, if each of its names stands there once."""
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it has {shown(twice)} twice")
    return table
