"""The per-item records behind a row of a scorecard, from the store or from an exported folder.

A row names the records of both sides by key, see `Retention.records`. The store has them as
`scores/KEY.json`, and a folder that `unicomp export` wrote as Parquet files. So two releases can be
compared item by item, also on a machine that measured neither.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from unicomp.errors import SpecError
from unicomp.record_table import from_table
from unicomp.scores import Records
from unicomp.store import SCORES, Store, content_key
from unicomp.verdict import Row

Side = Literal["candidate", "baseline"]

EXPORT = "export.json"
"""The file of an exported folder that says what is in it."""
EXPORT_SCHEMA = "unicomp/export/1"
"""The version of an exported folder; it changes with the meaning of a column."""

_KEY = re.compile(r"[0-9a-f]{32}")


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
        self._files: Mapping[str, Path] = {} if folder is None else _exported(folder)

    def behind(self, row: Row) -> ItemRecords | None:
        """The records of both sides of a benchmark's row; None if one is not there, or damaged.

        All items are in them, also those that one side could not score: see `retention.paired`.
        """
        candidate, baseline = self.of(row, "candidate"), self.of(row, "baseline")
        return ItemRecords(candidate, baseline) if candidate and baseline else None

    def of(self, row: Row, side: Side) -> Records | None:
        """The records of one side of a benchmark's row; None if they are not there, or damaged.

        Records of other items than the row's are not taken for its own. Where asking stopped early,
        the candidate's are those of the first items.
        """
        found = self._find(row.records.get(side, ""))
        if found is None or found.benchmark != row.benchmark:
            return None
        if row.early and side == "candidate":
            return found if len(found.items) == row.n else None
        return found if content_key({"items": sorted(found.items)}) == row.items else None

    def _find(self, key: str) -> Records | None:
        if not _KEY.fullmatch(key):
            return None
        stored = None if self._store is None else _stored(self._store, key)
        return _in_file(self._files[key]) if stored is None and key in self._files else stored


def _stored(store: Store, key: str) -> Records | None:
    value: Any = store.recall(SCORES, key)
    try:
        return None if value is None else Records(**value)
    except TypeError:  # damaged, or of another version
        return None


def _in_file(path: Path) -> Records | None:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return from_table(parquet.read_table(path, partitioning=None))
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException):
        return None


def _exported(folder: Path) -> dict[str, Path]:
    """Key → its file in an exported folder. Raises SpecError if it is none."""
    path = folder / EXPORT
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != EXPORT_SCHEMA:
            raise SpecError(f"{path} is not of this version: export the scorecard again")
        found = {one["records"]: folder / one["file"] for one in content["files"]}
    except OSError as error:
        raise SpecError(
            f"{folder} is no exported folder, since {path} cannot be read ({error.strerror}): make "
            "one with `unicomp export SCORECARD.json DIR`"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise SpecError(f"{path} is damaged: export the scorecard again") from None
    return found
