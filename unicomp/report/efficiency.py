"""Efficiency at the terminal: the measurements against the dense model, and the three metrics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from unicomp.findings import Findings
from unicomp.findings.efficiency import EfficiencyMetric, machine_of
from unicomp.framework import DIMENSIONS
from unicomp.report.tables import empty_table, full_name
from unicomp.scorecard import Scorecard
from unicomp.spec import BENCH_PREFIX
from unicomp.units import amount, amounts, bound, interval
from unicomp.verdict import OTHER_LOAD, Row

_OPEN = "~"
_UNREALISED = "*"
DISTURBED = "†"
"""Marks the time of a build that ran beside other work."""


@dataclass(frozen=True)
class Titled:
    """A table below its title."""

    title: str
    table: Table


def tables(card: Scorecard, findings: Findings) -> Iterator[Titled]:
    """For each model a table of measurements for each metric, and a table of the metrics."""
    for model in card.models:
        rows = [row for row in card.rows if row.model == model and row.unit and row.shown]
        if not rows:
            continue
        for metric in DIMENSIONS["efficiency"]:
            if own := [row for row in rows if row.metric == metric]:
                what = "measured" if metric == "compute_cost" else "measured, and % of dense"
                yield Titled(f"{metric.replace('_', ' ')} of {model}: {what}", _probes(card, own))
        yield from _metrics(card, [one for one in findings.efficiency if one.model == model])


def machine(card: Scorecard) -> Iterator[str]:
    """A line that names the machine of the timings; they are valid for such a machine only."""
    found = card.environment.get("measuring", {}).get("machine")
    timed = any(row.unit in ("s", "tokens/s") and row.retention is not None for row in card.rows)
    if found and timed:
        where = machine_of(card) or "an unknown processor"
        count = None if where != found.get("processor") else found.get("threads")
        threads = "" if not count else f", {count} thread{'s' if count != 1 else ''}"
        yield f"measured on {where}{threads}"


def _probes(card: Scorecard, rows: Sequence[Row]) -> Table:
    names = list(dict.fromkeys(row.benchmark for row in rows))
    table = empty_table(name.replace("_", " ") for name in names)
    cells = {(row.checkpoint, row.benchmark): _cell(row) for row in rows}
    for checkpoint in dict.fromkeys(row.checkpoint for row in rows):
        found = (cells.get((checkpoint, name), Text("")) for name in names)
        table.add_row(card.name_of(checkpoint), *found)
    return table


def _cell(row: Row) -> Text:
    assert row.score is not None
    unit = row.unit or ""
    cell = Text(amount(row.score, unit) + (f" {DISTURBED}" if OTHER_LOAD in row.details else ""))
    if (tail := row.details.get("p95")) is not None:
        cell.append(f"\np95 {amount(tail, unit)}", style="dim")
    if row.retention is None or row.method == "dense":
        if row.verdict in _OVER and row.budget is not None:
            cell.append(f"\nover {amount(row.budget, unit)}", style=_OVER[row.verdict])
        return _with_limit(cell, row)
    style, mark = _end(row, "floor") if row.floor else ("", "")
    mark += f" {_UNREALISED}" if row.realised is False else ""
    doubt = f"{_OPEN} " if row.differs is False else ""
    cell.append(f"\n{doubt}{row.retention:.1f} %{mark}", style=style)
    if row.low != row.high:
        assert row.low is not None
        assert row.high is not None
        limits = f"{row.low:.1f}–{row.high:.1f}" if math.isfinite(row.high) else "no interval"
        cell.append(f"\n{limits}", style="dim")
    return _with_limit(cell, row)


def _with_limit(cell: Text, row: Row) -> Text:
    """A cell with the limit of the checkpoint itself, if there is one."""
    if row.limit is not None:
        style, mark = _end(row, "limit")
        cell.append(f"\n{limit_of(row)}{mark}", style=style)
    return cell


def _end(row: Row, asked: str) -> tuple[str, str]:
    """The style and the mark of the floor or the limit of a row."""
    met = row.unmet and asked not in row.unmet
    return _PASSED if met else _ENDED.get(row.verdict, _PASSED)


_PASSED = ("green", "")
_ENDED = {
    "fail": ("bold red", " ✗"),
    "undecided": ("yellow", " ?"),
    "not_measured": ("yellow", " ?"),
}
"""Verdict → the style and mark of what was asked."""


def limit_of(row: Row) -> str:
    """The limit of a row, `at most 250 ms`; empty without one."""
    if row.limit is None:
        return ""
    return bound(row.limit, row.unit or "", least=row.higher_is_better)


def _metrics(card: Scorecard, found: Sequence[EfficiencyMetric]) -> Iterator[Titled]:
    """The efficiency metrics of one model; nothing if there are none."""
    rivals = {one.metric: one.compared_with for one in found}
    if not rivals:
        return
    table = empty_table(metric.replace("_", " ") for metric in rivals)
    values = {(one.checkpoint, one.metric): _value(one) for one in found}
    for checkpoint in dict.fromkeys(one.checkpoint for one in found):
        cells = (values.get((checkpoint, metric), "") for metric in rivals)
        table.add_row(card.name_of(checkpoint), *cells)
    longest = max(rivals.values(), key=len)
    yield Titled(f"Efficiency of {found[0].model}: % of the best among {', '.join(longest)}", table)


def _value(one: EfficiencyMetric) -> str:
    return f"{one.value:.1f} published" if one.published else f"{one.value:.1f}"


_OVER = {"fail": "bold red", "undecided": "yellow"}


def beside_other_work(load: float) -> str:
    """How much other work took while a checkpoint was built."""
    return f"built beside other work, which took {100 * load:.0f} % of the processors"


def notes(card: Scorecard) -> Iterator[str]:
    """Notes on the figures: differences within the noise, unrealised gains."""
    rows = [row for row in card.rows if row.unit is not None]
    if any(row.differs is False for row in rows):
        yield (
            f"{_OPEN} no difference is shown, since the interval contains 100: measure longer, or "
            "call it equal"
        )
    if any(row.realised is False for row in rows):
        yield f"{_UNREALISED} not realised: the expected gain of the format was not measured"
    if loads := [row.details[OTHER_LOAD] for row in rows if OTHER_LOAD in row.details]:
        yield (
            f"{DISTURBED} {beside_other_work(max(loads))} at most: it would be shorter alone, and "
            "above its budget it is undecided; remove the checkpoint to build it again"
        )
    if any(row.benchmark.startswith(BENCH_PREFIX) for row in rows):
        yield (
            f"{BENCH_PREFIX[:-1].replace('_', ' ')}: measured by `vllm bench`, one checkpoint "
            "after the other; the interval does not cover noise between the two runs, and a "
            "throughput is one figure, which has no interval and meets no floor"
        )
    energy: dict[str, list[str]] = {}
    for row in rows:
        if (joules := row.details.get("joules_per_token")) is not None:
            energy.setdefault(full_name(row.checkpoint), []).append(f"{row.benchmark} {joules:.3g}")
    for name, probes in energy.items():
        yield f"{name}: joules for each generated token: {', '.join(probes)}"


def describe(row: Row) -> str:
    """The result of an efficiency measurement in a few words."""
    if row.score is None or not row.decided:
        return row.reason
    unit = row.unit or ""
    if row.retention is None:
        limit = "no budget" if row.budget is None else f"budget {amount(row.budget, unit)}"
        load = row.details.get(OTHER_LOAD)
        beside = "" if load is None else f", {beside_other_work(load)}"
        return f"{amount(row.score, unit)}, {limit}{beside}"
    floor = "" if row.floor is None else f", floor {row.floor:g}"
    if row.limit is not None:
        value = amount(math.nan if row.absolute is None else row.absolute, unit)
        limits = amounts(row.absolute_low, row.absolute_high, unit)
        exact = row.absolute_low == row.absolute_high
        why = f" (not met: {', '.join(row.unmet)})" if row.unmet else ""
        floor += f"; {value}{'' if exact else f' {limits}'}, limit: {limit_of(row)}{why}"
    return (
        f"{amount(row.score, unit)} against {amount(row.dense or 0.0, unit)}: {row.retention:.1f} "
        f"% {interval(row.low, row.high)} of dense{floor}"
    )
