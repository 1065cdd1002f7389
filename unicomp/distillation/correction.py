"""The text itself as the objective: what corrects a teacher before it teaches.

A teacher that never saw text like that of the distillation predicts it badly, and a student that
learns from it is held to those predictions (arXiv 2408.11796, section 2.1). So the teacher is
first trained on that text by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import unicomp.distillation.losses as losses

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module


def next_token(model: Any) -> Module:
    """The objective that trains `model`, a causal language model, to predict what comes next."""
    from torch import nn

    class NextToken(nn.Module):
        """Cross entropy of the next token, in nats."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model.train()

        def forward(
            self, input_ids: Tensor, weights: Tensor, positions: Tensor | None = None
        ) -> dict[str, Tensor]:
            """The loss of packed rows; see `Batch` for the tensors, each (rows, sequence)."""
            hidden = self.model.base_model(
                input_ids=input_ids, position_ids=positions, use_cache=False
            ).last_hidden_state
            loss = losses.cross_entropy(
                hidden[:, :-1].flatten(0, 1),
                self.model.get_output_embeddings().weight,
                input_ids[:, 1:].flatten(),
                weights[:, 1:].flatten(),
            )
            return {"loss": loss, "cross_entropy": loss.detach()}

        def recompute_activations(self) -> None:
            """Keep only the inputs of the layers, and compute the rest again going backward."""
            self.model.gradient_checkpointing_enable({"use_reentrant": False})

        def student(self) -> Any:
            """The model as it is trained so far."""
            return self.model

    return NextToken()
