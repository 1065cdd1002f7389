"""Minitron (arXiv 2407.14679, 2408.11796): cut a student out, then let it learn from the teacher.

Forward passes over the calibration text decide what is cut away. The training minimises only the
forward divergence of the logits.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from unicomp.distillation.shape import MULTIPLE
from unicomp.distillation.training import Training
from unicomp.errors import SpecError
from unicomp.methods.distillation import student_method
from unicomp.methods.tokenization import batches, tokenize
from unicomp.spec import Calibration, Method

Widths = dict[str, Any]
"""Names → shares or numbers: the arguments of `Shape.scaled`."""


def minitron_width(
    name: str,
    *,
    hidden: float | int,
    intermediate: float | int,
    heads: float | int | None = None,
    multiple: int = MULTIPLE,
    training: Training,
    teacher_correction: int = 0,
) -> Method:
    """Keep the most important channels, neurons and heads of each layer, and all layers.

    Each width is a share (a float) that is rounded to a multiple of `multiple`, or a number (an
    int). `teacher_correction` is the number of tokens that the teacher is first trained on.
    """
    shape: Widths = {"hidden": hidden, "intermediate": intermediate}
    shape |= {"multiple": multiple} | ({} if heads is None else {"heads": heads})
    return _minitron(name, shape, training, teacher_correction)


def minitron_depth(
    name: str, *, layers: float | int, training: Training, teacher_correction: int = 0
) -> Method:
    """Leave out the block of layers without which the calibration text is likeliest.

    `layers` is the share (a float) or the number (an int) of layers that stay.
    """
    return _minitron(name, {"layers": layers}, training, teacher_correction)


def _minitron(name: str, shape: Widths, training: Training, teacher_correction: int) -> Method:
    if teacher_correction < 0:
        raise SpecError(f"method {name}: teacher_correction must not be negative")
    return student_method(
        name,
        begin=partial(_cut_depth if "layers" in shape else _cut_width, shape),
        training=training,
        objective="logits",
        shape=shape,
        correction=teacher_correction,
    )


def _cut_width(shape: Widths, teacher: Any, tokenizer: Any, calibration: Calibration) -> Any:
    from unicomp.distillation import importance, pruning
    from unicomp.distillation.assembly import shape_of

    samples = tokenize(tokenizer, calibration.samples, calibration.tokens)
    measured = importance.measure_importance(teacher, batches(samples))
    return pruning.width(teacher, measured, shape_of(teacher).scaled(**shape)).float()


def _cut_depth(shape: Widths, teacher: Any, tokenizer: Any, calibration: Calibration) -> Any:
    from unicomp.distillation import pruning
    from unicomp.distillation.assembly import shape_of

    own = shape_of(teacher)
    drop = own.layers - own.scaled(**shape).layers
    choice = pruning.choose(teacher, drop, partial(_likelihood, tokenizer, calibration))
    return pruning.depth(teacher, choice.keep).float()


def _likelihood(tokenizer: Any, calibration: Calibration, model: Any) -> float:
    """The log-likelihood of the calibration text, in nats a token; of its answers, if it has any.

    This is a downstream score: it compares with the text, not with the output of the whole model.
    """
    import torch

    from unicomp.distillation.losses import cross_entropy
    from unicomp.distillation.objective import hidden_states, predicted, predicting
    from unicomp.distillation.text import encode

    total = counted = 0.0
    with torch.no_grad():
        for ids, weights in encode(tokenizer, calibration.samples, prompt_weight=0.0):
            tokens = torch.tensor([ids[: calibration.tokens]], device=model.device)
            count = torch.tensor([weights[: calibration.tokens]], device=model.device)
            if tokens.shape[1] < 2 or not count[0, 1:].any():
                continue
            hidden = predicting(hidden_states(model, tokens))
            head = model.get_output_embeddings().weight
            loss = cross_entropy(hidden, head, predicted(tokens), predicted(count))
            number = float(predicted(count).sum())
            total, counted = total + float(loss) * number, counted + number
    return -total / counted if counted else float("nan")
