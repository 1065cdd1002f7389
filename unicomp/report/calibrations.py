"""The effects of calibrations and the spread of their seeds, at the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from rich.table import Table
from rich.text import Text

from unicomp.findings.calibrations import CalibrationEffect, SeedSpread
from unicomp.report.tables import columns, metric_table

Finding = TypeVar("Finding", CalibrationEffect, SeedSpread)


def effects(found: Sequence[CalibrationEffect]) -> Iterator[Text | Table]:
    """A table of gains and losses for each calibration; mostly nothing."""

    def title(own: Sequence[CalibrationEffect], of: str) -> str:
        one = own[0]
        what = "points of retention, and % of the control's"
        return f"Calibration {one.calibration} instead of {one.control}, {what}{of}:"

    yield from _tables(found, title, lambda method: Text(method), _gain)
    if found:
        note = "intervals as if the two calibrations had been measured on different items: too wide"
        yield Text(note, "dim")


def spreads(found: Sequence[SeedSpread]) -> Iterator[Text | Table]:
    """A table of means and spreads for each calibration with several seeds; mostly nothing."""

    def title(own: Sequence[SeedSpread], of: str) -> str:
        seeds = ", ".join(own[0].values)
        return (
            f"Means over the seeds of calibration {own[0].calibration} ({seeds}){of}, % of dense:"
        )

    def label(method: str) -> Text:
        return Text(method).append("\n  over seeds\n  deviation\n  over items", "dim")

    yield from _tables(found, title, label, _mean)


def flips(found: Sequence[SeedSpread]) -> Iterator[str]:
    """A line for each metric whose verdict differs between seeds."""
    several = len({one.calibration for one in found}) > 1
    for one in found:
        if one.agree:
            continue
        (first, count), *others = one.verdict_counts
        parts = [f"{first} with {count} of {len(one.verdicts)} seeds"]
        parts += [f"{verdict} with {number}" for verdict, number in others]
        where = f"{one.metric}@{one.method}" + (f" ({one.calibration})" if several else "")
        verdicts = ", ".join(parts).replace("_", " ")
        yield f"seed noise flips the verdict of {where}: {verdicts}"


def _tables(
    found: Sequence[Finding],
    title: Callable[[Sequence[Finding], str], str],
    label: Callable[[str], Text],
    cell: Callable[[Finding], Text],
) -> Iterator[Text | Table]:
    """For each model and calibration a title and tables: methods as rows, metrics as columns."""
    several = len({one.model for one in found}) > 1
    for model, name in dict.fromkeys((one.model, one.calibration) for one in found):
        own = [one for one in found if (one.model, one.calibration) == (model, name)]
        cells = {(one.method, one.metric): cell(one) for one in own}
        yield Text(title(own, f" of {model}" if several else ""), "bold")
        for metrics in columns({one.metric for one in own}):
            table = metric_table(metrics)
            for method in dict.fromkeys(one.method for one in own):
                table.add_row(label(method), *(cells.get((method, m), Text("")) for m in metrics))
            yield table


def _gain(one: CalibrationEffect) -> Text:
    style = "green" if one.low > 0 else "red" if one.high < 0 else ""
    relative = f" {one.relative:+.0f}%" if one.relative is not None else ""
    cell = Text(f"{one.points:+.1f}{relative}", style=style)
    return cell.append(f"\n{one.low:+.1f}…{one.high:+.1f}", style="dim")


def _mean(one: SeedSpread) -> Text:
    if one.mean is None:
        return Text("missing")
    lines = (
        f"{one.low:.1f}–{one.high:.1f}",
        f"±{one.standard_deviation:.1f}",
        f"{one.item_low:.1f}–{one.item_high:.1f}",
    )
    cell = Text(f"{one.mean:.1f}", style="" if one.agree else "yellow")
    return cell.append("\n" + "\n".join(lines), style="dim")
