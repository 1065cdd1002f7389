"""The claims of the paper, and whether the measurements of a scorecard show them.

The paper is arXiv 2602.09130. Each claim is about one model, and is reduced to effects: numbers
that are above 0 where the claim holds. The rule is the same for all claims with intervals:

- *shown*: the interval of the mean effect lies above 0
- *contradicted*: it lies below 0
- *not shown*: it contains 0
- *not measured*: there is nothing to compute an effect from

The checkpoints of a model share its baseline, so their effects are not independent. The limits of
the mean effect are therefore the means of the limits, which is valid for any dependence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, field, replace
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from unicomp.data.calibration import GENERIC, base_name
from unicomp.findings.calibrations import CalibrationEffect, calibration_effects, calibrations_of
from unicomp.findings.costs import compression_costs
from unicomp.findings.decoupling import OTHERS, decoupling, knowledge_bias
from unicomp.findings.efficiency import efficiency_metrics
from unicomp.findings.families import family_of
from unicomp.findings.formats import CheckpointFormat, checkpoint_formats
from unicomp.findings.intervals import finite_interval, interval_of
from unicomp.findings.languages import GROUPS
from unicomp.framework import DIMENSIONS, METRICS, RETAINED
from unicomp.scorecard import Scorecard
from unicomp.spec import DENSE, CheckpointId

if TYPE_CHECKING:
    from unicomp.statistics import Interval

Status = Literal["shown", "not shown", "contradicted", "not measured"]

P_VALUE = 0.05
"""The p-value up to which a rank correlation counts."""
REASONING = "reasoning"
"""The calibration on reasoning, and the metric."""
STRUCTURED = ("_2_4", "_50")
"""The ends of the names of 2:4 pruning, and of unstructured pruning by the same method."""
LAYERS = ("attention", "mlp", "experts")
"""The kinds of modules that quantization stores in few bits."""
_CALLED = {
    "reasoning": "multi-step reasoning",
    "multilingual": "other languages",
    "instruction_following": "instruction following",
}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of a claim."""

    subject: str
    """The checkpoint, or what else it is of."""
    value: float
    low: float | None = None
    high: float | None = None
    """The 95 % interval, if there is one."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim of the paper, and what the measurements of one model show of it."""

    model: str
    name: str
    """A short name, such as `decoupling`."""
    statement: str
    status: Status
    unit: str
    """What the figures count."""
    figures: tuple[Figure, ...]
    """The figures that the status follows from; empty if it is not measured."""
    why: str
    """How the status follows from the figures, in one sentence."""


def paper_claims(card: Scorecard) -> list[Claim]:
    """All claims for each model of a scorecard that has a compressed checkpoint."""
    models = dict.fromkeys(one.model for one in card.checkpoints if one.method != DENSE.name)
    return [claim for model in models for claim in _of(_Measured(card, model))]


@dataclass(frozen=True)
class _Measured:
    """What the claims about one model read of a scorecard."""

    card: Scorecard
    model: str
    names: dict[CheckpointId, str] = field(init=False)
    """The compressed checkpoints, with their names; further seeds of a calibration are left out,
    since they would count as checkpoints of other methods."""
    kept: dict[CheckpointId, dict[str, Interval]] = field(init=False)
    """Checkpoint → retained metric → its interval."""

    def __post_init__(self) -> None:
        own = {
            one: self.card.name_of(one)
            for one in self.card.checkpoints
            if one.model == self.model
            and one.method != DENSE.name
            and base_name(one.calibration) == one.calibration
        }
        kept: dict[CheckpointId, dict[str, Interval]] = {}
        for row in self.card.metrics:
            if row.metric in RETAINED and row.checkpoint in own and (found := interval_of(row)):
                kept.setdefault(row.checkpoint, {})[row.metric] = found
        object.__setattr__(self, "names", own)
        object.__setattr__(self, "kept", kept)

    def family(self, family: str) -> list[CheckpointId]:
        """The compressed checkpoints of a family."""
        return [one for one in self.names if family_of(self.card, one.method) == family]

    @property
    def four_bits(self) -> list[CheckpointId]:
        """The quantized checkpoints with weights of four bits: by their format, else their name."""
        formats = {one.checkpoint: one for one in checkpoint_formats(self.card)}
        found = []
        for checkpoint in self.family("quantization"):
            named = "w4" in checkpoint.method or "fp4" in checkpoint.method
            if bits := _bits_of_layers(formats.get(checkpoint)):
                named = all(4.0 <= bit < 5.0 for bit in bits)
            if named:
                found.append(checkpoint)
        return found

    def means(self) -> tuple[dict[CheckpointId, Interval], int]:
        """Checkpoint → its mean retention over the metrics that all have, and how many these are.

        A checkpoint without any metric, such as a collapsed one, is left out.
        """
        from unicomp.statistics import combine

        shared = [m for m in METRICS if self.kept and all(m in has for has in self.kept.values())]
        if not shared:
            return {}, 0
        weights = [1.0 / len(shared)] * len(shared)
        return {
            one: combine([has[metric] for metric in shared], weights)
            for one, has in self.kept.items()
        }, len(shared)

    def rows(self, names: Sequence[str]) -> dict[CheckpointId, list[Interval]]:
        """Checkpoint → the retention of some benchmarks or probes, if it has all of them."""
        found: dict[CheckpointId, dict[str, Interval]] = {}
        for row in self.card.rows:
            kept = finite_interval(row.retention, row.low, row.high)
            if kept and row.benchmark in names and row.checkpoint in self.names:
                found.setdefault(row.checkpoint, {})[row.benchmark] = kept
        return {
            one: [has[name] for name in names]
            for one, has in found.items()
            if has.keys() == set(names)
        }

    def claim(self, name: str, statement: str, unit: str, figures: Sequence[Figure]) -> Claim:
        """The claim whose figures are effects, by the rule of this module."""
        if not figures:
            return self.unmeasured(name, statement, unit)
        low, high = fmean(map(_low, figures)), fmean(map(_high, figures))
        certain = all(one.low is None for one in figures)
        mean = Figure(
            subject="mean",
            value=fmean(one.value for one in figures),
            low=None if certain else low,
            high=None if certain else high,
        )
        status: Status = "shown" if low > 0 else "contradicted" if high < 0 else "not shown"
        alone = sum(_low(one) > 0 for one in figures)
        ends = "" if certain else f" [{low:+.1f}, {high:+.1f}]"
        return Claim(
            model=self.model,
            name=name,
            statement=statement,
            status=status,
            unit=unit,
            figures=(*figures, mean),
            why=f"the mean is {mean.value:+.1f}{ends}; "
            f"{alone} of {len(figures)} are above 0 on their own",
        )

    def unmeasured(self, name: str, statement: str, unit: str, why: str = "") -> Claim:
        """The claim without a figure to judge it by."""
        return Claim(
            model=self.model,
            name=name,
            statement=statement,
            status="not measured",
            unit=unit,
            figures=(),
            why=why or "this scorecard has nothing to compare",
        )


def _bits_of_layers(about: CheckpointFormat | None) -> set[float]:
    """The stored bits of the weights in the decoder's layers; empty if they are not known."""
    kinds = about.kinds if about else {}
    return {bit for name in LAYERS if name in kinds for bit in kinds[name].get("bits", ())}


def _low(one: Figure) -> float:
    return one.value if one.low is None else one.low


def _high(one: Figure) -> float:
    return one.value if one.high is None else one.high


def _figure(subject: str, found: Interval) -> Figure:
    return Figure(subject=subject, value=found.estimate, low=found.low, high=found.high)


def _of(measured: _Measured) -> Iterator[Claim]:
    yield from _biases(measured)
    yield _decoupling(measured)
    yield from _four_bits(measured)
    yield _fastest(measured)
    yield _dearest(measured)
    yield _structured(measured)
    yield _calibrated(measured)
    yield _languages(measured)


def _biases(measured: _Measured) -> Iterator[Claim]:
    found = [one for one in knowledge_bias(measured.card) if one.checkpoint in measured.names]
    for metric in OTHERS:
        yield measured.claim(
            f"knowledge_bias_{metric}",
            f"Compression keeps knowledge and loses {_CALLED[metric]}",
            f"points that {metric} fell further than knowledge",
            [
                Figure(
                    subject=measured.names[one.checkpoint],
                    value=one.points,
                    low=one.low,
                    high=one.high,
                )
                for one in found
                if one.metric == metric
            ],
        )


def _decoupling(measured: _Measured) -> Claim:
    """Whether performance and reliability rank the checkpoints differently.

    A correlation that is significantly positive contradicts the claim, a significantly negative one
    shows it. One that is near 0 may be chance with so few checkpoints: not shown.
    """
    name, statement = "decoupling", "Performance and reliability are decoupled"
    unit = "Spearman's rank correlation over the checkpoints"
    found = [one for one in decoupling(measured.card) if one.model == measured.model]
    if not found or (one := found[0]).correlation is None:
        few = "fewer than three checkpoints have metrics of both dimensions"
        return measured.unmeasured(name, statement, unit, few)
    certain = (
        one.p_value <= P_VALUE
        if one.p_value is not None
        else one.low is not None and one.high is not None and one.low * one.high > 0
    )
    apart: Status = "contradicted" if one.correlation > 0 else "shown"
    count = len(one.checkpoints)
    p_value = f", p = {one.p_value:.2g}" if one.p_value is not None else ""
    return Claim(
        model=measured.model,
        name=name,
        statement=statement,
        status=apart if certain else "not shown",
        unit=unit,
        figures=(
            Figure(subject="correlation", value=one.correlation, low=one.low, high=one.high),
            *(
                Figure(subject=f"{of}, {side}", value=value)
                for of, pair in one.checkpoints.items()
                for side, value in zip(DIMENSIONS, pair, strict=False)
            ),
        ),
        why=f"the rank correlation of {count} checkpoints is {one.correlation:.2f}{p_value}",
    )


def _four_bits(measured: _Measured) -> Iterator[Claim]:
    """Retention alone, and with the size, memory and operations of inference."""
    from unicomp.statistics import difference

    means, count = measured.means()
    four = [one for one in measured.four_bits if one in means]
    others = [
        one
        for family in ("pruning", "distillation")
        for one in measured.family(family)
        if one in means
    ]
    best = max((means[one] for one in others), key=lambda mean: mean.estimate, default=None)
    nearest = measured.claim(
        "four_bits_keep_most",
        "Four bits keep more than pruning and distillation",
        f"points of mean retention over {count} metrics above the best of the others",
        [_figure(measured.names[one], difference(means[one], best)) for one in four]
        if best is not None
        else [],
    )
    yield nearest
    yield _trade_off(measured, nearest, four, others)


def _trade_off(
    measured: _Measured,
    nearest: Claim,
    four: Sequence[CheckpointId],
    others: Sequence[CheckpointId],
) -> Claim:
    name = "four_bits_trade_off"
    statement = "Four bits are the best trade-off of retention and inference efficiency"
    unit = "points of inference efficiency above the best of the others"
    values = {
        one.checkpoint: one.value
        for one in efficiency_metrics(measured.card)
        if one.metric == "inference_efficiency"
    }
    best = max((values[one] for one in others if one in values), default=None)
    known = [one for one in four if one in values]
    if nearest.status == "not measured" or best is None or not known:
        lacking = "retention and inference efficiency of both four bits and another family"
        return measured.unmeasured(name, statement, unit, f"it needs {lacking}")
    found = measured.claim(
        name,
        statement,
        unit,
        [Figure(subject=measured.names[one], value=values[one] - best) for one in known],
    )
    ends = {nearest.status, found.status}
    status: Status = "shown" if ends == {"shown"} else "not shown"
    if "contradicted" in ends and "shown" not in ends:
        status = "contradicted"
    return Claim(
        model=measured.model,
        name=name,
        statement=statement,
        status=status,
        unit=unit,
        figures=found.figures,
        why=f"that they keep more is {nearest.status}; {found.why}",
    )


def _fastest(measured: _Measured) -> Claim:
    """The speed is the geometric mean of the gains in throughput and latency."""
    from unicomp.statistics import difference

    speeds = _speeds(measured)
    distilled = [one for one in measured.family("distillation") if one in speeds]
    others = [one for one in speeds if one not in distilled]
    best = max((speeds[one] for one in others), key=lambda speed: speed.estimate, default=None)
    return measured.claim(
        "distillation_fastest",
        "Distillation makes the fastest checkpoints",
        "points of speed, in percent of dense, above the fastest of the others",
        [_figure(measured.names[one], difference(speeds[one], best)) for one in distilled]
        if best is not None
        else [],
    )


def _speeds(measured: _Measured) -> dict[CheckpointId, Interval]:
    from unicomp.statistics import Interval

    return {
        one: Interval(
            *(
                math.sqrt(max(a, 0.0) * max(b, 0.0))
                for a, b in zip(*map(astuple, gains), strict=True)
            )
        )
        for one, gains in measured.rows(("throughput", "latency")).items()
    }


def _dearest(measured: _Measured) -> Claim:
    seconds = {
        one.checkpoint: one.seconds
        for one in compression_costs(measured.card)
        if one.seconds is not None and one.checkpoint in measured.names
    }
    distilled = [one for one in measured.family("distillation") if one in seconds]
    most = max((seconds[one] for one in seconds if one not in distilled), default=None)
    return measured.claim(
        "distillation_dearest",
        "Distillation takes the most compute",
        "doublings of the time of the dearest of the others",
        [
            Figure(subject=measured.names[one], value=math.log2(seconds[one] / most))
            for one in distilled
        ]
        if most
        else [],
    )


def _structured(measured: _Measured) -> Claim:
    from unicomp.statistics import difference

    means, count = measured.means()
    strict, loose = STRUCTURED
    by_name = {(one.method, one.calibration): mean for one, mean in means.items()}
    figures = [
        _figure(measured.names[one], difference(other, mean))
        for one, mean in means.items()
        if one.method.endswith(strict)
        and (other := by_name.get((one.method.removesuffix(strict) + loose, one.calibration)))
    ]
    found = measured.claim(
        "two_four_not_worth_it",
        "2:4 pruning is not worth it: it keeps less than pruning 50 % anywhere",
        f"points of mean retention over {count} metrics below unstructured pruning by the method",
        figures,
    )
    speeds = _speeds(measured)
    faster = [
        f"{measured.names[one]} has {speeds[one].estimate:.0f} % of the dense speed"
        for one in speeds
        if one.method.endswith(strict)
    ]
    return replace(found, why="; ".join([found.why, *faster]))


def _calibrated(measured: _Measured) -> Claim:
    card = measured.card
    names = calibrations_of(card)
    control = GENERIC if GENERIC in names else None
    pruned = {one.method for one in measured.family("pruning")}
    effects = [
        one
        for one in calibration_effects(card, control)
        if (one.model, one.calibration) == (measured.model, REASONING) and one.method in pruned
    ]
    lifts = [one for one in effects if one.metric == REASONING]
    found = measured.claim(
        "calibration_lifts_reasoning",
        "Calibrating on reasoning lifts the reasoning of pruned models, by up to 50 %",
        "points of retained reasoning above the control",
        [Figure(subject=one.method, value=one.points, low=one.low, high=one.high) for one in lifts],
    )
    relative = [one.relative for one in lifts if one.relative is not None]
    gain = f"; relative to the control by up to {max(relative):+.0f} %" if relative else ""
    return replace(found, why=found.why + gain + _paid(effects))


def _paid(effects: Sequence[CalibrationEffect]) -> str:
    """The metrics that a calibration lowers beyond the intervals, and for how many methods."""
    parts = []
    for metric in METRICS:
        own = [one for one in effects if one.metric == metric]
        if fallen := [one.points for one in own if one.high < 0]:
            most = f"by up to {-min(fallen):.1f}"
            parts.append(f"{metric.replace('_', ' ')} {most} ({len(fallen)} of {len(own)})")
    return f"; beyond the intervals it lowers {', '.join(parts)}" if parts else ""


def _languages(measured: _Measured) -> Claim:
    from unicomp.statistics import difference

    kept = measured.rows((GROUPS["high"], GROUPS["low"]))
    return measured.claim(
        "languages",
        "Low-resource languages lose more than high-resource ones",
        "points of retention of high- above low-resource languages",
        [_figure(measured.names[one], difference(high, low)) for one, (high, low) in kept.items()],
    )
