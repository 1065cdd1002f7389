"""The precision of a checkpoint: declared, stored and used, and held to the guarantees."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unicomp.data.model_folder import read_config
from unicomp.errors import BuildError
from unicomp.methods.stored_weights import (
    SCALE,
    ZERO_POINT,
    group_of,
    groups_of,
    headers,
    is_matrix,
    quantized_modules,
    stored_matrices,
    tensors,
)
from unicomp.spec import Guarantees, Rounding

if TYPE_CHECKING:
    import torch

_STORED_TYPES = {
    "pack-quantized": "I32",
    "int-quantized": "I8",
    "float-quantized": "F8_E4M3",
    "mxfp8-quantized": "F8_E4M3",
    "nvfp4-pack-quantized": "U8",
    "mxfp4-pack-quantized": "U8",
}
"""Format of compressed-tensors → the type, as in a file's header, of its stored weights."""

_MEASURED_SCALES: dict[object, str] = {False: ".input_scale", "local": ".input_global_scale"}
"""`Rounding.dynamic` → the stored scale of the inputs of a matrix."""


def check_precision(
    target: Path, guarantees: Guarantees, linear: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the precision of `target`; raise BuildError if a guarantee about it is broken.

    `wasted_bytes` are those by which the stored weights exceed their bits.

    Where bits are guaranteed, four things must agree for each matrix: the configuration, type and
    shape of the stored tensors, the number of levels in a group, and the width of the widest
    integer. `linear` has the names of the model's linear modules without the head.
    """
    config = read_config(target)
    bits, group_size = declared_precision(config)
    if guarantees.bits is None:
        return {"bits": bits, "group_size": group_size}
    _check_declared(config, guarantees)
    stored = headers(target)
    for name, entry in stored.items():
        if is_matrix(name, entry, linear):
            wanted = guarantees.bits_of(name.removesuffix(".weight"))
            raise BuildError(f"{name} is stored in full precision, not in {wanted} bits")
    modules = quantized_modules(target)
    for name in guarantees.exceptions:
        if not any(f".{name}." in f".{module}." for module in modules):
            raise BuildError(f"no matrix is called {name}, so its exception has no effect")
    if guarantees.cache is not None:
        _check_cache_scales(stored)
    read = stored_matrices(target)
    scales = {name: entry for name, entry in tensors(target) if name.endswith(SCALE)}
    weights = total_bits = stored_bits = 0
    for module, name in modules.items():
        weight = read[f"{module}.weight"]()
        wanted = guarantees.bits_of(module) or guarantees.bits
        _check_module(config, module, wanted, guarantees)
        _check_layout(module, stored, weight.shape, wanted, guarantees, config)
        levels = most_levels(weight, guarantees.group_size)
        if levels > 2**wanted:
            raise BuildError(
                f"{module} has a group with {levels} distinct weights; {wanted} bits make "
                f"{2**wanted}"
            )
        symmetric = guarantees.type == "int" and module + ZERO_POINT not in stored
        if symmetric and bool(weight.any()):
            used = bits_used(weight, scales[module + SCALE][:])
            if used != wanted:
                raise BuildError(f"{module} has weights that need {used} bits, not {wanted}")
        weights, total_bits = weights + weight.numel(), total_bits + weight.numel() * wanted
        start, end = stored[name]["data_offsets"]
        stored_bits += 8 * (end - start)
    return {
        "bits": bits,
        "group_size": group_size,
        "mean_bits": total_bits / weights if weights else bits,
        "stored_bits": stored_bits / weights if weights else bits,
        "wasted_bytes": (stored_bits - total_bits) // 8,
        "matrices": len(modules),
    }


# -- declared -----------------------------------------------------------------------------------


def declared_precision(config: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Bits and group size of the weights that a `config.json` declares, or None.

    If layers differ, these are the values of the layers that are not named.
    """
    for group in groups_of(config):
        weights = group.get("weights") or {}
        return weights.get("num_bits"), weights.get("group_size")
    quantization = config.get("quantization_config") or {}
    bits = quantization.get("bits") or quantization.get("w_bit")
    return bits, quantization.get("group_size") or quantization.get("q_group_size")


def declared_bits(config: Mapping[str, Any], module: str) -> int | None:
    """Bits of the weights of one module that a `config.json` declares, or None."""
    if not groups_of(config):
        return declared_precision(config)[0]
    weights = (group_of(config, module) or {}).get("weights") or {}
    return weights.get("num_bits")


def declared_rounding(arguments: Mapping[str, Any] | None) -> Rounding | None:
    """The rounding of activations or of a cache that a `config.json` declares, or None."""
    if not arguments:
        return None
    return Rounding(
        bits=arguments.get("num_bits", 8),
        type=arguments.get("type", "int"),
        dynamic=arguments.get("dynamic", False),
    )


def _check_declared(config: Mapping[str, Any], guarantees: Guarantees) -> None:
    """Check what the whole model shares: bits, groups, format and cache."""
    bits, group_size = declared_precision(config)
    if bits is None:
        raise BuildError(
            f"its config.json has no quantization_config, so no {guarantees.bits} bits"
        )
    if bits != guarantees.bits:
        raise BuildError(f"its config.json says {bits} bits, not {guarantees.bits}")
    if group_size != guarantees.group_size:
        raise BuildError(
            f"its config.json says groups of {group_size}, not {guarantees.group_size}"
        )
    found = config["quantization_config"].get("format")
    if guarantees.format not in (None, found):
        raise BuildError(f"its config.json says the format {found}, not {guarantees.format}")
    cache = declared_rounding(config["quantization_config"].get("kv_cache_scheme"))
    if cache != guarantees.cache:
        raise BuildError(
            f"its config.json says {_words(cache)} for the cache, not {_words(guarantees.cache)}"
        )


def _check_module(
    config: Mapping[str, Any], module: str, wanted: int, guarantees: Guarantees
) -> None:
    """Check the settings that a `config.json` declares for one module."""
    if (declared := declared_bits(config, module)) != wanted:
        raise BuildError(f"its config.json says {declared} bits for {module}, not {wanted}")
    group = group_of(config, module) or {}
    weights = group.get("weights") or {}
    number = weights.get("type", "int")
    if number != guarantees.type:
        raise BuildError(f"its config.json says {number} for {module}, not {guarantees.type}")
    block = weights.get("block_structure")
    if (tuple(block) if block else None) != guarantees.block:
        raise BuildError(
            f"its config.json says blocks of {block} for {module}, not {guarantees.block}"
        )
    inputs = declared_rounding(group.get("input_activations"))
    if inputs != guarantees.activations:
        raise BuildError(
            f"its config.json says {_words(inputs)} for the inputs of {module}, not "
            f"{_words(guarantees.activations)}"
        )


def _words(rounding: Rounding | None) -> str:
    if rounding is None:
        return "full precision"
    how: dict[object, str] = {True: "dynamic", False: "static", "local": "local"}
    return f"{rounding.bits}-bit {rounding.type} ({how[rounding.dynamic]})"


# -- stored -------------------------------------------------------------------------------------


def _check_layout(
    module: str,
    stored: Mapping[str, Mapping[str, Any]],
    shape: tuple[int, ...],
    bits: int,
    guarantees: Guarantees,
    config: Mapping[str, Any],
) -> None:
    """Check type and shape of the stored tensors of a matrix of (outputs, inputs)."""
    outputs, inputs = shape
    layout = guarantees.format or config["quantization_config"].get("format")
    name = next(one for one in (f"{module}.weight_packed", f"{module}.weight") if one in stored)
    number, words = stored[name]["dtype"], stored[name]["shape"][-1]
    if number != _STORED_TYPES.get(layout, number):
        raise BuildError(f"{name} is stored as {number}, not as {_STORED_TYPES[layout]}")
    expected = {
        "I32": (math.ceil(inputs / (32 // bits)), math.ceil(inputs * bits / 32)),
        "U8": (math.ceil(inputs / 2),),
    }.get(number, (inputs,))
    if words not in expected:
        raise BuildError(
            f"{module} packs {inputs} inputs in {words} words, which are not {bits} bits each"
        )
    if guarantees.block is not None:
        rows, columns = guarantees.block
        scales = [math.ceil(outputs / rows), math.ceil(inputs / columns)]
    elif guarantees.group_size is not None:
        scales = [outputs, math.ceil(inputs / guarantees.group_size)]
    else:
        scales = [outputs, 1]
    found = stored[module + SCALE]["shape"]
    one_scale = guarantees.group_size is None and math.prod(found) == 1
    if found != scales and not one_scale:
        raise BuildError(f"{module} has scales of shape {found}, not {scales}")
    rounded = guarantees.activations
    measured = _MEASURED_SCALES.get(rounded.dynamic) if rounded else None
    if measured and module + measured not in stored:
        raise BuildError(f"{module} has no stored scale for its inputs ({measured[1:]})")


def _check_cache_scales(stored: Mapping[str, Any]) -> None:
    """Check that keys and values have their scales in equally many layers."""
    keys, values = (
        {name.removesuffix(end) for name in stored if name.endswith(end)}
        for end in (".k_scale", ".v_scale")
    )
    if not keys or keys != values:
        raise BuildError("the scales of its cache are not stored for keys and values of each layer")


# -- used ---------------------------------------------------------------------------------------


def bits_used(weight: torch.Tensor, scale: torch.Tensor | None = None) -> int:
    """The bits of the widest signed integer among weights.

    `weight` is (outputs, inputs): integers, or integers times their `scale`, which is (outputs,
    groups of inputs).
    """
    whole = weight.detach()
    if scale is not None:
        rows, groups = scale.shape
        steps = whole.reshape(rows, groups, -1).float() / scale.float().unsqueeze(-1)
        whole = steps.nan_to_num(0.0).round()
    low, high = int(whole.min()), int(whole.max())
    return 1 + max(high, -low - 1).bit_length()


def most_levels(weight: torch.Tensor, group_size: int | None) -> int:
    """The largest number of distinct values in any group of consecutive inputs of any output.

    `weight` is (outputs, inputs), unpacked. Without a group size each row is one group.
    """
    group = group_size or weight.shape[1]
    whole = weight.shape[1] - weight.shape[1] % group
    if not whole:
        return 0
    ordered = weight.detach()[:, :whole].reshape(-1, group).sort(dim=1).values
    return int((ordered[:, 1:] != ordered[:, :-1]).sum(dim=1).max()) + 1
