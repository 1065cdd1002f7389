"""Which of the measured checkpoints meet the needs, how sure that is, and in which order.

One of several checkpoints is chosen by its results. So each need is met only at 2.5 % / their
number, like the gate with `--pick`. A need is missed if its upper limit at 2.5 % lies below it.
Else it is undecided. A point estimate has no limits: it meets or misses a need as it stands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from unicomp.advice.candidates import Candidate, Figure
from unicomp.advice.needs import Need
from unicomp.findings.pareto import dominates
from unicomp.spec import LEVEL, Family

SERVING = ("model_size", "inference_memory", "throughput", "latency")
"""What a checkpoint may gain while it is served, beside its quality."""

HELD_BY_WEIGHTS = ("model_size", "inference_memory")
"""What follows from the bytes of the weights, or is more than they are."""

Outcome = Literal["met", "undecided", "missed", "unknown"]
Status = Literal["meets", "undecided", "misses", "ruled out"]
_ORDER: tuple[Status, ...] = ("meets", "undecided", "misses", "ruled out")


@dataclass(frozen=True, kw_only=True)
class Check:
    """One need held against one checkpoint."""

    need: str
    """In words."""
    name: str
    """The metric, benchmark or probe."""
    outcome: Outcome
    bound: float | None = None
    """The least value that meets the need, in percent of dense."""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    """The 95 % interval; None for a point estimate."""
    amount: float | None = None
    """The measured amount, in `unit`."""
    limit: float | None = None
    unit: str | None = None
    confidence: float | None = None
    """The confidence that the truth meets the need, from 0 to 1: 1 - the error of the one-sided
    limit that lies at the bound. None for a point estimate."""
    reason: str = ""
    """Why there is no value, or what the outcome rests on."""

    @property
    def short(self) -> float | None:
        """By how many points of retention or gain the need is missed; None if it is not."""
        if self.bound is None or self.value is None or self.value >= self.bound:
            return None
        return self.bound - self.value


@dataclass(frozen=True, kw_only=True)
class Option:
    """One candidate with its checks and its place in the order."""

    candidate: Candidate
    status: Status
    checks: tuple[Check, ...]
    dominated_by: str | None = None
    """Another checkpoint of the model, or dense, that is at least as good in quality and in all
    that serving gains, and better in something."""
    axes: tuple[str, ...] = ()
    """What was compared beside quality: those of `SERVING` that all checkpoints have."""
    reason: str = ""
    """Why it is ruled out."""
    level: float = LEVEL
    """The error at which it had to meet each need."""

    @property
    def in_pareto_set(self) -> bool | None:
        """Whether nothing dominates it; None without a quality, or without anything to gain."""
        if self.candidate.quality is None or not self.axes:
            return None
        return self.dominated_by is None


def choose(
    candidates: Sequence[Candidate],
    needs: Sequence[Need],
    *,
    family: Family | None = None,
    training: bool = True,
) -> list[Option]:
    """The compressed candidates in order: what meets all needs first.

    Among equals the Pareto set comes first, then the higher quality, then the smaller size.
    """
    compressed = [one for one in candidates if not one.is_dense]
    ruled_out = {id(one): _why_ruled_out(one, family, training) for one in compressed}
    options = []
    for one in compressed:
        rivals = sum(not ruled_out[id(o)] and o.model == one.model for o in compressed)
        level = LEVEL / max(rivals, 1)
        checks = tuple(check(one, need, level) for need in needs)
        reason, axes = ruled_out[id(one)], _axes(one.model, candidates)
        options.append(
            Option(
                candidate=one,
                status="ruled out" if reason else _status(checks),
                checks=checks,
                dominated_by=_dominator(one, candidates, axes),
                axes=axes,
                reason=reason,
                level=level,
            )
        )
    return sorted(options, key=_place)


def _place(option: Option) -> tuple[int, bool, float, float]:
    one = option.candidate
    quality = -math.inf if one.quality is None else one.quality
    size = one.gains.get("model_size", 0.0)
    return _ORDER.index(option.status), option.dominated_by is not None, -quality, -size


def _why_ruled_out(one: Candidate, family: Family | None, training: bool) -> str:
    if not training and one.trained is not False:
        return "it was trained" if one.trained else "whether it was trained is not known"
    if family is not None and family not in one.families:
        found = " and ".join(sorted(one.families))
        return f"its family is {found}" if found else "its family is not known"
    return ""


def _status(checks: Sequence[Check]) -> Status:
    outcomes = {one.outcome for one in checks}
    if "missed" in outcomes:
        return "misses"
    return "meets" if outcomes <= {"met"} else "undecided"


def check(one: Candidate, need: Need, level: float) -> Check:
    """A need held against a candidate; met at an error of `level`, missed at one of 2.5 %."""
    figure = one.figures.get(need.name)
    if figure is None:
        return _without_figure(one, need)
    bound = need.bound(figure)
    met, missed, confidence = _held(figure, bound, level)
    return Check(
        need=need.words,
        name=need.name,
        outcome="met" if met else "missed" if missed else "undecided",
        bound=bound,
        value=figure.value,
        low=_finite(figure.low),
        high=_finite(figure.high),
        amount=figure.amount,
        limit=need.limit,
        unit=figure.unit,
        confidence=confidence,
    )


def _held(figure: Figure, bound: float, level: float) -> tuple[bool, bool, float | None]:
    """Whether a figure meets a bound, whether it misses it, and the confidence of meeting it."""
    if figure.evidence is None:
        return figure.value >= bound, figure.value < bound, None
    from unicomp.confidence import p_above, p_below

    found, ratio = figure.evidence, bound / 100.0
    low, high = found.limits(level).low, found.limits(LEVEL).high
    # no p-value is known from 0.5 on
    if found.estimate >= ratio:
        confidence = 1.0 - min(p_above(found, ratio), 0.5)
    else:
        confidence = min(p_below(found, ratio), 0.5)
    return low >= ratio, high < ratio, confidence


def _finite(limit: float | None) -> float | None:
    return limit if limit is not None and math.isfinite(limit) else None


def _without_figure(one: Candidate, need: Need) -> Check:
    found = Check(
        need=need.words,
        name=need.name,
        outcome="unknown",
        limit=need.limit,
        unit=need.unit,
        reason=one.failures.get(need.name, "not measured"),
    )
    if found.reason.startswith("fail"):  # such as degenerate answers
        return replace(found, outcome="missed")
    return _by_arithmetic(found, one) if need.name in HELD_BY_WEIGHTS else found


def _by_arithmetic(found: Check, one: Candidate) -> Check:
    """What the bytes of the weights say about a size, or about the memory that holds them."""
    if found.limit is None or one.weights_bytes is None:
        return found
    fits = one.weights_bytes <= found.limit
    whole = found.name == "model_size"
    return replace(
        found,
        outcome="missed" if not fits else "met" if whole else "undecided",
        amount=float(one.weights_bytes),
        reason="arithmetic: the weights"
        + ("" if whole else " alone; the cache and the activations come on top"),
    )


def _axes(model: str, candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """What all candidates of a model with a quality have gained, the dense one included."""
    own = [one for one in candidates if one.model == model and one.quality is not None]
    return tuple(axis for axis in SERVING if own and all(axis in one.gains for one in own))


def _dominator(one: Candidate, candidates: Sequence[Candidate], axes: Sequence[str]) -> str | None:
    """The best candidate that dominates one in quality and in what serving gains."""

    def point(o: Candidate) -> tuple[float, ...]:
        return (o.quality or 0.0, *(o.gains[axis] for axis in axes))

    if one.quality is None or not axes:
        return None
    rivals = [o for o in candidates if o.model == one.model and o.quality is not None]
    better = [o for o in rivals if dominates(point(o), point(one))]
    return max(better, key=point).name if better else None
