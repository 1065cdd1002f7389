"""The measured time of each compression."""

from __future__ import annotations

from collections.abc import Iterator

from unicomp.findings import Findings
from unicomp.report.html.charts.svg import BLUE, GRID, ORANGE, Canvas, Chart, chart, label
from unicomp.report.html.sections import full_name
from unicomp.scorecard import Scorecard
from unicomp.units import amount

_WIDE = 12.0
"""A larger ratio of the largest to the smallest time has a logarithmic axis."""


def build_times(card: Scorecard, findings: Findings) -> Iterator[Chart]:
    """One chart, if the time of a build is known."""
    found = [
        (full_name(card, cost.checkpoint), cost.measured)
        for cost in findings.costs
        if cost.measured and cost.measured.get("seconds")
    ]
    if not found:
        return

    def draw(canvas: Canvas) -> None:
        from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

        axes = canvas.axes
        seconds = [about["seconds"] for _, about in found]
        wide = max(seconds) > _WIDE * min(seconds)
        start = min(seconds) / 2.0 if wide else 0.0
        if wide:
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter(NullFormatter())
        else:
            axes.xaxis.set_major_locator(MaxNLocator(6))
        for y, (name, about) in enumerate(found):
            beside = bool(about.get("shared_machine"))
            axes.plot([start, about["seconds"]], [y, y], color=GRID, linewidth=3.0)
            (point,) = axes.plot(
                [about["seconds"]],
                [y],
                "D" if beside else "o",
                color=ORANGE if beside else BLUE,
                markersize=7,
            )
            note = ", beside other work" if beside else ""
            canvas.tooltip(point, f"{name}: {amount(about['seconds'], 's')}{note}")
        axes.set_xlim(left=start)
        spoken = FuncFormatter(lambda value, _: amount(value, "s") if value else "0")
        axes.xaxis.set_major_formatter(spoken)
        axes.set_yticks(range(len(found)), [label(name) for name, _ in found])
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=True, axis="x")
        axes.set_xlabel("time of the compression, as measured")

    yield chart(
        "build-times",
        "Time of each compression",
        "A circle is a build that had the machine to itself; a diamond ran beside other work, and "
        "would be shorter alone.",
        (7.6, 0.9 + 0.28 * len(found)),
        draw,
    )
