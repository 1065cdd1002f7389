"""What the gate was decided by, and the chances of a wrong decision, in a few lines."""

from __future__ import annotations

from collections.abc import Iterator

from unicomp.decision import FEW_CLUSTERS, decides, measured_error, with_few_clusters
from unicomp.findings import Findings
from unicomp.framework import RETAINED, expected_metrics
from unicomp.report import early
from unicomp.scorecard import Scorecard
from unicomp.units import share
from unicomp.verdict import MetricRow, Row


def lines(card: Scorecard, findings: Findings) -> Iterator[str]:
    """The lines before the decision."""
    yield decided_by(card)
    names = _names(card, "critical")
    if advisory := [name for name in _names(card, "advisory") if name not in names]:
        yield f"Reported only: {', '.join(advisory)}."
    yield from left_out(card)
    yield from _changes(card)
    yield from early.lines(card, findings.early, short=False)
    for one in findings.outlook:
        yield f"Undecided: {card.name_of(one.checkpoint)} {one.name}; it would take {one.words}."
    opening, failing = chances(card)
    yield from filter(None, (opening, *_few(card), *_looks(card), failing))


def decided_by(card: Scorecard) -> str:
    """The metrics and benchmarks that had to pass."""
    if critical := _names(card, "critical"):
        return f"Decided by {', '.join(critical)}{_selected(card)}."
    return "Nothing decides here: no metric was measured, and no floor is set."


def left_out(card: Scorecard) -> Iterator[str]:
    """A line if benchmarks have left their metric."""
    found = dict.fromkeys(
        f"{name} ({row.metric} of {row.model}: {why})"
        for row in card.metrics
        for name, why in row.left_out.items()
        if why != "advisory"
    )
    if found:
        yield f"Left their metric: {', '.join(found)}."


def caveats(card: Scorecard) -> Iterator[str]:
    """What weakens the stated chances, a line each."""
    yield from _changes(card)
    yield from _few(card)
    yield from _looks(card)


def chances(card: Scorecard) -> tuple[str, str]:
    """The chance to open wrongly, which is empty if nothing passed, and that to fail wrongly."""
    found = card.bound
    included = early.included(found.early)
    opening = ""
    if any(decides(row) and row.verdict == "pass" and _is_by_chance(row) for row in card.ends):
        attained = ""
        if found.attained is not None:
            attained = f"; attained {_attained(found.attained)} by {found.worst}"
        opening = (
            f"Chance to open although something critical is below its floor: at most "
            f"{share(found.opening)}{included}{attained}."
        )
    return opening, (
        f"Chance to fail a checkpoint that is at or above all its floors: at most "
        f"{share(found.shutting)}{included}."
    )


def _is_by_chance(row: Row | MetricRow) -> bool:
    """Whether its verdict could be another by chance: it was judged by its limits."""
    return row.p_pass is not None or row.early


def _names(card: Scorecard, tier: str) -> list[str]:
    ends: list[Row | MetricRow] = [*card.metrics, *card.rows]
    return list(dict.fromkeys(row.name for row in ends if row.tier == tier))


def _selected(card: Scorecard) -> str:
    """A note where only some of the metrics of a benchmark's profile were run."""
    run = {row.metric for row in card.metrics}
    asked = expected_metrics(card.profiles.values())
    others = [one for one in asked if one in RETAINED and one not in run]
    return f"; not run: {', '.join(others)}" if run and others else ""


_MOST_CHANGES = 3
"""The changes of the policy that are shown; the JSON scorecard has all."""


def _changes(card: Scorecard) -> Iterator[str]:
    found = card.policy_changes
    if found:
        more = f"; and {len(found) - _MOST_CHANGES} more" if len(found) > _MOST_CHANGES else ""
        shown = "; ".join(map(str, found[:_MOST_CHANGES]))
        yield f"The policy was changed after answers were seen: {shown}{more}."


def _few(card: Scorecard) -> Iterator[str]:
    few = dict.fromkeys(row.metric for row in with_few_clusters(card.metrics))
    if few:
        yield (
            f"With fewer than {FEW_CLUSTERS} clusters: {', '.join(few)}; such limits err in "
            f"at most {share(measured_error(card.rows))} of simulations."
        )


def _looks(card: Scorecard) -> Iterator[str]:
    found = card.bound
    if not found.holds:
        yield (
            f"The stated {share(found.level * found.looks)} does not hold: this is look "
            f"{found.looks} at the same candidate, each with other items."
        )


def _attained(value: float) -> str:
    return "less than 0.01 %" if value < 1e-4 else share(value)
