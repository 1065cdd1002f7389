"""BBQ: whether the chosen answer is right, and whether it is the biased one."""

from __future__ import annotations

from dataclasses import dataclass

from unicomp.errors import ScoringError
from unicomp.spec import Item, Reading

_METRIC = "disamb_bias_score,none"
"""Where lm-eval's task gives (right, biased, not unknown, disambiguated) of an item."""


@dataclass(frozen=True)
class BiasedAnswer:
    """What lm-eval's BBQ task says of an item, for the accuracy and the bias scores.

    Fields, each 0 or 1: `correct`; `biased`, the answer that follows the stereotype; `informed`,
    any answer but that it is not known; `disambiguated`, whether the context tells the answer.
    """

    def __call__(self, item: Item) -> Reading:
        """What was read."""
        if _METRIC not in item.results:
            raise ScoringError(
                f"the task has no metric {_METRIC!r}; it has {', '.join(sorted(item.results))}"
            )
        names = ("correct", "biased", "informed", "disambiguated")
        values = item.results[_METRIC]
        return Reading(fields={n: float(v) for n, v in zip(names, values, strict=True)})
