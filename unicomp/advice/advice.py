"""All advice about some checkpoints: the order, the map, the next steps, and what is published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from unicomp.advice.candidates import Candidate
from unicomp.advice.choice import HELD_BY_WEIGHTS, Option, check, choose
from unicomp.advice.needs import Need
from unicomp.advice.published import published_candidates
from unicomp.advice.situations import Situation, figures_of, situations
from unicomp.advice.steps import Step, next_steps
from unicomp.findings import Findings
from unicomp.scorecard import Scorecard
from unicomp.spec import LEVEL, Family, Method

Weigh = Callable[[str, str], int | None]
"""(model, method) → bytes of the weights by arithmetic; None if they are not known."""


@dataclass(frozen=True, kw_only=True)
class Unmeasured:
    """A method that was not measured here: what was published of another model, and what fits."""

    model: str
    method: str
    published: Mapping[str, float]
    """Figures of `advice.published.MODEL`, not measured here; empty if none are published."""
    misses: tuple[str, ...]
    """The needs that the published figures miss."""
    weights_bytes: int | None
    """By arithmetic, for this model; None if they are not known, or were not asked for."""
    fits: bool | None
    """Whether the weights are within the size and the memory asked for."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What is advised for the needs that were given."""

    needs: tuple[Need, ...]
    options: tuple[Option, ...]
    situations: tuple[Situation, ...]
    steps: tuple[Step, ...]
    unmeasured: tuple[Unmeasured, ...]
    intervals: bool
    """Whether the figures have intervals; else they are point estimates."""


def advise(
    candidates: Sequence[Candidate],
    needs: Sequence[Need],
    methods: Mapping[str, Method],
    *,
    family: Family | None = None,
    training: bool = True,
    card: Scorecard | None = None,
    findings: Findings | None = None,
    weigh: Weigh = lambda model, method: None,
) -> Advice:
    """The advice about candidates; `card` and `findings` if they come from a scorecard."""
    limits = [need for need in needs if need.limit is not None and need.name in HELD_BY_WEIGHTS]
    known = [_weighed(one, limits, weigh) for one in candidates]
    options = choose(known, needs, family=family, training=training)
    published = published_candidates(methods)
    return Advice(
        needs=tuple(needs),
        options=tuple(options),
        situations=tuple(situations(known, published)),
        steps=tuple(next_steps(options, methods, card, findings)),
        unmeasured=tuple(_unmeasured(known, published, needs, limits, family, training, weigh)),
        intervals=any(one.has_intervals for one in known),
    )


def _weighed(one: Candidate, limits: Sequence[Need], weigh: Weigh) -> Candidate:
    """A candidate with the bytes of its weights, if a need depends on them."""
    lacking = any(need.name not in one.figures for need in limits)
    if not lacking or one.weights_bytes is not None:
        return one
    return replace(one, weights_bytes=weigh(one.model, one.method))


def _unmeasured(
    candidates: Sequence[Candidate],
    published: Sequence[Candidate],
    needs: Sequence[Need],
    limits: Sequence[Need],
    family: Family | None,
    training: bool,
    weigh: Weigh,
) -> list[Unmeasured]:
    """The published methods that were not measured, of each model, in order of their quality."""
    relative = [need for need in needs if need.limit is None]
    found = []
    for model in dict.fromkeys(one.model for one in candidates):
        measured = {one.method for one in candidates if one.model == model}
        others = [one for one in published if one.method not in measured]
        for option in choose(others, [], family=family, training=training):
            one = option.candidate
            if option.status == "ruled out":
                continue
            checks = [check(one, need, LEVEL) for need in relative if need.name in one.figures]
            weights = weigh(model, one.method) if limits else None
            found.append(
                Unmeasured(
                    model=model,
                    method=one.method,
                    published=figures_of(one),
                    misses=tuple(held.need for held in checks if held.outcome == "missed"),
                    weights_bytes=weights,
                    fits=None
                    if weights is None
                    else all(weights <= (need.limit or 0.0) for need in limits),
                )
            )
    return found
