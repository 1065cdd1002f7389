"""A warning at the terminal where a checkpoint was asked other prompts than the dense model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unicomp.findings.prompts import PromptDifference
from unicomp.report.tables import full_name


def warnings(found: Sequence[PromptDifference]) -> Iterator[str]:
    """A line for each checkpoint."""
    for one in found:
        reasons = ", ".join(f"{why} ({count:,})" for why, count in one.why.items())
        yield (
            f"{full_name(one.checkpoint)}: {one.differ:,} of {one.of:,} prompts differ from the "
            f"dense model's: {reasons}"
        )
