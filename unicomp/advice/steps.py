"""What to try next: rules that look at measurements, each step with the figures it rests on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from unicomp.advice.candidates import Candidate, Figure
from unicomp.advice.choice import SERVING, Check, Option
from unicomp.data.calibration import UNSEEN, base_name
from unicomp.findings import Findings
from unicomp.findings.decoupling import OTHERS
from unicomp.findings.outlook import remedy_of
from unicomp.scorecard import Scorecard
from unicomp.spec import LEVEL, Method, OfCheckpoint
from unicomp.verdict import MetricRow, Row

Rule = Literal["calibrate", "gentler", "kernel", "safety", "undecided"]

REMEDIES: Mapping[str, str] = {
    "reasoning": "reasoning_mixture",
    "multilingual": "multilingual",
    "instruction_following": "instructions",
}
"""Metric that fell further than knowledge → the shipped calibration that holds it."""


@dataclass(frozen=True, kw_only=True)
class Step(OfCheckpoint):
    """One thing to try, or to look at."""

    rule: Rule
    why: str
    """What was measured, with its figures."""
    advice: str
    figures: Mapping[str, float] = field(default_factory=dict)
    """The figures behind it, by name."""
    command: str = ""
    """The command that tries it; empty if there is none."""


def next_steps(
    options: Sequence[Option],
    methods: Mapping[str, Method],
    card: Scorecard | None = None,
    findings: Findings | None = None,
) -> list[Step]:
    """The steps that follow from the options; those that need a scorecard are left out without one.

    `methods` are all known methods by name. A candidate that is ruled out has no steps.
    """
    found: list[Step] = []
    calibrated: set[tuple[str, str]] = set()
    for option in options:
        one = option.candidate
        if option.status == "ruled out":
            continue
        if (one.model, one.method) not in calibrated:  # the best of its calibrations so far
            found += _calibrate(one, options, methods, findings)
            calibrated.add((one.model, one.method))
        if card is not None:
            rows = [row for row in card.rows if row.checkpoint == one.checkpoint]
            found += _gentler(one, rows, options, methods)
            found += _kernel(one, rows, card)
            found += _safety(one, rows)
            if option.status == "undecided":
                found += _undecided(option, card)
    return found


def command(one: Candidate, select: str, *more: str) -> str:
    """The pytest command that measures a method again; `select` goes to -m."""
    quoted = f'"{select}"' if " " in select else select
    model = "" if one.given == "embedded" else f"--model {one.given}"
    words = ("pytest --pyargs unicomp.suites", f"-m {quoted}", model, "--method dense", *more)
    return " ".join(filter(None, words))


# -- reasoning fell further than knowledge ------------------------------------------------------


def _calibrate(
    one: Candidate,
    options: Sequence[Option],
    methods: Mapping[str, Method],
    findings: Findings | None,
) -> Iterator[Step]:
    method = methods.get(one.method)
    if method is None or not method.calibrated or "distillation" in one.families:
        return
    tried = {
        base_name(o.candidate.calibration)
        for o in options
        if (o.candidate.model, o.candidate.method) == (one.model, one.method)
    }
    biased = [metric for metric in _biased(one, findings) if REMEDIES[metric] not in tried]
    for metric in biased[:1]:  # reasoning first; one calibration at a time
        target = REMEDIES[metric]
        knowledge, other = one.figures["knowledge"], one.figures[metric]
        fell = {"knowledge": 100.0 - knowledge.value, metric: 100.0 - other.value}
        control = base_name(one.calibration)
        control = "generic" if control == UNSEEN else control
        more = (f"--method {one.method}", f"--calibration {control}", f"--calibration {target}")
        mixture = (
            ": three quarters reasoning, the rest instructions and plain text; its file sets "
            "weights and 128 to 512 samples"
            if target == "reasoning_mixture"
            else ""
        )
        yield Step(
            **one.checkpoint._asdict(),
            rule="calibrate",
            why=f"{metric} fell by {fell[metric]:.1f} points{_spread(other)}, knowledge by "
            f"{fell['knowledge']:.1f}{_spread(knowledge)}",
            advice=f"calibrate with {target}{mixture}",
            figures={f"{name}_fell": value for name, value in fell.items()},
            command=command(one, f"knowledge or {metric}", *more),
        )


def _biased(one: Candidate, findings: Findings | None) -> list[str]:
    """The metrics that fell more than twice as far as knowledge; point estimates as they are."""
    if findings is not None:
        return [
            bias.metric
            for bias in findings.knowledge_bias
            if bias.checkpoint == one.checkpoint and bias.biased
        ]
    if "knowledge" not in one.figures:
        return []
    most = 2.0 * max(100.0 - one.figures["knowledge"].value, 0.0)
    known = (metric for metric in OTHERS if metric in one.figures)
    return [metric for metric in known if 100.0 - one.figures[metric].value > most]


def _spread(figure: Figure) -> str:
    """` [12.3, 15.6]` of the fall, or nothing for a point estimate."""
    if figure.low is None or figure.high is None:
        return ""
    return f" [{100.0 - figure.high:.1f}, {100.0 - figure.low:.1f}]"


# -- degenerate answers -------------------------------------------------------------------------


def _gentler(
    one: Candidate,
    rows: Sequence[Row],
    options: Sequence[Option],
    methods: Mapping[str, Method],
) -> Iterator[Step]:
    broken = {
        row.benchmark: row.reason for row in rows if row.verdict == "fail" and not row.decided
    }
    if not broken:
        return
    gentler = _gentler_methods(methods.get(one.method), methods)
    measured = {
        o.candidate.method: o.candidate
        for o in options
        if o.candidate.model == one.model and o.candidate.quality is not None
    }
    usable = [name for name in gentler if name not in measured or not _broke(measured[name])]
    name = next(iter(usable), None)
    what = "more bits" if "quantization" in one.families else "fewer zeros"
    figures: dict[str, float] = {"degenerate": float(len(broken))}
    tried, again = "", ""
    if name is None:
        advice = f"{what}: declare a gentler method in fixtures/methods"
    elif (known := measured.get(name)) is not None and known.quality is not None:
        figures["quality"] = known.quality
        tried = f", which kept {known.quality:.1f} % of performance here, without a collapse"
        advice = f"{what}: {name}{tried}"
    else:
        advice = f"{what}: {name}"
        again = command(one, " or ".join(dict.fromkeys(_metrics(rows, broken))), f"--method {name}")
    yield Step(
        **one.checkpoint._asdict(),
        rule="gentler",
        why="; ".join(f"{name} is {reason}" for name, reason in broken.items()),
        advice=advice,
        figures=figures,
        command=again,
    )


def _broke(one: Candidate) -> bool:
    return any(why.startswith("fail") for why in one.failures.values())


def _metrics(rows: Sequence[Row], names: Mapping[str, str]) -> Iterator[str]:
    yield from (row.metric for row in rows if row.benchmark in names and row.metric)


def _gentler_methods(method: Method | None, methods: Mapping[str, Method]) -> list[str]:
    """The methods of the same kind with fewer zeros, or more bits.

    Those of the same procedure come first, then the nearest: `gptq_w8a16` for `gptq_w4a16`.
    """
    if method is None or method.family is None:
        return []

    def differs(one: Method) -> bool:
        return one.name.partition("_")[0] != method.name.partition("_")[0]

    def harshness(one: Method) -> tuple[float, bool]:
        known = one.guarantees
        bits = known.bits or 16
        return (known.sparsity or 0.0) - bits, known.pattern is not None

    mine = harshness(method)
    found = [
        other
        for other in methods.values()
        if (other.family, other.also) == (method.family, method.also) and harshness(other) < mine
    ]
    nearest = sorted(found, key=harshness, reverse=True)
    return [one.name for one in sorted(nearest, key=differs)]


# -- a gain that was promised and not realised --------------------------------------------------


def _kernel(one: Candidate, rows: Sequence[Row], card: Scorecard) -> Iterator[Step]:
    lost = [
        row
        for row in rows
        if row.benchmark in SERVING and row.realised is False and row.retention is not None
    ]
    if not lost:
        return
    figures = {}
    for row in lost:
        figures[row.benchmark] = row.retention or 0.0
        figures[f"{row.benchmark}_expected"] = row.expected_gain or 0.0
    engine = card.environment.get("models", {}).get(one.model, {}).get("engine", "hf")
    if "pruning" in one.families:
        advice = (
            f"the engine ({engine}) stores and multiplies the zeros: no gain comes from this "
            "sparsity without a kernel for it"
        )
        again = ""
    elif engine == "vllm":
        advice, again = "the engine (vllm) has no kernel for this format on this machine", ""
    else:
        advice = f"the engine ({engine}) has no kernel for this format: serve it with vLLM"
        again = command(one, "efficiency", f"--method {one.method}", "--engine vllm")
    yield Step(
        **one.checkpoint._asdict(),
        rule="kernel",
        why="; ".join(
            f"{row.benchmark}: {row.expected_gain:.0f} % of dense expected, {row.retention:.1f} % "
            "measured"
            for row in lost
        ),
        advice=advice,
        figures=figures,
        command=again,
    )


# -- safety moved -------------------------------------------------------------------------------


def _safety(one: Candidate, rows: Sequence[Row]) -> Iterator[Step]:
    moved = [
        row
        for row in rows
        if row.metric == "safety"
        and row.retention is not None
        and row.low is not None
        and row.high is not None
        and not row.low <= 100.0 <= row.high
    ]
    if moved:
        yield Step(
            **one.checkpoint._asdict(),
            rule="safety",
            why="; ".join(
                f"{row.benchmark} is at {row.retention:.1f} % of dense [{row.low:.1f}, "
                f"{row.high:.1f}]: {row.lost or 0} answers lost, {row.gained or 0} gained"
                for row in moved
            ),
            advice="read the flipped answers of " + " and ".join(row.benchmark for row in moved),
            figures={row.benchmark: row.retention or 0.0 for row in moved},
        )


# -- undecided ----------------------------------------------------------------------------------


def _undecided(option: Option, card: Scorecard) -> Iterator[Step]:
    one = option.candidate
    everything: list[Row | MetricRow] = [*card.rows, *card.metrics]
    ends = {row.name: row for row in everything if row.checkpoint == one.checkpoint}
    for held in option.checks:
        if held.outcome != "undecided" or held.bound is None or held.value is None:
            continue
        row = ends[held.name]
        if isinstance(row, Row) and row.unit is not None:
            yield _more_rounds(one, held)
            continue
        found = remedy_of(card, row, held.bound, level=option.level, strictest=LEVEL)
        yield Step(
            **one.checkpoint._asdict(),
            rule="undecided",
            why=_undecided_why(held),
            advice=str(found),
            figures={**{name: float(n) for name, n in found.items.items()}, "floor": found.floor},
        )


def _more_rounds(one: Candidate, held: Check) -> Step:
    """An interval shrinks with the root of the rounds, until it no longer holds the bound."""
    figure = one.figures[held.name]
    assert held.value is not None
    assert held.bound is not None
    distance = held.value - held.bound
    edge = figure.low if distance > 0 else figure.high
    rounds = math.inf
    if distance and edge is not None and math.isfinite(edge) and figure.items:
        rounds = figure.items * ((held.value - edge) / distance) ** 2
    figures = {"rounds": float(figure.items or 0)}
    advice = "it lies at its bound: no number of rounds is known that would decide"
    if rounds < math.inf:
        figures["needed"] = float(math.ceil(rounds))
        advice = (
            f"about {math.ceil(rounds):,} rounds instead of {figure.items:,}: least_rounds under "
            "[efficiency] in unicomp.toml"
        )
    return Step(
        **one.checkpoint._asdict(),
        rule="undecided",
        why=_undecided_why(held),
        advice=advice,
        figures=figures,
    )


def _undecided_why(held: Check) -> str:
    spread = f" [{held.low:.1f}, {held.high:.1f}]" if None not in (held.low, held.high) else ""
    return f"{held.need}: {held.value:.1f} %{spread} does not decide against {held.bound:.1f} %"
