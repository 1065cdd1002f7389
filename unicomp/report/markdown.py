"""The scorecard as Markdown, for a pull request or the summary of a CI job.

It has at most `MOST_LINES` lines: verdict with its stated errors, the map of metrics, why, and
folded the intervals, the answers that differ, and what was measured with. What does not fit is
counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unicomp.findings import Findings
from unicomp.findings.divergence import Distance
from unicomp.report import divergence, early, efficiency, reasons
from unicomp.report.decision import decided_by, left_out
from unicomp.report.markup import DECISIONS, code, folded, table, text
from unicomp.report.metric_map import Cell, Column, columns
from unicomp.report.repeating import commands
from unicomp.report.styles import MARKS
from unicomp.report.tables import full_name
from unicomp.scorecard import Scorecard
from unicomp.spec import DENSE, CheckpointId
from unicomp.verdict import MetricRow, Row

MOST_LINES = 60
_ROWS, _COLUMNS = 12, 20
"""Checkpoints and metrics of the map that are shown."""
_REASONS = 12
_DISTANCES = 3
"""Benchmarks whose answers differ."""
_FOLDING, _AROUND, _TWO_TABLES = 5, 4, 16
"""Lines of folding, lines of a table besides its rows, and the room from which two tables fit."""
_COMMANDS = 3


def render(card: Scorecard, findings: Findings) -> str:
    """The Markdown of a scorecard, which ends with a line feed."""
    head = [
        f"### {DECISIONS[card.decision]} UniComp: the gate is {card.decision}",
        "",
        f"{_sentence(reasons.verdict(card))} {reasons.stated_errors(card)}",
        "",
        *_early(card, findings),
        *_map(card, columns(card, findings)),
        *_why(card, findings),
    ]
    tail = list(folded("What was measured, with what, and how to repeat it", _context(card)))
    room = MOST_LINES - len(head) - len(tail)
    return "\n".join([*head, *_results(card, findings, room), *tail]) + "\n"


def _early(card: Scorecard, findings: Findings) -> Iterator[str]:
    """A paragraph on what stopped early."""
    if lines := list(early.lines(card, findings.early)):
        yield from (text(" ".join(lines), 900), "")


def _sentence(line: str) -> str:
    return f"**{text(line[:1].upper() + line[1:])}.**"


def _map(card: Scorecard, found: Sequence[Column]) -> Iterator[str]:
    shown, names = found[:_COLUMNS], card.checkpoints[:_ROWS]
    heads = [text(one.name.replace("_", " ")) + (" \\*" if one.compared else "") for one in shown]
    yield from table(
        ["checkpoint", *heads],
        ([_name(card, name), *(_cell(one.cells.get(name)) for one in shown)] for name in names),
    )
    notes = ["% of dense; ✗ fails, ? is undecided"]
    if any(cell.early for one in shown for cell in one.cells.values()):
        notes.append(early.LEGEND)
    if any(one.compared for one in shown):
        notes.append("\\* % of the best")
    if (more := len(card.checkpoints) - len(names)) > 0:
        notes.append(f"{more} more checkpoints are in the scorecard")
    if (more := len(found) - len(shown)) > 0:
        notes.append(f"{more} more columns are in the scorecard")
    yield from ("", f"<sub>{'; '.join(notes)}</sub>", "")


def _name(card: Scorecard, checkpoint: CheckpointId) -> str:
    name = card.name_of(checkpoint)
    return text(f"{checkpoint.model}/{name}" if len(card.models) > 1 else name, 60)


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return ""
    excuse = " (allowed)" if cell.allowed else ""
    if cell.value is None:
        return (cell.verdict or "").replace("_", " ") + excuse
    mark = MARKS.get(cell.verdict, "") if cell.verdict else ""
    about = early.ABOUT if cell.early else ""
    return f"{about}{cell.value:.1f}{mark}{excuse}"


def _why(card: Scorecard, findings: Findings) -> Iterator[str]:
    """What is in the way, what weakens the figures, what was allowed."""
    lines = [
        *reasons.obstacles(card, findings),
        *reasons.warnings(card, findings),
        *reasons.allowed(card),
    ]
    yield from (f"- {text(line)}" for line in lines[:_REASONS])
    if (more := len(lines) - _REASONS) > 0:
        yield f"- … and {more} more in the scorecard"


def _asked(row: Row | MetricRow) -> str:
    """The floor of a row, and its limit."""
    floor = "" if row.floor is None else f"{row.floor:g}"
    if isinstance(row, MetricRow) and row.ceiling is not None:
        floor = f"at most {row.ceiling:g}"
    limit = efficiency.limit_of(row) if isinstance(row, Row) else ""
    return text(", ".join(filter(None, (floor, limit))))


def _results(card: Scorecard, findings: Findings, room: int) -> list[str]:
    """The results that decide, and the answers that differ, if there is room."""
    room -= _FOLDING
    apart = _distances(card, findings.distances) if room >= _TWO_TABLES else []
    lines, title = _intervals(card, room - len(apart)), "The results that decide, worst first"
    if not lines:
        return []
    if apart:
        title += ", and the answers that differ"
    return list(folded(title, [*lines, *apart]))


def _intervals(card: Scorecard, room: int) -> list[str]:
    """The judged metrics and benchmarks with interval and what is asked, if there is room."""
    ends: list[Row | MetricRow] = [*card.metrics, *card.rows]
    judged = [row for row in ends if row.tier == "critical" and row.method != DENSE.name]
    order = {"fail": 0, "undecided": 1, "pass": 3}
    judged.sort(key=lambda row: order.get(row.verdict, 2))
    most = room - _AROUND
    if most < 1 or not judged:
        return []
    shown = judged[:most]
    rows = (
        [
            text(full_name(row.checkpoint), 60),
            text(row.name, 60),
            _kept(row),
            _asked(row),
            text(", ".join(filter(None, (early.ends(card, row), early.chance(row))))),
        ]
        for row in shown
    )
    lines = list(table(("checkpoint", "critical result", "kept, %", "floor", "verdict"), rows))
    if (more := len(judged) - len(shown)) > 0:
        lines += ["", f"… and {more} more in the scorecard"]
    return lines


def _distances(card: Scorecard, found: Sequence[Distance]) -> list[str]:
    """How far some benchmarks' answers are from the dense model's: first what no score shows."""
    if not found:
        return []
    shown = found[:_DISTANCES]
    rows = (
        [_name(card, one.checkpoint), text(one.benchmark, 60), *divergence.figures(one)]
        for one in shown
    )
    more = len(found) - len(shown)
    note = f" {more} more are in the scorecard." if more > 0 else ""
    lines = table(("checkpoint", *divergence.HEADINGS), rows)
    return ["", *lines, "", f"<sub>{divergence.LEGEND}{note}</sub>"]


def _kept(row: Row | MetricRow) -> str:
    value = early.value(row, row.retention if isinstance(row, Row) else row.value)
    if not value or row.low is None or row.high is None:
        return value
    return f"{value} {early.limits(row)}"


def _context(card: Scorecard) -> Iterator[str]:
    """A few lines on models, software and policy, and the command."""
    about = card.environment
    for name, facts in list(about.get("models", {}).items())[:3]:
        parts = [f"{key} {facts[key]}" for key in _MODEL_FACTS if facts.get(key) is not None]
        yield f"- {text(name)}: {text(', '.join(parts))}"
    packages = ", ".join(f"{name} {version}" for name, version in about.get("packages", {}).items())
    yield f"- {text(packages)}" if packages else "- versions are not known"
    yield f"- {text(decided_by(card), 900)}"
    yield from (f"- {text(line)}" for line in left_out(card))
    if card.policy:
        yield f"- digest of the policy: {code(card.policy)}"
    yield from (f"- {code(line)}" for line in commands(card)[:_COMMANDS])


_MODEL_FACTS = ("source", "revision", "rows", "engine", "device", "dtype")
