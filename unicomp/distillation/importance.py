"""Measure what the parts of a decoder contribute, in forward passes over calibration text.

After Minitron (arXiv 2407.14679, section 3.1 and appendix; arXiv 2408.11796): no gradients. The
magnitude of a part's activations is averaged over a sequence, in float32; sequences are combined
by the L2 norm. The paper found this pair of aggregations to work best.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unicomp.distillation.assembly import shape_of
from unicomp.errors import SpecError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


@dataclass(frozen=True, kw_only=True, eq=False)
class Importance:
    """How much each part of a model matters; compare values within one tensor only."""

    heads: Tensor
    """(layers, heads): L2 norm of each head's input to the output projection."""
    neurons: Tensor
    """(layers, intermediate): magnitude of each neuron's input to the down projection."""
    hidden: Tensor
    """(hidden,): magnitude of each channel after both norms of a layer, summed over layers."""
    layers: Tensor
    """(layers,): block influence, 1 - mean cosine of a layer's input and output."""


def measure_importance(model: PreTrainedModel, batches: Sequence[Tensor]) -> Importance:
    """Measure the importance of every part of `model` on text.

    `batches` are token ids, each of shape (sequences, length), without padding: only batches differ
    in length. The head of the model is not run. Results are float32, on the CPU. Raises SpecError
    if there is no text.
    """
    import torch

    if not any(batch.numel() for batch in batches):
        raise SpecError("importance cannot be measured without text: the calibration is empty")
    totals = _Totals(model)
    training = model.training
    model.eval()
    try:
        with torch.no_grad(), totals.watching():
            for batch in batches:
                model.model(batch.to(model.device), use_cache=False)
    finally:
        model.train(training)
    return totals.importance()


class _Totals:
    """Sums over sequences, fed by hooks on the modules of a model."""

    def __init__(self, model: PreTrainedModel) -> None:
        import torch

        shape = shape_of(model)
        self._model = model
        self._head_dim = shape.head_dim

        def zeros(*size: int) -> Tensor:
            return torch.zeros(*size, dtype=torch.float32, device=model.device)

        # all but the cosines are sums of squared magnitudes
        self._heads = zeros(shape.layers, shape.heads)
        self._neurons = zeros(shape.layers, shape.intermediate)
        self._hidden = zeros(2 * shape.layers, shape.hidden)
        self._cosines = zeros(shape.layers)
        self._tokens = zeros(shape.layers)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Add up what passes through the model until the context ends."""
        handles = []
        for number, layer in enumerate(self._model.model.layers):
            attention, feed_forward = layer.self_attn, layer.mlp
            handles += [
                attention.o_proj.register_forward_pre_hook(self._on_heads(number)),
                feed_forward.down_proj.register_forward_pre_hook(self._on_neurons(number)),
                layer.input_layernorm.register_forward_hook(self._on_norm(2 * number)),
                layer.post_attention_layernorm.register_forward_hook(self._on_norm(2 * number + 1)),
                layer.register_forward_hook(self._on_layer(number), with_kwargs=True),
            ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def importance(self) -> Importance:
        """The importance of each part on the text so far."""
        return Importance(
            heads=self._heads.sqrt().cpu(),
            neurons=self._neurons.sqrt().cpu(),
            hidden=self._hidden.sqrt().sum(dim=0).cpu(),
            layers=(1.0 - self._cosines / self._tokens).cpu(),
        )

    def _on_heads(self, number: int) -> Any:
        def hook(module: Any, inputs: tuple[Tensor, ...]) -> None:
            heads = inputs[0].float()
            heads = heads.reshape(*heads.shape[:-1], -1, self._head_dim)
            self._heads[number] += _squared(heads.norm(dim=-1))

        return hook

    def _on_neurons(self, number: int) -> Any:
        def hook(module: Any, inputs: tuple[Tensor, ...]) -> None:
            self._neurons[number] += _squared(inputs[0].float())

        return hook

    def _on_norm(self, row: int) -> Any:
        def hook(module: Any, inputs: Any, output: Tensor) -> None:
            self._hidden[row] += _squared(output.float())

        return hook

    def _on_layer(self, number: int) -> Any:
        from torch.nn.functional import cosine_similarity

        def hook(module: Any, inputs: Any, settings: Any, output: Tensor) -> None:
            before = inputs[0] if inputs else settings["hidden_states"]
            cosines = cosine_similarity(before.float(), output.float(), dim=-1)
            self._cosines[number] += cosines.sum()
            self._tokens[number] += cosines.numel()

        return hook


def _squared(values: Tensor) -> Tensor:
    """(sequences, length, parts) → (parts,): mean magnitude over the length, squared, summed."""
    return values.abs().mean(dim=1).square().sum(dim=0)
