"""The small files of a checkpoint that lies on a node, kept by the process that started the run.

They make prompts, and tell what the checkpoint is. Weights stay where they were made.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unicomp.cluster.tasks import Built
from unicomp.store import COMPANIONS, Store, content_key

_SUFFIXES = (".json", ".jinja", ".model", ".txt", ".py")
_MODEL = "model"


def read_companions(folder: Path) -> dict[str, bytes]:
    """Name → content of the small files of a checkpoint's folder: configuration and tokenizer."""
    paths = (path for path in sorted(folder.iterdir()) if path.suffix in _SUFFIXES)
    return {path.name: path.read_bytes() for path in paths if path.is_file()}


class CompanionLog:
    """The companions in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, key: str) -> tuple[Path, Mapping[str, Any]] | None:
        """The folder of a checkpoint's companions and its facts, by the checkpoint's key."""
        found = self._store.find(COMPANIONS, content_key({"checkpoint": key}))
        return None if found is None else (found.path / _MODEL, found.facts)

    def keep(self, key: str, built: Built) -> Path:
        """Keep what came with a checkpoint; returns the folder."""

        def make(folder: Path) -> Mapping[str, Any]:
            (folder / _MODEL).mkdir()
            for name, content in built.companions.items():
                (folder / _MODEL / name).write_bytes(content)
            return {"calibration": built.calibration, "facts": dict(built.facts)}

        return self._store.build(COMPANIONS, {"checkpoint": key}, make).path / _MODEL
