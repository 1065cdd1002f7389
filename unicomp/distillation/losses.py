"""The distance of a student's predictions from its teacher's, and from the text.

Both losses take hidden states and the head that turns them into logits, never the logits of a
whole batch: those of 8,192 tokens over a vocabulary of 128,256 take 4 GB in float32, and a loss
needs several such tensors. So logits are computed for a chunk of tokens at a time, and again in the
backward pass. The softmax is always in float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

CHUNK = 1024
"""Tokens whose logits are in memory at a time: half a gigabyte for a vocabulary of 128,256."""


def divergence(
    student_hidden: Tensor,
    student_head: Tensor,
    teacher_hidden: Tensor,
    teacher_head: Tensor,
    weights: Tensor,
    *,
    temperature: float = 1.0,
    chunk: int = CHUNK,
) -> Tensor:
    """The forward Kullback-Leibler divergence, teacher from student, in nats a token.

    Shapes: `student_hidden` (N, d_S), `student_head` (V, d_S), `teacher_hidden` (N, d_T),
    `teacher_head` (V, d_T), and `weights` (N,), the weight of each token. Returns the weighted mean
    as a scalar, 0 if all weights are 0. Logits are divided by `temperature`; the result is not
    multiplied by its square. The teacher gets no gradient.
    """
    import torch
    from torch.nn.functional import log_softmax

    def of_chunk(hidden: Tensor, head: Tensor, aim: Tensor, aim_head: Tensor) -> Tensor:
        with torch.no_grad():
            target = log_softmax((aim @ aim_head.T).float() / temperature, dim=-1)
        predicted = log_softmax((hidden @ head.T).float() / temperature, dim=-1)
        return (target.exp() * (target - predicted)).sum(dim=-1)

    counted = weights > 0
    aim, aim_head = teacher_hidden[counted].detach(), teacher_head.detach()
    return _weighted_mean(
        student_hidden[counted],
        weights[counted],
        chunk,
        lambda hidden, part: _recomputed(of_chunk, hidden, student_head, aim[part], aim_head),
    )


def cross_entropy(
    hidden: Tensor, head: Tensor, targets: Tensor, weights: Tensor, *, chunk: int = CHUNK
) -> Tensor:
    """The cross entropy of the next tokens, in nats a token.

    Shapes: `hidden` (N, d), `head` (V, d), `targets` (N,), which are token ids, and `weights` (N,).
    Returns the weighted mean as a scalar, 0 if all weights are 0.
    """
    from torch.nn import functional

    def of_chunk(hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy((hidden @ head.T).float(), targets, reduction="none")

    counted = weights > 0
    targets = targets[counted]
    return _weighted_mean(
        hidden[counted],
        weights[counted],
        chunk,
        lambda hidden, part: _recomputed(of_chunk, hidden, head, targets[part]),
    )


def _weighted_mean(
    hidden: Tensor, weights: Tensor, chunk: int, loss: Callable[[Tensor, slice], Tensor]
) -> Tensor:
    """The weighted mean of the losses of all tokens, computed chunk by chunk."""
    weights = weights.float()
    total = hidden.sum() * 0.0  # a batch whose weights are all 0 has a gradient too
    for start in range(0, len(hidden), chunk):
        part = slice(start, start + chunk)
        total = total + (loss(hidden[part], part) * weights[part]).sum()
    return total.float() / weights.sum().clamp_min(1e-9)


def _recomputed(function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """Call `function`, keep only its inputs, and call it again in the backward pass."""
    from torch.utils.checkpoint import checkpoint

    result: Any = checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False)
    return result  # type: ignore[no-any-return]
