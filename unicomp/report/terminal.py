"""The scorecard at the terminal: one table, then what did not pass, and what it cost."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from unicomp.findings.costs import costs_of
from unicomp.findings.decoupling import decoupling, knowledge_bias
from unicomp.findings.perplexity import retained_perplexity
from unicomp.report import costs, efficiency, engines
from unicomp.report.calibrations import comparisons, flips
from unicomp.report.tables import columns, metric_table, plain
from unicomp.scorecard import MetricRow, Scorecard, Work
from unicomp.verdict import Row, Subject, Verdict

_STYLES: dict[Verdict, str] = {
    "pass": "green",
    "fail": "bold red",
    "inconclusive": "yellow",
    "missing": "red",
    "unsupported": "magenta",
    "not_measured": "magenta",
    "not_comparable": "magenta",
}
_MARKS: dict[Verdict, str] = {"pass": "", "fail": " ✗", "inconclusive": " ?"}
_UNMEASURED: dict[Verdict, str] = {
    "unsupported": "un-\nsupported",
    "not_measured": "not\nmeasured",
    "not_comparable": "not\ncomparable",
}
_MOST_GAPS = 20
"""Lines of gaps that are shown; the JSON scorecard has them all."""


def render(card: Scorecard, work: Sequence[Work], *, width: int, color: bool) -> list[str]:
    """The scorecard as lines of text, with terminal colours if wanted."""
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
    for model in dict.fromkeys(subject[0] for subject in card.subjects):
        console.print(f"[bold]{escape(_title(card, model))}", soft_wrap=True)
        found = {row.metric for row in card.metrics if row.model == model}
        for metrics in columns(found) if found else ():
            console.print(_table(card, model, metrics))
    for part in comparisons(card):
        console.print(part, soft_wrap=isinstance(part, Text))
    lines = (
        _beside,
        _perplexity,
        _judged,
        _details,
        _bias,
        _decoupling,
        _instruments,
        _unpinned,
        _notes,
        flips,
        _gaps,
    )
    for line in (line for part in lines for line in part(card)):
        console.print(line, soft_wrap=True)
    for titled in efficiency.tables(card):
        console.print(f"[bold]{escape(titled.title)}", soft_wrap=True)
        console.print(titled.table)
    for line in (*efficiency.machine(card), *efficiency.notes(card)):
        console.print(f"[dim]{_printable(line)}[/]", soft_wrap=True)
    for line in engines.lines(work):
        console.print(f"[dim]{_printable(line)}[/]", soft_wrap=True)
    spent = costs_of(work)
    if any(cost.known for cost in spent):
        console.print(f"[bold]{costs.TITLE}")
        console.print(costs.table(spent))
    for line in (*costs.notes(spent), *_work(work)):
        console.print(line, soft_wrap=True)
    verdict = "[bold green]the gate is open" if card.passed else "[bold red]the gate is shut"
    console.print(verdict)
    return stream.getvalue().splitlines()


def _table(card: Scorecard, model: str, metrics: Sequence[str]) -> Table:
    cells = {(row.subject, row.metric): row for row in card.metrics if row.model == model}
    table = metric_table(metrics)
    for subject in (s for s in card.subjects if s[0] == model):
        table.add_row(
            _label(card, subject), *(_cell(cells.get((subject, metric))) for metric in metrics)
        )
    return table


def _title(card: Scorecard, model: str) -> str:
    facts = card.environment.get("models", {}).get(model, {})
    samples = card.environment.get("samples")
    items = f", {samples} items of each benchmark" if samples else ""
    rows = f" ({facts['rows']} rows{items})" if "rows" in facts else ""
    return f"UniComp scorecard of {model}{rows}: % of dense, with the 95 % interval"


def _label(card: Scorecard, subject: Subject) -> str:
    _, method, calibration = subject
    return f"{method}\n{calibration}" if card.is_named(calibration) else method


def _cell(row: MetricRow | None) -> Text:
    if row is None:
        return Text("")
    style = _STYLES[row.verdict] if row.allowed is None else "dim"
    if row.value is None:
        return Text(_UNMEASURED.get(row.verdict, row.verdict), style=style)
    cell = Text(f"{row.value:.1f}{_MARKS.get(row.verdict, '')}", style=style)
    if row.low != row.high:
        cell.append(f"\n{row.low:.1f}–{row.high:.1f}", style="dim")
    return cell


def _beside(card: Scorecard) -> Iterator[str]:
    """The benchmarks that are part of no metric, a line for each."""
    several = len({row.model for row in card.rows}) > 1
    names = dict.fromkeys(
        (row.benchmark, row.model)
        for row in card.rows
        if row.benchmark in card.beside and row.retention is not None
    )
    for name, model in names:
        rows = [
            row
            for row in card.rows
            if (row.benchmark, row.model) == (name, model) and row.retention is not None
        ]
        kept = (
            f"[{_STYLES[row.verdict]}]{card.name_of(row.method, row.calibration)} "
            f"{row.retention:.1f}"
            f"{_MARKS.get(row.verdict, '')}[/]"
            for row in rows
        )
        metric = next((row.metric for row in rows if row.metric), None)
        where = f" (beside {metric.replace('_', ' ')})" if metric else ""
        whose = f"{model} {name}" if several else name
        yield f"{_printable(whose)}{where}: {', '.join(kept)}"


def _perplexity(card: Scorecard) -> Iterator[str]:
    """The paper's summary over models: a line for each kind of which there are several."""
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for row in retained_perplexity(card):
        if len(row.models) > 1:
            name = card.name_of(row.method, row.calibration)
            groups.setdefault((row.kind, row.models), []).append(f"{name} {row.value:.1f}")
    for (kind, models), kept in groups.items():
        title = f"retained perplexity, mean of the {kind} models {', '.join(models)}"
        yield _printable(f"{title}: {', '.join(kept)}")


def _judged(card: Scorecard) -> Iterator[str]:
    """Scores that a judge had a say in, a line for each benchmark, and how far to trust it."""
    rows = [row for row in card.rows if row.kappa is not None and row.score is not None]
    for model, name, kappa in dict.fromkeys((row.model, row.benchmark, row.kappa) for row in rows):
        scores = ", ".join(
            f"{row.method} {row.score:.4g}"
            for row in rows
            if (row.model, row.benchmark) == (model, name)
        )
        yield f"[dim]{_printable(f'{model} {name}, judged with kappa {kappa:.2f}: {scores}')}[/]"


def _details(card: Scorecard) -> Iterator[str]:
    """Further scores of benchmarks, a line for each: the dense model's and the compressed ones'."""
    names = dict.fromkeys(
        (row.model, row.benchmark, name)
        for row in card.rows
        for name in row.details
        if not name.startswith("dense.") and row.unit is None
    )
    for model, benchmark, name in names:
        rows = [row for row in card.rows if (row.model, row.benchmark) == (model, benchmark)]
        values = (
            (card.name_of(row.method, row.calibration), row.details.get(name)) for row in rows
        )
        scores = ", ".join(
            f"{checkpoint} {value:.4g}"
            for checkpoint, value in values
            if value is not None and math.isfinite(value)
        )
        if not scores:
            continue
        yield f"[dim]{_printable(f'{model} {benchmark} {name}: {scores}')}[/]"


def _decoupling(card: Scorecard) -> Iterator[str]:
    """Performance beside reliability, and whether they move together."""
    for one in decoupling(card):
        pairs = ", ".join(f"{name} {a:.1f}/{b:.1f}" for name, (a, b) in one.checkpoints.items())
        line = f"Performance/reliability kept, {one.model}: {pairs}"
        if one.correlation is not None:
            line += f"; rank correlation {one.correlation:.2f} [{one.low:.2f}, {one.high:.2f}]"
        yield _printable(line)


def _instruments(card: Scorecard) -> Iterator[str]:
    """What answers were read with, and how far that can be trusted."""
    about = card.environment.get("instruments")
    if not about:
        return
    line = f"Read by: refusals {about['refusals'].get('detector', '?')}"
    if figures := about.get("refusal_figures"):
        line += f" (F1 {figures['f1']:.3f} on {figures['n']} labelled responses)"
    line += f", similarity {about['similarity'].get('kind', '?')}"
    if about["judge"]:
        line += f", judge {about['judge'].get('model', '?')}"
    if kappa := about.get("judge_agreement"):
        line += f" (kappa {kappa['kappa']:.2f} on {kappa['n']} labelled questions)"
    if problem := about.get("unknown_quality"):
        line += f"; not measured: {problem}"
    yield f"[dim]{_printable(line)}[/]"


def _unpinned(card: Scorecard) -> Iterator[str]:
    if unpinned := card.environment.get("unpinned"):
        yield escape(f"unpinned, so any revision may have been read: {', '.join(unpinned)}")


def _notes(card: Scorecard) -> Iterator[str]:
    yield from map(_printable, card.environment.get("notes", ()))


def _bias(card: Scorecard) -> Iterator[str]:
    """How much further reasoning fell than knowledge; a word where it is more than twice as far."""
    words = {(True, True): " biased", (True, False): f" biased{_MARKS['inconclusive']}"}
    if bias := knowledge_bias(card):
        parts = (
            f"{card.name_of(one.method, one.calibration)} {one.points:+.1f}"
            f"{words.get((one.biased, one.certain), '')}"
            for one in bias
        )
        yield "Knowledge bias (points that reasoning fell further than knowledge): " + ", ".join(
            map(escape, parts)
        )


def _gaps(card: Scorecard) -> Iterator[str]:
    gaps = card.gaps
    for row in gaps[:_MOST_GAPS]:
        name = row.benchmark if isinstance(row, Row) else row.metric
        checkpoint = f"{row.model}/{card.name_of(row.method, row.calibration)}"
        line = f"{row.verdict.replace('_', ' ')}: {checkpoint} {name}"
        detail = describe(row)
        allowed = f" (allowed: {row.allowed})" if row.allowed else ""
        style = "dim" if row.allowed else _STYLES[row.verdict]
        yield f"[{style}]{_printable(line + (f': {detail}' if detail else '') + allowed)}[/]"
    if len(gaps) > _MOST_GAPS:
        yield f"… and {len(gaps) - _MOST_GAPS} more; --scorecard FILE has them all"


def _printable(text: str) -> str:
    """A text that a model or a file may have written, without markup and control characters."""
    return escape(plain(text))


def describe(row: Row | MetricRow) -> str:
    """What a row found, in a few words: the scores, the interval, the floor."""
    if isinstance(row, Row) and row.unit is not None:
        return efficiency.describe(row)
    value = row.retention if isinstance(row, Row) else row.value
    if value is None or row.floor is None:
        return row.reason
    scores = ""
    if isinstance(row, Row):
        judge = f" (judged with kappa {row.kappa:.2f})" if row.kappa is not None else ""
        scores = f"{row.score:.1f} of dense {row.dense:.1f}{judge}, "
    return f"{scores}kept {value:.1f} % [{row.low:.1f}, {row.high:.1f}], floor {row.floor:g}"


def _work(work: Sequence[Work]) -> Iterator[str]:
    built = [piece for piece in work if piece.stage == "build" and not piece.cached]
    found = [piece for piece in work if piece.stage == "build" and piece.cached]
    asked = [piece for piece in work if piece.stage == "answer" and not piece.cached]
    known = [piece for piece in work if piece.stage == "answer" and piece.cached]
    parts = []
    if built:
        parts.append(f"built {len(built)} checkpoints in {_seconds(built)}")
    if found:
        parts.append(f"found {len(found)} checkpoints in the store")
    if asked:
        items = sum(piece.items for piece in asked)
        parts.append(f"asked {len(asked)} checkpoints {items:,} items in {_seconds(asked)}")
    timed = [piece for piece in work if piece.stage == "measure" and not piece.cached]
    if timed:
        whose = {(piece.subject, piece.calibration) for piece in timed}
        parts.append(f"measured {len(whose)} checkpoints in {_seconds(timed)}")
    if known:
        checkpoints = {(piece.subject, piece.calibration) for piece in known}
        parts.append(f"found the answers of {len(checkpoints)} in the store")
    if parts:
        yield f"[dim]{'; '.join(parts)}[/]"


def _seconds(work: Sequence[Work]) -> str:
    return f"{sum(piece.seconds for piece in work):.0f} s"
