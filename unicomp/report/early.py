"""Phrases about results for which asking stopped early.

A value then is the one that is expected of the full run, and the interval is a confidence sequence,
which holds whenever one stops.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unicomp.findings.early import EarlyStop
from unicomp.scorecard import STOPPED_EARLY, Scorecard
from unicomp.units import interval, share
from unicomp.verdict import UNSETTLED, MetricRow, Row

ABOUT = "≈"
"""Stands before the value of an early result."""
LEGEND = f"{ABOUT} stopped early: expected of the full run"
SEQUENCE = "confidence sequence"
UNDECIDED = "the full run would be undecided too"
"""What more items would change for a result that is undecided early, if that is settled."""

_VERBS = {"pass": "passes", "fail": "fails"}
_SMALLEST = 1e-4
"""Below this, a chance is not worth its digits."""
_MOST = 3
"""The names that a short line has."""


def ends(card: Scorecard, row: Row | MetricRow) -> str:
    """The verdict in words; of an early result with what was asked of the full run."""
    if not row.early:
        return row.verdict.replace("_", " ")
    asked, full = card.asked_of(row)
    return f"{verb(row)}, {asked:,} of {full:,} asked"


def verb(row: Row | MetricRow) -> str:
    """The verdict of an early result, such as `fails early`."""
    return f"{_VERBS.get(row.verdict, row.verdict.replace('_', ' '))} early"


def value(row: Row | MetricRow, figure: float | None) -> str:
    """A figure of a result with one digit, marked if it is only expected of the full run."""
    if figure is None:
        return ""
    return f"{ABOUT if row.early else ''}{figure:.1f}"


def limits(row: Row | MetricRow) -> str:
    """The interval of a result, or its confidence sequence, named as such."""
    found = interval(row.low, row.high)
    return f"{SEQUENCE} {found}" if row.early else found


def chance(row: Row | MetricRow) -> str:
    """The chance that the full run has another verdict; empty if it is no verdict of one."""
    error = row.early_error
    if error is None or not is_settled(row):
        return ""
    shown = f"at most {share(error)}" if error >= _SMALLEST else f"less than {share(_SMALLEST)}"
    return f"chance of another verdict {shown}"


def outlook(row: Row | MetricRow) -> str:
    """What more items would change; empty unless it is undecided early, and that is settled."""
    return UNDECIDED if row.verdict == "undecided" and is_settled(row) else ""


def is_settled(row: Row | MetricRow) -> bool:
    """Whether it is early, and the verdict of the full run is known."""
    return row.early and row.reason != UNSETTLED


def included(added: float) -> str:
    """The remark that a chance includes what stopping early adds; empty if that is nothing."""
    return f" (of which {share(added)} for stopping early)" if added else ""


def lines(card: Scorecard, found: Sequence[EarlyStop], *, short: bool = True) -> Iterator[str]:
    """What was asked of each checkpoint that stopped early, and what does not have its figures."""
    if not found:
        return
    asked = [
        f"{card.name_of(one.checkpoint)} asked {one.asked:,} of {one.full:,} items "
        f"({100 * one.share:.1f} %)"
        for one in found
    ]
    yield f"Stopped early: {_listed(asked, short)}."
    names = [f"{_listed(one.names, short)} of {card.name_of(one.checkpoint)}" for one in found]
    yield (
        f"No finding, comparison or published table has {_listed(names, short)}, since "
        f"{STOPPED_EARLY}."
    )


def _listed(names: Sequence[str], short: bool) -> str:
    shown = names[:_MOST] if short else names
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
