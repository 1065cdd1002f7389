"""The losses that a training minimises, each with the models that it compares.

The classes are `torch.nn.Module`s, so importing this needs torch.

`weights` has one entry for each token of `input_ids`: its weight as a token *to be predicted*.
Logits at position t predict token t + 1, so that token's weight is used for position t. The first
weight is unused, since nothing predicts the first token. An attention mask can serve as weights.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from unicomp.distillation.losses import cross_entropy, divergence

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Objective(nn.Module, ABC):
    """A loss between a frozen teacher and a learner, computed in `forward`.

    It is a module rather than a function, so that it can be wrapped whole for several devices. The
    parameters that require a gradient are trained, and all of them get one in each backward pass.
    `learner` is called like a causal language model of transformers; `teacher` is always in
    evaluation mode.
    """

    def __init__(self, teacher: PreTrainedModel, learner: PreTrainedModel) -> None:
        super().__init__()
        self.teacher = teacher.eval().requires_grad_(False)
        self.learner = learner

    @abstractmethod
    def forward(
        self, input_ids: Tensor, weights: Tensor, positions: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The losses of a batch as scalars by name; `loss` is the one to minimise.

        All tensors are (sequences, length). `positions` holds each token's place in its text; where
        it starts again, a new text starts, which does not attend to the one before. There is no
        attention mask, so padding goes to the end of a sequence, with weights of 0.
        """

    @abstractmethod
    def student(self) -> PreTrainedModel:
        """The student in its present state: a plain model in evaluation mode."""

    def recompute_activations(self) -> None:
        """Keep only the inputs of the learner's layers; recompute the rest in the backward pass."""
        # Reentrant checkpointing first runs the layers without a graph, which would lose the
        # gradient of losses computed inside of them.
        self.learner.gradient_checkpointing_enable({"use_reentrant": False})

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the learner; the teacher stays in evaluation mode."""
        super().train(mode)
        self.teacher.eval()
        return self


class LogitDistillation(Objective):
    """Forward KL divergence of the logits, without cross entropy.

    After arXiv 2407.14679, section 3.2 and arXiv 2408.11796. All parameters of the student are
    trained.
    """

    def __init__(self, student: PreTrainedModel, teacher: PreTrainedModel) -> None:
        super().__init__(teacher, student.requires_grad_(True))

    def forward(
        self, input_ids: Tensor, weights: Tensor, positions: Tensor | None = None
    ) -> dict[str, Tensor]:
        """`loss` = `kl`, in nats a token: the weighted mean over the tokens."""
        # tensors of inference_mode, unlike those of no_grad, cannot be in a backward pass
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


class NextToken(nn.Module):
    """Cross entropy of the next token: trains a teacher on the text before it teaches.

    A teacher that never saw text like that of the distillation predicts it badly, and its student
    learns those predictions (arXiv 2408.11796, section 2.1).
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model.train()

    def forward(
        self, input_ids: Tensor, weights: Tensor, positions: Tensor | None = None
    ) -> dict[str, Tensor]:
        """`loss` = `cross_entropy`, in nats a token; see `Objective.forward` for the tensors."""
        loss = cross_entropy(
            predicting(hidden_states(self.model, input_ids, positions)),
            self.model.lm_head.weight,
            predicted(input_ids),
            predicted(weights),
        )
        return {"loss": loss, "cross_entropy": loss.detach()}

    def recompute_activations(self) -> None:
        """Keep only the inputs of the layers; recompute the rest in the backward pass."""
        self.model.gradient_checkpointing_enable({"use_reentrant": False})

    def student(self) -> PreTrainedModel:
        """The model itself, not a copy."""
        return self.model


def hidden_states(
    model: PreTrainedModel, input_ids: Tensor, positions: Tensor | None = None
) -> Tensor:
    """The inputs of a model's head: (sequences, length, hidden)."""
    # without a cache, transformers finds in the positions where each text starts
    output: Any = model.model(input_ids, position_ids=positions, use_cache=False)
    return output.last_hidden_state  # type: ignore[no-any-return]


def predicting(values: Tensor) -> Tensor:
    """(sequences, length, d) → (tokens, d): the positions that predict a token."""
    return values[:, :-1].flatten(0, 1)


def predicted(values: Tensor) -> Tensor:
    """(sequences, length) → (tokens,): the tokens that are predicted, in the same order."""
    return values[:, 1:].flatten()
