"""Up to which length of texts a checkpoint keeps its floor, in a line for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unicomp.findings.context_reach import ContextReach, LengthVerdict
from unicomp.report.tables import full_name


def lines(found: Sequence[ContextReach]) -> Iterator[str]:
    """A line for each checkpoint."""
    for one in found:
        yield f"{full_name(one.checkpoint)}: {reach(one)}"


def warnings(found: Sequence[ContextReach]) -> Iterator[str]:
    """A line for each checkpoint that does not keep its floor at all lengths."""
    yield from lines([one for one in found if one.ends is not None])


def reach(one: ContextReach) -> str:
    """How far it keeps its floor: `long context holds its floor up to 32,768 tokens, …`."""
    what = (one.metric or "long texts").replace("_", " ")
    parts = []
    if one.holds is not None:
        parts.append(f"holds its floor up to {one.holds:,} tokens")
    if one.end is not None:
        parts.append(_ending(one.end))
    if one.beyond:
        beyond = ", ".join(f"{length:,}" for length in one.beyond)
        parts.append(f"the baseline says nothing at {beyond}")
    return f"{what} {', '.join(parts)}"


def _ending(one: LengthVerdict) -> str:
    """What became of the first length that does not pass."""
    at = f"at {one.length:,}"
    if one.verdict == "fail" and one.retention is not None and one.floor is not None:
        return f"falls below {one.floor:g} {at}"
    if one.verdict == "undecided":
        return f"is undecided {at}"
    return f"{'fails' if one.verdict == 'fail' else f'is {one.verdict}'.replace('_', ' ')} {at}"
