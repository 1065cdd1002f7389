"""Columns of the row beside what a scorer reads, for aggregates that look at groups of items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from unicomp.instruments import Instruments
from unicomp.spec import InstrumentScorer, Item, Reading


@dataclass(frozen=True)
class WithColumns:
    """What another scorer reads, with columns of the row as further fields.

    A column that holds a list gives its first entry, as TrustLLM's `label` is one.
    """

    scorer: InstrumentScorer
    columns: tuple[str, ...]

    def read_all(self, items: Sequence[Item], instruments: Instruments) -> list[Reading]:
        """What was read, with the kept columns."""
        readings = self.scorer.read_all(items, instruments)
        return [
            replace(
                reading,
                fields={**reading.fields, **{name: _text(item, name) for name in self.columns}},
            )
            for item, reading in zip(items, readings, strict=True)
        ]


def _text(item: Item, column: str) -> str:
    value = item.doc[column]
    return str(value[0] if isinstance(value, list | tuple) and value else value)
