"""The per-item records behind a row of a scorecard, from the store or from an exported folder.

A row names the records of both sides by key, see `Row.records`. The store has them as
`scores/KEY.json`, and a folder that `unicomp export` wrote as Parquet files. So two releases can be
compared item by item, also on a machine that measured neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unicomp.scores import Records
from unicomp.store import Store
from unicomp.verdict import Row


@dataclass(frozen=True)
class ItemRecords:
    """The records of one benchmark for a checkpoint, and those of its baseline."""

    candidate: Records
    baseline: Records


class RecordSource:
    """Finds records by their key: in the store, or else in an exported folder.

    Raises SpecError if `folder` is no exported folder.
    """

    def __init__(self, store: Store | None = None, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder

    def find(self, key: str | None) -> Records | None:
        """The records of a key; None if they are in neither, or damaged."""
        raise NotImplementedError

    def behind(self, row: Row) -> ItemRecords | None:
        """The records of both sides of a row of a benchmark; None if one is not there.

        All items are there, also those that one side could not score: see `retention.paired`.
        """
        raise NotImplementedError
