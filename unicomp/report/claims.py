"""The claims of the paper and what the measurements show of them, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unicomp.findings.claims import Claim, Figure


def lines(found: Sequence[Claim]) -> Iterator[str]:
    """A line for each claim that was measured, and one for all others."""
    several = len({one.model for one in found}) > 1
    for one in found:
        if one.status != "not measured":
            model = f"{one.model}: " if several else ""
            yield f"The paper: {model}{one.statement}: {one.status}; {one.why}"
    if lacking := dict.fromkeys(one.name for one in found if one.status == "not measured"):
        yield f"The paper's claims that this run does not measure: {', '.join(lacking)}"


def figures(claim: Claim) -> str:
    """The figures of a claim, and what they count."""
    return f"{claim.unit}: {'; '.join(map(written, claim.figures))}" if claim.figures else ""


def written(one: Figure) -> str:
    """A figure with its interval."""
    ends = f" [{one.low:.1f}, {one.high:.1f}]" if None not in (one.low, one.high) else ""
    return f"{one.subject} {one.value:.1f}{ends}"
