"""Quality against size, memory, speed and cost, with the Pareto front of each."""

from __future__ import annotations

from collections.abc import Sequence

from unicomp.findings import Findings
from unicomp.findings.pareto import AXES, TradeOff
from unicomp.report.html.charts.pairs import legend
from unicomp.report.html.charts.svg import FAINT, PAPER, Canvas, Chart, chart, label, style_of
from unicomp.scorecard import Scorecard
from unicomp.units import amount

_WIDE = 12.0
"""A larger ratio of the largest to the smallest value has a logarithmic axis."""


def trade_offs(card: Scorecard, findings: Findings) -> list[Chart]:
    """A chart for each model and axis with two checkpoints or more of known quality."""
    charts: list[Chart] = []
    for model in card.models:
        for axis in AXES:
            found = [
                one
                for one in findings.pareto
                if one.model == model and one.axis == axis and one.quality is not None
            ]
            if len(found) > 1:
                charts.append(_chart(card, f"front-{len(charts)}", model, axis, found))
    return charts


def _chart(card: Scorecard, name: str, model: str, axis: str, found: Sequence[TradeOff]) -> Chart:
    spoken = axis.replace("_", " ")
    # what is compared with the dense model round by round is worth more than two measured values
    compared = all(one.relative is not None for one in found)
    unit = found[0].unit or ""

    def x(one: TradeOff) -> float:
        return one.relative or 0.0 if compared else one.value

    def draw(canvas: Canvas) -> None:
        from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

        axes = canvas.axes
        front = sorted((one for one in found if one.on_front), key=x)
        axes.plot(
            [x(one) for one in front],
            [one.quality for one in front],
            color=FAINT,
            linewidth=1.0,
        )
        for one in found:
            _draw(canvas, one, x(one), card)
        values = [x(one) for one in found]
        if min(values) > 0 and max(values) > _WIDE * min(values):
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter(NullFormatter())
        else:
            axes.xaxis.set_major_locator(MaxNLocator(4))
        if not compared:
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: amount(value, unit)))
        axes.margins(0.1)
        gain = f"gain in {spoken}: dense is 100, more is better"
        axes.set_xlabel(gain if compared else f"{spoken}: less is better")
        axes.set_ylabel("quality: mean performance, % of dense")
        axes.grid(visible=True)
        legend(canvas, len(found))

    return chart(
        name,
        f"Quality against {spoken}, {model}",
        "Each point is a checkpoint. A filled one lies on the Pareto front: no other is at least "
        "as good in both, and better in one. A timing that shows no difference from dense counts "
        "as 100 % there.",
        (6.4, 3.6),
        draw,
    )


def _draw(canvas: Canvas, one: TradeOff, x: float, card: Scorecard) -> None:
    dense_is_first = one.checkpoint not in card.checkpoints
    number = 0 if dense_is_first else card.checkpoints.index(one.checkpoint)
    colour, marker = style_of(number)
    name = card.name_of(one.checkpoint)
    (point,) = canvas.axes.plot(
        [x],
        [one.quality],
        marker,
        markeredgecolor=colour,
        markerfacecolor=colour if one.on_front else PAPER,
        markeredgewidth=1.4,
        markersize=7.5,
        label=label(name),
    )
    where = "on the front" if one.on_front else "not on the front"
    value = amount(one.value, one.unit or "")
    canvas.tooltip(point, f"{name}: {value}, quality {one.quality:.1f} %, {where}")
