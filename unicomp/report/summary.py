"""The short page at the terminal: verdict, one table, and at most fifteen lines of reasons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from unicomp.findings import Findings
from unicomp.framework import METRICS
from unicomp.report import comparison, early, reasons
from unicomp.report.decision import chances, decided_by, left_out
from unicomp.report.metric_map import Cell, Column, columns
from unicomp.report.styles import DECISIONS, MARKS, STYLES
from unicomp.report.tables import items_asked, plain, printable
from unicomp.scorecard import Scorecard
from unicomp.spec import CheckpointId
from unicomp.verdict import Verdict

WIDTH = 100
"""Columns that the table of all thirteen metrics fits."""
MOST_LINES = 15
"""Lines of reasons."""
_WARNINGS = 6
"""Of these at least so many are warnings, if there are so many."""
_CELL = 6
"""Columns of a cell, and of its distance to the next one."""

_UNLIMITED = 10_000
"""Columns in which a table is measured."""
_METHOD = "method"
"""The heading of the names."""
_HEADS = {
    "knowledge": "know-\nledge",
    "multilingual": "multi-\nling.",
    "reasoning": "rea-\nson.",
    "instruction_following": "in-\nstr.",
    "truthfulness": "truth",
    "safety": "safe-\nty",
    "fairness": "fair-\nness",
    "robustness": "ro-\nbust",
    "privacy": "pri-\nvacy",
    "ethics": "eth-\nics",
    "runtime_acceleration": "run-\ntime",
    "inference_efficiency": "infe-\nrence",
    "compute_cost": "cost",
}
_WORDS: dict[Verdict, str] = {
    "pass": "",
    "fail": "fail",
    "undecided": "?",
    "missing": "none",
    "unsupported": "unsup",
    "not_measured": "unmea",
    "not_comparable": "incom",
}
"""What stands in a cell without a value."""


def parts(card: Scorecard, findings: Findings, width: int) -> Iterator[str | Table]:
    """The verdict, the table, the reasons, and the decision as the last line."""
    yield f"[bold {DECISIONS[card.decision]}]{escape(reasons.verdict(card))}[/]"
    yield f"[bold]{printable(_title(card))}"
    found = _shown(card, findings, width)
    yield from tables(card, found, width)
    if notes := list(_notes(card, findings, found)):
        yield f"[dim]{printable('; '.join(notes))}[/]"
    yield from _reasons(card, findings)
    yield f"[bold {DECISIONS[card.decision]}]the gate is {card.decision}"


def _title(card: Scorecard) -> str:
    facts = card.environment.get("models", {})
    items = items_asked(card)
    named = (
        f"{model} ({facts[model]['rows']} rows{items})" if "rows" in facts.get(model, {}) else model
        for model in card.models
    )
    return f"UniComp scorecard of {', '.join(named)}: % of dense"


def tables(card: Scorecard, found: Sequence[Column], width: int) -> Iterator[Table]:
    """All columns in one table, or in several where the terminal is too narrow."""
    names = {one: _label(card, one) for one in card.checkpoints}
    first = _first(names.values(), len(found), width)
    whole = _table(card, names, found, first, {one.name: _whole(one) for one in found})
    if Console(width=_UNLIMITED).measure(whole).maximum <= width:
        yield whole
        return
    heads = {one.name: _short(one) for one in found}
    each = max((width - first) // _CELL, 1)
    for start in range(0, len(found), each):
        yield _table(card, names, found[start : start + each], first, heads)


def _shown(card: Scorecard, findings: Findings, width: int) -> list[Column]:
    """The columns of the page; benchmarks beside a metric only if there is room for all."""
    found = columns(card, findings)
    names = [_label(card, one) for one in card.checkpoints]
    if _CELL * len(found) + _first(names, len(found), width) <= width:
        return found
    return [one for one in found if not one.beside]


def _first(names: Iterable[str], number: int, width: int) -> int:
    """The width of the names before a number of columns; longer ones are folded."""
    longest = max(len(line) for name in (_METHOD, *names) for line in name.split("\n"))
    return min(longest, max(width - _CELL * min(number, len(METRICS)), 8))


def _table(
    card: Scorecard,
    names: Mapping[CheckpointId, str],
    found: Sequence[Column],
    first: int,
    heads: Mapping[str, str],
) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0)
    table.add_column(_METHOD, overflow="fold", max_width=first)
    for one in found:
        head = Text(heads[one.name] + ("*" if one.compared else ""))
        table.add_column(head, justify="right", overflow="fold", min_width=_CELL - 1)
    several = len(card.models) > 1
    for model in card.models:
        if several:
            table.add_row(Text(plain(model), "bold"))
        for name, label in names.items():
            if name.model == model:
                table.add_row(Text(label), *(_cell(one.cells.get(name)) for one in found))
    return table


def _label(card: Scorecard, checkpoint: CheckpointId) -> str:
    _, method, calibration = checkpoint
    label = f"{plain(method)}\n  {plain(calibration)}"
    return label if card.is_named(calibration) else plain(method)


def _whole(column: Column) -> str:
    """The name as a head, a word on each line."""
    return plain(column.name).replace("_", "\n")


def _short(column: Column) -> str:
    """The name as a head of at most two short lines."""
    if column.name in _HEADS:
        return _HEADS[column.name]
    name, wide = plain(column.name), _CELL - 1
    return f"{name[:wide]}\n{name[wide : 2 * wide]}".strip()


def _cell(cell: Cell | None) -> Text:
    if cell is None:
        return Text("")
    style = "dim" if cell.allowed else STYLES[cell.verdict] if cell.verdict else ""
    if cell.value is None:
        return Text(_WORDS[cell.verdict] if cell.verdict else "", style=style)
    mark = MARKS.get(cell.verdict, "").strip() if cell.verdict else ""
    # an expected value has no more digits, so that its mark fits
    value = f"{early.ABOUT}{cell.value:.0f}" if cell.early else f"{cell.value:.1f}"
    return Text(f"{value}{mark}", style=style)


def _notes(card: Scorecard, findings: Findings, found: Sequence[Column]) -> Iterator[str]:
    """What the marks and the short words mean, of those in the table, and what it lacks."""
    if any(one.compared for one in found):
        yield "* % of the best"
    if any(cell.early for one in found for cell in one.cells.values()):
        yield early.LEGEND
    cells = [cell for one in found for cell in one.cells.values() if cell.value is None]
    for verdict in ("missing", "unsupported", "not_measured", "not_comparable"):
        if any(cell.verdict == verdict for cell in cells):
            yield f"{_WORDS[verdict]}: {verdict.replace('_', ' ')}"
    if others := [one.name for one in columns(card, findings) if one not in found]:
        yield f"beside: {', '.join(others)}"


def _reasons(card: Scorecard, findings: Findings) -> Iterator[str]:
    """What is in the way, what weakens the figures, what was allowed; then who decided."""
    tail = [decided_by(card), *left_out(card), *early.lines(card, findings.early)]
    tail += filter(None, chances(card))
    if card.comparison is not None:
        tail.insert(0, comparison.headline(card.comparison))
    in_the_way = list(reasons.obstacles(card, findings))
    warnings = list(reasons.warnings(card, findings))
    allowed = reasons.allowed(card)
    room = MOST_LINES - len(tail) - 1
    shown = in_the_way[: room - min(len(warnings), _WARNINGS)]
    warned = warnings[: room - len(shown)]
    excused = allowed[: room - len(shown) - len(warned)]
    style = STYLES["fail"] if card.decision == "shut" else STYLES["undecided"]
    yield from (f"[{style}]{escape(line)}[/]" for line in shown)
    yield from (f"[yellow]{escape(line)}[/]" for line in warned)
    yield from (f"[dim]{escape(line)}[/]" for line in excused)
    more = [
        f"{found - kept} more {what}"
        for found, kept, what in (
            (len(in_the_way), len(shown), "in the way"),
            (len(warnings), len(warned), "warnings"),
            (len(allowed), len(excused), "allowed or without effect"),
        )
        if found > kept
    ]
    rest = "the benchmarks, intervals, findings and costs"
    yield f"[dim]… {', '.join([*more, rest])}: run with -v, or see the scorecard[/]"
    yield from map(printable, tail)
