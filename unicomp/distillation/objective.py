"""What a training minimises: a teacher and what learns from it, in one module.

Everything is a `torch.nn.Module` here, so importing this needs torch.

Which position counts how much: `weights` goes with the tokens of `input_ids`, and says of each how
much it counts as a token *to be predicted*. The logits of position t predict token t + 1; so the
weight of token t + 1 is that of the logits, and of all else, at position t. The first weight
belongs to a token that nothing predicts, and is not used. A mask of attention serves as weights.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from unicomp.distillation.losses import divergence

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Objective(nn.Module, ABC):
    """A loss between a frozen teacher and a learner, computed in `forward`.

    A module rather than a function, so that it can be wrapped whole for several devices. What is
    trained are the parameters that require a gradient; each of them has one after every backward
    pass. `learner` computes a batch like a causal language model of transformers; `teacher` never
    is in training mode.
    """

    def __init__(self, teacher: PreTrainedModel, learner: PreTrainedModel) -> None:
        super().__init__()
        self.teacher = teacher.eval().requires_grad_(False)
        self.learner = learner

    @abstractmethod
    def forward(
        self, input_ids: Tensor, weights: Tensor, positions: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Losses of a batch as scalars by name, what is to be minimised as `loss`.

        `input_ids` and `weights` have the shape (sequences, length), see above. So have
        `positions`, the place of each token in its text: where they begin anew, so does a text,
        which sees nothing of the one before. There is no mask of attention, so padding belongs at
        the end of a sequence, with weights of 0.
        """

    @abstractmethod
    def student(self) -> PreTrainedModel:
        """The student as it is now, a plain model in evaluation mode, to be measured or saved."""

    def recompute_activations(self) -> None:
        """Keep only the inputs of the learner's layers, and compute them again going backward."""
        # Losses are taken inside of the layers. The reentrant way runs these without a graph at
        # first, so that their gradient would be lost.
        self.learner.gradient_checkpointing_enable({"use_reentrant": False})

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the learner; the teacher only ever evaluates."""
        super().train(mode)
        self.teacher.eval()
        return self


class LogitDistillation(Objective):
    """The student's predictions are drawn to the teacher's, and to nothing else.

    Forward KL divergence of the logits alone, without cross entropy, as in arXiv 2407.14679,
    section 3.2 and arXiv 2408.11796. All parameters of the student are trained.
    """

    def __init__(self, student: PreTrainedModel, teacher: PreTrainedModel) -> None:
        super().__init__(teacher, student.requires_grad_(True))

    def forward(
        self, input_ids: Tensor, weights: Tensor, positions: Tensor | None = None
    ) -> dict[str, Tensor]:
        """`loss`, which is `kl`: nats a token, the mean over the weighted tokens."""
        # no_grad rather than inference_mode, whose tensors cannot take part in a backward pass
        with torch.no_grad():
            aim = hidden_states(self.teacher, input_ids, positions)
        hidden = hidden_states(self.learner, input_ids, positions)
        kl = divergence(
            predicting(hidden),
            self.learner.lm_head.weight,
            predicting(aim),
            self.teacher.lm_head.weight,
            predicted(weights),
        )
        return {"loss": kl, "kl": kl.detach()}

    def student(self) -> PreTrainedModel:
        """The student itself, not a copy."""
        return self.learner.eval()


def hidden_states(
    model: PreTrainedModel, input_ids: Tensor, positions: Tensor | None = None
) -> Tensor:
    """What the head of a model would turn into logits: (sequences, length, hidden)."""
    # without a cache, transformers reads off the positions where a text begins
    output: Any = model.model(input_ids, position_ids=positions, use_cache=False)
    return output.last_hidden_state  # type: ignore[no-any-return]


def predicting(values: Tensor) -> Tensor:
    """(sequences, length, d) → (tokens, d): of the positions that predict a token."""
    return values[:, :-1].flatten(0, 1)


def predicted(values: Tensor) -> Tensor:
    """(sequences, length) → (tokens,): of the tokens that are predicted, in the same order."""
    return values[:, 1:].flatten()
