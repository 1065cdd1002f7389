"""Low-Rank Clone (arXiv 2505.12781): a student whose weights are projections of its teacher's.

Not the student's weights are trained but, for every matrix of the teacher, a projection P of shape
(d_T, d_S) from the teacher's hidden size to the student's; and the weights of the student's norms.
A matrix that reads the residual stream becomes W_T P, one that writes to it Pᵀ W_T; the number of
layers and heads and the width of the feed-forward layers stay. The same projections tell how what
the teacher writes to the stream looks to the student, so activations are compared without any
further matrices. In the end each product is a matrix of a plain, smaller model.

What the paper's equations (section 3) leave open follows from them:
- A bias of a matrix that writes to the stream goes through its projection, too.
- Norms of queries and keys, of width head_dim, are the teacher's, and are not trained.
- With a tied head, the embedding's projection is the head's.

Where the paper and its code (CURRENTF/LowRankClone, modeling/co_train_llama.py) differ, the paper
is followed: the code compares the output of attention before the projection, not after it.

Everything is a `torch.nn.Module` here, so importing this needs torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from unicomp.distillation.assembly import assemble, empty, shape_of
from unicomp.distillation.losses import cross_entropy, divergence
from unicomp.distillation.objective import (
    Objective,
    hidden_states,
    predicted,
    predicting,
)
from unicomp.distillation.shape import Shape, student_config
from unicomp.errors import SpecError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TEMPERATURE = 40.0
"""By which logits are divided before they are compared (section 4 of the paper)."""
DEVIATION = 0.02
"""Standard deviation of the projections before training."""

Side = Literal["input", "output"]
"""Which side of a matrix is the residual stream."""

MATRICES: Mapping[str, Side] = {
    "self_attn.q_proj": "input",
    "self_attn.k_proj": "input",
    "self_attn.v_proj": "input",
    "self_attn.o_proj": "output",
    "mlp.gate_proj": "input",
    "mlp.up_proj": "input",
    "mlp.down_proj": "output",
}
"""The matrices of a layer."""


class LowRankClone(Objective):
    """Cross entropy + KL divergence of softened logits + `alpha` × differences of activations.

    `shape` is the student's: that of the teacher but for `hidden`, and `tied` may be False where
    the teacher's is True. Its norms start from 1 and its projections from N(0, 0.02²), drawn from
    torch's global generator, and both are kept in `dtype`.
    """

    def __init__(
        self,
        teacher: PreTrainedModel,
        shape: Shape,
        *,
        alpha: float = 0.5,
        temperature: float = TEMPERATURE,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        config = student_config(teacher.config.to_dict(), _check(shape, shape_of(teacher)))
        learner = _projected(teacher, config, shape, dtype)
        super().__init__(teacher, learner)
        self.alpha = alpha
        self.temperature = temperature
        self._lesson = _Lesson(teacher, learner)

    def forward(
        self, input_ids: Tensor, weights: Tensor, positions: Tensor | None = None
    ) -> dict[str, Tensor]:
        """`loss` = `cross_entropy` + `kl` + alpha × `clone`.

        `cross_entropy` is in nats a token. `kl` is summed over the tokens and divided by the number
        of sequences, which is what "batchmean" does to logits of shape (sequences, length,
        vocabulary); at a temperature of 40 the divergence of a single token is about 1,600 times
        less than at 1, and a mean over the tokens would leave next to nothing of it. `clone` is the
        sum over all layers and compared activations of the mean squared difference.
        """
        counted = predicted(weights)
        hidden, aim, clone = self._lesson.give(input_ids, counted, positions)
        head, aim_head = self.learner.lm_head.weight, self.teacher.lm_head.weight
        hidden, aim = predicting(hidden), predicting(aim)
        entropy = cross_entropy(hidden, head, predicted(input_ids), counted)
        tokens = counted.float().sum()
        kl = divergence(hidden, head, aim, aim_head, counted, temperature=self.temperature)
        kl = kl * (tokens / len(input_ids))
        return {
            "loss": entropy + kl + self.alpha * clone,
            "cross_entropy": entropy.detach(),
            "kl": kl.detach(),
            "clone": clone.detach(),
        }

    @torch.no_grad()
    def student(self) -> PreTrainedModel:
        """The projections multiplied out: a plain model, in the precision of the teacher."""
        weights = {
            name: weight
            for name, weight in self.learner.named_parameters()
            if not name.endswith(".projection")
        }
        for name, module in self.learner.named_modules():
            if isinstance(module, Projected):
                weights[f"{name}.weight"] = module.weight
                if module.bias is not None:
                    weights[f"{name}.bias"] = module.bias
        stored = self.teacher.dtype
        return assemble(
            self.teacher,
            self.learner.config.to_dict(),
            {
                name: weight.to(stored, copy=True, memory_format=torch.contiguous_format)
                for name, weight in weights.items()
            },
        )


class Projected(nn.Module):
    """A matrix of the teacher seen through a trainable projection (d_T, d_S)."""

    def __init__(self, source: nn.Module, side: Side, projection: nn.Parameter) -> None:
        super().__init__()
        # In a tuple, so that the teacher's weights are the teacher's alone: they are neither
        # counted nor saved again with the student.
        self._source: tuple[Any] = (source,)
        self.side = side
        self.projection = projection

    @property
    def weight(self) -> Tensor:
        """The student's matrix, computed from the teacher's each time that it is read."""
        matrix: Tensor = self._source[0].weight
        if self.side == "input":
            return _times(matrix, self.projection)
        return _times(matrix.T, self.projection).T

    @property
    def bias(self) -> Tensor | None:
        """The student's bias, if the teacher has one."""
        bias: Tensor | None = getattr(self._source[0], "bias", None)
        if bias is None:
            return None
        if self.side == "input":
            return bias.to(self.projection.dtype)
        return _times(bias, self.projection)

    def forward(self, values: Tensor) -> Tensor:
        """(..., inputs) → (..., outputs), in the student's sizes."""
        return functional.linear(values, self.weight, self.bias)


class ProjectedEmbedding(Projected):
    """The teacher's embedding through a projection, which only the rows that occur go through."""

    def forward(self, input_ids: Tensor) -> Tensor:
        """(sequences, length) → (sequences, length, d_S)."""
        rows = functional.embedding(input_ids, self._source[0].weight)
        return _times(rows, self.projection)


def _times(values: Tensor, projection: Tensor) -> Tensor:
    """(..., d_T) → (..., d_S), in the precision of the projection or of autocast."""
    if not torch.is_autocast_enabled(values.device.type):
        values = values.to(projection.dtype)
    return values @ projection


def _check(shape: Shape, own: Shape) -> Shape:
    if replace(shape, hidden=own.hidden, tied=own.tied) != own or shape.hidden > own.hidden:
        raise SpecError(f"a clone differs from its teacher in a smaller hidden size only: {shape}")
    if shape.tied and not own.tied:
        raise SpecError("a teacher with a head of its own cannot have a clone with a tied one")
    return shape


def _projected(
    teacher: PreTrainedModel, config: Mapping[str, Any], shape: Shape, dtype: torch.dtype
) -> PreTrainedModel:
    """A model of the student's shape, with a `Projected` for each matrix of the teacher."""
    learner = empty(teacher, config)
    device = teacher.device

    def projection() -> nn.Parameter:
        values = torch.empty(teacher.config.hidden_size, shape.hidden, dtype=dtype, device=device)
        return nn.Parameter(values.normal_(std=DEVIATION))

    def ones() -> nn.Parameter:
        return nn.Parameter(torch.ones(shape.hidden, dtype=dtype, device=device))

    for layer, source in zip(learner.model.layers, teacher.model.layers, strict=True):
        for path, side in MATRICES.items():
            projected = Projected(source.get_submodule(path), side, projection())
            layer.set_submodule(path, projected)
        layer.input_layernorm.weight = ones()
        layer.post_attention_layernorm.weight = ones()
        if shape.query_key_norms:
            for name in ("q_norm", "k_norm"):
                norm = source.self_attn.get_submodule(name).weight
                frozen = nn.Parameter(norm.detach().clone(), requires_grad=False)
                layer.self_attn.get_submodule(name).weight = frozen
    learner.model.norm.weight = ones()
    embedding = ProjectedEmbedding(teacher.model.embed_tokens, "input", projection())
    learner.model.embed_tokens = embedding
    learner.lm_head = Projected(
        teacher.lm_head, "input", embedding.projection if shape.tied else projection()
    )
    return learner


class _Lesson:
    """Runs teacher and student side by side, layer by layer, and compares what they compute.

    A hook on each layer of the student runs the same layer of the teacher just before it, and
    others take the differences at once: of the teacher's activations there are never more than one
    layer's. Where the student's layers are computed again for the backward pass, so are the hooks,
    and with them the teacher's layer. For that the teacher's input of every layer is kept until the
    next batch, and a batch has to go backward before the next one comes.
    """

    def __init__(self, teacher: PreTrainedModel, learner: PreTrainedModel) -> None:
        self._teacher, self._learner = teacher, learner
        self._inputs: list[Tensor] = []
        """The teacher's residual stream before each layer and after the last; empty at rest."""
        self._rotary: Any = None
        self._weights = torch.empty(0)
        self._aims: dict[str, Tensor] = {}
        """What the matrices of the teacher's present layer gave, by name."""
        self._differences: list[Tensor] | None = None
        """One of each comparison; None while layers are computed again."""
        for number, layer in enumerate(learner.model.layers):
            layer.register_forward_pre_hook(self._lead(number), with_kwargs=True)
            for path in MATRICES:
                layer.get_submodule(path).register_forward_hook(self._compare(path))

    def give(
        self, input_ids: Tensor, weights: Tensor, positions: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Last hidden states of the student and of the teacher, and the sum of all differences.

        `input_ids` and `positions` are (sequences, length), `weights` (tokens,) says how much each
        position counts that predicts a token.
        """
        with torch.no_grad():
            stream = self._teacher.model.embed_tokens(input_ids)
            places = positions
            if places is None:
                places = torch.arange(input_ids.shape[1], device=input_ids.device)[None]
            self._rotary = self._teacher.model.rotary_emb(stream, places)
        self._inputs = [stream] * (len(self._teacher.model.layers) + 1)
        self._weights = weights.float() / weights.float().sum().clamp_min(1e-9)
        self._differences = []
        try:
            hidden = hidden_states(self._learner, input_ids, positions)
            difference = torch.stack(self._differences).sum()
            with torch.no_grad():
                aim = self._teacher.model.norm(self._inputs[-1])
        finally:
            self._differences = None
            if not (self._learner.is_gradient_checkpointing and torch.is_grad_enabled()):
                self._inputs = []
        return hidden, aim, difference

    def _lead(self, number: int) -> Any:
        """A hook that runs the teacher's layer before the student's."""

        def hook(module: nn.Module, inputs: Any, settings: Mapping[str, Any]) -> None:
            if not self._inputs:
                return
            layer = self._teacher.model.layers[number]
            noting = [
                layer.get_submodule(path).register_forward_hook(self._note(path))
                for path in MATRICES
            ]
            try:
                with torch.no_grad():
                    self._inputs[number + 1] = layer(
                        self._inputs[number],
                        attention_mask=settings.get("attention_mask"),
                        position_ids=settings.get("position_ids"),
                        position_embeddings=self._rotary,
                    )
            finally:
                for handle in noting:
                    handle.remove()

        return hook

    def _note(self, path: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            self._aims[path] = output

        return hook

    def _compare(self, path: str) -> Any:
        """A hook that takes the mean squared difference of a matrix's output to the teacher's."""

        def hook(module: Projected, inputs: Any, output: Tensor) -> None:
            if not self._inputs:
                return
            aim = self._aims.pop(path)
            if module.side == "output":
                aim = _times(aim, module.projection)
            error = predicting(output).float() - predicting(aim).float()
            difference = (error.square().mean(dim=-1) * self._weights).sum()
            if self._differences is not None:
                self._differences.append(difference)

        return hook
