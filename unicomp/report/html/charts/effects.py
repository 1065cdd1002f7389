"""What calibrations change: points of retention for each metric and method, with intervals."""

from __future__ import annotations

from collections.abc import Sequence

from unicomp.findings import Findings
from unicomp.findings.calibrations import CalibrationEffect
from unicomp.report.html.charts.pairs import legend
from unicomp.report.html.charts.svg import FAINT, Canvas, Chart, chart, label, style_of


def calibration_effects(findings: Findings) -> list[Chart]:
    """A chart for each model and calibration."""
    found = findings.calibration_effects
    groups = dict.fromkeys((one.model, one.calibration, one.control) for one in found)
    return [
        _effects(
            f"calibration-{number}",
            f"Calibration {group[1]} instead of {group[2]}, {group[0]}",
            [one for one in found if (one.model, one.calibration, one.control) == group],
        )
        for number, group in enumerate(groups)
    ]


def _effects(name: str, title: str, found: Sequence[CalibrationEffect]) -> Chart:
    metrics = [*dict.fromkeys(one.metric for one in found)]
    methods = [*dict.fromkeys(one.method for one in found)]
    gap = 0.8 / len(methods)

    def draw(canvas: Canvas) -> None:
        axes = canvas.axes
        axes.axvline(0.0, color=FAINT, linewidth=0.8)
        for number, method in enumerate(methods):
            colour, marker = style_of(number)
            axes.plot([], [], marker, color=colour, label=label(method))
            for one in (one for one in found if one.method == method):
                y = metrics.index(one.metric) + gap * number - 0.4 + gap / 2.0
                axes.plot([one.low, one.high], [y, y], color=colour, linewidth=1.2)
                (point,) = axes.plot([one.points], [y], marker, color=colour, markersize=6)
                text = f"{method} {one.metric}: {one.points:+.1f} [{one.low:+.1f}, {one.high:+.1f}]"
                canvas.tooltip(point, text)
        axes.set_yticks(range(len(metrics)), [label(one.replace("_", " ")) for one in metrics])
        axes.set_ylim(len(metrics) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("points of retention gained; the line is the 95 % interval")
        axes.grid(visible=True, axis="x")
        legend(canvas, len(methods))

    return chart(
        name,
        title,
        "Each mark is a method: how many points more of a metric it kept. Right of zero the "
        "calibration helped. The intervals treat the two calibrations as measured on different "
        "items, so they are too wide.",
        (7.6, 1.0 + max(0.17 * len(metrics) * len(methods), 0.35 * len(metrics), 1.2)),
        draw,
    )
