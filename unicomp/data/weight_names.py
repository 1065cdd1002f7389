"""What the names and types of stored tensors say about a folder, before any model is built."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unicomp.data.config_values import LAYER_COUNTS
from unicomp.data.json_object import shown
from unicomp.data.weight_files import Headers
from unicomp.errors import SpecError

PACKED = re.compile(
    r"(^|\.)(weight_packed|weight_scale|weight_scale_2|weight_scale_inv|weight_zero_point|qweight|"
    r"qzeros|absmax|SCB|\w+_blocks)$"
)
"""Names of tensors that only a quantized checkpoint stores."""

_WRAPPERS = {
    "base_model.model.": "PEFT",
    "module.": "DataParallel",
    "_orig_mod.": "torch.compile",
    "_fsdp_wrapped_module.": "FSDP",
}
"""Prefixes that a wrapper puts before every name, by which no model finds its weights."""
_FLOATS = ("F64", "F32", "F16", "BF16")
_WHOLE = ("BOOL", "I8", "I16", "U16", "I32", "U32", "I64", "U64")
_BITSANDBYTES = "bitsandbytes"
_CONVERTED = "hf_quant_config.json"
"""Where ModelOpt keeps the quantization settings, beside a plain `config.json`."""
_LEGACY = ("compression_config", "sparsity_config")


def check_names(folder: Path, stored: Headers, config: Mapping[str, Any]) -> None:
    """Raise SpecError if the stored tensors cannot be those that `config` declares."""
    for prefix, wrapper in _WRAPPERS.items():
        if name := next((name for name in stored if name.startswith(prefix)), None):
            raise SpecError(
                f"{folder} stores {shown(name)}: the prefix {prefix!r} comes from {wrapper}; "
                "unwrap the model before saving it"
            )
    if name := next((name for name in stored if ".lora_A." in name or ".lora_B." in name), None):
        raise SpecError(
            f"{folder} stores {shown(name)}, part of an adapter: merge it into its base"
        )
    settings = config.get("text_config") or config
    layers = max((settings.get(name) or 0 for name in LAYER_COUNTS), default=0)
    if layers > len(stored):
        raise SpecError(
            f"{folder} stores {len(stored)} tensors, and its config.json says {layers} layers"
        )
    quantization = config.get("quantization_config")
    _check_halves(folder, stored, bool(quantization))
    if not quantization and not (folder / _CONVERTED).is_file():
        _check_dense(folder, stored, config)
    for name in stored:
        _check_type(folder, name, stored, quantization or {})
        if quantization:
            _check_scale(folder, name, stored, quantization)


def _check_type(folder: Path, name: str, stored: Headers, quantization: Mapping[str, Any]) -> None:
    """Raise SpecError for a type that tensors of such a name never have."""
    leaf, dtype = name.rpartition(".")[2], stored[name]["dtype"]
    opaque = quantization.get("quant_method") == _BITSANDBYTES  # which stores bytes
    for is_wrong, what in (
        (leaf == "weight" and dtype in ("U8", "BOOL") and not opaque, "weights"),
        ("scale" in leaf and dtype in _WHOLE, "scales"),
        (leaf == "weight_packed" and dtype not in ("I32", "U8", "I8"), "packed integers"),
    ):
        if is_wrong:
            raise SpecError(
                f"{folder} stores {shown(name)} as {dtype}, which is no type of {what}: its bytes "
                "were saved under a wrong type; save the checkpoint again"
            )


def _check_halves(folder: Path, stored: Headers, quantized: bool) -> None:
    """Raise SpecError for weights of one kind in both types of 16 bits.

    One may be labelled as the other, which makes other numbers of it. In a quantized checkpoint
    the kinds are told apart, since scales may have a type of their own.
    """
    kinds: dict[str, dict[str, str]] = {}
    for name, entry in stored.items():
        kind = name.rpartition(".")[2] if quantized else ""
        kinds.setdefault(kind, {}).setdefault(entry["dtype"], name)
    for types in kinds.values():
        if {"F16", "BF16"} <= types.keys():
            raise SpecError(
                f"{folder} stores {shown(types['F16'])} as F16 and {shown(types['BF16'])} as BF16: "
                "one has the label of the other, or the checkpoint is a mixture; save it in one"
            )


def _check_scale(folder: Path, name: str, stored: Headers, quantization: Mapping[str, Any]) -> None:
    """Raise SpecError if the scale of a quantized tensor is missing, or has another shape.

    transformers takes FP8 weights without a scale as they are, and says nothing.
    """
    prefix, _, leaf = name.rpartition(".")
    dtype, shape = stored[name]["dtype"], stored[name]["shape"]
    if dtype.startswith("F8") and len(shape) > 1 and "scale" not in leaf:
        wanted = [f"{name}_scale", f"{name}_scale_inv", f"{prefix}.scale"]
    elif leaf == "weight_packed":
        wanted = [f"{prefix}.weight_scale"]
    elif leaf == "qweight":
        wanted = [f"{prefix}.scales"]
    elif leaf.endswith("_blocks"):
        wanted = [f"{name.removesuffix('_blocks')}_scales"]
    else:
        return
    scale = next((one for one in wanted if one in stored), None)
    if scale is None:
        raise SpecError(f"{folder} lacks {shown(wanted[0])}, the scale of {shown(name)}")
    block: Any = quantization.get("weight_block_size")
    if quantization.get("quant_method") == "fp8" and _are_two(block) and len(shape) > 1:
        blocks = [-(-length // size) for length, size in zip(shape[-2:], block, strict=True)]
        if stored[scale]["shape"][-2:] != blocks:
            raise SpecError(
                f"{folder} stores {shown(scale)} with the shape {stored[scale]['shape']}; blocks "
                f"of {block} make it {blocks}"
            )


def _are_two(block: Any) -> bool:
    """Whether a size of blocks has a height and a width."""
    return isinstance(block, list) and [type(one) for one in block] == [int, int] and min(block) > 0


def _check_dense(folder: Path, stored: Headers, config: Mapping[str, Any]) -> None:
    """Raise SpecError for weights that are not those of a model in full precision."""
    if legacy := next((name for name in _LEGACY if config.get(name)), None):
        raise SpecError(
            f"{folder}/config.json has a {legacy} of an old release and no quantization_config: "
            "save the checkpoint again with a current compressed-tensors"
        )
    lost = "its config.json has no quantization_config: restore it from where it was saved"
    for name, entry in stored.items():
        if PACKED.search(name):
            raise SpecError(f"{folder} stores {shown(name)} of a quantized model, and {lost}")
        if name.endswith("weight") and entry["dtype"] not in _FLOATS:
            raise SpecError(f"{folder} stores {shown(name)} as {entry['dtype']}, and {lost}")
