"""Two engines on the same checkpoints: how far apart their scores are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from unicomp.data.calibration import GENERIC, UNSEEN
from unicomp.findings.engines import crosschecks_of
from unicomp.scorecard import Work


def lines(work: Sequence[Work]) -> Iterator[str]:
    """A line for each benchmark, with all checkpoints."""
    found = crosschecks_of(work)
    for name, engine, other in dict.fromkeys(
        (one["benchmark"], one["engine"], one["other"]) for one in found
    ):
        checkpoints = ", ".join(
            f"{_label(one)} {one['score']:.4g} against {one['other_score']:.4g} "
            f"({one['score'] - one['other_score']:+.2g}; {one['differing']} of {one['n']} items "
            "read differently)"
            for one in found
            if (one["benchmark"], one["engine"], one["other"]) == (name, engine, other)
        )
        yield f"{name} by {engine} and by {other}: {checkpoints}"


def _label(found: dict[str, Any]) -> str:
    seen = found["calibration"]
    return found["subject"] if seen in (UNSEEN, GENERIC) else f"{found['subject']} ({seen})"
