"""A model's folder in Hugging Face's layout: its configuration, weights, tokenizer, and name.

`check_folder` accepts a folder that transformers can load without running code: a `config.json`
that names a model type, whole safetensors files with every shard of their index, and a tokenizer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from unicomp.errors import SpecError
from unicomp.spec import Model

EXPERT_COUNTS = ("num_experts", "num_local_experts", "n_routed_experts")
"""The settings for the number of experts of a mixture; each architecture has one of them."""

_CACHED = re.compile(r"models--(?P<org>.+?)--(?P<name>.+)")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")


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
    """The `config.json` of a model folder. Raises SpecError."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise SpecError(f"{folder} is not a model folder: it has no config.json") from None
    except ValueError:
        raise SpecError(f"{path} is not JSON") from None
    if not isinstance(config, dict):
        raise SpecError(f"{path} is not a JSON object")
    if "model_type" not in config:
        raise SpecError(f"{path} is not a model configuration: it has no model_type")
    return config


def kind_of(config: Mapping[str, Any]) -> Literal["normal", "moe"]:
    """The kind of a model by its configuration, which does not show whether it is `reasoning`."""
    experts = [config.get(name) for name in EXPERT_COUNTS]
    return "moe" if any(isinstance(count, int) and count > 1 for count in experts) else "normal"


def check_folder(folder: Path) -> None:
    """Raise SpecError unless `folder` is a complete Hugging Face model in safetensors format."""
    if not folder.is_dir():
        reason = "is not a folder" if folder.exists() else "does not exist"
        raise SpecError(f"the model folder {folder} {reason}")
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise SpecError(f"{folder} is an adapter: merge it into its base model first")
    read_config(folder)
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickled = [*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")]
        raise SpecError(
            f"{folder} has its weights only as {pickled[0].name}, a pickle that may run code: "
            "convert them to safetensors"
            if pickled
            else f"{folder} has no weights (*.safetensors)"
        )
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            raise SpecError(f"{index} is not an index of weights") from None
        if lacking := sorted(shards - {path.name for path in weights}):
            raise SpecError(f"{folder} lacks {lacking[0]}, which its index names")
    for path in weights:
        check_weights(path)
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        raise SpecError(f"{folder} has no tokenizer ({', '.join(_TOKENIZERS[:2])}, ...)")


def check_weights(path: Path) -> None:
    """Raise SpecError unless a safetensors file has the length that its header gives."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(8)
        if start.startswith(b"version "):
            raise SpecError(f"{path} is a Git LFS pointer: fetch it with `git lfs pull`")
        length = int.from_bytes(start, "little")
        try:
            header = json.loads(stream.read(length)) if 0 < length < size else None
        except ValueError:
            header = None
    try:
        header.pop("__metadata__", None)  # type: ignore[union-attr]
        end = max(entry["data_offsets"][1] for entry in header.values())  # type: ignore[union-attr]
    except (AttributeError, LookupError, TypeError, ValueError):
        raise SpecError(f"{path} is not a safetensors file, or holds no weights") from None
    if 8 + length + end != size:
        raise SpecError(f"{path} is cut off or damaged: {size} bytes, not {8 + length + end}")
