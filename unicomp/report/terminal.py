"""The scorecard at the terminal: a short page, or everything.

The short page is in `summary.py`. Everything is metrics with their intervals, findings, gaps,
efficiency, costs, and what decided.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from unicomp.findings import Findings
from unicomp.findings.decoupling import Decoupling
from unicomp.findings.languages import PREFIX
from unicomp.findings.work import Stage
from unicomp.report import (
    calibrations,
    claims,
    comparison,
    context_reach,
    costs,
    decision,
    divergence,
    early,
    efficiency,
    engines,
    formats,
    prompts,
    sub_scores,
    summary,
)
from unicomp.report.reasons import gap
from unicomp.report.styles import DECISIONS, MARKS, STYLES
from unicomp.report.tables import columns, items_asked, metric_table, printable
from unicomp.scorecard import Scorecard
from unicomp.spec import CheckpointId
from unicomp.verdict import MetricRow, Verdict

_UNMEASURED: dict[Verdict, str] = {
    "unsupported": "un-\nsupported",
    "not_measured": "not\nmeasured",
    "not_comparable": "not\ncomparable",
}
_MOST_GAPS = 20
"""The number of gaps that are shown; the JSON scorecard has all."""


def render(
    card: Scorecard, findings: Findings, *, width: int, color: bool, everything: bool = False
) -> list[str]:
    """The scorecard as lines of text, with terminal colours if wanted.

    The short page, or `everything`.
    """
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=max(width, 60),
        force_terminal=color,
        no_color=not color,
        color_system="standard" if color else None,
        highlight=False,
        emoji=False,
    )
    parts = _parts(card, findings) if everything else summary.parts(card, findings, console.width)
    for part in parts:
        console.print(part, soft_wrap=not isinstance(part, Table))
    return stream.getvalue().splitlines()


def _parts(card: Scorecard, findings: Findings) -> Iterator[str | Text | Table]:
    """All that is shown: tables, and lines with markup."""
    yield from tables(card)
    yield from calibrations.effects(findings.calibration_effects)
    yield from calibrations.spreads(findings.seed_spreads)
    yield from _beside(card)
    yield from _perplexity(card, findings)
    yield from map(_dim, (*_judged(card), *sub_scores.lines(card, findings), *_details(card)))
    yield from map(_dim, divergence.of_samples(card.in_full))
    yield from map(printable, (*_bias(card, findings), *_decoupling(findings)))
    yield from map(printable, context_reach.lines(findings.context_reach))
    yield from map(printable, claims.lines(findings.claims))
    yield from map(_dim, _instruments(card))
    yield from map(printable, _notes(card))
    yield from map(printable, calibrations.flips(findings.seed_spreads))
    if findings.distances:
        yield f"[bold]{divergence.TITLE}"
        yield divergence.table(card, findings.distances)
        yield from map(_dim, divergence.notes(findings.distances))
    yield from (
        f"[yellow]{printable(line)}[/]" for line in divergence.warnings(findings.silent_changes)
    )
    yield from (
        f"[yellow]{printable(line)}[/]" for line in divergence.cut_off(findings.truncations)
    )
    yield from (
        f"[yellow]{printable(line)}[/]" for line in prompts.warnings(findings.prompt_differences)
    )
    yield from _gaps(card)
    for titled in efficiency.tables(card, findings):
        yield f"[bold]{escape(titled.title)}"
        yield titled.table
    yield from map(_dim, (*efficiency.machine(card), *efficiency.notes(card)))
    yield from map(_dim, engines.lines(findings.crosschecks))
    yield from map(_dim, formats.lines(findings.formats))
    if any(cost.measured or cost.estimated or cost.published for cost in findings.costs):
        yield f"[bold]{costs.TITLE}"
        yield costs.table(findings.costs)
    yield from costs.notes(findings.costs)
    yield from map(_dim, _work(findings))
    if card.comparison is not None:
        yield from map(printable, comparison.lines_of_run(card.comparison))
    yield from map(printable, decision.lines(card, findings))
    yield decided(card)


def tables(card: Scorecard) -> Iterator[str | Table]:
    """The tables of the metrics, with a title for each model."""
    for model in card.models:
        yield f"[bold]{escape(_title(card, model))}"
        found = {row.metric for row in card.metrics if row.model == model}
        for metrics in columns(found) if found else ():
            yield _table(card, model, metrics)


def decided(card: Scorecard) -> str:
    """The line of the decision, with its colour."""
    return f"[bold {DECISIONS[card.decision]}]the gate is {card.decision}"


def _dim(line: str) -> str:
    return f"[dim]{printable(line)}[/]"


def _table(card: Scorecard, model: str, metrics: Sequence[str]) -> Table:
    cells = {(row.checkpoint, row.metric): row for row in card.metrics if row.model == model}
    table = metric_table(metrics)
    for checkpoint in (one for one in card.checkpoints if one.model == model):
        found = (cells.get((checkpoint, metric)) for metric in metrics)
        table.add_row(_label(card, checkpoint), *map(_cell, found))
    return table


def _title(card: Scorecard, model: str) -> str:
    facts = card.environment.get("models", {}).get(model, {})
    items = items_asked(card)
    rows = f" ({facts['rows']} rows{items})" if "rows" in facts else ""
    found = any(row.early for row in card.metrics if row.model == model)
    or_sequence = f" ({early.LEGEND}, with its {early.SEQUENCE})" if found else ""
    return f"UniComp scorecard of {model}{rows}: % of dense, with the 95 % interval{or_sequence}"


def _label(card: Scorecard, checkpoint: CheckpointId) -> str:
    _, method, calibration = checkpoint
    return f"{method}\n{calibration}" if card.is_named(calibration) else method


def _cell(row: MetricRow | None) -> Text:
    if row is None:
        return Text("")
    style = STYLES[row.verdict] if row.allowed is None else "dim"
    if row.value is None:
        return Text(_UNMEASURED.get(row.verdict, row.verdict), style=style)
    cell = Text(f"{early.value(row, row.value)}{MARKS.get(row.verdict, '')}", style=style)
    if row.low != row.high:
        cell.append(f"\n{row.low:.1f}–{row.high:.1f}", style="dim")
    return cell


def _beside(card: Scorecard) -> Iterator[str]:
    """A line for each benchmark that belongs to no metric."""
    several = len(card.models) > 1
    rows = [row for row in card.rows if row.benchmark in card.beside and row.retention is not None]
    for name, model in dict.fromkeys((row.benchmark, row.model) for row in rows):
        own = [row for row in rows if (row.benchmark, row.model) == (name, model)]
        kept = (
            f"[{STYLES[row.verdict]}]{card.name_of(row.checkpoint)} "
            f"{early.value(row, row.retention)}"
            f"{MARKS.get(row.verdict, '')}[/]"
            for row in own
        )
        metric = next((row.metric for row in own if row.metric), None)
        where = f" (beside {metric.replace('_', ' ')})" if metric else ""
        whose = f"{model} {name}" if several else name
        yield f"{printable(whose)}{where}: {', '.join(kept)}"


def _perplexity(card: Scorecard, findings: Findings) -> Iterator[str]:
    """A line for each kind of models."""
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for one in findings.retained_perplexity:
        name = card.name_of(CheckpointId("", one.method, one.calibration))
        groups.setdefault((f"{one.kind} models", one.models), []).append(f"{name} {one.value:.1f}")
    if len({kind for kind, _ in groups}) > 1:  # with one kind, the overall score says the same
        for overall in findings.overall_perplexity:
            name = card.name_of(CheckpointId("", overall.method, overall.calibration))
            kept = groups.setdefault(("overall", overall.models), [])
            kept.append(f"{name} {overall.value:.1f}")
    for (kind, models), kept in groups.items():
        title = f"retained perplexity, {kind} ({', '.join(models)})"
        yield printable(f"{title}: {', '.join(kept)}")


def _judged(card: Scorecard) -> Iterator[str]:
    """A line for each benchmark whose scores a judge had a part in, with the judge's agreement."""
    rows = [row for row in card.in_full.rows if row.kappa is not None and row.score is not None]
    for model, name, kappa in dict.fromkeys((row.model, row.benchmark, row.kappa) for row in rows):
        scores = ", ".join(
            f"{row.method} {row.score:.4g}"
            for row in rows
            if (row.model, row.benchmark) == (model, name)
        )
        yield f"{model} {name}, judged with kappa {kappa:.2f}: {scores}"


def _details(card: Scorecard) -> Iterator[str]:
    """A line for each further score of a benchmark."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for row in (row for row in card.in_full.rows if row.unit is None):
        for name, value in row.details.items():
            # a scorecard that was read from JSON has None for what is not a number
            own = not name.startswith(("dense.", PREFIX))
            if own and value is not None and math.isfinite(value):
                line = found.setdefault((row.model, row.benchmark, name), [])
                line.append(f"{card.name_of(row.checkpoint)} {value:.4g}")
    for names, scores in found.items():
        yield f"{' '.join(names)}: {', '.join(scores)}"


def _decoupling(findings: Findings) -> Iterator[str]:
    """Performance and reliability, and whether they move together."""
    for one in findings.decoupling:
        pairs = ", ".join(f"{name} {a:.1f}/{b:.1f}" for name, (a, b) in one.checkpoints.items())
        without = f" (without {', '.join(one.left_out)})" if one.left_out else ""
        line = f"Performance/reliability kept{without}, {one.model}: {pairs}"
        if one.correlation is not None:
            line += f"; rank correlation {one.correlation:.2f} {_certainty(one)}"
        yield line


def _certainty(one: Decoupling) -> str:
    """The p-value of a correlation, or its interval with limits that are rounded outwards."""
    if one.p_value is not None:
        least = 0.001
        value = f"= {one.p_value:.2g}" if one.p_value >= least else f"< {least:g}"
        return f"(p {value}, {len(one.checkpoints)} checkpoints)"
    assert one.low is not None
    assert one.high is not None
    return f"[{math.floor(100 * one.low) / 100:.2f}, {math.ceil(100 * one.high) / 100:.2f}]"


def _instruments(card: Scorecard) -> Iterator[str]:
    """The instruments that read the answers, and how reliable they are."""
    about = card.environment.get("instruments") or {}
    if sandbox := about.get("sandbox"):
        yield f"Programs run by: {sandbox['sandbox']}, Python {sandbox['python']}"
    if "refusals" not in about:
        return
    line = f"Read by: refusals {about['refusals'].get('detector', '?')}"
    if figures := about.get("refusal_figures"):
        line += f" ({_of_refusals(figures)})"
    line += f", similarity {about['similarity'].get('kind', '?')}"
    if about["judge"]:
        line += f", judge {about['judge'].get('model', '?')}"
    if kappa := about.get("judge_agreement"):
        line += f" (kappa {kappa['kappa']:.2f} on {kappa['n']} labelled questions)"
    if problem := about.get("unknown_quality"):
        line += f"; not measured: {problem}"
    yield line


def _of_refusals(figures: Mapping[str, Any]) -> str:
    """How well the refusal detector does; cards of earlier versions have fewer figures."""
    parts = [f"F1 {figures['f1']:.3f} on {figures['n']} labelled responses"]
    if held_out := figures.get("held_out"):
        parts.append(f"{held_out['f1']:.2f} on {held_out['n']} held out")
    parts += [
        f"{one['f1']:.2f} on {one['n']} of {model} with human labels"
        for model, one in figures.get("human", {}).items()
    ]
    return ", ".join(parts)


def _notes(card: Scorecard) -> Iterator[str]:
    if unpinned := card.environment.get("unpinned"):
        yield f"unpinned, so any revision may have been read: {', '.join(unpinned)}"
    yield from card.environment.get("notes", ())


def _bias(card: Scorecard, findings: Findings) -> Iterator[str]:
    """A line for each metric: how much further it fell than knowledge."""
    for metric in dict.fromkeys(one.metric for one in findings.knowledge_bias):
        parts = [
            f"{card.name_of(one.checkpoint)} {one.points:+.1f} [{one.low:+.1f}, {one.high:+.1f}]"
            f"{' biased' if one.biased else ''}"
            for one in findings.knowledge_bias
            if one.metric == metric
        ]
        name = metric.replace("_", " ")
        yield f"Knowledge bias (points that {name} fell further than knowledge): {', '.join(parts)}"


def _gaps(card: Scorecard) -> Iterator[str]:
    for row in card.gaps[:_MOST_GAPS]:
        style = "dim" if row.allowed else STYLES[row.verdict]
        yield f"[{style}]{printable(gap(card, row))}[/]"
    if (more := len(card.gaps) - _MOST_GAPS) > 0:
        yield f"… and {more} more; --scorecard FILE has them all"


def _work(findings: Findings) -> Iterator[str]:
    work = findings.work

    def said(stage: Stage, text: str) -> str | None:
        return text.format(one=stage) if stage.checkpoints else None

    parts = (
        said(work.built, "built {one.checkpoints} checkpoints in {one.seconds:.0f} s"),
        said(work.built_before, "found {one.checkpoints} checkpoints in the store"),
        said(
            work.answered,
            "asked {one.checkpoints} checkpoints {one.items:,} items in {one.seconds:.0f} s",
        ),
        said(work.measured, "measured {one.checkpoints} checkpoints in {one.seconds:.0f} s"),
        said(work.answered_before, "found the answers of {one.checkpoints} in the store"),
    )
    if any(parts):
        yield "; ".join(filter(None, parts))
