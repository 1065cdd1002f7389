"""Efficiency at the terminal: what was measured beside the dense model, and the three metrics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from unicomp.efficiency.gain import written_interval
from unicomp.findings.efficiency import efficiency
from unicomp.framework import DIMENSIONS
from unicomp.report.tables import empty_table
from unicomp.scorecard import Scorecard
from unicomp.spec import BENCH_PREFIX
from unicomp.units import amount
from unicomp.verdict import Row

_OPEN = "~"
_UNREALISED = "*"


@dataclass(frozen=True)
class Titled:
    """A table below its title."""

    title: str
    table: Table


def tables(card: Scorecard) -> Iterator[Titled]:
    """For each model a table for each metric of efficiency, and one of the metrics themselves."""
    for model in dict.fromkeys(subject[0] for subject in card.subjects):
        rows = [row for row in card.rows if row.model == model and row.unit and row.decided]
        if not rows:
            continue
        for metric in DIMENSIONS["efficiency"]:
            if own := [row for row in rows if row.metric == metric]:
                what = "measured" if metric == "compute_cost" else "measured, and % of dense"
                yield Titled(f"{metric.replace('_', ' ')} of {model}: {what}", _probes(card, own))
        yield from _metrics(card, model)


def machine(card: Scorecard) -> Iterator[str]:
    """What timings were taken on, in a line; they hold for such a machine only."""
    found = card.environment.get("measuring", {}).get("machine")
    timed = any(row.unit in ("s", "tokens/s") and row.retention is not None for row in card.rows)
    if found and timed:
        on_gpu = found.get("device") == "cuda"
        gpus = ", ".join(str(gpu.get("name")) for gpu in found.get("gpus", ()) if on_gpu)
        where = gpus or found.get("processor") or "an unknown processor"
        count = found.get("threads")
        threads = "" if gpus or not count else f", {count} thread{'s' if count != 1 else ''}"
        yield f"measured on {where}{threads}"


def _probes(card: Scorecard, rows: Sequence[Row]) -> Table:
    names = list(dict.fromkeys(row.benchmark for row in rows))
    table = empty_table(name.replace("_", " ") for name in names)
    cells = {(row.subject, row.benchmark): row for row in rows}
    for subject in dict.fromkeys(row.subject for row in rows):
        found = (cells.get((subject, name)) for name in names)
        table.add_row(
            card.name_of(*subject[1:]), *(Text("") if r is None else _cell(r) for r in found)
        )
    return table


def _cell(row: Row) -> Text:
    assert row.score is not None
    unit = row.unit or ""
    cell = Text(amount(row.score, unit))
    if (tail := row.details.get("p95")) is not None:
        cell.append(f"\np95 {amount(tail, unit)}", style="dim")
    if row.retention is None or row.method == "dense":
        if row.verdict == "fail" and row.budget is not None:
            cell.append(f"\nover {amount(row.budget, unit)}", style="bold red")
        return cell
    style = {"fail": "bold red", "inconclusive": "yellow"}.get(row.verdict, "green")
    mark = {"fail": " ✗", "inconclusive": " ?"}.get(row.verdict, "")
    mark += f" {_UNREALISED}" if row.realised is False else ""
    doubt = f"{_OPEN} " if _is_open(row) else ""
    cell.append(f"\n{doubt}{row.retention:.1f} %{mark}", style=style if row.floor else "")
    if row.low != row.high:
        assert row.low is not None
        assert row.high is not None
        limits = f"{row.low:.1f}–{row.high:.1f}" if math.isfinite(row.high) else "no interval"
        cell.append(f"\n{limits}", style="dim")
    return cell


def _metrics(card: Scorecard, model: str) -> Iterator[Titled]:
    rows = [row for row in efficiency(card) if row.model == model]
    found = {row.metric: row.compared_with for row in rows}
    if not found:
        return
    table = empty_table(metric.replace("_", " ") for metric in found)
    values = {((r.model, r.method, r.calibration), r.metric): r.value for r in rows}
    for subject in dict.fromkeys((row.model, row.method, row.calibration) for row in rows):
        cells = (values.get((subject, metric)) for metric in found)
        table.add_row(card.name_of(*subject[1:]), *("" if v is None else f"{v:.1f}" for v in cells))
    rivals = max(found.values(), key=len)
    yield Titled(f"Efficiency of {model}: % of the best among {', '.join(rivals)}", table)


def notes(card: Scorecard) -> Iterator[str]:
    """What the figures do not show: differences within the noise, and gains that are not there."""
    rows = [row for row in card.rows if row.unit is not None]
    if any(map(_is_open, rows)):
        yield (
            f"{_OPEN} no difference is shown: the interval is wider than it, and contains 100; "
            "measure longer, or call it equal"
        )
    if any(row.realised is False for row in rows):
        yield f"{_UNREALISED} not realised: the expected gain of the format was not measured"
    if any(row.benchmark.startswith(BENCH_PREFIX) for row in rows):
        yield (
            f"{BENCH_PREFIX[:-1].replace('_', ' ')}: told by vLLM's own benchmark, of one "
            "checkpoint after the other: what disturbed the machine meanwhile counts as a "
            "difference, and no interval knows of it; a throughput is one figure, which has none "
            "and meets no floor"
        )
    energy: dict[str, list[str]] = {}
    for row in rows:
        if (joules := row.details.get("joules_per_token")) is not None:
            name = f"{row.model}/{card.name_of(row.method, row.calibration)}"
            energy.setdefault(name, []).append(f"{row.benchmark} {joules:.3g}")
    for name, probes in energy.items():
        yield f"{name}: joules for each generated token: {', '.join(probes)}"


def _is_open(row: Row) -> bool:
    """Whether a measurement of several rounds leaves it open which of the two is better."""
    if (
        not row.n
        or row.unit is None
        or row.retention is None
        or row.low is None
        or row.high is None
    ):
        return False
    return row.low < 100.0 < row.high


def describe(row: Row) -> str:
    """What an efficiency measurement found, in a few words."""
    if row.score is None or not row.decided:
        return row.reason
    unit = row.unit or ""
    if row.retention is None:
        limit = "no budget" if row.budget is None else f"budget {amount(row.budget, unit)}"
        return f"{amount(row.score, unit)}, {limit}"
    assert row.low is not None
    assert row.high is not None
    return (
        f"{amount(row.score, unit)} against {amount(row.dense or 0.0, unit)}: {row.retention:.1f} "
        f"% {written_interval(row.low, row.high)} of dense, floor {row.floor:g}"
    )
