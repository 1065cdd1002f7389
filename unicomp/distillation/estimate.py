"""Estimate a training before it starts: hours, and memory of each device.

Only arithmetic on shapes and settings. Work is counted in floating-point operations: for each
weight and token 2 in the forward pass and 4 in the backward pass. Attention is left out; the error
is below a tenth for the sequences of the papers. A device's operations a second are measured, or
follow from the published throughput of Minitron (appendix A.4 of the paper): 0.3 to 1.0 million
tokens a second on 256 H100, for 194 billion tokens including the correction of the teacher. The
paper gives 120 hours (width) and 140 (depth) in 20,480 GB.

Memory is that of our training loop, where each device holds all weights: float32 weights,
gradients and two moments of what is trained, the frozen teacher, and activations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from unicomp.distillation.losses import CHUNK
from unicomp.distillation.shape import Shape
from unicomp.distillation.training import ObjectiveName, Training
from unicomp.spec import Method
from unicomp.units import amount

MINITRON_RATES = (0.3e6, 1.0e6)
"""Tokens a second on `MINITRON_DEVICES`."""
MINITRON_TOKENS = (94e9, 100e9)
"""Tokens of the distillation, and of the correction of the teacher before it."""
MINITRON_DEVICES = 256
MINITRON_WEIGHTS = (4.5e9, 8.0e9)
"""Weights of the student and of the teacher: Llama-3.1-8B cut to half."""

TRAINED_BYTES = 16
"""Bytes of each trained weight: itself, its gradient, and two moments, in float32."""


@dataclass(frozen=True, kw_only=True)
class PlannedTraining:
    """A distillation before it starts: its models' shapes and its settings."""

    objective: ObjectiveName
    teacher: Shape
    student: Shape
    training: Training
    correction: int = 0
    """Tokens that the teacher is trained on first."""

    @classmethod
    def of(cls, config: Mapping[str, Any], parameters: Mapping[str, Any]) -> PlannedTraining:
        """The training of a model, from its `config.json` and the parameters of a method.

        Raises SpecError if the model cannot have such a student.
        """
        own = Shape.of(config)
        return cls(
            objective=parameters["objective"],
            teacher=own,
            student=own.scaled(**parameters["shape"]),
            training=Training.from_json(dict(parameters["training"])),
            correction=parameters.get("correction", 0),
        )

    @classmethod
    def by(cls, config: Mapping[str, Any], method: Method) -> PlannedTraining:
        """The training that a method makes; of two methods in a row, the first one trains."""
        return cls.of(config, method.parameters.get("first", method.parameters))

    @property
    def flops(self) -> float:
        """Floating-point operations, including the correction of the teacher."""
        teacher, student = self.teacher.parameters(), self.student.parameters()
        each = 6.0 * student + 2.0 * teacher
        if self.objective == "low_rank_clone":  # each step computes the student's matrices anew
            each += 6.0 * teacher * self.student.hidden / (self._rows * self.training.sequence)
        return self.training.tokens * each + self.correction * 6.0 * teacher

    @property
    def _rows(self) -> int:
        return self.training.at_once or self.training.batch

    def memory(self, *, narrow: bool) -> int:
        """Bytes that a device needs; `narrow`: products are in bfloat16."""
        of_product = 2 if narrow else 4
        frozen = self.teacher.parameters() * of_product
        learning = self.student.parameters() * (TRAINED_BYTES + of_product * narrow)
        if self.objective == "low_rank_clone":
            # the student's matrices are products, kept for the backward pass with their gradients
            made = 2 * self.student.parameters() * of_product
            learning = self.trained * TRAINED_BYTES + made
        distillation = frozen + learning + self._activations(self.student, of_product)
        if not self.correction:
            return distillation
        teacher = self.teacher.parameters() * (TRAINED_BYTES + of_product * narrow)
        return max(distillation, teacher + self._activations(self.teacher, of_product))

    @property
    def trained(self) -> int:
        """The number of trained weights."""
        if self.objective == "logits":
            return self.student.parameters()
        matrices = 7 * self.teacher.layers + (1 if self.student.tied else 2)
        norms = (2 * self.teacher.layers + 1) * self.student.hidden
        return matrices * self.teacher.hidden * self.student.hidden + norms

    def _activations(self, shape: Shape, of_product: int) -> int:
        """Bytes kept for the backward pass, including the logits of a chunk."""
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
    """The time and memory that a training needs."""

    parameters: int
    """Of the student."""
    hidden: int
    """Channels of the student."""
    teacher_parameters: int
    tokens: int
    correction_tokens: int
    flops: float
    devices: int
    hours_least: float
    hours_most: float
    measured: bool
    """Whether the hours follow from a measurement on this machine; else from the published ones
    on H100."""
    device_bytes: int
    """Memory that each device needs."""

    def as_json(self) -> dict[str, Any]:
        """The estimate as JSON values."""
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
    planned: PlannedTraining,
    *,
    devices: int = 1,
    narrow: bool = True,
    flops_per_second: float | None = None,
) -> Estimate:
    """The time and memory that `planned` needs on `devices` devices.

    `flops_per_second` is the measured speed of one device in a training; without it the published
    throughput of an H100 is used. `narrow`: products are in bfloat16.
    """
    if flops_per_second is None:
        rates = [rate / MINITRON_DEVICES for rate in minitron_flops_per_second()]
    else:
        rates = [flops_per_second] * 2
    hours = [planned.flops / (rate * devices) / 3600 for rate in rates]
    return Estimate(
        parameters=planned.student.parameters(),
        hidden=planned.student.hidden,
        teacher_parameters=planned.teacher.parameters(),
        tokens=planned.training.tokens,
        correction_tokens=planned.correction,
        flops=planned.flops,
        devices=devices,
        hours_least=min(hours),
        hours_most=max(hours),
        measured=flops_per_second is not None,
        device_bytes=planned.memory(narrow=narrow),
    )


def minitron_flops_per_second() -> tuple[float, float]:
    """Operations a second of all Minitron's devices, at its lowest and its highest rate."""
    distillation, correction = MINITRON_TOKENS
    student, teacher = MINITRON_WEIGHTS
    flops = distillation * (6 * student + 2 * teacher) + correction * 6 * teacher
    slow, fast = (flops / ((distillation + correction) / rate) for rate in MINITRON_RATES)
    return slow, fast


def hours(estimate: Estimate) -> str:
    """The time of an estimate in words: `54 h to 180 h`, `12 min`."""
    least, most = (amount(3600 * h, "s") for h in (estimate.hours_least, estimate.hours_most))
    return most if least == most else f"{least} to {most}"
