"""The bytes of a checkpoint's weights before it exists, by the arithmetic of `unicomp plan`."""

from __future__ import annotations

from pathlib import Path

from unicomp.checkpoint import as_it_is
from unicomp.data.model_source import locate
from unicomp.distillation.estimate import PlannedTraining
from unicomp.formats.intake import config_of
from unicomp.methods.footprint import PRECISIONS, footprint
from unicomp.spec import Method, Model


def weights_bytes(model: Model, method: Method) -> int:
    """The bytes of the weights as they are served: in the bits of the method, else in bfloat16.

    Raises SpecError if the model's configuration is not there, or makes no such checkpoint.
    """
    if method.corpus is not None:
        student = PlannedTraining.by(config_of(model), method).student
        return student.parameters() * PRECISIONS["bfloat16"]
    found = footprint(locate(as_it_is(model, method), config_only=True), method, Path.cwd(), None)
    needs = {need.purpose: need.bytes for need in found.needs}
    bits = method.guarantees.bits
    run = "memory to run in bfloat16" if bits is None else f"memory to serve in {bits} bits"
    return needs[run]
