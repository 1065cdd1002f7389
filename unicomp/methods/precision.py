"""The bits of a checkpoint's weights: declared, packed and used, and held to the guarantees."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unicomp.data.model_folder import read_config
from unicomp.errors import BuildError
from unicomp.methods.stored_weights import (
    PACKED,
    SCALE,
    SHAPE,
    ZERO_POINT,
    headers,
    is_matrix,
    packed_matrices,
    tensors,
)
from unicomp.spec import Guarantees

if TYPE_CHECKING:
    import torch

_ANY_MATRIX = "Linear"
"""The target of a group of settings for all matrices that no name or pattern fits."""


def check_precision(
    target: Path, guarantees: Guarantees, linear: Mapping[str, torch.Tensor]
) -> dict[str, Any]:
    """Return the bits that `target` has; raise BuildError if a guarantee about bits is broken.

    Where bits are guaranteed, four things must agree for each matrix: the configuration, the shape
    of the packed tensor, the number of levels in a group, and the width of the widest integer.
    `linear` has the unpacked weights by module name.
    """
    config = read_config(target)
    bits, group_size = declared_precision(config)
    if guarantees.bits is None:
        return {"bits": bits, "group_size": group_size}
    _check_declared(bits, group_size, guarantees)
    packed = _check_packing(target, guarantees, linear)
    matrices: dict[str, Callable[[], torch.Tensor]] = {
        **{module: weight.detach for module, weight in linear.items()},
        **packed_matrices(target, linear, guarantees),
    }
    for name in guarantees.exceptions:
        if not any(f".{name}." in f".{module}." for module in matrices):
            raise BuildError(f"no matrix is called {name}, so its exception has no effect")
    stored = dict(tensors(target))
    weights = total_bits = 0
    for module, read in matrices.items():
        weight = read()
        wanted = guarantees.bits_of(module) or guarantees.bits
        if (declared := declared_bits(config, module)) != wanted:
            raise BuildError(f"its config.json says {declared} bits for {module}, not {wanted}")
        levels = most_levels(weight, guarantees.group_size)
        if levels > 2**wanted:
            raise BuildError(
                f"{module} has a group with {levels} distinct weights; {wanted} bits make "
                f"{2**wanted}"
            )
        symmetric = module + SCALE in stored and module + ZERO_POINT not in stored
        if symmetric and bool(weight.any()):
            scale = stored[module + SCALE][:] if weight.is_floating_point() else None
            used = bits_used(weight, scale)
            if used != wanted:
                raise BuildError(f"{module} has weights that need {used} bits, not {wanted}")
        weights, total_bits = weights + weight.numel(), total_bits + weight.numel() * wanted
    return {
        "bits": bits,
        "group_size": group_size,
        "mean_bits": total_bits / weights if weights else bits,
        "matrices": packed or len(linear),
    }


# -- declared -----------------------------------------------------------------------------------


def declared_precision(config: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Bits and group size of the weights that a `config.json` declares, or None.

    If layers differ, these are the values of the layers that are not named.
    """
    quantization, groups = _quantization(config)
    for group in sorted(groups, key=lambda group: _ANY_MATRIX not in (group.get("targets") or ())):
        weights = group.get("weights") or {}
        return weights.get("num_bits"), weights.get("group_size")
    bits = quantization.get("bits") or quantization.get("w_bit")
    return bits, quantization.get("group_size") or quantization.get("q_group_size")


def declared_bits(config: Mapping[str, Any], module: str) -> int | None:
    """Bits of the weights of one module that a `config.json` declares, or None."""
    _, groups = _quantization(config)
    if not groups:
        return declared_precision(config)[0]
    ranks: tuple[Callable[[str], object], ...] = (
        lambda target: target == module,
        lambda target: target.startswith("re:") and re.match(target[3:], module),
        lambda target: target == _ANY_MATRIX,
    )
    for fits in ranks:
        for group in groups:
            if any(fits(target) for target in group.get("targets") or ()):
                bits: int | None = (group.get("weights") or {}).get("num_bits")
                return bits
    return None


def _quantization(config: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    """The quantization settings of a configuration, and their groups."""
    quantization = config.get("quantization_config") or {}
    return quantization, list((quantization.get("config_groups") or {}).values())


def _check_declared(bits: int | None, group_size: int | None, guarantees: Guarantees) -> None:
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


# -- packed -------------------------------------------------------------------------------------


def _check_packing(target: Path, guarantees: Guarantees, linear: Mapping[str, Any]) -> int:
    """Check the shapes of the packed tensors; return how many there are."""
    shapes = {name: entry["shape"] for name, entry in headers(target).items()}
    group_size = guarantees.group_size
    for name in shapes:
        if is_matrix(name, shapes[name], linear):
            bits = guarantees.bits_of(name.removesuffix(".weight"))
            raise BuildError(f"{name} is stored in full precision, not in {bits} bits")
    modules = [name.removesuffix(PACKED) for name in shapes if name.endswith(PACKED)]
    unpacked = {name: entry[:].tolist() for name, entry in tensors(target) if name.endswith(SHAPE)}
    for module in modules:
        if module + SCALE not in shapes or module + SHAPE not in unpacked:
            raise BuildError(f"{module} has packed weights, but not their scales and shape")
        bits = guarantees.bits_of(module) or 32
        rows, words = shapes[module + PACKED]
        groups = shapes[module + SCALE][-1]
        columns = unpacked[module + SHAPE][-1]
        if words not in (math.ceil(columns / (32 // bits)), math.ceil(columns * bits / 32)):
            raise BuildError(
                f"{module} packs {columns} inputs in {words} words, which are not {bits} bits each"
            )
        if group_size and (groups != math.ceil(columns / group_size) or rows < 1):
            raise BuildError(
                f"{module} has {groups} scales for {columns} inputs, not one for each {group_size}"
            )
    return len(modules)


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
