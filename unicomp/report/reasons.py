"""What a reader has to know of a scorecard, in plain sentences: the terminal and Markdown show it.

The decision with its stated errors; then what stands in its way, what was allowed, and what makes
a figure less certain than it looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from unicomp.decision import decides, shuts
from unicomp.findings import Findings
from unicomp.report import (
    calibrations,
    comparison,
    context_reach,
    divergence,
    early,
    efficiency,
    prompts,
)
from unicomp.report.decision import caveats
from unicomp.report.tables import full_name, plain
from unicomp.scorecard import Scorecard
from unicomp.units import share
from unicomp.verdict import OTHER_LOAD, MetricRow, Row


def verdict(card: Scorecard) -> str:
    """The decision, and how many of the critical results passed."""
    critical = [row for row in _ends(card) if row.tier == "critical"]
    if not critical:
        return f"the gate is {card.decision}: nothing decides"
    passed = len([row for row in critical if row.verdict == "pass"])
    counted = f"the gate is {card.decision}: {passed} of {len(critical)} critical results passed"
    gaps = len([row for row in critical if row.allowed is not None])
    return counted + (f", {_count(gaps, 'gap')} allowed" if gaps else "")


def stated_errors(card: Scorecard) -> str:
    """The chances of a wrong decision, in one sentence."""
    bound = card.bound
    included = early.included(bound.early)
    return (
        f"Chance to open although something critical is below its floor: at most "
        f"{share(bound.opening)}{included}; chance to fail a checkpoint that is at or above all "
        f"its floors: at most {share(bound.shutting)}{included}."
    )


def obstacles(card: Scorecard, findings: Findings) -> Iterator[str]:
    """A line for each result that keeps the gate from opening, the failed ones first."""
    for row in card.gaps:
        if shuts(row):
            yield gap(card, row)
    outlook = {(one.checkpoint, one.name): one.words for one in findings.outlook}
    for row in _ends(card):
        if decides(row) and row.verdict != "pass" and not shuts(row):
            words = outlook.get((row.checkpoint, row.name))
            would = f"; it would take {words}" if words else ""
            if known := early.outlook(row):
                would = f"; {known}"
            yield gap(card, row) + would
    if card.decision == "shut" and not any(row.decided for row in card.rows):
        yield "nothing was measured"


def allowed(card: Scorecard) -> list[str]:
    """A line for each gap that the policy allows, or that cannot shut the gate."""
    return [gap(card, row) for row in card.gaps if not shuts(row) and not decides(row)]


def gap(card: Scorecard, row: Row | MetricRow) -> str:
    """A result that did not pass, in one line: verdict, checkpoint, name, figures or reason."""
    line = f"{early.ends(card, row)}: {row.model}/{card.name_of(row.checkpoint)} {row.name}"
    detail = describe(row)
    excuse = ""
    if row.allowed:
        excuse = " (allowed)" if row.allowed in detail else f" (allowed: {row.allowed})"
    return plain(line + (f": {detail}" if detail else "") + excuse)


def describe(row: Row | MetricRow) -> str:
    """The result of a row in a few words: the scores, the interval, the floor."""
    if isinstance(row, Row) and row.unit is not None:
        return efficiency.describe(row)
    value = row.retention if isinstance(row, Row) else row.value
    if value is None:
        return row.reason
    scores = ""
    if isinstance(row, Row):
        judge = f" (judged with kappa {row.kappa:.2f})" if row.kappa is not None else ""
        scores = f"{early.value(row, row.score)} of dense {row.dense:.1f}{judge}, "
    kept = f"{scores}{_verb(row)} {early.value(row, value)} % {early.limits(row)}"
    why = row.reason if isinstance(row, MetricRow) or row.early else ""
    return ", ".join(filter(None, [kept, *_asked(row), early.chance(row), why]))


def warnings(card: Scorecard, findings: Findings) -> Iterator[str]:
    """A line for each kind of thing that changes how far the figures can be believed."""
    if card.comparison is not None:
        yield from map(plain, islice(comparison.lines_of_run(card.comparison), _COMPARED))
    yield from map(plain, caveats(card))
    if unpinned := card.environment.get("unpinned"):
        yield plain(f"unpinned, so any revision may have been read: {_some(unpinned)}")
    lines = (
        list(context_reach.warnings(findings.context_reach)),
        list(prompts.warnings(findings.prompt_differences)),
        list(divergence.warnings(findings.silent_changes)),
        list(divergence.cut_off(findings.truncations)),
        list(calibrations.flips(findings.seed_spreads)),
    )
    yield from (plain(_with_more(kind)) for kind in lines if kind)
    yield from map(plain, card.environment.get("notes", ()))
    if disturbed := [row for row in card.rows if OTHER_LOAD in row.details]:
        names = _some(list(dict.fromkeys(full_name(row.checkpoint) for row in disturbed)))
        yield plain(f"built beside other work, so that it took longer: {names}")


def _ends(card: Scorecard) -> list[Row | MetricRow]:
    return [*card.metrics, *card.rows]


_COMPARED = 6
"""The lines on what changed since the last release."""
_SOME = 3
"""The names of a list that are shown in a line."""


def _some(names: list[str]) -> str:
    more = len(names) - _SOME
    return ", ".join(names[:_SOME]) + (f" and {more} more" if more > 0 else "")


def _with_more(lines: list[str]) -> str:
    more = len(lines) - 1
    return lines[0] + (f" (and {more} more of this kind)" if more else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"


def _verb(row: Row | MetricRow) -> str:
    return "generated" if isinstance(row, MetricRow) and row.ceiling is not None else "kept"


def _asked(row: Row | MetricRow) -> Iterator[str]:
    """What was asked of it."""
    if row.floor is not None:
        yield f"floor {row.floor:g}"
    if isinstance(row, MetricRow):
        if row.ceiling is not None:
            yield f"ceiling {row.ceiling:g}"
    else:
        if row.max_drop is not None:
            yield f"at most {row.max_drop:g} points below dense"
        if row.ceiling is not None:
            yield f"at most {row.ceiling:g} % of the dense score"
        known = row.bounded_figures
        for name, bound in row.figures.items():
            found = "{:.1f} % [{:.1f}, {:.1f}]".format(*known[name]) if name in known else "unknown"
            yield f"{name} {found}, {row.bound_of(name)} {bound:g}"
