"""What is expected before a run, for the terminal: the cost of a build, the power of a gate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from unicomp.distillation.estimate import Estimate, PlannedTraining, hours
from unicomp.methods.footprint import Footprint
from unicomp.units import amount

if TYPE_CHECKING:
    from unicomp.planning import Planned


def print_plan(console: Console, title: str, planned: PlannedTraining, expected: Estimate) -> None:
    """Print an estimate with what it was made from."""
    student, training = planned.student, planned.training
    shape = (
        f"{student.layers} layers, {student.hidden:,} channels, {student.intermediate:,} neurons, "
        f"{student.heads} heads"
    )
    tokens = f"{amount(expected.tokens)} from {training.corpus}"
    if expected.correction_tokens:
        tokens += f", after {amount(expected.correction_tokens)} that correct the teacher"
    basis = "as measured on this machine" if expected.measured else "H100, as published"
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in (
        ("student", f"{amount(expected.parameters, 'parameters')}: {shape}"),
        ("teacher", amount(expected.teacher_parameters, "parameters")),
        ("tokens", tokens),
        ("steps", f"{training.steps:,} of {training.batch} rows of {training.sequence:,} tokens"),
        ("time", f"{hours(expected)} on {expected.devices} × {basis}"),
        ("memory", f"{amount(expected.device_bytes, 'bytes')} on each device"),
    ):
        table.add_row(name, value)
    console.print(title)
    console.print(table)


def print_footprint(console: Console, title: str, kind: str, found: Footprint) -> None:
    """Print what a build without training needs, or a checkpoint, and whether there is enough."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("model", f"{amount(found.parameters, 'parameters')}, kind {kind}")
    for need in found.needs:
        verdict = "fits" if need.fits else "does not fit"
        needed, there = amount(need.bytes, "bytes"), amount(need.there, "bytes")
        parts = ""
        if len(need.parts) > 1:
            sizes = (f"{name} {amount(size, 'bytes')}" for name, size in need.parts.items())
            parts = f" ({', '.join(sizes)})"
        table.add_row(need.purpose, f"{needed} of {there}: {verdict}{parts}")
    if any(need.purpose == "memory to build" for need in found.needs):
        how = (
            "scaled from a build of another model on this machine"
            if found.scaled
            else "as measured on this machine"
        )
        words = f"{amount(found.seconds or 0, 's')}, {how}"
        known = found.seconds is not None
        table.add_row("time", words if known else "not known, since it was never built here")
    console.print(title)
    console.print(table)


def print_power(console: Console, title: str, planned: Sequence[Planned]) -> None:
    """Print how likely a lossless candidate passes, and what is needed for 80 %."""
    from unicomp.planning import percent

    table = Table("", "floor", "items", "chance", "needed for 80 %", pad_edge=False)
    for one in planned:
        likely, needed = one.chance, one.remedy
        table.add_row(
            one.name,
            f"{one.floor:g}",
            f"{one.items:,}" if one.unit else "–",
            "–" if likely is None else percent(likely),
            one.problem or (str(needed) if needed else "nothing more"),
        )
    console.print(title)
    console.print(table)
    assumed = [one.name for one in planned if one.unit and not one.recorded]
    if assumed:
        console.print(
            f"2 % of the items flip, and the baseline has 60 % right, where no run of "
            f"{', '.join(assumed)} is recorded."
        )
