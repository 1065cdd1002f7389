"""Confidence limits of retention, at any level of error. Pure arithmetic.

Two kinds of evidence have limits. `PairedShares` is for items that are independent and right or
wrong: counts, and a score test. `Jackknifed` is for everything else: clusters, F1, correlations.
Both stay wide if nothing changed, since a change that n items never showed may still be there.
`Stated` has 95 % limits only. `Joint` adds up the parts of a metric. `PartialShares` and
`PartialSum` tell what the limits of a full run can be, of which a part was asked.

`docs/statistics.md` has the assumptions and the measured error rates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from unicomp.confidence.clusters import FEWEST_CLUSTERS, Jackknifed, jackknifed
from unicomp.confidence.evidence import Evidence, p_above, p_below
from unicomp.confidence.metric import Member, summed
from unicomp.confidence.partial import PartialShares, PartialSum, PartTable
from unicomp.confidence.shares import (
    FEWEST_RIGHT,
    PairedShares,
    difference_limits,
    ratio_limits,
)
from unicomp.confidence.sums import Joint, Part, Stated

__all__ = [
    "FEWEST_CLUSTERS",
    "FEWEST_RIGHT",
    "Evidence",
    "Jackknifed",
    "Joint",
    "Kept",
    "Member",
    "PairedShares",
    "Part",
    "PartTable",
    "PartialShares",
    "PartialSum",
    "Stated",
    "difference_limits",
    "from_json",
    "jackknifed",
    "p_above",
    "p_below",
    "ratio_limits",
    "summed",
    "to_json",
]

Kept = PairedShares | Jackknifed | PartialShares
"""Evidence that a scorecard keeps."""

_KINDS: Mapping[str, type[Kept]] = {
    "paired_shares": PairedShares,
    "jackknifed": Jackknifed,
    "partial_shares": PartialShares,
}


def to_json(evidence: Kept) -> dict[str, Any]:
    """The evidence as JSON values."""
    kind = next(name for name, one in _KINDS.items() if isinstance(evidence, one))
    return {"kind": kind, **asdict(evidence)}


def from_json(found: Mapping[str, Any]) -> Kept:
    """The evidence from `to_json`, also after a way through JSON."""
    kind = _KINDS[found["kind"]]
    values = {name: one for name, one in found.items() if name != "kind"}
    for name in ("tables", "weighted"):
        if name in values:
            # JSON has no infinity
            values[name] = tuple(
                tuple(math.inf if x is None else float(x) for x in row) for row in values[name]
            )
    if kind is PartialShares:
        values["tables"] = tuple(PartTable(*row) for row in values["tables"])
    return kind(**values)
