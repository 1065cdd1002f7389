"""How far answers differ, at the terminal: silent changes, and the samples of repeated items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unicomp.findings.divergence import SilentChange
from unicomp.report.tables import full_name
from unicomp.scorecard import Scorecard


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
