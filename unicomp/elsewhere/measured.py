"""One side of a comparison: its records by benchmark, and where each item stands in its files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unicomp.errors import SpecError
from unicomp.item_texts import ItemTexts
from unicomp.scores import Records
from unicomp.spec import Benchmark


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One benchmark of one side."""

    benchmark: Benchmark
    records: Records
    files: Sequence[Path]
    """The file of each item, and `lines` its line there, from 1."""
    lines: Sequence[int]
    names: Sequence[str] = ()
    """What the user calls each item; by default as its record."""
    texts: ItemTexts | None = None
    """What the items ask, in their order; None if the files do not have it."""
    marks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What must be the same on both sides for each item → its digests."""

    def __post_init__(self) -> None:
        for name, values in self.records.fields.items():
            if isinstance(values[0], str):
                continue
            for position, value in enumerate(values):
                if self.records.gaps[position] is None and not math.isfinite(float(value)):
                    raise SpecError(
                        f"{self.place(position)}: {self.benchmark} has the value {value} "
                        f"({name}): give a finite number for each item"
                    )

    def name(self, position: int) -> str:
        """The name of an item, as messages have it."""
        return self.names[position] if self.names else self.records.items[position]

    def place(self, position: int) -> str:
        """The file and the line of an item, as messages name it."""
        return f"{self.files[position]}:{self.lines[position]}"


@dataclass(frozen=True, kw_only=True)
class Side:
    """The baseline or the candidate."""

    given: Path
    """The file or folder that the user named."""
    name: str
    """What it is called if the user gives no name."""
    key: str
    """A key of the content of its files."""
    measured: Mapping[str, Measured]
    """By benchmark."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What its files say of the measurement, as JSON values."""
