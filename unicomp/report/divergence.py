"""Warnings: a score did not move although many answers changed, or many answers were cut off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unicomp.findings.divergence import SilentChange, Truncation
from unicomp.report.tables import full_name


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
