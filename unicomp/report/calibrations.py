"""What calibrations and their seeds change, at the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from unicomp.findings.calibrations import (
    CalibrationEffect,
    SeedSpread,
    calibration_effects,
    calibration_names,
    seed_spreads,
)
from unicomp.report.tables import columns, metric_table
from unicomp.scorecard import Scorecard


def comparisons(card: Scorecard) -> Iterator[Text | Table]:
    """The gains and costs of each calibration, and the spread over seeds; mostly nothing."""
    yield from _effects(card)
    yield from _seeds(card)


def flips(card: Scorecard) -> Iterator[str]:
    """A line for each metric of which the seeds do not agree on the verdict."""
    several = len(calibration_names(card)) > 1
    for one in seed_spreads(card):
        if one.agree:
            continue
        counts = Counter(one.verdicts.values()).most_common()
        (first, count), *others = sorted(counts, key=lambda pair: pair[0] != "pass")
        parts = [f"{first} with {count} of {len(one.verdicts)} seeds"]
        parts += [f"{verdict} with {number}" for verdict, number in others]
        where = f"{one.metric}@{one.method}" + (f" ({one.calibration})" if several else "")
        verdicts = ", ".join(parts).replace("_", " ")
        yield f"seed noise flips the verdict of {where}: {verdicts}"


def _effects(card: Scorecard) -> Iterator[Text | Table]:
    effects = calibration_effects(card)
    several = len({one.model for one in effects}) > 1
    for model, name in dict.fromkeys((one.model, one.calibration) for one in effects):
        own = {
            (one.method, one.metric): one
            for one in effects
            if (one.model, one.calibration) == (model, name)
        }
        control = next(iter(own.values())).control
        of = f" of {model}" if several else ""
        yield Text(f"Calibration {name} instead of {control}, points of retention{of}:", "bold")
        for metrics in columns({metric for _, metric in own}):
            table = metric_table(metrics)
            for method in dict.fromkeys(key[0] for key in own):
                table.add_row(method, *(_gain(own.get((method, metric))) for metric in metrics))
            yield table
    if effects:
        yield Text("intervals as if the two had answered different items: rather too wide", "dim")


def _gain(one: CalibrationEffect | None) -> Text:
    if one is None:
        return Text("")
    style = "green" if one.low > 0 else "red" if one.high < 0 else ""
    cell = Text(f"{one.points:+.1f}", style=style)
    return cell.append(f"\n{one.low:+.1f}…{one.high:+.1f}", style="dim")


def _seeds(card: Scorecard) -> Iterator[Text | Table]:
    spreads = seed_spreads(card)
    several = len({one.model for one in spreads}) > 1
    for model, name in dict.fromkeys((one.model, one.calibration) for one in spreads):
        own = {
            (one.method, one.metric): one
            for one in spreads
            if (one.model, one.calibration) == (model, name)
        }
        draws = ", ".join(next(iter(own.values())).values)
        of = f" of {model}" if several else ""
        yield Text(f"Means over the seeds of calibration {name} ({draws}){of}, % of dense:", "bold")
        for metrics in columns({metric for _, metric in own}):
            table = metric_table(metrics)
            for method in dict.fromkeys(key[0] for key in own):
                about = Text(method).append("\n  over seeds\n  deviation\n  over items", "dim")
                table.add_row(about, *(_mean(own.get((method, metric))) for metric in metrics))
            yield table


def _mean(one: SeedSpread | None) -> Text:
    if one is None:
        return Text("")
    if one.mean is None:
        return Text("missing")
    lines = (
        f"{one.low:.1f}–{one.high:.1f}",
        f"±{one.standard_deviation:.1f}",
        f"{one.item_low:.1f}–{one.item_high:.1f}",
    )
    cell = Text(f"{one.mean:.1f}", style="" if one.agree else "yellow")
    return cell.append("\n" + "\n".join(lines), style="dim")
