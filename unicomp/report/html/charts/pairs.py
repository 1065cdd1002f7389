"""Two retentions of each checkpoint against each other: what moved together, and what did not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from unicomp.findings import Findings
from unicomp.report.html.charts.svg import FAINT, Canvas, Chart, chart, label, style_of
from unicomp.scorecard import Scorecard
from unicomp.spec import DENSE
from unicomp.verdict import MetricRow

_BESIDE = 14
"""The most entries of a legend beside a chart; more stand below it, in columns."""


@dataclass(frozen=True)
class _Point:
    name: str
    number: int
    """That of its checkpoint in the scorecard."""
    x: float
    y: float
    across: tuple[float, float] | None = None
    """The interval of x; None without one."""
    along: tuple[float, float] | None = None


def knowledge_and_reasoning(card: Scorecard) -> list[Chart]:
    """For each model the retention of knowledge against that of reasoning."""
    found = {(row.checkpoint, row.metric): row for row in card.metrics if row.value is not None}
    charts = []
    for number, model in enumerate(card.models):
        points: list[_Point] = []
        for place, one in enumerate(card.checkpoints):
            if one.model == model and one.method != DENSE.name:
                pair = [found.get((one, metric)) for metric in ("knowledge", "reasoning")]
                points += _points(card.name_of(one), place, pair)
        if points:
            charts.append(
                _scatter(
                    f"bias-{number}",
                    f"Knowledge against reasoning, {model}",
                    "Each point is a checkpoint. On the dashed line both were kept equally; on the "
                    "dotted one reasoning fell twice as far as knowledge, below it further.",
                    ("knowledge, % of dense", "reasoning, % of dense"),
                    points,
                    twice=True,
                )
            )
    return charts


def _points(name: str, place: int, pair: Sequence[MetricRow | None]) -> Iterator[_Point]:
    one, other = pair
    if one is not None and other is not None:
        yield _Point(
            name, place, one.value or 0.0, other.value or 0.0, _limits(one), _limits(other)
        )


def _limits(row: MetricRow) -> tuple[float, float] | None:
    return None if row.low is None or row.high is None else (row.low, row.high)


def performance_and_reliability(card: Scorecard, findings: Findings) -> list[Chart]:
    """For each model the mean performance against the mean reliability of its checkpoints."""
    numbers = {(c.model, card.name_of(c)): number for number, c in enumerate(card.checkpoints)}
    return [
        _scatter(
            f"decoupling-{number}",
            f"Performance against reliability, {one.model}",
            "Each point is a checkpoint: the means over the metrics that all of them have. On the "
            "dashed line both were kept equally.",
            ("performance, mean % of dense", "reliability, mean % of dense"),
            [
                _Point(name, numbers[one.model, name], x, y)
                for name, (x, y) in one.checkpoints.items()
            ],
        )
        for number, one in enumerate(findings.decoupling)
    ]


def _scatter(
    name: str,
    title: str,
    description: str,
    axes_of: tuple[str, str],
    points: Sequence[_Point],
    *,
    twice: bool = False,
) -> Chart:
    def draw(canvas: Canvas) -> None:
        axes = canvas.axes
        low = min(min(one.x, one.y) for one in points) - 4.0
        high = max(100.0, *(max(one.x, one.y) for one in points)) + 4.0
        axes.plot([low, high], [low, high], "--", color=FAINT, linewidth=1.0)
        if twice:
            start = max(low, (low + 100.0) / 2.0)
            axes.plot([start, 100.0], [2.0 * start - 100.0, 100.0], ":", color=FAINT, linewidth=1.2)
        for one in points:
            colour, marker = style_of(one.number)
            for limits, fixed in ((one.across, one.y), (one.along, one.x)):
                if limits is not None:
                    level = [fixed, fixed]
                    line = (limits, level) if limits is one.across else (level, limits)
                    axes.plot(*line, color=colour, linewidth=0.9, alpha=0.7)
            (point,) = axes.plot(
                [one.x], [one.y], marker, color=colour, markersize=7, label=label(one.name)
            )
            canvas.tooltip(point, f"{one.name}: {one.x:.1f}, {one.y:.1f}")
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        axes.set_xlabel(axes_of[0])
        axes.set_ylabel(axes_of[1])
        axes.grid(visible=True)
        legend(canvas, len(points))

    return chart(name, title, description, (6.8, 4.2), draw)


def legend(canvas: Canvas, entries: int) -> None:
    """The names of all points beside the chart, in two columns if there are many."""
    columns = 1 if entries <= _BESIDE else 2
    canvas.axes.legend(
        loc="upper left", bbox_to_anchor=(1.01, 1.0), ncols=columns, borderaxespad=0.0
    )
