"""The differences between the scores of two engines, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unicomp.findings.engines import CrossCheck
from unicomp.report.tables import full_name


def lines(found: Sequence[CrossCheck]) -> Iterator[str]:
    """A line for each benchmark, with all checkpoints."""
    for name, engine, other in dict.fromkeys((o.benchmark, o.engine, o.other) for o in found):
        checkpoints = ", ".join(
            f"{full_name(one.checkpoint)} "
            f"{one.score:.4g} against {one.other_score:.4g} "
            f"({one.difference:+.2g}; {one.differing} of {one.n} items read differently)"
            for one in found
            if (one.benchmark, one.engine, one.other) == (name, engine, other)
        )
        yield f"{name} by {engine} and by {other}: {checkpoints}"
