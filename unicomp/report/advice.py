"""Advice at the terminal and as JSON: the order, the map, the next steps, what is published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from textwrap import wrap
from typing import Any

from rich.console import Console
from rich.text import Text

from unicomp.advice.advice import Advice, Unmeasured
from unicomp.advice.candidates import Candidate
from unicomp.advice.choice import Check, Option
from unicomp.advice.published import LABEL
from unicomp.advice.situations import TITLES, Situation, figures_of
from unicomp.report.tables import full_name, plain
from unicomp.units import amount, interval

_MARKS = {"meets": "✓", "undecided": "?", "misses": "✗", "ruled out": "–"}
_SHORT = {
    "model_size": "size",
    "inference_memory": "memory",
    "throughput": "throughput",
    "latency": "latency",
}
_STEPS = {
    "calibrate": "lost more than twice as much as knowledge",
    "gentler": "degenerate answers",
    "kernel": "a gain that was expected is not there",
    "safety": "safety moved",
    "undecided": "undecided",
}
"""Rule → what was found, in a few words."""


def as_json(advice: Advice) -> dict[str, Any]:
    """The advice as JSON values, in full precision."""
    return {
        "needs": [{**asdict(need), "words": need.words} for need in advice.needs],
        "intervals": advice.intervals,
        "options": [_option(one) for one in advice.options],
        "map": [asdict(one) for one in advice.situations],
        "next_steps": [asdict(one) for one in advice.steps],
        "not_measured": [{**asdict(one), "label": LABEL} for one in advice.unmeasured],
    }


def _option(option: Option) -> dict[str, Any]:
    one = option.candidate
    return {
        **one.checkpoint._asdict(),
        "status": option.status,
        "reason": option.reason,
        "level": option.level,
        "pareto": option.in_pareto_set,
        "dominated_by": option.dominated_by,
        "quality_low": one.quality_low,
        "quality_high": one.quality_high,
        "figures": figures_of(one),
        "checks": [{**asdict(held), "short": held.short} for held in option.checks],
    }


def print_advice(console: Console, advice: Advice) -> None:
    """Print all advice, broken to the width of a terminal; commands stay whole."""
    for line in lines(advice):
        text = plain(line)
        indent = len(text) - len(text.lstrip())
        whole = not console.is_terminal or text.lstrip().startswith("$")
        parts = (
            [text]
            if whole
            else wrap(
                text, console.width, subsequent_indent=" " * (indent + 2), break_on_hyphens=False
            )
        )
        for part in parts or [""]:
            console.print(Text(part), soft_wrap=True)


def lines(advice: Advice) -> Iterator[str]:
    """The advice in lines of text."""
    if not advice.intervals:
        yield "Point estimates without intervals: nothing here says how sure a figure is."
    elif advice.needs:
        yield (
            "A need is met at 2.5 % / the number of checkpoints among which is chosen; "
            "intervals are of 95 %."
        )
    yield "Measured, in order: what meets the needs, the Pareto set, quality."
    for number, option in enumerate(advice.options, start=1):
        yield from _lines_of(option, number)
    if not advice.options:
        yield "  no compressed checkpoint"
    yield ""
    yield "Map of what was measured:"
    several = len({one.model for one in advice.situations}) > 1
    for situation in advice.situations:
        yield f"  {_situation(situation, several)}"
    if advice.steps:
        yield ""
        yield "Next:"
    for step in advice.steps:
        yield f"  {full_name(step.checkpoint)}: {_STEPS[step.rule]}: {step.why}"
        yield f"    → {step.advice}"
        if step.command:
            yield f"    $ {step.command}"
    if advice.unmeasured:
        yield ""
        yield f"Not measured ({LABEL}; percent of its dense model, point estimates):"
    for one in advice.unmeasured:
        yield f"  {_unmeasured(one, several)}"


def _lines_of(option: Option, number: int) -> Iterator[str]:
    one = option.candidate
    reason = f": {option.reason}" if option.reason else ""
    mark = _MARKS[option.status]
    yield f"{number:>3}. {mark} {full_name(one.checkpoint)}  {option.status}{reason}"
    yield f"       {'; '.join(filter(None, (_figures(one), _front(option))))}"
    for held in option.checks:
        yield f"       {_check(held)}"


def _front(option: Option) -> str:
    if option.candidate.quality is None:
        return "no quality: a performance metric has no value"
    if option.in_pareto_set is None:
        return ""
    return "Pareto set" if option.in_pareto_set else f"dominated by {option.dominated_by}"


def _figures(one: Candidate) -> str:
    known = figures_of(one)
    spread = ""
    if one.quality_low is not None and one.quality_high is not None:
        spread = f" {interval(one.quality_low, one.quality_high)}"
    words = [f"quality {known['quality']:.1f} %{spread}"] if "quality" in known else []
    words += _gains(known)
    return ", ".join(words)


def _gains(known: Mapping[str, float]) -> list[str]:
    return [f"{short} {known[axis]:.0f} %" for axis, short in _SHORT.items() if axis in known]


def _check(held: Check) -> str:
    if held.value is None:
        found = f"{amount(held.amount, held.unit or '')}; " if held.amount is not None else ""
        return f"{held.need}: {held.outcome}: {found}{held.reason}"
    value = f"{held.value:.1f} %"
    if held.limit is not None and held.amount is not None:
        value = f"{amount(held.amount, held.unit or '')} ({value})"
    if held.low is not None and held.high is not None:
        value += f" {interval(held.low, held.high)}"
    short = f" by {held.short:.1f} points" if held.short is not None else ""
    sure = "" if held.confidence is None else f", confidence {_percent(held.confidence)}"
    return f"{held.need}: {value}: {held.outcome}{short}{sure}"


def _percent(share: float) -> str:
    if share > 0.999:
        return "above 99.9 %"
    return "below 0.1 %" if share < 0.001 else f"{100 * share:.1f} %"


def _situation(one: Situation, several: bool) -> str:
    title = f"{one.model}: {TITLES[one.situation]}" if several else TITLES[one.situation]
    words = [f"{choice.name} ({_in_words(choice.figures)})" for choice in one.choices]
    if one.choices:
        by = f", by {one.axis}" if one.axis else ""
        found = f"{title}{by}: {'; then '.join(words)}"
    else:
        near = one.nearest
        best = f"; the nearest is {near.name} ({_in_words(near.figures)})" if near else ""
        found = f"{title}: none: {one.reason}{best}"
    if one.published is None:
        return found
    return f"{found}; {LABEL}: {one.published.name} ({_in_words(one.published.figures)})"


def _in_words(known: Mapping[str, float]) -> str:
    words = [f"{n} {known[n]:.1f} %" for n in ("quality", "knowledge", "reasoning") if n in known]
    words += _gains(known)
    return ", ".join(words)


def _unmeasured(one: Unmeasured, several: bool) -> str:
    name = f"{one.model}/{one.method}" if several else one.method
    words = f"{name}: {_in_words(one.published)}"
    if "compression_time" in one.published:
        words += f", made in {amount(one.published['compression_time'], 's')}"
    if one.misses:
        words += f"; would miss {', '.join(one.misses)}"
    if one.weights_bytes is not None:
        fits = "they fit" if one.fits else "they do not fit"
        words += f"; by arithmetic its weights take {amount(one.weights_bytes, 'bytes')}: {fits}"
    return words
