"""Measure what the parts of a decoder contribute, in forward passes over calibration text.

After Minitron (arXiv 2407.14679, section 3.1 and appendix; arXiv 2408.11796): no gradients. The
magnitude of a part's activations is averaged over a sequence, in float32; sequences are combined
by the L2 norm. The paper found this pair of aggregations to work best.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
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
    shape = shape_of(model)

    def zeros(*size: int) -> Tensor:
        return torch.zeros(*size, dtype=torch.float32, device=model.device)

    def norms_of_heads(values: Tensor) -> Tensor:
        norms: Tensor = values.reshape(*values.shape[:-1], -1, shape.head_dim).norm(dim=-1)
        return norms

    # sums over sequences of squared magnitudes, and of cosines over tokens
    heads = zeros(shape.layers, shape.heads)
    neurons = zeros(shape.layers, shape.intermediate)
    hidden = zeros(shape.layers, 2, shape.hidden)
    cosines = zeros(shape.layers)
    training = model.training
    with torch.no_grad(), ExitStack() as stack:
        for number, layer in enumerate(model.model.layers):
            before, after = layer.input_layernorm, layer.post_attention_layernorm
            on_heads = _add_magnitudes(heads[number], norms_of_heads)
            for handle in (
                layer.self_attn.o_proj.register_forward_pre_hook(on_heads),
                layer.mlp.down_proj.register_forward_pre_hook(_add_magnitudes(neurons[number])),
                before.register_forward_hook(_add_magnitudes(hidden[number, 0])),
                after.register_forward_hook(_add_magnitudes(hidden[number, 1])),
                layer.register_forward_hook(_add_cosines(cosines[number]), with_kwargs=True),
            ):
                stack.enter_context(handle)
        stack.callback(model.train, training)
        model.eval()
        for batch in batches:
            model.model(batch.to(model.device), use_cache=False)
    tokens = sum(batch.numel() for batch in batches)
    return Importance(
        heads=heads.sqrt().cpu(),
        neurons=neurons.sqrt().cpu(),
        hidden=hidden.flatten(0, 1).sqrt().sum(dim=0).cpu(),
        layers=(1.0 - cosines / tokens).cpu(),
    )


def _add_magnitudes(total: Tensor, magnitudes: Callable[[Tensor], Tensor] = abs) -> Any:
    """A hook that adds to `total` (parts,) for each sequence the square of its mean magnitudes.

    It takes a module's output, or its input if it runs before the module: (sequences, length, ...).
    """

    def hook(module: Any, inputs: tuple[Tensor, ...], output: Tensor | None = None) -> None:
        values = inputs[0] if output is None else output
        total.add_(magnitudes(values.float()).mean(dim=1).square().sum(dim=0))

    return hook


def _add_cosines(total: Tensor) -> Any:
    """A hook that adds to `total` the cosines of a layer's input and output, over all tokens."""
    from torch.nn.functional import cosine_similarity

    def hook(module: Any, inputs: Any, settings: Any, output: Tensor) -> None:
        before = inputs[0] if inputs else settings["hidden_states"]
        total.add_(cosine_similarity(before.float(), output.float(), dim=-1).sum())

    return hook
