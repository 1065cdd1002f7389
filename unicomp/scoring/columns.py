"""Columns of the row in addition to the fields of a scorer, for scores of some of the items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from unicomp.instruments import Instruments
from unicomp.spec import InstrumentScorer, Item, Reading


@dataclass(frozen=True)
class WithColumns:
    """The fields of another scorer, and columns of the row as text, for `Among`.

        WithColumns(Responded("refusal"), ("source",))

    A column that holds a list, as TrustLLM's `label` does, gives its first entry. Raises KeyError
    if the row has no such column.
    """

    scorer: InstrumentScorer
    columns: tuple[str, ...]

    def read_all(self, items: Sequence[Item], instruments: Instruments) -> list[Reading]:
        """The readings of the other scorer, with the columns, in order."""
        kept = [{name: _text(item.doc[name]) for name in self.columns} for item in items]
        readings = self.scorer.read_all(items, instruments)
        return [
            replace(reading, fields={**reading.fields, **columns})
            for reading, columns in zip(readings, kept, strict=True)
        ]


def _text(value: Any) -> str:
    return str(value[0] if isinstance(value, list | tuple) and value else value)
