"""The text of a training: a calibration recipe and the source of its rows.

It is passed as JSON values, since each process of a training opens the text by itself.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from unicomp import catalogue
from unicomp.data.lock import Pin
from unicomp.data.sources import Source
from unicomp.distillation.text import Stream


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """A calibration recipe that is read as a stream."""

    name: str
    roots: tuple[Path, ...]
    """The folders in which the recipe is looked up."""
    source: Source

    def stream(self, seed: int) -> Stream:
        """The samples, shuffled by `seed`. Raises SpecError for an unknown recipe."""
        return partial(catalogue.load_recipe(self.name, self.roots).stream, self.source, seed)

    def as_json(self) -> dict[str, Any]:
        """The corpus as JSON values."""
        return {
            "name": self.name,
            "roots": [str(root) for root in self.roots],
            "source": self.source.name,
            "lock": {dataset: asdict(pin) for dataset, pin in self.source.lock.items()},
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Corpus:
        """The corpus that `as_json` wrote."""
        lock = {dataset: Pin(**pin) for dataset, pin in values["lock"].items()}
        return cls(
            name=values["name"],
            roots=tuple(Path(root) for root in values["roots"]),
            source=Source(values["source"], lock),
        )
