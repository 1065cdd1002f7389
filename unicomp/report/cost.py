"""What a run will take on a cluster, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from unicomp.cost.bill import Bill
from unicomp.cost.figures import Basis
from unicomp.cost.schedule import least_seconds
from unicomp.units import amount

_WORDS = {"build": "builds", "answer": "answers", "time": "timings"}


def print_bill(
    console: Console, title: str, bill: Bill, left_out: Mapping[str, Sequence[str]]
) -> None:
    """Print a bill, what its times follow from, and what is not in it."""
    of = "GPU" if bill.fleet.gpu else "CPU"
    console.print(title)
    table = Table("", "units", f"{of}-hours", "times", box=None, pad_edge=False)
    for stage in bill.stages:
        hours = stage.accelerator_seconds / 3600
        table.add_row(_WORDS[stage.kind], f"{stage.units:,}", _hours(hours), _bases(stage.bases))
    units = sum(stage.units for stage in bill.stages)
    table.add_row("together", f"{units:,}", _hours(bill.busy_hours), "")
    console.print(table)
    console.print()
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_row("wall time", f"{amount(bill.seconds, 's')} on {bill.fleet}")
    facts.add_row(
        f"{of}-hours held",
        f"{_hours(bill.held_hours)}, {100 * bill.utilisation:.0f} % of them busy",
    )
    if bill.money is not None:
        facts.add_row("money", f"{bill.money:,.2f} at {bill.price:,.2f} for a {of}-hour")
    facts.add_row("disk", f"{amount(bill.disk, 'bytes')} of checkpoints")
    facts.add_row("bound by", bill.bound)
    path = bill.schedule.critical_path
    chain = " → ".join(f"{unit.name} ({amount(least_seconds(unit), 's')})" for unit in path)
    facts.add_row("critical path", f"{amount(bill.schedule.critical_seconds, 's')}: {chain}")
    console.print(facts)
    for reason, names in left_out.items():
        console.print(f"left out, {reason}: {', '.join(names)}")


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.3g}"


def _bases(bases: Mapping[Basis, float]) -> str:
    """Such as `published 96 %, assumed 4 %`."""
    total = sum(bases.values())
    if len(bases) == 1 or not total:
        return next(iter(bases), "")
    return ", ".join(f"{basis} {100 * seconds / total:.0f} %" for basis, seconds in bases.items())
