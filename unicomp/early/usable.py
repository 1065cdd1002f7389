"""Whether the answers of the full run can become degenerate, from those of a part of the items."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unicomp.confidence.urns import Urn
from unicomp.scores import Records
from unicomp.scoring.guards import CONSTANT, FEWEST, MOST, withheld

KINDS = 8
"""The most counts of one benchmark that are watched: bad kinds, equal answers, refusals."""
_SHARES = (0.5, 0.5)
"""The beta distribution of the share of answers that are of a kind."""

Known = Literal["usable", "degenerate", "open"]


def usable(records: Records, items: int, nats: float) -> Known:
    """Whether most answers to all `items` are usable, or of one bad kind, or either is possible.

    A wrong claim has a chance of at most exp(-nats) for each kind.
    """
    found = [
        _majority(Urn(items, records.generated, count), MOST, nats)
        for count in records.bad.values()
    ]
    if True in found:
        return "degenerate"
    return "open" if None in found else "usable"


def varied(records: Records, items: int, nats: float) -> bool:
    """Whether the answers to all `items` are surely not one constant answer."""
    if not records.generated:
        return True
    urn = Urn(items, records.generated, records.same)
    return _surprise(urn, urn.totals >= CONSTANT * items) >= nats


def mostly_withheld(records: Records, dense: Records, nats: float) -> bool | None:
    """Whether most harmless prompts of a benchmark are refused, or get no call; None if unknown.

    `dense` has the records of all items, which say how many prompts are harmless.
    """
    harmless = sum(kind != "none" for kind in dense.fields["kind"])
    own = [kind for kind in records.fields["kind"] if kind != "none"]
    if len(own) < min(FEWEST, harmless):
        return None
    return _majority(Urn(harmless, len(own), withheld(own)), MOST, nats)


def _majority(urn: Urn, share: float, nats: float) -> bool | None:
    """Whether more than a share of the urn is marked; None if either is possible."""
    above = urn.totals > share * urn.size
    if _surprise(urn, above) >= nats:
        return False
    return True if _surprise(urn, ~above) >= nats else None


def _surprise(urn: Urn, among: NDArray[np.bool_]) -> float:
    """How surprising the draws are at least, if the total is `among` some of the possible ones."""
    if not among.any():
        return math.inf
    likeliest = float(np.max(urn.log_likelihoods()[among]))
    return urn.log_mixture(*_SHARES) - likeliest
