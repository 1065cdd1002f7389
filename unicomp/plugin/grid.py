"""What was collected: the row that each test stands for, and what forbids to run it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

import pytest

from unicomp.session import Key, Subject
from unicomp.spec import Benchmark, Probe
from unicomp.verdict import Row

IDENTITY = pytest.StashKey[list[Row]]()
"""What a test is about, before it is measured: a missing row for each of its benchmarks."""


@dataclass(kw_only=True)
class Grid:
    """Known to the process that collects, and carried to the one that reports."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    """Node id → the rows to expect."""
    checkpoints: dict[str, str] = field(default_factory=dict)
    """Node id → the checkpoint, whose tests belong on one worker."""
    expected: dict[Key, list[Benchmark]] = field(default_factory=dict)
    """Checkpoint → the benchmarks that will be asked for; stays with the collector."""
    lacking: dict[str, dict[str, str]] = field(default_factory=dict)
    """Model → benchmark → why its rows are not in the model's source."""
    subjects: list[Subject] = field(default_factory=list)
    """All checkpoints; stays with the collector."""
    probed: dict[Key, list[Probe]] = field(default_factory=dict)
    """Checkpoint → the probes that will be asked for; stays with the collector."""
    unpinned: list[str] = field(default_factory=list)
    """The data sets that are read and that no lock pins."""
    absent: dict[tuple[str, str], str | None] = field(default_factory=dict)
    """(benchmark, source) → why none of its rows are there; stays with the collector."""
    problem: str | None = None
    """Why nothing must be run, in one line."""

    def expected_of_present(self) -> dict[Key, list[Benchmark]]:
        """What will be asked for, without the benchmarks whose rows are not there."""
        return {
            key: [bench for bench in benchmarks if bench.name not in self.lacking.get(key[0], ())]
            for key, benchmarks in self.expected.items()
        }

    def to_json(self) -> str:
        """What the reporting process needs."""
        rows = {nodeid: [asdict(row) for row in rows] for nodeid, rows in self.rows.items()}
        plain = ("checkpoints", "lacking", "unpinned", "problem")
        return json.dumps({"rows": rows, **{name: getattr(self, name) for name in plain}})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The grid as the reporting process knows it."""
        content: dict[str, Any] = json.loads(text)
        content["rows"] = {
            nodeid: [Row(**row) for row in rows] for nodeid, rows in content["rows"].items()
        }
        return cls(**content)


GRID = pytest.StashKey[Grid]()


# -- rows on reports ----------------------------------------------------------------------------

_PREFIX = "unicomp."
_FIELDS = {field.name for field in fields(Row)}


def properties_of(row: Row) -> list[tuple[str, str | int | float | bool]]:
    """A row as properties of a test: plain values under `unicomp.`, which reach JUnit XML."""
    values = {**asdict(row), "details": json.dumps(row.details) if row.details else None}
    return [(f"{_PREFIX}{name}", value) for name, value in values.items() if value is not None]


def rows_of(properties: Iterable[tuple[str, Any]]) -> list[Row]:
    """The rows among the properties of a test; each begins with its model."""
    tables: list[dict[str, Any]] = []
    for name, value in properties:
        if not is_of_a_row(name):
            continue
        key = name.removeprefix(_PREFIX)
        if key == "model":
            tables.append({})
        tables[-1][key] = json.loads(value) if key == "details" else value
    return [Row(**table) for table in tables]


def is_of_a_row(name: str) -> bool:
    """Whether a property of a test belongs to a row."""
    return name.startswith(_PREFIX) and name.removeprefix(_PREFIX) in _FIELDS
