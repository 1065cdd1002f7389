"""Low-Rank Clone (arXiv 2505.12781): a student whose weights are projections of its teacher's.

For every matrix of the teacher, a projection P of shape (d_T, d_S) is trained, from the teacher's
hidden size to the student's. The weights of the student's norms are trained too. A matrix that
reads the residual stream becomes W_T P, one that writes to it becomes Pᵀ W_T. The number of layers
and heads and the width of the feed-forward layers stay. The same projections map the teacher's
activations to the student's size, so that both are compared without further matrices. In the end
each product is a matrix of a plain, smaller model.

The paper's equations (section 3) leave three cases open. Here:
- The bias of a matrix that writes to the stream is projected, too.
- Norms of queries and keys, of width head_dim, are the teacher's and are not trained.
- A tied head shares the embedding's projection.

Where the paper and its code (CURRENTF/LowRankClone, modeling/co_train_llama.py) differ, we follow
the paper: the code compares the output of attention before the projection, not after it.

The classes are `torch.nn.Module`s, so importing this needs torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from unicomp.distillation.assembly import assemble, empty, shape_of
from unicomp.distillation.losses import cross_entropy, divergence
from unicomp.distillation.objective import Objective, hidden_states, predicted, predicting
from unicomp.distillation.shape import Shape, student_config
from unicomp.errors import SpecError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TEMPERATURE = 40.0
"""Logits are divided by it before they are compared (section 4 of the paper)."""
DEVIATION = 0.02
"""Standard deviation of the projections before training."""

Side = Literal["input", "output"]
"""The side of a matrix that is the residual stream: it reads the stream, or writes to it."""

MATRICES: Mapping[str, Side] = {
    "self_attn.q_proj": "input",
    "self_attn.k_proj": "input",
    "self_attn.v_proj": "input",
    "self_attn.o_proj": "output",
    "mlp.gate_proj": "input",
    "mlp.up_proj": "input",
    "mlp.down_proj": "output",
}
"""The matrices of a layer, each with its side."""


class LowRankClone(Objective):
    """Cross entropy + KL divergence of softened logits + `alpha` × differences of activations.

    `shape` is the student's: the teacher's with a smaller `hidden`; `tied` may be False where the
    teacher's is True. Norms start at 1, projections are drawn from N(0, 0.02²) by torch's global
    generator; both are stored in `dtype`. Raises SpecError for any other shape.
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
        config = student_config(teacher.config.to_dict(), _checked_shape(shape, shape_of(teacher)))
        learner = _projected(teacher, config, shape, dtype)
        super().__init__(teacher, learner)
        self.alpha = alpha
        self.temperature = temperature
        self._pair = _Pair(teacher, learner)

    def forward(
        self, input_ids: Tensor, weights: Tensor, positions: Tensor | None = None
    ) -> dict[str, Tensor]:
        """`loss` = `cross_entropy` + `kl` + alpha × `clone`.

        `cross_entropy` is in nats a token. `kl` is summed over the tokens and divided by the number
        of sequences, like "batchmean" of logits (sequences, length, vocabulary). At a temperature
        of 40 the divergence of one token is about 1,600 times less than at 1, so a mean over the
        tokens would be almost 0. `clone` sums the mean squared differences of all compared
        activations of all layers.
        """
        counted = predicted(weights)
        hidden, aim, clone = self._pair.run(input_ids, counted, positions)
        head, aim_head = self.learner.lm_head.weight, self.teacher.lm_head.weight
        hidden, aim = predicting(hidden), predicting(aim)
        entropy = cross_entropy(hidden, head, predicted(input_ids), counted)
        kl = divergence(hidden, head, aim, aim_head, counted, temperature=self.temperature)
        kl = kl * (counted.float().sum() / len(input_ids))
        return {
            "loss": entropy + kl + self.alpha * clone,
            "cross_entropy": entropy.detach(),
            "kl": kl.detach(),
            "clone": clone.detach(),
        }

    @torch.no_grad()
    def student(self) -> PreTrainedModel:
        """The products of matrices and projections: a plain model in the teacher's precision."""
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
        stored = {
            name: weight.to(self.teacher.dtype, copy=True, memory_format=torch.contiguous_format)
            for name, weight in weights.items()
        }
        return assemble(self.teacher, self.learner.config.to_dict(), stored)


class Projected(nn.Module):
    """A matrix of the teacher times a trainable projection (d_T, d_S)."""

    def __init__(self, source: nn.Module, side: Side, projection: nn.Parameter) -> None:
        super().__init__()
        # in a tuple, so that torch does not count or save the teacher's weights with the student's
        self._source: tuple[Any] = (source,)
        self.side = side
        self.projection = projection

    @property
    def weight(self) -> Tensor:
        """The student's matrix, computed from the teacher's at each access."""
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
    """The teacher's embedding times a projection; only the rows that occur are projected."""

    def forward(self, input_ids: Tensor) -> Tensor:
        """(sequences, length) → (sequences, length, d_S)."""
        rows = functional.embedding(input_ids, self._source[0].weight)
        return _times(rows, self.projection)


def _times(values: Tensor, projection: Tensor) -> Tensor:
    """(..., d_T) → (..., d_S), in the precision of the projection or of autocast."""
    if not torch.is_autocast_enabled(values.device.type):
        values = values.to(projection.dtype)
    return values @ projection


def _checked_shape(shape: Shape, own: Shape) -> Shape:
    """`shape`, if a teacher of shape `own` can have such a clone; raises SpecError otherwise."""
    if replace(shape, hidden=own.hidden, tied=own.tied) != own or shape.hidden > own.hidden:
        raise SpecError(
            f"a clone may differ from its teacher only in a smaller hidden size: {shape}"
        )
    if shape.tied and not own.tied:
        raise SpecError("a clone's head cannot be tied: its teacher's head is not")
    return shape


def _projected(
    teacher: PreTrainedModel, config: Mapping[str, Any], shape: Shape, dtype: torch.dtype
) -> PreTrainedModel:
    """A model of the student's shape, with a `Projected` in place of each matrix."""
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


class _Pair:
    """Runs teacher and student together, layer by layer, and compares their activations.

    A hook on each layer of the student first runs the same layer of the teacher. Other hooks take
    the differences at once, so that only one layer's activations of the teacher are in memory. If
    the student's layers are recomputed in the backward pass, the hooks run again, and with them the
    teacher's layers. So the teacher's input of every layer is kept until the next batch, which must
    not come before the backward pass.
    """

    def __init__(self, teacher: PreTrainedModel, learner: PreTrainedModel) -> None:
        self._teacher, self._learner = teacher, learner
        self._inputs: list[Tensor] = []
        """The teacher's residual stream before each layer and after the last; empty at rest."""
        self._rotary: Any = None
        self._weights = torch.empty(0)
        self._aims: dict[str, Tensor] = {}
        """The outputs of the matrices of the teacher's present layer, by name."""
        self._differences: list[Tensor] | None = None
        """One for each comparison; None while layers are recomputed."""
        for number, layer in enumerate(learner.model.layers):
            layer.register_forward_pre_hook(self._run_teacher(number), with_kwargs=True)
            for path in MATRICES:
                layer.get_submodule(path).register_forward_hook(self._compare(path))

    def run(
        self, input_ids: Tensor, weights: Tensor, positions: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Last hidden states of the student and of the teacher, and the sum of all differences.

        `input_ids` and `positions` are (sequences, length); `weights` (tokens,) has the weight of
        each position that predicts a token.
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

    def _run_teacher(self, number: int) -> Any:
        """A hook that runs the teacher's layer before the student's."""

        def hook(module: nn.Module, inputs: Any, settings: Mapping[str, Any]) -> None:
            if not self._inputs:
                return
            layer = self._teacher.model.layers[number]
            with torch.no_grad(), ExitStack() as hooks:
                for path in MATRICES:
                    matrix = layer.get_submodule(path)
                    hooks.enter_context(matrix.register_forward_hook(self._record(path)))
                self._inputs[number + 1] = layer(
                    self._inputs[number],
                    attention_mask=settings.get("attention_mask"),
                    position_ids=settings.get("position_ids"),
                    position_embeddings=self._rotary,
                )

        return hook

    def _record(self, path: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            self._aims[path] = output

        return hook

    def _compare(self, path: str) -> Any:
        """A hook that adds the mean squared difference of a matrix's output to the teacher's."""

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
