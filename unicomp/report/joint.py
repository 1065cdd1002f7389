"""The decision of several scorecards, in a few lines; the decision itself is the last."""

from __future__ import annotations

from collections.abc import Iterator

from unicomp.joint import JointDecision, Part
from unicomp.report import early
from unicomp.report.markup import DECISIONS, text
from unicomp.units import share

_MOST_REASONS = 5
"""The reasons of a part that are shown; its own run has printed all."""


def lines(found: JointDecision) -> Iterator[str]:
    """A line for each part, the chances of a wrong decision, and the decision."""
    for part in found.parts:
        yield f"{part.path}: {_part(part)}"
    held = all(part.bound.holds for part in found.parts)
    note = "" if held else "; a candidate was looked at before, each time with other items"
    yield (
        "Chance to open although something critical is below its floor: at most "
        f"{share(found.opening)}{early.included(found.early_opening)}, the largest of the "
        f"parts{note}."
    )
    yield (
        "Chance to fail a checkpoint that is at or above all its floors: at most "
        f"{share(found.shutting)}{early.included(found.early_shutting)}, the sum over "
        f"{len(found.parts)} parts."
    )
    if found.decision != "open":
        yield f"Decided by {', '.join(str(part.path) for part in found.decided_by)}."
    yield f"the gate is {found.decision}"


def markdown(found: JointDecision) -> str:
    """The joint decision for the summary of a job, below those of its parts."""
    title = f"### {DECISIONS[found.decision]} UniComp: the gate over {len(found.parts)} runs is "
    bullets = [f"- {text(line)}" for line in lines(found)]
    note = "This decides. The decisions above are those of its parts."
    return "\n".join([title + found.decision, "", note, "", *bullets]) + "\n"


def _part(part: Part) -> str:
    if not part.reasons:
        names = ", ".join(part.critical) or "nothing: no metric was measured, and no floor is set"
        return f"{part.decision}, decided by {names}"
    shown = "; ".join(part.reasons[:_MOST_REASONS])
    more = len(part.reasons) - _MOST_REASONS
    return f"{part.decision}: {shown}" + (f"; and {more} more" if more > 0 else "")
