"""The evidence about a metric: the weighted sum of the evidence about its benchmarks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unicomp.confidence.evidence import Evidence
from unicomp.confidence.partial import Drift, PartialShares, PartialSum, Term, bounded
from unicomp.confidence.sums import Joint, Part


@dataclass(frozen=True)
class Member:
    """A benchmark of a metric."""

    evidence: Evidence | PartialShares
    weight: float
    """The metric's change for a change of the retention by 1."""
    error: float
    """The standard error of the baseline's score, as a share of the score."""


def summed(
    parts: Sequence[Sequence[Member]], correlations: Mapping[tuple[int, int], float]
) -> Joint | PartialSum:
    """The evidence about a sum of `parts`, each a benchmark, or several that make a sub-score.

    In a sub-score a benchmark weighs by its baseline's score, whose own error moves the sum if the
    retentions of its benchmarks differ. `correlations` has those of two benchmarks, numbered in
    order; a benchmark that was asked in part has none.
    """
    in_parts = [one for part in parts for one in part if isinstance(one.evidence, PartialShares)]
    # one seed shuffles all benchmarks, so their orders depend on each other, whatever their sizes
    power = 1 / max(len(in_parts), 1)
    known: list[Part] = []
    numbers: dict[int, int] = {}
    terms: list[Term] = []
    drift, number = 0.0, 0
    for part in parts:
        total = math.fsum(one.weight for one in part)
        mean = math.fsum(one.weight * one.evidence.estimate for one in part) / total
        spreads = bounded(
            [(one.weight * one.error) ** 2 for one in part], [one.weight / total for one in part]
        )
        in_part = any(isinstance(one.evidence, PartialShares) for one in part)
        for one, spread in zip(part, spreads, strict=True):
            found, apart = one.evidence, one.evidence.estimate - mean
            if isinstance(found, PartialShares):
                drifts = [Drift(spread, mean)] if len(part) > 1 else []
                terms += found.terms(one.weight, power, drifts)
            else:
                numbers[number] = len(known)
                own = 0.0 if in_part else one.weight * apart * one.error
                known.append(Part(found, one.weight, own))
                drift += spread * apart**2 if in_part else 0.0
            number += 1
    pairs = {
        (numbers[i], numbers[j]): one
        for (i, j), one in correlations.items()
        if one and i in numbers and j in numbers
    }
    if not terms:
        return Joint(tuple(known), pairs)
    return PartialSum(tuple(terms), tuple(known), pairs, drift)
