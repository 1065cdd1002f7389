"""A smaller student cut from a teacher: fewer channels, neurons and heads, or fewer layers.

After Minitron (arXiv 2407.14679; arXiv 2408.11796), on plain transformers modules.
Everything is cut at once, by an importance measured once. What is kept stays in its order: order
carries no meaning, and so a cut that takes nothing away leaves every logit as it was, bit by bit.

As in the paper, nothing makes up for what is gone. In particular an RMSNorm over fewer channels
divides by the root mean square of those that are left, which are the stronger ones, so its outputs
come out smaller than the teacher's; the training that follows has to see to it.
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

    Heads are compared within their key-value group, and each group keeps as many. The student
    shares no memory with `model`, which stays as it is. Raises SpecError where `shape` is not to
    be had from this teacher by cutting widths.
    """
    own = shape_of(model)
    cuttable = replace(
        shape, hidden=own.hidden, intermediate=own.intermediate, heads=own.heads
    )  # what is left to differ must not
    if cuttable != own:
        raise SpecError(f"a student of {shape} is not {own} with other widths")
    if (
        shape.hidden > own.hidden
        or shape.intermediate > own.intermediate
        or shape.heads > own.heads
    ):
        raise SpecError("a student cannot be wider than its teacher")
    kept = _Kept.of(importance, own, shape)
    weights = {}
    for name, weight in _weights(model):
        rows, columns = kept.of_weight(name)
        weights[name] = _copy(weight, rows, columns)
    return assemble(model, student_config(model.config.to_dict(), shape), weights)


@dataclass(frozen=True)
class _Kept:
    """Indices, in ascending order, of what a student keeps; None for everything."""

    hidden: Tensor | None
    neurons: Sequence[Tensor | None]
    queries: Sequence[Tensor | None]
    """Of each layer: outputs of the query projection, whole heads of them."""

    @classmethod
    def of(cls, importance: Importance, own: Shape, shape: Shape) -> _Kept:
        groups = own.key_value_heads
        queries: list[Tensor | None] = []
        for scores in importance.heads:
            heads = _top(scores.view(groups, -1), shape.heads // groups)
            queries.append(None if heads is None else _spread(heads, own))
        return cls(
            hidden=_top(importance.hidden, shape.hidden),
            neurons=[_top(scores, shape.intermediate) for scores in importance.neurons],
            queries=queries,
        )

    def of_weight(self, name: str) -> tuple[Tensor | None, Tensor | None]:
        """Which rows and columns stay of the weight or bias of that name."""
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
        raise BuildError(f"nothing is known of how to cut {name}")


def _weights(model: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    """Name and tensor of every weight, a head that is the embedding left out."""
    for name, weight in model.state_dict().items():
        if name != HEAD or not model.config.tie_word_embeddings:
            yield name, weight


def _top(scores: Tensor, count: int) -> Tensor | None:
    """The indices of the `count` highest scores of each row, ascending; None if that is all."""
    if count == scores.shape[-1]:
        return None
    return scores.topk(count, dim=-1).indices.sort(dim=-1).values


def _spread(heads: Tensor, own: Shape) -> Tensor:
    """Kept heads, as (groups, heads of a group), as the outputs of the query projection."""
    import torch

    first = torch.arange(own.key_value_heads) * (own.heads // own.key_value_heads)
    numbers = (heads + first[:, None]).flatten()
    return (numbers[:, None] * own.head_dim + torch.arange(own.head_dim)).flatten()


def _copy(weight: Tensor, rows: Tensor | None, columns: Tensor | None) -> Tensor:
    """The rows and columns of a weight, or the rows of a bias, in memory of their own."""
    if rows is None and (columns is None or weight.ndim == 1):
        return weight.detach().clone()
    if rows is not None:
        weight = weight.index_select(0, rows.to(weight.device))
    if columns is not None and weight.ndim > 1:
        weight = weight.index_select(1, columns.to(weight.device))
    return weight.detach()


def depth(model: PreTrainedModel, keep: Sequence[int]) -> PreTrainedModel:
    """A student with the layers of `model` whose numbers are in `keep`, ascending.

    It shares no memory with `model`. Raises SpecError for numbers that are not such layers.
    """
    own = shape_of(model)
    config = student_config(model.config.to_dict(), _fewer(own, keep), keep)
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


def _fewer(own: Shape, keep: Sequence[int]) -> Shape:
    if not keep or list(keep) != sorted(set(keep)) or keep[0] < 0 or keep[-1] >= own.layers:
        raise SpecError(f"{list(keep)} are not layers, in order, of a model with {own.layers}")
    return replace(own, layers=len(keep))


def candidates(layers: int, drop: int) -> list[tuple[int, ...]]:
    """What can be kept of `layers` layers when a block of `drop` consecutive ones goes.

    The last layer always stays: without it models fall apart (arXiv 2408.11796, on depth pruning).
    """
    if not 0 < drop < layers:
        raise SpecError(f"{drop} of {layers} layers cannot be dropped")
    return [(*range(start), *range(start + drop, layers)) for start in range(layers - drop)]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The layers to keep, and how each candidate scored."""

    keep: tuple[int, ...]
    scores: Mapping[tuple[int, ...], float]


def choose(model: PreTrainedModel, drop: int, score: Callable[[PreTrainedModel], float]) -> Choice:
    """Which `drop` consecutive layers to leave out, by what the model is worth without them.

    `score` is called with `model` once for each block of `candidates`, its other layers in place,
    and says how well it does; more is better. A downstream score, and not block influence: dropping
    the layers that change their input least is not what hurts least (arXiv 2408.11796, on depth
    pruning). `model` is lent for the while and is afterwards as it was. Raises BuildError where no
    candidate has a score that is a number.
    """
    scores = {}
    for keep in candidates(len(model.model.layers), drop):
        with _only(model, keep):
            scores[keep] = float(score(model))
    numbers = {keep: value for keep, value in scores.items() if not math.isnan(value)}
    if not numbers:
        raise BuildError("no choice of layers gave a model whose score is a number")
    return Choice(keep=max(numbers, key=lambda keep: numbers[keep]), scores=scores)


@contextmanager
def _only(model: PreTrainedModel, keep: Sequence[int]) -> Iterator[None]:
    """Take all other layers out of a model, without a copy, and put them back in the end."""
    from torch import nn

    layers, config = model.model.layers, model.config
    cut = type(config).from_dict(
        student_config(config.to_dict(), _fewer(shape_of(model), keep), keep)
    )
    names = ("num_hidden_layers", "layer_types", "max_window_layers")
    settings: dict[str, Any] = {
        name: getattr(config, name) for name in names if hasattr(config, name)
    }
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
