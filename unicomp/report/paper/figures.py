"""The figures of the paper: the numbers of each, and how it is drawn.

`1b` knowledge bias, `2` performance against reliability, `3a` to `3c` performance against the three
efficiency metrics, `4` the calibration on reasoning, `5` high- against low-resource languages. Each
figure has a panel for each model. matplotlib draws them; the numbers are a table, too.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unicomp.findings.study import Study
from unicomp.framework import DIMENSIONS
from unicomp.report.paper.tables import Table, Value
from unicomp.spec import DENSE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
"""Okabe and Ito's colours, which colour-blind readers tell apart."""
MARKERS = {"pruning": "o", "quantization": "s", "distillation": "^", DENSE.name: "*"}
"""Family → its mark; any other one is a diamond."""
_OTHER = "D"
_STYLE = {
    "svg.fonttype": "none",  # text stays text: it can be searched, and read aloud
    "svg.hashsalt": "unicomp",  # the same numbers give the same file
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_BESIDE: Mapping[str, Any] = {
    "frameon": False,
    "fontsize": 7,
    "loc": "upper left",
    "bbox_to_anchor": (1.0, 1.0),
}
"""Where a legend stands."""
_NEAR = 0.15
"""The share of an axis within which two points are neighbours, whose names could meet."""
_PANEL = (6.8, 3.6)
"""The size of a panel in inches."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure: its numbers, and how a panel of them is drawn."""

    table: Table
    draw: Callable[[Axes, Sequence[tuple[str, tuple[Value, ...]]], Study], None]
    """Called with the axes, the (label, values) of one model, and the study."""
    pairs: bool = False
    """Whether a checkpoint needs all of its values, since they are the places of one point."""


def figures(study: Study) -> Iterator[Figure]:
    """All figures of the paper that show measurements."""
    metrics = DIMENSIONS["performance"]
    yield Figure(
        table=_table(
            study,
            "1b",
            "Knowledge bias: retention of each capability, % of dense",
            metrics,
            lambda model, name: tuple(study.metrics.get((model, name, one)) for one in metrics),
        ),
        draw=_bars("retained, % of dense", metrics, 100.0),
    )
    yield _against(study, "2", "Performance against reliability", "performance", "reliability")
    for letter, metric in zip("abc", DIMENSIONS["efficiency"], strict=True):
        title = f"Performance against {metric.replace('_', ' ')}"
        yield _against(study, f"3{letter}", title, metric, "performance")
    yield _calibration(study)
    yield Figure(
        table=_table(
            study,
            "5",
            "Retention of high- and low-resource languages, % of dense",
            ("high resource", "low resource"),
            lambda model, name: tuple(
                study.languages.get((model, name, group)) for group in ("high", "low")
            ),
        ),
        draw=_bars("retained, % of dense", ("high resource", "low resource"), 100.0),
    )


def svg(figure: Figure, study: Study) -> str:
    """The figure as SVG; if nothing of it was measured, the picture says so."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    table = figure.table
    models = list(dict.fromkeys(labels[0] for labels, _ in table.rows)) or [""]
    with mpl.rc_context(_STYLE):
        wide, high = _PANEL
        canvas = Canvas(figsize=(wide * len(models), high), layout="constrained")
        for number, model in enumerate(models, start=1):
            axes = canvas.add_subplot(1, len(models), number)
            own = [(labels[-1], values) for labels, values in table.rows if labels[0] == model]
            enough = all if figure.pairs else any
            known = [row for row in own if enough(value is not None for value in row[1])]
            if known:
                figure.draw(axes, known, study)
            else:
                axes.set_axis_off()
                axes.text(0.5, 0.5, "not measured", ha="center", va="center")
            axes.set_title(model, fontsize=9)
        canvas.suptitle(f"Figure {table.number}. {table.title}", fontsize=10)
        stream = io.StringIO()
        canvas.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def _table(
    study: Study,
    number: str,
    title: str,
    columns: tuple[str, ...],
    values: Callable[[str, str], tuple[Value, ...]],
) -> Table:
    return Table(
        number=number,
        title=title,
        labels=("model", "checkpoint"),
        columns=columns,
        rows=tuple(
            ((model, name), values(model, name))
            for model, name in study.pairs
            if name != DENSE.name
        ),
    )


def _against(study: Study, number: str, title: str, across: str, up: str) -> Figure:
    """Two quantities of each checkpoint: means of dimensions, or an efficiency metric."""

    def value(model: str, name: str, what: str) -> Value:
        if what in DIMENSIONS:
            return study.average(model, name, what)
        return study.metrics.get((model, name, what))

    words = {
        one: f"mean retained {one}, % of dense"
        if one in DIMENSIONS
        else f"{one.replace('_', ' ')}, % of the best"
        for one in (across, up)
    }
    return Figure(
        table=_table(
            study,
            number,
            title,
            (across, up),
            lambda model, name: (value(model, name, across), value(model, name, up)),
        ),
        draw=_scatter(words[across], words[up], diagonal=across in DIMENSIONS),
        pairs=True,
    )


def _calibration(study: Study) -> Figure:
    """The effect of calibrating on reasoning on retained reasoning."""
    rows = tuple(
        ((one.model, one.method), (one.points, one.relative))
        for one in study.effects
        if one.calibration == one.metric == "reasoning"
    )
    columns = ("points", "relative %")
    return Figure(
        table=Table(
            number="4",
            title="Calibrating on reasoning: what it adds to retained reasoning",
            labels=("model", "checkpoint"),
            columns=columns,
            rows=rows,
        ),
        draw=_bars("gain", ("points of retention", "% relative to the control"), 0.0),
    )


def _bars(
    unit: str, names: Sequence[str], line: float
) -> Callable[[Axes, Sequence[tuple[str, tuple[Value, ...]]], Study], None]:
    """A group of bars for each checkpoint, and a line at `line`."""

    def draw(axes: Axes, rows: Sequence[tuple[str, tuple[Value, ...]]], study: Study) -> None:
        width = 0.8 / len(names)
        for number, name in enumerate(names):
            known = [(i, row[1][number]) for i, row in enumerate(rows)]
            pairs: list[tuple[int, Any]] = [(i, value) for i, value in known if value is not None]
            if not pairs:
                continue
            axes.bar(
                [i + (number - (len(names) - 1) / 2) * width for i, _ in pairs],
                [value for _, value in pairs],
                width,
                label=name.replace("_", " "),
                color=COLORS[number % len(COLORS)],
            )
        axes.axhline(line, color="#555555", linewidth=0.8, linestyle="--")
        axes.set_xticks(range(len(rows)), [row[0] for row in rows], rotation=30, ha="right")
        axes.set_ylabel(unit)
        axes.legend(**_BESIDE)

    return draw


def _scatter(
    across: str, up: str, *, diagonal: bool
) -> Callable[[Axes, Sequence[tuple[str, tuple[Value, ...]]], Study], None]:
    """A mark for each checkpoint by its family; on the diagonal both keep as much."""

    def draw(axes: Axes, rows: Sequence[tuple[str, tuple[Value, ...]]], study: Study) -> None:
        points: list[tuple[str, Any, Any]] = [(name, x, y) for name, (x, y) in rows]
        families = [study.families.get(name) or "other" for name, _, _ in points]
        for number, family in enumerate(dict.fromkeys(families)):
            own = [one for one, of in zip(points, families, strict=True) if of == family]
            axes.scatter(
                [x for _, x, _ in own],
                [y for _, _, y in own],
                marker=MARKERS.get(family, _OTHER),
                color=COLORS[number % len(COLORS)],
                label=family,
            )
        sides = [x for _, x, _ in points], [y for _, _, y in points]
        reach = [_NEAR * (max(side) - min(side)) for side in sides]
        for name, x, y in points:
            above = any(abs(a - x) < reach[0] and 0 < b - y < reach[1] for _, a, b in points)
            at = (4, -9) if above else (4, 4)  # the lower one of two neighbours writes below
            axes.annotate(name, (x, y), at, textcoords="offset points", fontsize=7)
        if diagonal:
            ends = [min(min(x, y) for _, x, y in points), max(max(x, y) for _, x, y in points)]
            axes.plot(ends, ends, color="#555555", linewidth=0.8, linestyle="--")
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        axes.margins(0.12)
        axes.legend(**_BESIDE)

    return draw
