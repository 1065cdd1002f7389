"""A forest plot for each checkpoint: every benchmark with its interval and its floor."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from unicomp.framework import METRICS
from unicomp.report import early
from unicomp.report.html.charts.svg import (
    BLUE,
    FAINT,
    INK,
    ORANGE,
    PAPER,
    VERMILLION,
    Canvas,
    Chart,
    chart,
    label,
)
from unicomp.report.html.numbers import Places
from unicomp.report.html.sections import full_name
from unicomp.scorecard import Scorecard
from unicomp.spec import DENSE, CheckpointId
from unicomp.verdict import Row, Verdict

_MOST = 160.0
"""Percent of dense at the right end at most; what lies beyond is drawn as an arrow at the end."""
_STYLES: dict[Verdict, tuple[str, str]] = {
    "pass": (BLUE, "o"),
    "undecided": (ORANGE, "D"),
    "fail": (VERMILLION, "X"),
}
_EARLY = f"hollow and dotted: stopped early, expected of the full run, with its {early.SEQUENCE}"
_INCH = 0.21
"""Inches of a line."""


def forests(card: Scorecard, place: Places) -> list[Chart]:
    """A chart for each compressed checkpoint that was compared with the dense model."""
    charts = []
    for number, checkpoint in enumerate(card.checkpoints):
        rows = [row for row in card.rows if row.checkpoint == checkpoint and _is_shown(row)]
        if rows and checkpoint.method != DENSE.name:
            charts.append(_forest(card, checkpoint, rows, place, f"forest-{number}"))
    return charts


def _is_shown(row: Row) -> bool:
    known = (row.retention, row.low, row.high)
    return row.unit is None and all(one is not None and not math.isnan(one) for one in known)


def _forest(
    card: Scorecard, checkpoint: CheckpointId, rows: Sequence[Row], place: Places, name: str
) -> Chart:
    lines = list(_lines(rows))
    stopped = any(row.early for row in rows)

    def draw(canvas: Canvas) -> None:
        axes = canvas.axes
        shown = [row for row in lines if isinstance(row, Row)]
        least = min(min(row.low or 0.0, row.floor or math.inf) for row in shown)
        most = max(min(row.high or 0.0, _MOST) for row in shown)
        axes.set_xlim(max(least, 0.0) - 2.0, max(most, 100.0) + 3.0)
        axes.axvline(100.0, color=FAINT, linewidth=0.8)
        for y, row in enumerate(lines):
            if isinstance(row, Row):
                _draw(canvas, y, row, place(row))
        axes.set_yticks(range(len(lines)), [_label(line) for line in lines])
        for tick, line in zip(axes.get_yticklabels(), lines, strict=True):
            tick.set_fontweight("normal" if isinstance(line, Row) else "bold")
        axes.set_ylim(len(lines) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=True, axis="x")
        note = f"\n{_EARLY}" if stopped else ""
        axes.set_xlabel(f"% of dense; the line is the 95 % interval, the bar | is the floor{note}")

    whose = full_name(card, checkpoint)
    return chart(
        name,
        f"Retention of every benchmark: {whose}",
        "Each line is a benchmark: its retention in percent of dense, the 95 % interval, and the "
        "floor. A circle passed, a diamond is undecided, a cross failed. The table of benchmarks "
        f"has the same numbers.{f' {_EARLY}.' if stopped else ''}",
        (7.6, (1.1 if stopped else 0.9) + _INCH * len(lines)),
        draw,
        checkpoint=whose,
    )


def _lines(rows: Sequence[Row]) -> Iterator[Row | str]:
    """The rows below the name of their metric, in the order of the framework."""
    for metric in (*METRICS, None):
        own = [row for row in rows if (row.metric if row.metric in METRICS else None) == metric]
        if own:
            yield (metric or "of no metric").replace("_", " ")
            yield from own


def _label(line: Row | str) -> str:
    return label(line.benchmark if isinstance(line, Row) else line)


def _draw(canvas: Canvas, y: int, row: Row, place: str) -> None:
    axes = canvas.axes
    value, low, high = row.retention or 0.0, row.low or 0.0, row.high or 0.0
    colour, marker = _STYLES.get(row.verdict, (FAINT, "o"))
    left, right = axes.get_xlim()
    ends = [max(low, left), min(high, right)]
    axes.plot(ends, [y, y], ":" if row.early else "-", color=colour, linewidth=1.6)
    if row.floor is not None and row.floor > left:
        axes.plot([row.floor], [y], "|", color=INK, markersize=9, markeredgewidth=1.4)
    beyond = value > right
    (point,) = axes.plot(
        [min(value, right)],
        [y],
        ">" if beyond else marker,
        color=colour,
        markersize=6,
        markerfacecolor=PAPER if row.early else colour,
    )
    floor = "" if row.floor is None else f", floor {row.floor:g}"
    verdict = early.verb(row) if row.early else row.verdict
    text = f"{row.benchmark}: {early.value(row, value)} % {early.limits(row)}{floor}, {verdict}"
    canvas.tooltip(point, text, place)
