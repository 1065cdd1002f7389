"""The expected cost of a training, for the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from unicomp.distillation.estimate import Estimate, PlannedTraining, hours
from unicomp.units import amount


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
