"""Rows of JSON files whose nested values have no common type, such as schemas of functions.

`datasets` needs one type for each column, and for all that is nested in it. So it cannot read such
files. Here a nested value stays JSON text, and a task or a scorer decodes what it reads.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from unicomp.data.layout import matching

TextRow = dict[str, Any]
"""One row: column → plain value, or the JSON text of a list or a table."""


def only_file(pattern: str, paths: Collection[str]) -> str:
    """The path that a name or pattern stands for. Raises ValueError for none and for several.

    >>> only_file("v?.json", ["v4.json", "more/v4.json"])
    'v4.json'
    """
    found = matching([pattern], paths)
    if len(found) > 1:
        raise ValueError(f"{pattern} stands for {' and '.join(found)}: keep one of them")
    if not found:
        raise ValueError(f"there is no {pattern}")
    return found[0]


def text_rows(path: Path) -> list[TextRow]:
    """The rows of a file: a JSON list, or one JSON table a line. Raises ValueError."""
    text = path.read_text(encoding="utf-8")
    if text.lstrip().startswith("["):
        found = [(f"row {number}", row) for number, row in enumerate(_decoded(path, "", text), 1)]
    else:
        lines = ((f"line {n}", line) for n, line in enumerate(text.splitlines(), 1))
        found = [(where, _decoded(path, where, line)) for where, line in lines if line.strip()]
    for where, row in found:
        if not isinstance(row, dict):
            raise ValueError(f"{path.name}, {where}: it is no table of columns")
    return [{name: _flat(value) for name, value in row.items()} for _, row in found]


def joined(rows: Iterable[TextRow], others: Iterable[TextRow], column: str) -> list[TextRow]:
    """The rows with the columns of the other row of equal `column`. Raises ValueError.

    >>> joined([{"id": "a", "q": "1+1"}], [{"id": "a", "answer": "2"}], "id")
    [{'id': 'a', 'q': '1+1', 'answer': '2'}]
    """
    known = {other[column]: other for other in others if column in other}
    found = []
    for row in rows:
        other = known.get(row.get(column))
        if other is None:
            raise ValueError(f"the row with {column} {row.get(column)!r} has no counterpart")
        found.append({**row, **other})
    return found


def _decoded(path: Path, where: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{', '.join(filter(None, (path.name, where)))}: {error}") from None


def _flat(value: Any) -> Any:
    nested = isinstance(value, list | Mapping)
    return json.dumps(value, ensure_ascii=False) if nested else value
