"""How far answers are from the dense model's, beside the scores, and warnings about answers.

A mark and a warning stand where a score did not move although many answers changed. Another warning
says where many answers were cut off. A line has the samples of items that were asked repeatedly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from unicomp.findings.divergence import Distance, SilentChange, Truncation
from unicomp.report.tables import empty_table, full_name, plain
from unicomp.scorecard import Scorecard
from unicomp.spec import CheckpointId

TITLE = "Answers that differ from those of the dense model"
HIDES = "≠"
"""The mark of a change that the score does not show."""
LEGEND = (
    f"{HIDES}: the score did not move, the answers did. Changed: read differently. Same: equal "
    "texts, options or likeliest tokens. KL: of options or of tokens."
)
HEADINGS = ("benchmark", "kept, %", "changed, %", "lost", "gained", "same, %", "KL, nats")
MOST = 30
"""The rows of the table at the terminal; the JSON scorecard has all."""
_NOTHING = "–"


def table(card: Scorecard, found: Sequence[Distance]) -> Table:
    """A row for each benchmark of each checkpoint: first those whose score hides a change."""
    made = empty_table(HEADINGS)
    made.columns[1].justify = "left"
    for one in found[:MOST]:
        style = "yellow" if one.hidden else ""
        cells = (name_in(card, one.checkpoint), plain(one.benchmark), *figures(one))
        made.add_row(*(Text(cell, style) for cell in cells))
    return made


def notes(found: Sequence[Distance]) -> Iterator[str]:
    """What the columns say, and what is left out."""
    yield LEGEND
    if (more := len(found) - MOST) > 0:
        yield f"… and {more} more benchmarks; --scorecard FILE has them all"


def name_in(card: Scorecard, checkpoint: CheckpointId) -> str:
    """The name of a checkpoint, with its model if there are several."""
    name = card.name_of(checkpoint)
    return plain(f"{checkpoint.model}/{name}" if len(card.models) > 1 else name)


def figures(one: Distance) -> list[str]:
    """The cells of a benchmark under `HEADINGS` after its name."""
    return [
        _shown(one.retention, ".1f"),
        (f"{HIDES} " if one.hidden else "") + _shown(one.changed, ".1f"),
        _shown(one.lost, "d"),
        _shown(one.gained, "d"),
        _shown(one.same[1] if one.same else None, ".1f"),
        _shown(one.apart[1] if one.apart else None, ".2g"),
    ]


def _shown(value: float | None, form: str) -> str:
    return _NOTHING if value is None else format(value, form)


def of_samples(card: Scorecard) -> Iterator[str]:
    """A line for each benchmark of a checkpoint whose items were asked several times."""
    for row in card.rows:
        figures = row.divergence.get("figures", {})
        shown = [
            f"{name.removesuffix('_at_k')}@{row.repeats} {_with_limits(figures[name])} "
            f"of dense {_with_limits(figures[f'dense.{name}'])}"
            for name in ("avg_at_k", "pass_at_k")
            if name in figures and f"dense.{name}" in figures
        ]
        if shown:
            many = f"{row.n:,} items × {row.repeats} samples"
            yield f"{full_name(row.checkpoint)} {row.benchmark}, {many}: {', '.join(shown)}"


def _with_limits(figure: Sequence[float]) -> str:
    value, low, high = figure
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"


def warnings(found: Sequence[SilentChange]) -> Iterator[str]:
    """A line for each checkpoint, with all its benchmarks."""
    for checkpoint in dict.fromkeys(one.checkpoint for one in found):
        changes = "; ".join(
            f"the score of {one.benchmark} did not move, {one.changed:.1f} % "
            f"[{one.low:.1f}, {one.high:.1f}] of the answers did"
            for one in found
            if one.checkpoint == checkpoint
        )
        yield f"{full_name(checkpoint)}: {changes}"


def cut_off(found: Sequence[Truncation]) -> Iterator[str]:
    """A line for each checkpoint, with all its benchmarks."""
    for checkpoint in dict.fromkeys(one.checkpoint for one in found):
        benchmarks = "; ".join(
            f"{one.cut:.1f} % [{one.low:.1f}, {one.high:.1f}] of the answers to {one.benchmark}"
            for one in found
            if one.checkpoint == checkpoint
        )
        yield f"{full_name(checkpoint)}: cut off at the limit of new tokens: {benchmarks}"
