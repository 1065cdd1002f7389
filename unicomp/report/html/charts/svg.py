"""Draw with matplotlib into SVG that a page can hold: inline, themed by its style sheet, labelled.

matplotlib draws, since it is the plotting library that most readers know, has been maintained for
twenty years, and writes SVG without a browser, JavaScript or a request. Its SVG is made to fit:

- Text stays text (`svg.fonttype: none`), and ids do not change from run to run (`svg.hashsalt`).
- Style attributes, which a strict Content-Security-Policy blocks, become presentation attributes.
- Each colour is a class, so that the style sheet has one set for light and one for dark.
- Ids get the chart's own prefix, since a page has several charts.
- The chart has a title and a description, and each point a tooltip, for screen readers too.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from unicomp.report.html.texts import visible

if TYPE_CHECKING:
    from markupsafe import Markup

COLOURS: Mapping[str, str] = {
    "#222222": "ink",
    "#777777": "faint",
    "#dddddd": "grid",
    "#fefefe": "paper",
    "#0072b2": "blue",
    "#e69f00": "orange",
    "#009e73": "green",
    "#d55e00": "vermillion",
    "#56b4e9": "sky",
    "#cc79a7": "purple",
}
"""Colour as it is drawn → class in the style sheet. Those of data are Okabe and Ito's, which
colour-blind people can tell apart (without yellow, which is too light on white)."""
INK, FAINT, GRID, PAPER, BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE = COLOURS
SERIES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*", "d")
"""Shapes beside colours: there are more shapes than colours, and the two numbers share no factor,
so that the first 78 points all differ."""

LABEL = 34
"""The most characters of a label in a chart."""

_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "unicomp",
    "text.parse_math": False,  # a name may have a dollar sign
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.frameon": False,
}
_PRESENTED = frozenset(
    [
        *("fill-opacity", "font-size", "font-weight", "opacity", "stroke-dasharray"),
        *("stroke-dashoffset", "stroke-linecap", "stroke-linejoin", "stroke-opacity"),
        *("stroke-width", "text-anchor"),
    ]
)
"""Properties that are attributes of the same name; others are left to the style sheet."""
_PIXELS = 4 / 3
"""Pixels of a style sheet to a point."""
_LONG = re.compile(r"-?\d+\.\d{3,}")


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart as it stands in the page."""

    id: str
    title: str
    svg: Markup
    checkpoint: str = ""
    """The one checkpoint that it is about; empty if it is about several."""


@dataclass
class Canvas:
    """What a chart is drawn on."""

    axes: Any
    """matplotlib's `Axes`."""
    tooltips: dict[str, tuple[str, str]] = field(default_factory=dict)

    def tooltip(self, artist: Any, text: str, place: str = "") -> None:
        """Give a drawn thing a tooltip, and its place in the scorecard's file."""
        name = f"t{len(self.tooltips)}"
        artist.set_gid(name)
        self.tooltips[name] = text, place


def label(text: str) -> str:
    """A name as a label of a chart: its hidden characters visible, and not too long."""
    shown = visible(text.replace("\n", " "), 2 * LABEL)
    return shown if len(shown) <= LABEL else f"{shown[: LABEL - 1]}…"


def style_of(number: int) -> tuple[str, str]:
    """The colour and the marker of the n-th checkpoint or method: the same in all charts."""
    return SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]


def chart(
    name: str,
    title: str,
    description: str,
    size: tuple[float, float],
    draw: Callable[[Canvas], None],
    *,
    checkpoint: str = "",
) -> Chart:
    """Draw a chart of a size in inches. `name` is its id in the page."""
    import matplotlib
    from markupsafe import Markup
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a character that the measuring font lacks
        figure = Figure(figsize=size, layout="constrained")
        canvas = Canvas(figure.add_subplot())
        draw(canvas)
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    svg = _fitted(file.getvalue(), name, title, description, canvas.tooltips)
    return Chart(id=name, title=title, svg=Markup(svg), checkpoint=checkpoint)  # noqa: S704


def _fitted(
    drawn: bytes, name: str, title: str, description: str, tooltips: Mapping[str, tuple[str, str]]
) -> str:
    """The SVG of matplotlib as an element for a page; see the module's docstring."""
    root = ElementTree.fromstring(drawn)  # noqa: S314 (matplotlib's own)
    for one in root.iter():
        one.tag = one.tag.partition("}")[2]
        for key in [key for key in one.attrib if key.startswith("{")]:
            one.attrib[key.partition("}")[2]] = one.attrib.pop(key)
    for parent in [*root.iter()]:
        for child in [*parent]:
            if child.tag in ("metadata", "style") or (child.tag == "defs" and not _kept(child)):
                parent.remove(child)
    used = {target for one in root.iter() for target in _targets(one)}
    for one in root.iter():
        _restyle(one)
        known = one.attrib.pop("id", "")
        if known in tooltips:
            text, place = tooltips[known]
            ElementTree.SubElement(one, "title").text = visible(text)
            if place:
                one.set("data-json", place)
        if known in used:
            one.set("id", f"{name}-{known}")
        if "href" in one.attrib:
            one.set("href", f"#{name}-{one.attrib['href'][1:]}")
        if "clip-path" in one.attrib:
            one.set("clip-path", one.attrib["clip-path"].replace("#", f"#{name}-"))
        for key in ("d", "transform", "x", "y", "points"):
            if key in one.attrib:
                one.set(key, _LONG.sub(lambda found: f"{float(found[0]):.2f}", one.attrib[key]))
        if one.get("transform", "").startswith("rotate(-0 "):
            del one.attrib["transform"]
        one.text, one.tail = (t.strip() if t and not t.strip() else t for t in (one.text, one.tail))
    _flatten(root)
    for key in ("version", "height"):
        root.attrib.pop(key, None)
    root.set("width", f"{_PIXELS * float(root.attrib['width'].removesuffix('pt')):.0f}")
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    for number, (tag, text) in enumerate((("title", title), ("desc", description))):
        said = ElementTree.Element(tag, {"id": f"{name}-{tag}"})
        said.text = visible(text)
        root.insert(number, said)
    return ElementTree.tostring(root, encoding="unicode")


def _flatten(parent: ElementTree.Element) -> None:
    """Replace each group that says nothing by what is in it."""
    children = []
    for child in parent:
        _flatten(child)
        children += [*child] if child.tag == "g" and not child.attrib else [child]
    parent[:] = children


def _kept(defs: ElementTree.Element) -> bool:
    return any(child.tag != "style" for child in defs)


def _targets(one: ElementTree.Element) -> Iterator[str]:
    """The ids that an element points at."""
    if href := one.get("href"):
        yield href[1:]
    if clip := one.get("clip-path"):
        yield clip.partition("#")[2].rstrip(")")


def _restyle(one: ElementTree.Element) -> None:
    """Turn the style attribute of an element into classes and presentation attributes."""
    classes = []
    for declaration in one.attrib.pop("style", "").split(";"):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        if key in ("fill", "stroke"):
            if value in COLOURS:
                classes.append(f"{key}-{COLOURS[value]}")
            else:
                one.set(key, value)
        elif key == "font":
            one.set("font-size", value.partition("px")[0].split()[-1])
            if value.startswith(("bold", "700")):
                one.set("font-weight", "bold")
        elif key in _PRESENTED:
            one.set(key, value)
    if classes:
        one.set("class", " ".join(classes))
