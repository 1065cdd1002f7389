"""Low-Rank Clone (arXiv 2505.12781): a student of trained projections of its teacher.

All layers, heads and neurons stay, and the residual stream between them gets narrower.
"""

from __future__ import annotations

from unicomp.distillation.shape import MULTIPLE
from unicomp.distillation.training import Training
from unicomp.errors import SpecError
from unicomp.methods.distillation import student_method
from unicomp.spec import Method


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
    `alpha` weighs the differences of activations in the loss.
    """
    if alpha < 0:
        raise SpecError(f"method {name}: alpha must not be negative")
    return student_method(
        name,
        begin=None,
        training=training,
        objective="low_rank_clone",
        shape={"hidden": hidden, "multiple": multiple},
        alpha=alpha,
    )
