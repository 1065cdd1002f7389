"""How many marked balls an urn may hold, given those that were drawn so far.

The items of a benchmark that the baseline has right are an urn whose marked balls are those that
the candidate loses; those it has wrong are one whose marked balls are gained. Asking in the order
of a random permutation draws from both without replacement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import betaln, gammaln

from unicomp.statistics import Array


@dataclass(frozen=True)
class Urn:
    """An urn with `size` balls, of which `drawn` were drawn at random, `marked` of them marked."""

    size: int
    drawn: int
    marked: int

    @property
    def totals(self) -> Array:
        """All totals of marked balls that are possible."""
        return np.arange(self.marked, self.size - self.drawn + self.marked + 1, dtype=np.float64)

    @property
    def expected(self) -> float:
        """The total of marked balls that is likely."""
        return self.marked * self.size / self.drawn if self.drawn else 0.0

    def log_likelihoods(self) -> Array:
        """The logarithm of the probability of the draws, in their order, for each of `totals`."""
        return _log_likelihoods(self)

    def log_mixture(self, a: float, b: float) -> float:
        """The same where the share of marked balls has the distribution Beta(a, b)."""
        blank = self.drawn - self.marked
        return float(betaln(a + self.marked, b + blank) - betaln(a, b))


@lru_cache(maxsize=4096)
def _log_likelihoods(urn: Urn) -> Array:
    totals, blank = urn.totals, urn.drawn - urn.marked
    found = _falling(totals, urn.marked) + _falling(urn.size - totals, blank)
    return np.asarray(found - _falling(np.float64(urn.size), urn.drawn))


def _falling(n: Array | np.float64, count: int) -> Array:
    """The logarithm of n (n - 1) ... (n - count + 1)."""
    return np.asarray(gammaln(n + 1.0) - gammaln(n - count + 1.0))


MIXTURES: tuple[tuple[float, tuple[float, float], tuple[float, float]], ...] = (
    (0.3, (0.5, 50.0), (0.5, 50.0)),
    (0.7, (5.0, 10.0), (1.3, 20.0)),
)
"""Weights with the beta distributions of losses and of gains: of a candidate that is almost its
baseline, and of a damaged one. They decide how soon one can stop, never how often that is wrong;
the damaged one weighs more, since its losses vary more."""


def log_mixture(losses: Urn, gains: Urn) -> tuple[float, ...]:
    """The logarithm of the probability of the draws from a pair of urns in each of `MIXTURES`."""
    return tuple(losses.log_mixture(*lost) + gains.log_mixture(*won) for _, lost, won in MIXTURES)


def log_mixed(found: list[tuple[float, tuple[float, ...]]]) -> float:
    """The logarithm of the probability of the draws from several pairs of urns, in all mixtures.

    `found` has for each pair the power of its e-process, see `partial.Term`, and `log_mixture`.
    Either all pairs are of one of the kinds, or each is of its own.
    """
    weights = [math.log(weight) for weight, _, _ in MIXTURES]
    own = sum(
        power
        * float(np.logaddexp.reduce([w + one for w, one in zip(weights, of_pair, strict=True)]))
        for power, of_pair in found
    )
    if len(found) == 1:
        return own
    alike = [
        weight + sum(power * of_pair[kind] for power, of_pair in found)
        for kind, weight in enumerate(weights)
    ]
    return float(np.logaddexp.reduce([*alike, own])) - math.log(2.0)
