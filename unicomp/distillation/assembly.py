"""Put a plain model of another shape together from tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from unicomp.distillation.shape import Shape
from unicomp.errors import BuildError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

HEAD = "lm_head.weight"
"""The matrix that turns hidden states into logits; absent if the embedding serves as head."""


def shape_of(model: PreTrainedModel) -> Shape:
    """The shape of a model in memory; SpecError if its architecture is not known."""
    return Shape.of(model.config.to_dict())


def empty(like: PreTrainedModel, config: Mapping[str, Any]) -> PreTrainedModel:
    """A model of the class of `like` with this `config.json` and weights that take no memory yet.

    It is in evaluation mode and uses the attention implementation of `like`. Its rotary embedding,
    which is computed rather than stored, is on the device of `like`.
    """
    import torch

    settings = type(like.config).from_dict(dict(config))
    settings._attn_implementation = like.config._attn_implementation
    with torch.device("meta"):
        model = type(like)(settings)
    model.model.rotary_emb = type(like.model.rotary_emb)(settings).to(like.device)
    if like.generation_config is not None:
        model.generation_config = type(like.generation_config).from_dict(
            like.generation_config.to_dict()
        )
    return model.eval()


def assemble(
    like: PreTrainedModel, config: Mapping[str, Any], weights: Mapping[str, Tensor]
) -> PreTrainedModel:
    """The model of the class of `like` with this `config.json` and these weights.

    The tensors are used without a copy. Raises BuildError if one is missing, is not in the model,
    or has another shape than the configuration says.
    """
    model = empty(like, config)
    if model.config.tie_word_embeddings:
        weights = {name: value for name, value in weights.items() if name != HEAD}
    try:
        missing, unknown = model.load_state_dict(weights, strict=False, assign=True)
    except RuntimeError as error:
        raise BuildError(f"the weights do not fit the student's shape: {error}") from error
    if model.config.tie_word_embeddings:
        model.tie_weights()
        missing = [name for name in missing if name != HEAD]
    if missing or unknown:
        which = f"lacks {missing[0]}" if missing else f"has no weight {unknown[0]}"
        raise BuildError(f"the student {which}: its weights do not fit its configuration")
    return model
