"""The weights of a model as they lie on disk (`unicomp.data.weight_files`); quantized ones too.

A quantized matrix is stored as `weight`, in small numbers, or packed as `weight_packed`, always
with `weight_scale`; some formats add `weight_shape`, `weight_zero_point` or `weight_global_scale`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unicomp.data.model_folder import declared_dtype, read_config
from unicomp.data.weight_files import headers as headers  # for those who read methods' weights
from unicomp.data.weight_files import parameters as parameters
from unicomp.data.weight_files import size as size
from unicomp.data.weight_files import tensors as tensors
from unicomp.methods.unpacking import in_float32

if TYPE_CHECKING:
    import torch

PACKED = ".weight_packed"
SCALE = ".weight_scale"
SHAPE = ".weight_shape"
ZERO_POINT = ".weight_zero_point"
FULL_PRECISION = ("F64", "F32", "F16", "BF16")
"""The types, as in a file's header, of weights that are not quantized."""

ANY_MATRIX = "Linear"
"""The target of a group of settings for all matrices that no name or pattern fits."""


def stored_dtype(source: Path, config: Mapping[str, Any]) -> torch.dtype:
    """The precision that most of the weights in `source` are stored in."""
    import torch

    names = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}
    counts: Counter[str] = Counter()
    for entry in headers(source).values():
        if entry["dtype"] in names:
            counts[names[entry["dtype"]]] += math.prod(entry["shape"])
    declared = declared_dtype(config) or "float32"
    found = counts.most_common(1)[0][0] if counts else declared
    return getattr(torch, found)  # type: ignore[no-any-return]


def is_matrix(name: str, entry: Mapping[str, Any], linear: Mapping[str, Any]) -> bool:
    """Whether a stored tensor is a full-precision one that a matrix-wise method compresses.

    `entry` is the tensor's in `headers`. `linear` has the names of the model's linear modules,
    without the head.
    """
    module, _, tensor = name.rpartition(".")
    matrix = tensor == "weight" and len(entry["shape"]) == 2
    return (
        matrix and entry["dtype"] in FULL_PRECISION and (module in linear or ".experts." in module)
    )


def quantized_modules(folder: Path) -> dict[str, str]:
    """Module name → name of its stored weights, of each quantized matrix."""
    stored = headers(folder)
    modules = [name.removesuffix(SCALE) for name in stored if name.endswith(SCALE)]
    return {
        module: next(f"{module}{name}" for name in (PACKED, ".weight") if module + name in stored)
        for module in modules
    }


def stored_matrices(folder: Path) -> dict[str, Callable[[], torch.Tensor]]:
    """Parameter name → a function that reads it, as floats: every weight and bias of a folder.

    Quantized matrices are unpacked here, not by transformers.
    """
    stored = dict(tensors(folder))
    found: dict[str, Callable[[], torch.Tensor]] = {}
    for name, entry in stored.items():
        if name.endswith((".weight", ".bias")):
            found[name] = partial(_read, entry)
    config = read_config(folder)
    for module in quantized_modules(folder):
        found[f"{module}.weight"] = partial(_unpacked, stored, config, module)
    return found


def _read(entry: Any) -> torch.Tensor:
    value: torch.Tensor = entry[:]
    return value


def _unpacked(stored: Mapping[str, Any], config: Mapping[str, Any], module: str) -> torch.Tensor:
    """The weights, (outputs, inputs) in float32, of a module that compressed-tensors packed."""
    import torch
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationScheme

    group = dict(group_of(config, module) or {})
    scheme = QuantizationScheme.model_validate(group)
    format_name = group.get("format") or config["quantization_config"]["format"]
    own = {
        name.removeprefix(f"{module}."): entry[:]
        for name, entry in stored.items()
        if name.rpartition(".")[0] == module
    }
    if own["weight_scale"].dtype == torch.bfloat16:
        own["weight_scale"] = own["weight_scale"].float()
    compressor: Any = BaseCompressor.get_value_from_registry(format_name)
    with in_float32():
        weight: torch.Tensor = compressor.decompress(own, scheme)["weight"]
    return weight.float()


# -- declared settings --------------------------------------------------------------------------


def groups_of(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The groups of settings that a `config.json` declares, those for named layers last."""
    quantization = config.get("quantization_config") or {}
    groups = list((quantization.get("config_groups") or {}).values())
    return sorted(groups, key=lambda group: ANY_MATRIX not in (group.get("targets") or ()))


def group_of(config: Mapping[str, Any], module: str) -> Mapping[str, Any] | None:
    """The group of settings for one module; None if there is none."""
    ranks: tuple[Callable[[str], object], ...] = (
        lambda target: target == module,
        lambda target: target.startswith("re:") and re.match(target[3:], module),
        lambda target: target == ANY_MATRIX,
    )
    for fits in ranks:
        for group in groups_of(config):
            if any(fits(target) for target in group.get("targets") or ()):
                return group
    return None
