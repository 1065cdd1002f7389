"""Cut a smaller student from a teacher: fewer channels, neurons and heads, or fewer layers.

After Minitron (arXiv 2407.14679; arXiv 2408.11796), on plain transformers modules. Everything is
cut at once, by an importance that is measured once. Kept parts stay in their order, so a cut that
removes nothing leaves every logit bit-identical.

As in the paper, the cut is not compensated. An RMSNorm over fewer channels divides by the root mean
square of the kept ones, which are the stronger ones. So its outputs are smaller than the teacher's,
until the training that follows corrects them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from unicomp.distillation.assembly import HEAD, assemble, shape_of
from unicomp.distillation.importance import Importance
from unicomp.distillation.shape import Shape, student_config
from unicomp.errors import BuildError, SpecError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


def width(model: PreTrainedModel, importance: Importance, shape: Shape) -> PreTrainedModel:
    """A student of that shape with the most important channels, neurons and heads of `model`.

    Heads are compared within their key-value group, and each group keeps the same number. The
    student shares no memory with `model`, which is not changed. Raises SpecError if `shape` differs
    from the teacher's in more than smaller widths.
    """
    own = shape_of(model)
    widths = {name: getattr(own, name) for name in ("hidden", "intermediate", "heads")}
    if replace(shape, **widths) != own:
        raise SpecError(f"the student {shape} differs from {own} in more than its widths")
    if any(getattr(shape, name) > width for name, width in widths.items()):
        raise SpecError("a student cannot be wider than its teacher")
    kept = _Kept.of(importance, own, shape)
    weights = {}
    for name, weight in _weights(model):
        rows, columns = kept.of_weight(name)
        weights[name] = _copy(weight, rows, columns)
    return assemble(model, student_config(model.config.to_dict(), shape), weights)


@dataclass(frozen=True)
class _Kept:
    """The indices that a student keeps, in ascending order; None: all of them."""

    hidden: Tensor | None
    neurons: Sequence[Tensor | None]
    queries: Sequence[Tensor | None]
    """For each layer, the kept outputs of the query projection: whole heads."""

    @classmethod
    def of(cls, importance: Importance, own: Shape, shape: Shape) -> _Kept:
        groups = own.key_value_heads
        kept = [_top(scores.view(groups, -1), shape.heads // groups) for scores in importance.heads]
        return cls(
            hidden=_top(importance.hidden, shape.hidden),
            neurons=[_top(scores, shape.intermediate) for scores in importance.neurons],
            queries=[None if heads is None else _spread(heads, own) for heads in kept],
        )

    def of_weight(self, name: str) -> tuple[Tensor | None, Tensor | None]:
        """The kept rows and columns of the weight or bias called `name`."""
        *path, module, _ = name.split(".")
        if module in ("embed_tokens", "lm_head"):
            return None, self.hidden
        if module in ("norm", "input_layernorm", "post_attention_layernorm"):
            return self.hidden, None
        layer = int(path[path.index("layers") + 1])
        if module == "q_proj":
            return self.queries[layer], self.hidden
        if module in ("k_proj", "v_proj"):
            return None, self.hidden
        if module == "o_proj":
            return self.hidden, self.queries[layer]
        if module in ("gate_proj", "up_proj"):
            return self.neurons[layer], self.hidden
        if module == "down_proj":
            return self.hidden, self.neurons[layer]
        if module in ("q_norm", "k_norm"):
            return None, None
        raise BuildError(f"cannot cut the weight {name}: its place in the model is unknown")


def _weights(model: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    """Name and tensor of every weight, except a head that is the embedding."""
    for name, weight in model.state_dict().items():
        if name != HEAD or not model.config.tie_word_embeddings:
            yield name, weight


def _top(scores: Tensor, count: int) -> Tensor | None:
    """The indices of the `count` highest scores of each row, ascending; None if these are all."""
    if count == scores.shape[-1]:
        return None
    return scores.topk(count, dim=-1).indices.sort(dim=-1).values


def _spread(heads: Tensor, own: Shape) -> Tensor:
    """Kept heads (groups, heads of a group) → indices of the query projection's outputs."""
    import torch

    first = torch.arange(own.key_value_heads) * (own.heads // own.key_value_heads)
    numbers = (heads + first[:, None]).flatten()
    return (numbers[:, None] * own.head_dim + torch.arange(own.head_dim)).flatten()


def _copy(weight: Tensor, rows: Tensor | None, columns: Tensor | None) -> Tensor:
    """A copy of some rows and columns of a weight, or of some rows of a bias."""
    if rows is None and (columns is None or weight.ndim == 1):
        return weight.detach().clone()
    if rows is not None:
        weight = weight.index_select(0, rows.to(weight.device))
    if columns is not None and weight.ndim > 1:
        weight = weight.index_select(1, columns.to(weight.device))
    return weight.detach()


def depth(model: PreTrainedModel, keep: Sequence[int]) -> PreTrainedModel:
    """A student with the layers `keep` of `model`, numbers in ascending order.

    It shares no memory with `model`. Raises SpecError for numbers that are not such layers.
    """
    config = _config_of_layers(model, keep)
    place = {layer: number for number, layer in enumerate(keep)}
    weights = {}
    for name, weight in _weights(model):
        parts = name.split(".")
        if "layers" in parts:
            number = parts.index("layers") + 1
            if int(parts[number]) not in place:
                continue
            parts[number] = str(place[int(parts[number])])
        weights[".".join(parts)] = _copy(weight, None, None)
    return assemble(model, config, weights)


def _config_of_layers(model: PreTrainedModel, keep: Sequence[int]) -> dict[str, Any]:
    """The `config.json` of `model` with only the layers `keep`. Raises SpecError."""
    own = shape_of(model)
    if not keep or list(keep) != sorted(set(keep)) or keep[0] < 0 or keep[-1] >= own.layers:
        raise SpecError(
            f"the layers to keep are {list(keep)}: give numbers from 0 to {own.layers - 1} in "
            "ascending order"
        )
    return student_config(model.config.to_dict(), replace(own, layers=len(keep)), keep)


def candidates(layers: int, drop: int) -> list[tuple[int, ...]]:
    """The layers that stay when a block of `drop` consecutive ones is removed, for each block.

    The last layer always stays: without it a model fails (arXiv 2408.11796, on depth pruning).
    """
    if not 0 < drop < layers:
        raise SpecError(f"{drop} of {layers} layers cannot be dropped")
    return [(*range(start), *range(start + drop, layers)) for start in range(layers - drop)]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The layers to keep, and the score of each candidate."""

    keep: tuple[int, ...]
    scores: Mapping[tuple[int, ...], float]


def choose(model: PreTrainedModel, drop: int, score: Callable[[PreTrainedModel], float]) -> Choice:
    """Choose the `drop` consecutive layers whose removal costs least.

    `score` is called with `model` once for each of `candidates`, with only those layers in place;
    higher is better. It is a downstream score rather than block influence: removing the layers that
    change their input least does not hurt least (arXiv 2408.11796, on depth pruning). `model` is
    restored afterwards. Raises BuildError if no candidate's score is a number.
    """
    scores = {}
    for keep in candidates(len(model.model.layers), drop):
        with _with_layers(model, keep):
            scores[keep] = float(score(model))
    numbers = {keep: value for keep, value in scores.items() if not math.isnan(value)}
    if not numbers:
        raise BuildError("no choice of layers to remove has a score that is a number")
    return Choice(keep=max(numbers, key=lambda keep: numbers[keep]), scores=scores)


@contextmanager
def _with_layers(model: PreTrainedModel, keep: Sequence[int]) -> Iterator[None]:
    """Leave only the layers `keep` in a model, without a copy, and restore it at the end."""
    from torch import nn

    layers, config = model.model.layers, model.config
    cut = type(config).from_dict(_config_of_layers(model, keep))
    names = ("num_hidden_layers", "layer_types", "max_window_layers")
    settings = {name: getattr(config, name) for name in names if hasattr(config, name)}
    try:
        for name in settings:
            setattr(config, name, getattr(cut, name))
        model.model.layers = nn.ModuleList(layers[layer] for layer in keep)
        for number, layer in enumerate(model.model.layers):
            layer.self_attn.layer_idx = number  # its place in the cache of keys and values
        yield
    finally:
        for name, value in settings.items():
            setattr(config, name, value)
        model.model.layers = layers
        for number, layer in enumerate(layers):
            layer.self_attn.layer_idx = number
