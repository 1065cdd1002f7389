"""What a test's report carries to the process that reports, and the test's properties for JUnit.

pytest-xdist sends the attributes of a report, of which only plain values may be. So one attribute
holds everything as JSON text. Properties are for readers of JUnit XML only: one value each.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Self

import pytest

from unicomp.scorecard import Work
from unicomp.verdict import Row

_ATTRIBUTE = "unicomp"
_NUMBERS = {name: name for name in ("retention", "low", "high", "floor")}
"""Property of a row → its column."""
_EARLY_NUMBERS = {
    "asked": "n",
    "asked_of": "full_n",
    "chance_of_another_verdict": "early_error",
    "expected_retention": "retention",
    "sequence_low": "low",
    "sequence_high": "high",
    "floor": "floor",
}
"""The same of a row that stopped early: what is expected, with its confidence sequence."""
_OWN = pytest.StashKey[list[tuple[str, object]]]()
"""The properties of a test that are ours."""


@dataclass(frozen=True, kw_only=True)
class Carried:
    """The rows of a test, and what was done and read since the last report."""

    rows: Sequence[Row] = ()
    work: Sequence[Work] = ()
    unpinned: Sequence[str] = ()
    """Data sets that no lock pins."""

    def put_on(self, report: pytest.TestReport) -> None:
        """Let a report carry this; nothing if there is nothing."""
        if self.rows or self.work or self.unpinned:
            setattr(report, _ATTRIBUTE, json.dumps(asdict(self)))

    @classmethod
    def by(cls, report: pytest.TestReport) -> Self:
        """What a report carries."""
        found = json.loads(getattr(report, _ATTRIBUTE, "{}"))
        return cls(
            rows=[Row(**row) for row in found.get("rows", ())],
            work=[Work(**piece) for piece in found.get("work", ())],
            unpinned=found.get("unpinned", ()),
        )


def note_properties(item: pytest.Item, rows: Iterable[Row]) -> None:
    """Give a test the properties of its rows, in place of those of its earlier rows."""
    old = item.stash.get(_OWN, [])
    others = [pair for pair in item.user_properties if pair not in old]
    item.stash[_OWN] = own = list(properties_of(list(rows)))
    item.user_properties[:] = [*others, *own]


def properties_of(rows: Sequence[Row]) -> list[tuple[str, object]]:
    """The properties of a test: what it is about, its verdict, and its numbers in percent.

    Where asking stopped early, the numbers are those of `_EARLY_NUMBERS`.

    Where a test has several rows, their own properties are called `NAME.retention` and so on.
    """
    found: dict[str, object] = {}
    for row in rows:
        found |= row.checkpoint._asdict()
        prefix = f"{row.benchmark}." if len(rows) > 1 else ""
        if not prefix:
            found["benchmark"] = row.benchmark
        if row.metric is not None:
            found[f"{prefix}metric"] = row.metric
        found[f"{prefix}verdict"] = row.verdict
        for name, column in (_EARLY_NUMBERS if row.early else _NUMBERS).items():
            if (value := getattr(row, column)) is not None:
                found[f"{prefix}{name}"] = value
    return list(found.items())
