"""Which of several models a checkpoint was made from, as its folder shows.

Three things are read, and the first one that leaves exactly one model decides: the base model that
the model card or the configuration names, the same shape, the same architecture and vocabulary.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from unicomp.data.model_folder import hub_id, read_config, slug
from unicomp.errors import SpecError
from unicomp.spec import Model

_KIND = ("model_type", "vocab_size")
_SHAPE = (
    *_KIND, "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "n_embd", "n_layer", "n_head", "d_model",
)  # fmt: skip
"""Settings that quantization and sparsity leave as they are."""


def base_among(models: Sequence[Model], folder: Path | None, declared: str | None) -> Model | None:
    """The one model that a checkpoint belongs to; None if that is not known.

    `folder` is the checkpoint's, None on the hub; `declared` is the hub id of its base, from a file
    in `fixtures/checkpoints`.
    """
    names = [declared] if declared else list(stated_bases(folder)) if folder else []
    tests: list[Callable[[Model], bool]] = [
        lambda model: any(_is_exactly(model, name) for name in names),
        lambda model: any(_is_called(model, name) for name in names),
    ]
    if folder is not None and not declared:
        config = read_config(folder)
        tests += [lambda model: _agrees(config, model, _SHAPE)]
        tests += [lambda model: _agrees(config, model, _KIND)]
    for test in tests:
        found = [model for model in models if test(model)]
        if len(found) == 1:
            return found[0]
    return None


def stated_bases(folder: Path) -> Iterator[str]:
    """The base models that a checkpoint's model card and configuration name: hub ids or folders."""
    card = _front_matter(folder / "README.md").get("base_model")
    config = read_config(folder)
    for name in (*(card if isinstance(card, list) else [card]), config.get("_name_or_path")):
        if isinstance(name, str) and name.strip():
            yield name.strip()


def _front_matter(card: Path) -> Mapping[str, Any]:
    """The metadata at the top of a model card; empty if there is none that can be read."""
    try:
        text = card.read_text(encoding="utf-8-sig")
        _, fence, rest = text.partition("---\n")
        found = yaml.safe_load(rest.partition("\n---")[0]) if text.startswith(fence) else None
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_exactly(model: Model, name: str) -> bool:
    """Whether a model has this hub id or folder."""
    return name in (model.source, hub_id(model)) or (
        model.folder is not None and Path(name).is_absolute() and Path(name) == model.folder
    )


def _is_called(model: Model, name: str) -> bool:
    """Whether the last part of a name is that of the model, its folder or its hub id."""
    own = {model.name, Path(model.source).name, Path(hub_id(model) or model.source).name}
    return slug(Path(name).name) in {slug(one) for one in own}


def _agrees(config: Mapping[str, Any], model: Model, names: Sequence[str]) -> bool:
    """Whether two configurations have the same values; a model on the hub may have them."""
    if model.folder is None:
        return True
    try:
        other = read_config(model.folder)
    except SpecError:
        return False
    return [_value(config, name) for name in names] == [_value(other, name) for name in names]


def _value(config: Mapping[str, Any], name: str) -> str:
    inner = config.get("text_config")
    value = config.get(name, inner.get(name) if isinstance(inner, dict) else None)
    return json.dumps(value, default=str)
