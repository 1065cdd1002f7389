"""A model's folder in Hugging Face's layout: its configuration, weights, tokenizer, and name.

`check_folder` accepts a folder that transformers can load without running code: a `config.json`
that names a model type, one whole set of weights, and a tokenizer. It takes no torch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from unicomp.data.config_values import EXPERT_COUNTS as EXPERT_COUNTS  # a setting of the folder
from unicomp.data.config_values import check_values
from unicomp.data.json_object import check_file, read_object, read_text, shown
from unicomp.data.weight_files import INDEX, SINGLE, headers
from unicomp.data.weight_names import check_names
from unicomp.errors import SpecError
from unicomp.spec import Model

_CACHED = re.compile(r"models--(?P<org>.+?)--(?P<name>.+)")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
_SETTINGS = (
    *("generation_config.json", "tokenizer_config.json", "special_tokens_map.json"),
    "added_tokens.json",
)
_TEXTS = ("merges.txt",)
_TEMPLATE = "chat_template.jinja"


WIDTHS: Mapping[str, int] = {"float32": 4, "float16": 2, "bfloat16": 2}
"""Precision of full weights → bytes of each."""


def hub_id(model: Model) -> str | None:
    """The hub id of a model on the hub or in the hub's cache; None for any other folder."""
    if model.folder is None:
        return model.source
    cached = _cached(model.folder)
    return f"{cached['org']}/{cached['name']}" if cached else None


def folder_name(folder: Path) -> str:
    """The folder's name, or the model's name on the hub if the folder is in the hub's cache."""
    if cached := _cached(folder):
        return slug(cached["name"])
    return slug(folder.name) or "model"


def slug(text: str) -> str:
    """`text` as a name: anything but letters, digits, `_`, `.` and `-` becomes `-`."""
    return re.sub(r"[^A-Za-z0-9_.\-]+", "-", text).lstrip("_.-").rstrip("-")


def _cached(folder: Path) -> re.Match[str] | None:
    """The parts of the hub id, if the folder is a snapshot in the hub's cache."""
    snapshots = folder.parent
    return _CACHED.fullmatch(snapshots.parent.name) if snapshots.name == "snapshots" else None


def read_config(folder: Path) -> dict[str, Any]:
    """The `config.json` of a model folder, with settings that can be meant. Raises SpecError."""
    path = folder / "config.json"
    if not os.path.lexists(path):
        raise SpecError(f"{folder} is not a model folder: it has no config.json")
    config = read_object(path)
    if not config.get("model_type"):
        raise SpecError(f"{path} is not a model configuration: it has no model_type")
    check_values(path, config)
    return config


def declared_dtype(config: Mapping[str, Any]) -> str | None:
    """The precision that a configuration says its weights are stored in; None if it does not."""
    declared = config.get("dtype") or config.get("torch_dtype")
    return str(declared) if declared else None


def context_of(config: Mapping[str, Any]) -> int | None:
    """The tokens of a model's context by its configuration; None if that does not say it."""
    nested = config.get("text_config")
    for one in (nested if isinstance(nested, Mapping) else {}, config):
        for name in ("n_positions", "max_position_embeddings", "n_ctx"):
            if isinstance(one.get(name), int):
                return int(one[name])
    return None


def kind_of(config: Mapping[str, Any]) -> Literal["normal", "moe"]:
    """The kind of a model by its configuration, which does not show whether it is `reasoning`."""
    experts = [config.get(name) for name in EXPERT_COUNTS]
    return "moe" if any(isinstance(count, int) and count > 1 for count in experts) else "normal"


def check_folder(folder: Path, *, weights: bool = True) -> None:
    """Raise SpecError unless `folder` is a complete Hugging Face model in safetensors format.

    Without `weights`, configuration and tokenizer are enough. `unicomp.admission` checks later,
    with transformers, that the weights are those of the model.
    """
    if not folder.is_dir():
        reason = "is not a folder" if folder.exists() else "does not exist"
        raise SpecError(f"the model folder {folder} {reason}")
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise SpecError(f"{folder} is an adapter: merge it into its base model first")
    config = read_config(folder)
    if (explicit := config.get("transformers_weights")) not in (None, SINGLE, INDEX):
        raise SpecError(
            f"{folder}/config.json reads its weights from {shown(explicit)}: rename that file to "
            f"{SINGLE} and drop transformers_weights"
        )
    if weights:
        check_names(folder, headers(folder), config)
    if not any(os.path.lexists(folder / name) for name in _TOKENIZERS):
        raise SpecError(
            f"{folder} has no tokenizer ({', '.join(_TOKENIZERS[:2])}, ...): copy its files from "
            "the model that it was made from"
        )
    for name in _SETTINGS:
        if os.path.lexists(folder / name):
            read_object(folder / name)
    for name in (*_TOKENIZERS, *_TEXTS):
        if os.path.lexists(folder / name):
            check_file(folder / name)
    if os.path.lexists(folder / _TEMPLATE):
        read_text(folder / _TEMPLATE)
