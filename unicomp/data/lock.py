"""`unicomp.lock`: the revision of each data set, the digests of its files, its number of rows.

    {
     "openai/gsm8k": {
      "files": {"main/test-00000-of-00001.parquet": "SHA-256", ...},
      "revision": "the commit on the hub",
      "rows": {"main": {"test": 1319}}
     }
    }

It lies next to `unicomp.toml`. `unicomp mirror DIR --lock` writes it, from the hub's answers and
the fetched files. A data set without an entry is unpinned, and reports say so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from unicomp.errors import SpecError, StoreError
from unicomp.store import write_atomically

LOCK_FILE = "unicomp.lock"

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Pin:
    """The state of one data set when it was locked."""

    revision: str
    """The commit on the hub."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Path within the data set → SHA-256, of the files that were needed."""
    rows: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Configuration → split → rows in those files."""


Lock = Mapping[str, Pin]
"""Data set → its pin."""


def load_lock(root: Path) -> Lock:
    """The lock of a project; empty if there is none. Raises SpecError."""
    path = root / LOCK_FILE
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise SpecError(f"{path} is not JSON: {error.msg}, line {error.lineno}") from None
    except ValueError:
        raise SpecError(f"{path} is not UTF-8 text") from None
    if not isinstance(entries, dict):
        raise SpecError(f"{path} must be a table of data sets")
    return {dataset: _pin(f"{path}: {dataset}", entry) for dataset, entry in entries.items()}


def write_lock(root: Path, lock: Lock) -> None:
    """Write the lock of a project atomically. Raises StoreError."""
    path = root / LOCK_FILE
    entries = {dataset: asdict(pin) for dataset, pin in lock.items()}
    text = json.dumps(entries, indent=1, sort_keys=True, ensure_ascii=False)
    try:
        write_atomically(path, text + "\n")
    except OSError as error:
        raise StoreError(f"the lock {path} cannot be written: {error.strerror}") from None


def _pin(where: str, entry: Any) -> Pin:
    """An entry as a pin, checked, so that a damaged lock does not pin less than it seems to."""
    if not isinstance(entry, dict) or set(entry) != {"revision", "files", "rows"}:
        raise SpecError(f"{where} must have revision, files and rows, and nothing else")
    if not _is(entry["revision"], _COMMIT):
        raise SpecError(
            f"{where}: the revision {entry['revision']!r} is not a commit of 40 hex digits"
        )
    files, rows = entry["files"], entry["rows"]
    if not isinstance(files, dict) or not all(_is(digest, _SHA256) for digest in files.values()):
        raise SpecError(f"{where}: files must map each path to its SHA-256, 64 hex digits")
    counts = rows.values() if isinstance(rows, dict) else (None,)
    if not all(isinstance(splits, dict) and _are_counts(splits.values()) for splits in counts):
        raise SpecError(f"{where}: rows must map configurations to splits to numbers of rows")
    return Pin(**entry)


def _is(value: Any, form: re.Pattern[str]) -> bool:
    return isinstance(value, str) and form.fullmatch(value) is not None


def _are_counts(values: Any) -> bool:
    return all(type(value) is int and value >= 0 for value in values)
