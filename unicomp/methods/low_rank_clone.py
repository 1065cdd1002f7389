"""Low-Rank Clone (arXiv 2505.12781): a student of trained projections of its teacher.

All layers, heads and neurons stay, and the residual stream between them gets narrower.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unicomp.distillation.shape import MULTIPLE
from unicomp.distillation.training import Training
from unicomp.errors import SpecError
from unicomp.methods import distillation
from unicomp.methods.distillation import Workshop, student_method
from unicomp.spec import Calibration, Method

warm_up = distillation.warm_up


def low_rank_clone(
    name: str,
    *,
    hidden: float | int,
    multiple: int = MULTIPLE,
    alpha: float,
    training: Training,
) -> Method:
    """Train projections to a smaller number of channels.

    `hidden` is a share (a float) that is rounded to a multiple of `multiple`, or a number (an int).
    `alpha` is what differences of activations weigh.
    """
    if alpha < 0:
        raise SpecError(f"method {name}: alpha must not be negative")
    return student_method(
        name,
        compress=compress,
        calibrated=False,
        training=training,
        objective="low_rank_clone",
        shape={"hidden": hidden, "multiple": multiple},
        alpha=alpha,
    )


def compress(
    source: Path,
    target: Path,
    calibration: Calibration,
    workshop: Workshop,
    *,
    parameters: dict[str, Any],
) -> dict[str, Any]:
    """Train a clone of the model in `source`, and write it to `target`."""
    return distillation.distil(
        source, target, calibration, workshop, parameters=parameters, begin=None
    )
