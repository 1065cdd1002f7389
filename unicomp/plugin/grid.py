"""What was collected: the row that each test stands for, and what forbids to run it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import pytest

from unicomp.scorecard import Row
from unicomp.spec import Benchmark

IDENTITY = pytest.StashKey[Row]()
"""What a test is about, before it is measured: a missing row."""


@dataclass(kw_only=True)
class Grid:
    """Known to the process that collects, and carried to the one that reports."""

    rows: dict[str, Row] = field(default_factory=dict)
    """Node id → the row to expect."""
    checkpoints: dict[str, str] = field(default_factory=dict)
    """Node id → the checkpoint, whose tests belong on one worker."""
    expected: dict[tuple[str, str], list[Benchmark]] = field(default_factory=dict)
    """(model, method) → the benchmarks that will be asked for; stays with the collector."""
    problem: str | None = None
    """Why nothing must be run, in one line."""

    def to_json(self) -> str:
        """What the reporting process needs."""
        rows = {nodeid: asdict(row) for nodeid, row in self.rows.items()}
        return json.dumps({"rows": rows, "checkpoints": self.checkpoints, "problem": self.problem})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The grid as the reporting process knows it."""
        content: dict[str, Any] = json.loads(text)
        content["rows"] = {nodeid: Row(**row) for nodeid, row in content["rows"].items()}
        return cls(**content)


GRID = pytest.StashKey[Grid]()
