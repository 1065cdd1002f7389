"""Housekeeping of the store: list its entries, verify checkpoints, remove what is old."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from unicomp.instruments.judge import JUDGEMENTS
from unicomp.instruments.similarity import SIMILARITIES
from unicomp.store import (
    ADMISSIONS,
    CALIBRATIONS,
    CHECKPOINTS,
    CHURN,
    COMPANIONS,
    CONVERTED,
    FIGURES,
    FIXTURES,
    ITEMS,
    LOOKS,
    MANIFEST,
    MEASUREMENTS,
    RESPONSES,
    SCORES,
    TRAINING,
    Store,
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A checkpoint in the store, its responses, records of a benchmark, or another result."""

    kind: str
    key: str
    path: Path
    label: str
    size: int
    """In bytes."""
    changed: float
    """Seconds since the epoch."""


def entries(store: Store) -> Iterator[Entry]:
    """Everything in the store, by kind and key; unfinished folders are not listed.

    Of small files there are many: all of a kind are one entry.
    """
    for kind in (CHECKPOINTS, CONVERTED, TRAINING, RESPONSES, SCORES, ITEMS, CALIBRATIONS):
        for path in _finished(store, kind):
            yield _entry(kind, path, _describe(path))
    small = dict.fromkeys(
        (JUDGEMENTS, SIMILARITIES, FIGURES, MEASUREMENTS, CHURN), "answers or figures"
    ) | {
        LOOKS: "candidates",
        ADMISSIONS: "checks of folders",
        COMPANIONS: "checkpoints on nodes",
        FIXTURES: "sets of methods and calibrations",
    }
    for kind, unit in small.items():
        folder = store.home / kind
        if folder.is_dir():
            yield _entry(kind, folder, f"{sum(1 for _ in folder.iterdir())} {unit}")


def _finished(store: Store, kind: str) -> list[Path]:
    """The files and folders of a kind, without temporary ones."""
    folder = store.home / kind
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in paths if not path.name.startswith(".")]


def _entry(kind: str, path: Path, label: str) -> Entry:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    stats = [file.stat() for file in files]
    return Entry(
        kind=kind,
        key=path.stem,
        path=path,
        label=label,
        size=sum(stat.st_size for stat in stats),
        changed=max((stat.st_mtime for stat in stats), default=0.0),
    )


def _describe(path: Path) -> str:
    try:
        if (path / "identity.json").is_file():
            identity = json.loads((path / "identity.json").read_text(encoding="utf-8"))
            return f"{identity['model']}/{identity['method']}"
        if (path / MANIFEST).is_file():
            return str(
                json.loads((path / MANIFEST).read_text(encoding="utf-8"))["facts"].get("label", "")
            )
        if path.is_file():
            content = json.loads(path.read_text(encoding="utf-8"))
            return f"{len(content)} rows" if isinstance(content, list) else content["benchmark"]
    except (OSError, ValueError, KeyError, TypeError):
        return "damaged"
    return "unfinished"


def damaged(store: Store) -> Iterator[tuple[Path, str]]:
    """The checkpoints whose files differ from their manifest, with the reason."""
    paths = [(kind, path) for kind in (CHECKPOINTS, CONVERTED) for path in _finished(store, kind)]
    for kind, path in paths:
        artifact = store.find(kind, path.name)
        if artifact is None:
            yield path, "its manifest or one of its files is missing or has changed"
        elif files := store.corrupt_files(artifact):
            yield path, f"the content of {files[0]} has changed"


def prune(store: Store, older_than: float) -> list[Entry]:
    """Remove entries unchanged for more than `older_than` seconds, and unfinished builds.

    Returns the removed entries. Entries that another process has locked are kept, and so are the
    looks: that a candidate was judged stays true.
    """
    now = time.time()
    kept = (entry for entry in entries(store) if entry.kind != LOOKS)
    gone = [entry for entry in kept if now - entry.changed > older_than]
    removed = [entry for entry in gone if _remove(store, _lock_of(entry), entry.path)]
    for kind in (CHECKPOINTS, CONVERTED):
        for partial in (store.home / kind).glob(".partial-*"):
            _remove(store, f"{kind}-{partial.name.removeprefix('.partial-')}", partial)
    return removed


def _lock_of(entry: Entry) -> str:
    """The lock of the process that makes an entry; a training is part of a checkpoint's build."""
    return f"{CHECKPOINTS if entry.kind == TRAINING else entry.kind}-{entry.key}"


def _remove(store: Store, lock: str, path: Path) -> bool:
    """Remove a file or folder, unless another process holds its lock."""
    try:
        with store.lock(lock, wait=False):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    except Timeout:
        return False
    return True
