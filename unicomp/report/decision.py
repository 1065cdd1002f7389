"""What the gate was decided by, and the chances of a wrong decision, in a few lines."""

from __future__ import annotations

from collections.abc import Iterator

from unicomp.decision import FEW_CLUSTERS, MEASURED_ERROR, with_few_clusters
from unicomp.findings import Findings
from unicomp.framework import RETAINED
from unicomp.scorecard import Scorecard
from unicomp.verdict import MetricRow, Row


def lines(card: Scorecard, findings: Findings) -> Iterator[str]:
    """The lines before the decision."""
    ends: list[Row | MetricRow] = [*card.metrics, *card.rows]
    critical = dict.fromkeys(row.name for row in ends if row.tier == "critical")
    if critical:
        yield f"Decided by {', '.join(critical)}{_selected(card)}."
    else:
        yield "Nothing decides here: no metric was measured, and no floor is set."
    others = dict.fromkeys(row.name for row in ends if row.tier == "advisory")
    if advisory := [name for name in others if name not in critical]:
        yield f"Reported only: {', '.join(advisory)}."
    left_out = dict.fromkeys(
        f"{name} ({row.metric} of {row.model}: {why})"
        for row in card.metrics
        for name, why in row.left_out.items()
        if why != "advisory"
    )
    if left_out:
        yield f"Left their metric: {', '.join(left_out)}."
    yield from _changes(card)
    for one in findings.outlook:
        yield f"Undecided: {card.name_of(one.checkpoint)} {one.name}; it would take {one.words}."
    yield from _bound(card)


def _selected(card: Scorecard) -> str:
    """A note where only some of the metrics of a benchmark's profile were run."""
    run = {row.metric for row in card.metrics}
    others = [metric for metric in RETAINED if metric not in run]
    return f"; not run: {', '.join(others)}" if run and others else ""


_MOST_CHANGES = 3
"""The changes of the policy that are shown; the JSON scorecard has all."""


def _changes(card: Scorecard) -> Iterator[str]:
    found = card.policy_changes
    if found:
        more = f"; and {len(found) - _MOST_CHANGES} more" if len(found) > _MOST_CHANGES else ""
        shown = "; ".join(map(str, found[:_MOST_CHANGES]))
        yield f"The policy was changed after answers were seen: {shown}{more}."


def _bound(card: Scorecard) -> Iterator[str]:
    found = card.bound
    if found.attained is not None:
        yield (
            f"Chance to open although something critical is below its floor: at most "
            f"{100 * found.opening:.2g} %; attained {_percent(found.attained)} by {found.worst}."
        )
    few = dict.fromkeys(row.metric for row in with_few_clusters(card.metrics))
    if few:
        yield (
            f"With fewer than {FEW_CLUSTERS} clusters: {', '.join(few)}; such limits err in "
            f"at most {_percent(MEASURED_ERROR)} of simulations."
        )
    if not found.holds:
        yield (
            f"The stated {100 * found.level * found.looks:.2g} % does not hold: this is look "
            f"{found.looks} at the same candidate, each with other items."
        )
    yield (
        f"Chance to fail a checkpoint that is at or above all its floors: at most "
        f"{100 * found.shutting:.2g} %."
    )


def _percent(share: float) -> str:
    return "less than 0.01 %" if share < 1e-4 else f"{100 * share:.2g} %"
