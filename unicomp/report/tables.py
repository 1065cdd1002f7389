"""Shared parts of the terminal output: tables, names of checkpoints, plain text."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from unicomp.data.calibration import GENERIC, UNSEEN
from unicomp.framework import DIMENSIONS, METRICS
from unicomp.scorecard import Scorecard
from unicomp.spec import CheckpointId

_MOST = 6
"""Number of metrics that fit 80 columns with intervals and a method's name."""

_HEADINGS = {"multilingual": "multi-\nlingual", "truthfulness": "truth-\nfulness"}
"""Broken headings of metrics whose names are wider than an interval."""


def columns(found: Collection[str]) -> Iterator[list[str]]:
    """The metrics of each table: all that were found in one, or a table for each dimension."""
    if len(found) <= _MOST:
        yield [metric for metric in METRICS if metric in found]
        return
    for metrics in DIMENSIONS.values():
        if some := [metric for metric in metrics if metric in found]:
            yield some


def metric_table(metrics: Iterable[str]) -> Table:
    """An empty table: a column for the method, and one for each metric."""
    return empty_table(_HEADINGS.get(metric, metric.replace("_", " ")) for metric in metrics)


def empty_table(headings: Iterable[str]) -> Table:
    """A table of methods without rows: a column for the method, and one for each heading."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0)
    table.add_column("method", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", overflow="fold")
    return table


def full_name(checkpoint: CheckpointId) -> str:
    """MODEL/METHOD, and the calibration if it is not the default one."""
    name = f"{checkpoint.model}/{checkpoint.method}"
    seen = checkpoint.calibration
    return name if seen in (UNSEEN, GENERIC) else f"{name} ({seen})"


def items_asked(card: Scorecard) -> str:
    """How many items were asked, and how often, after a comma; empty for all of them, once."""
    samples, repeats = card.environment.get("samples"), card.environment.get("repeats", 1)
    items = f", {samples} items of each benchmark" if samples else ""
    return f"{items}, {repeats} samples of an item" if repeats > 1 else items


def plain(text: str) -> str:
    """A text without control characters, which a model or a file may have put there."""
    return "".join(one if one.isprintable() else " " for one in text)


def printable(text: str) -> str:
    """A text that a model or a file may have written, without markup and control characters."""
    return escape(plain(text))
