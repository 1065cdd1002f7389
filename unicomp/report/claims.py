"""The claims of the paper and what the measurements show of them, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unicomp.findings.claims import Claim, Figure


def lines(found: Sequence[Claim]) -> Iterator[str]:
    """A line for each claim that was measured."""
    several = len({one.model for one in found}) > 1
    for one in found:
        if one.status != "not measured":
            model = f"{one.model}: " if several else ""
            yield f"The paper: {model}{one.statement}: {one.status}; {one.why}"


def figures(claim: Claim) -> str:
    """The figures of a claim, and what they count."""
    return f"{claim.unit}: {'; '.join(map(written, claim.figures))}" if claim.figures else ""


def written(one: Figure) -> str:
    """A figure with its interval; one below 1, such as a correlation, with a digit more."""
    digits = 2 if abs(one.value) < 1 else 1
    if one.low is None or one.high is None:
        return f"{one.subject} {one.value:.{digits}f}"
    return f"{one.subject} {one.value:.{digits}f} [{one.low:.{digits}f}, {one.high:.{digits}f}]"
