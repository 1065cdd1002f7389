"""What a training will take, before it is started: hours, and memory of each device.

Arithmetic on shapes and settings alone. The work is counted in floating-point operations: 2 for
each weight and token going forward and 4 going backward, attention left out, which is within a
tenth for the sequences of the papers. How many of them a device does in a second is taken from a
measurement, or from the published throughput of Minitron (the paper's appendix A.4): 0.3 to 1.0
million tokens a second on 256 H100, 194 billion tokens in all, those that correct the teacher
included; given there as 120 hours (width) and 140 (depth) in 20,480 GB.

Memory is that of the training loop here, in which each device holds all weights: float32 weights,
gradients and two moments of what is trained, the frozen teacher, and activations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from unicomp.distillation.losses import CHUNK
from unicomp.distillation.shape import Shape
from unicomp.distillation.training import Training
from unicomp.units import amount

PUBLISHED_RATES = (0.3e6, 1.0e6)
"""Tokens a second on `PUBLISHED_DEVICES`."""
PUBLISHED_TOKENS = (94e9, 100e9)
"""Of the distillation, and of the correction of the teacher before it."""
PUBLISHED_DEVICES = 256
PUBLISHED_WEIGHTS = (4.5e9, 8.0e9)
"""Of the student and the teacher: Llama-3.1-8B cut to half."""

TRAINED_BYTES = 16
"""Of each weight that is trained: itself, its gradient, and two moments, in float32."""

Kind = Literal["logits", "low_rank_clone"]


@dataclass(frozen=True, kw_only=True)
class PlannedTraining:
    """What is to be trained."""

    kind: Kind
    teacher: Shape
    student: Shape
    training: Training
    correction: int = 0
    """Tokens by which the teacher is corrected first."""

    @property
    def flops(self) -> float:
        """Floating-point operations of everything."""
        teacher, student = self.teacher.parameters(), self.student.parameters()
        each = 6.0 * student + 2.0 * teacher
        if self.kind == "low_rank_clone":  # each step makes the student's matrices anew
            each += 6.0 * teacher * self.student.hidden / (self._rows * self.training.sequence)
        return self.training.tokens * each + self.correction * 6.0 * teacher

    @property
    def _rows(self) -> int:
        return self.training.at_once or self.training.batch

    def memory(self, *, narrow: bool) -> int:
        """Bytes that a device needs; `narrow` if its products are in bfloat16."""
        of_product = 2 if narrow else 4
        frozen = self.teacher.parameters() * of_product
        learning = self.student.parameters() * (TRAINED_BYTES + of_product * narrow)
        if self.kind == "low_rank_clone":
            # the matrices are products, kept for the backward pass with their gradients
            made = 2 * self.student.parameters() * of_product
            learning = self.trained * TRAINED_BYTES + made
        lesson = frozen + learning + self._activations(self.student, of_product)
        if not self.correction:
            return lesson
        itself = self.teacher.parameters() * (TRAINED_BYTES + of_product * narrow)
        return max(lesson, itself + self._activations(self.teacher, of_product))

    @property
    def trained(self) -> int:
        """How many weights are trained."""
        if self.kind == "logits":
            return self.student.parameters()
        matrices = 7 * self.teacher.layers + (1 if self.student.tied else 2)
        norms = (2 * self.teacher.layers + 1) * self.student.hidden
        return matrices * self.teacher.hidden * self.student.hidden + norms

    def _activations(self, shape: Shape, of_product: int) -> int:
        """Bytes kept for the backward pass, the logits of a chunk included."""
        tokens = self._rows * self.training.sequence
        heads = shape.head_dim * (2 * shape.heads + 2 * shape.key_value_heads)
        layer = (6 * shape.hidden + heads + 4 * shape.intermediate) * of_product
        if self.training.checkpointing:
            kept = shape.layers * shape.hidden * of_product + layer
        else:
            kept = shape.layers * layer
        logits = 4 * 4 * min(CHUNK, tokens) * shape.vocabulary
        return tokens * kept + logits


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a training will take."""

    parameters: int
    """Of the student."""
    hidden: int
    """Likewise, its channels."""
    teacher_parameters: int
    tokens: int
    correction_tokens: int
    flops: float
    devices: int
    hours_least: float
    hours_most: float
    measured: bool
    """Whether the hours follow from a measurement on this machine, rather than from what was
    published for H100."""
    device_bytes: int
    """Memory that each device needs."""

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        on = "this machine" if self.measured else "H100, as published"
        tokens = amount(self.tokens, "tokens")
        if self.correction_tokens:
            tokens += f" and {amount(self.correction_tokens)} for its teacher"
        return (
            f"a student of {amount(self.parameters, 'parameters')}, {tokens}: {hours(self)} on "
            f"{self.devices} × {on}, {amount(self.device_bytes, 'bytes')} on each"
        )


def estimate(
    work: PlannedTraining,
    *,
    devices: int = 1,
    narrow: bool = True,
    flops_per_second: float | None = None,
) -> Estimate:
    """What `work` takes on `devices` devices.

    `flops_per_second` is what one device was measured to do in a training; without it the published
    throughput of an H100 is taken. `narrow` says whether products are in bfloat16.
    """
    if flops_per_second is None:
        rates = [rate / PUBLISHED_DEVICES for rate in published_flops_per_second()]
    else:
        rates = [flops_per_second] * 2
    hours = [work.flops / (rate * devices) / 3600 for rate in rates]
    return Estimate(
        parameters=work.student.parameters(),
        hidden=work.student.hidden,
        teacher_parameters=work.teacher.parameters(),
        tokens=work.training.tokens,
        correction_tokens=work.correction,
        flops=work.flops,
        devices=devices,
        hours_least=min(hours),
        hours_most=max(hours),
        measured=flops_per_second is not None,
        device_bytes=work.memory(narrow=narrow),
    )


def published_flops_per_second() -> tuple[float, float]:
    """The least and the most operations a second that the published rates of tokens come to."""
    lesson, correction = PUBLISHED_TOKENS
    student, teacher = PUBLISHED_WEIGHTS
    flops = lesson * (6 * student + 2 * teacher) + correction * 6 * teacher
    slow, fast = (flops / ((lesson + correction) / rate) for rate in PUBLISHED_RATES)
    return slow, fast


def work_of(config: Mapping[str, Any], parameters: Mapping[str, Any]) -> PlannedTraining:
    """The work of a distillation method on a model, from its `config.json` and the method's
    parameters. Raises SpecError where such a student cannot be had.
    """
    own = Shape.of(config)
    training = Training.from_json(dict(parameters["training"]))
    return PlannedTraining(
        kind=parameters["objective"],
        teacher=own,
        student=own.scaled(**parameters["shape"]),
        training=training,
        correction=parameters.get("correction", 0),
    )


def hours(estimate: Estimate) -> str:
    """The time of an estimate as a person says it: `54 h to 180 h`, `12 min`."""
    least, most = (amount(3600 * h, "s") for h in (estimate.hours_least, estimate.hours_most))
    return most if least == most else f"{least} to {most}"
