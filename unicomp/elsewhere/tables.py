"""Read a table of items, in CSV or JSONL.

    item,benchmark,value,cluster
    17,gsm8k,1,
    18,gsm8k,0,

A value is 1 or 0, or a share between them; the score is 100 times their mean. `cluster` is
optional: items of one cluster are not independent, such as questions on one text. Read
column-wise: a million items take some seconds.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from unicomp.elsewhere.measured import Measured
from unicomp.elsewhere.pairing import Pair
from unicomp.errors import SpecError
from unicomp.retention import share_of
from unicomp.scores import Records
from unicomp.scoring.aggregate import Mean
from unicomp.scoring.task_metrics import TaskMetric
from unicomp.spec import Benchmark, check_name, nearest

COLUMNS = ("item", "benchmark", "value")
OPTIONAL = ("cluster",)
SUFFIXES = (".csv", ".jsonl")
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass
class _Columns:
    """The items of one benchmark, column by column."""

    items: list[str] = field(default_factory=list)
    values: list[float | str] = field(default_factory=list)
    clusters: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


def read_table(
    path: Path, known: Mapping[str, Benchmark], lower_is_better: Collection[str] = ()
) -> dict[str, Measured]:
    """Benchmark → its items. `known` are the benchmarks of the suites, by name.

    Raises SpecError with the line for an unknown column, a value that is not from 0 to 1, an item
    that stands there twice, or a line that is cut off.
    """
    found: dict[str, _Columns] = {}
    for line, item, name, value, cluster in _rows(path):
        columns = found.get(name)
        if columns is None:
            try:
                check_name("benchmark", name)
            except SpecError as error:
                raise SpecError(f"{path}:{line}: {error}") from None
            columns = found[name] = _Columns()
        if not 0.0 <= value <= 1.0:  # NaN is not, either
            raise SpecError(
                f"{path}:{line}: the value {value:g} of {name} is not from 0 to 1: give a share, "
                "such as points / 100"
            )
        columns.items.append(item)
        columns.values.append(value)
        columns.clusters.append(cluster)
        columns.lines.append(line)
    if not found:
        raise SpecError(f"{path} has no items: give the columns {', '.join(COLUMNS)}")
    for name in lower_is_better:
        if name not in found:
            raise SpecError(f"--lower-is-better {name}: {path} has no such benchmark")
    return {
        name: _measured(path, _benchmark(path, name, known, lower_is_better), columns)
        for name, columns in found.items()
    }


def _benchmark(
    path: Path, name: str, known: Mapping[str, Benchmark], lower_is_better: Collection[str]
) -> Benchmark:
    """The benchmark of the suites, or one of the table's own."""
    if (bench := known.get(name)) is None:
        return Benchmark(
            name=name,
            metric=None,
            task=path,
            scorer=TaskMetric("value"),
            aggregate=Mean("correct"),
            higher_is_better=name not in lower_is_better,
        )
    read, counted, by = share_of(bench.aggregate)
    if not isinstance(bench.aggregate, Mean) or read is None or counted or by:
        raise SpecError(
            f"{path}: the score of {name} in the suites is not the mean of its items: give a log "
            "of lm-eval, or another name"
        )
    if name in lower_is_better and bench.higher_is_better:
        raise SpecError(f"--lower-is-better {name}: in the suites, more of it is better")
    return replace(bench, details={})


def _measured(path: Path, bench: Benchmark, columns: _Columns) -> Measured:
    n = len(columns.items)
    if len(set(columns.items)) < n:
        _refuse_twice(path, bench, columns)
    clustered = any(columns.clusters)
    if bench.cluster is not None and not clustered:
        raise SpecError(
            f"{path}: the items of {bench} are not independent: give the column cluster, in the "
            f"suites {_text(bench.cluster)}"
        )
    if clustered and not all(columns.clusters):
        line = columns.lines[columns.clusters.index("")]
        raise SpecError(f"{path}:{line}: {bench} has clusters, but not here: give one to each item")
    read = share_of(bench.aggregate)[0] or "correct"
    return Measured(
        benchmark=bench,
        records=Records(
            benchmark=bench.name,
            items=columns.items,
            clusters=columns.clusters if clustered else columns.items,
            fields={read: columns.values},
            parsed=[True] * n,
            gaps=[None] * n,
        ),
        files=[path] * n,
        lines=columns.lines,
    )


def with_keys(pair: Pair) -> Pair:
    """The pair with the SHA-256 of each item's name as its key; a name that is one stays."""
    keys = [
        name if _KEY.fullmatch(name) else hashlib.sha256(name.encode()).hexdigest()
        for name in pair.baseline.items
    ]
    return replace(
        pair,
        candidate=replace(pair.candidate, items=keys),
        baseline=replace(pair.baseline, items=keys),
    )


def _text(cluster: str | Sequence[str]) -> str:
    return cluster if isinstance(cluster, str) else " and ".join(cluster)


def _refuse_twice(path: Path, bench: Benchmark, columns: _Columns) -> None:
    first: dict[str, int] = {}
    for item, line in zip(columns.items, columns.lines, strict=True):
        if item in first:
            raise SpecError(
                f"{path}:{line}: the item {item!r} of {bench} stands here again, first in line "
                f"{first[item]}: keep one of them"
            )
        first[item] = line


# -- the two formats -------------------------------------------------------------------------------

_Row = tuple[int, str, str, float, str]
"""Line, item, benchmark, value, cluster or an empty text."""


def _rows(path: Path) -> Iterator[_Row]:
    if path.suffix == ".csv":
        return _csv_rows(path)
    return _json_rows(path)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SpecError(f"{path} is not UTF-8 text: save it as UTF-8") from None


def _csv_rows(path: Path) -> Iterator[_Row]:
    with _readable(path), path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        line = 1
        try:
            header = [name.strip() for name in next(reader, [])]
            _check_names(path, 1, header)
            if missing := [name for name in COLUMNS if name not in header]:
                raise SpecError(f"{path}:1: there is no column {missing[0]!r}")
            if len(set(header)) < len(header):
                raise SpecError(f"{path}:1: a column stands there twice")
            width = len(header)
            item, name, value = (header.index(column) for column in COLUMNS)
            cluster = header.index("cluster") if "cluster" in header else None
            names: dict[str, str] = {}
            line = reader.line_num + 1
            for fields in reader:
                if len(fields) != width:
                    if not fields:
                        line = reader.line_num + 1
                        continue
                    raise SpecError(
                        f"{path}:{line}: {len(fields)} fields instead of {width}: the line is cut "
                        "off, or a text needs quotes"
                    )
                bench = fields[name].strip()
                yield (
                    line,
                    _named(path, line, "item", fields[item].strip()),
                    names.setdefault(bench, bench),
                    _number(path, line, fields[value]),
                    fields[cluster].strip() if cluster is not None else "",
                )
                line = reader.line_num + 1
        except csv.Error as error:
            raise SpecError(f"{path}:{line}: not CSV: {error}") from None


def _json_rows(path: Path) -> Iterator[_Row]:
    with _readable(path), path.open(encoding="utf-8-sig") as file:
        for line, text in enumerate(file, start=1):
            if not text.strip():
                continue
            try:
                row = json.loads(text)
            except ValueError:
                raise SpecError(
                    f"{path}:{line}: not JSON, the line is cut off or damaged: copy the file again"
                ) from None
            if not isinstance(row, dict):
                raise SpecError(f"{path}:{line}: not a JSON object with {', '.join(COLUMNS)}")
            if len(row) != len(COLUMNS) or not row.keys() >= set(COLUMNS):
                _check_names(path, line, row)
                if missing := [name for name in COLUMNS if name not in row]:
                    raise SpecError(f"{path}:{line}: there is no {missing[0]!r}")
            cluster = row.get("cluster")
            yield (
                line,
                _named(path, line, "item", _as_text(path, line, "item", row["item"])),
                _as_text(path, line, "benchmark", row["benchmark"]),
                _number(path, line, row["value"]),
                "" if cluster is None else _as_text(path, line, "cluster", cluster),
            )


def _check_names(path: Path, line: int, names: Collection[str]) -> None:
    known = (*COLUMNS, *OPTIONAL)
    for name in names:
        if name not in known:
            raise SpecError(f"{path}:{line}: unknown column {name!r}; {nearest(name, known)}")


def _named(path: Path, line: int, what: str, text: str) -> str:
    if not text:
        raise SpecError(f"{path}:{line}: the {what} is empty: give each item a name")
    return text


def _as_text(path: Path, line: int, what: str, value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise SpecError(f"{path}:{line}: the {what} {value!r} is neither a text nor a whole number")


def _number(path: Path, line: int, value: Any) -> float:
    try:
        if isinstance(value, str | int | float):
            return float(value)
    except (ValueError, OverflowError):
        pass
    raise SpecError(f"{path}:{line}: the value {value!r} is not a number from 0 to 1")
