"""Numbers of a page: each shown one carries its full value, and its place in the scorecard's file.

`<data value="95.39" data-key="low">95.4</data>` inside an element with `data-json="scores/17"` is
the `low` of the 18th entry of `scores`. So a program compares each number with the file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from unicomp.spec import CheckpointId
from unicomp.units import amount
from unicomp.verdict import MetricRow, Row

if TYPE_CHECKING:
    from markupsafe import Markup

Form = Callable[[float], str]

FORMS: Mapping[str, Form] = {
    "one": lambda value: f"{value:.1f}",
    "signed": lambda value: f"{value:+.1f}",
    "two": lambda value: f"{value:.2f}",
    "plain": lambda value: f"{value:g}",
    "count": lambda value: f"{value:,.0f}",
    "short": lambda value: f"{value:.3g}",
    "percent": lambda value: f"{value:.1f} %",
    "share": lambda value: f"{100 * value:.2g} %",
    "hours": lambda value: amount(3600 * value, "s"),
    "gigabytes": lambda value: amount(1e9 * value, "bytes"),
}
"""Name → how a number is shown. Any other name is a unit of `unicomp.units`."""

NOTHING = "–"
"""Shown for a number that does not exist."""


def number(value: float | None, key: str, form: str = "one") -> Markup | str:
    """A number as HTML. `key` is where it stands in the entry around it, such as `details/p95`."""
    from markupsafe import Markup

    if value is None or not math.isfinite(value):
        return NOTHING
    shown = FORMS[form](value) if form in FORMS else amount(value, form)
    return Markup('<data value="{}" data-key="{}">{}</data>').format(repr(value), key, shown)


class Places:
    """Where rows and metrics stand in the scorecard's file."""

    def __init__(self, tables: Mapping[str, Any]) -> None:
        """`tables` is the scorecard as JSON values, see `unicomp.report.json`."""
        self._places = {
            (*_checkpoint(entry), kind, entry[kind]): f"{table}/{number}"
            for table, kind in _NAMED
            for number, entry in enumerate(tables[table])
        }

    def __call__(self, row: Row | MetricRow) -> str:
        """The place of a row, such as `scores/17`."""
        kind = "benchmark" if isinstance(row, Row) else "metric"
        return self._places[(*row.checkpoint, kind, row.name)]


_NAMED = (
    ("scores", "benchmark"),
    ("probes", "benchmark"),
    ("missing", "benchmark"),
    ("metrics", "metric"),
)


def _checkpoint(entry: Mapping[str, Any]) -> CheckpointId:
    return CheckpointId(entry["model"], entry["method"], entry["calibration"])
