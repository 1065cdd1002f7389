"""Count the zeros in a checkpoint's weight matrices, and hold them to the guarantees."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unicomp.errors import BuildError
from unicomp.methods.stored_weights import (
    headers,
    is_matrix,
    quantized_modules,
    size,
    stored_matrices,
    tensors,
)
from unicomp.spec import Guarantees

if TYPE_CHECKING:
    import torch

TOLERANCE = 0.01
"""How far the share of zeros in a matrix may be off the guarantee; at least one column's worth."""


def check_zeros(
    source: Path, target: Path, guarantees: Guarantees, linear: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what was counted in `target`; raise BuildError if a guarantee about zeros is broken.

    `linear` has the names of the linear modules. Quantized matrices count only if zeros are
    guaranteed: rounding turns small weights into zeros, so they may have more than guaranteed.
    """
    sparsity, pattern = guarantees.sparsity, guarantees.pattern
    before = _shares_of_zeros(source, linear) if sparsity is not None else {}
    total = zeros = matrices = saved_bits = 0
    least, most = 1.0, 0.0
    for name, weight, bits in _matrices(target, linear, guarantees):
        count = int((weight == 0).sum())
        share = count / weight.numel()
        if sparsity is not None:
            allowed = before.get(name, 0.0) if guarantees.bits is None else 1.0
            _check_share(name, share, allowed, weight.shape[1], sparsity)
        if pattern is not None and (broken := broken_groups(weight, *pattern)):
            n, m = pattern
            groups = weight.numel() // m
            raise BuildError(f"{name} breaks the {n}:{m} pattern in {broken} of {groups} groups")
        total, zeros, matrices = total + weight.numel(), zeros + count, matrices + 1
        least, most = min(least, share), max(most, share)
        n, m = pattern or (count, weight.numel())
        left_out = weight.numel() * n // m
        saved_bits += max(0, int(left_out * bits) - _mask_bits(weight.numel(), guarantees))
    if not matrices and (sparsity is not None or pattern is not None):
        raise BuildError("no matrix was found that could be checked for its zeros")
    on_disk = size(target)
    return {
        "bytes": on_disk,
        "ideal_bytes": on_disk - saved_bits // 8 if sparsity is not None else on_disk,
        "matrices": matrices,
        "sparsity": zeros / total if total else 0.0,
        "sparsity_least": least if matrices else 0.0,
        "sparsity_most": most,
    }


def broken_groups(weight: torch.Tensor, n: int, m: int) -> int:
    """How many groups of `m` consecutive inputs have more than `m` - `n` non-zero weights.

    `weight` is (outputs, inputs). Inputs that do not fill a group are one broken group a row.
    """
    rows, columns = weight.shape
    whole = columns - columns % m
    nonzero = (weight[:, :whole] != 0).reshape(-1, m).sum(dim=1)
    return int((nonzero > m - n).sum()) + (rows if columns % m else 0)


def _matrices(
    target: Path, linear: Mapping[str, Any], guarantees: Guarantees
) -> Iterator[tuple[str, torch.Tensor, float]]:
    """Name, weights, and bits of each weight on disk, of the matrices that methods compress."""
    sparse = guarantees.sparsity is not None or guarantees.pattern is not None
    entries, read = headers(target), stored_matrices(target)
    names = {name: name for name, entry in entries.items() if is_matrix(name, entry, linear)}
    if sparse:
        quantized = quantized_modules(target)
        names |= {f"{module}.weight": stored for module, stored in quantized.items()}
    for name, stored in names.items():
        weight = read[name]()
        start, end = entries[stored]["data_offsets"]
        yield name, weight, 8 * (end - start) / weight.numel()


def _shares_of_zeros(folder: Path, linear: Mapping[str, Any]) -> dict[str, float]:
    entries = headers(folder)
    return {
        name: float((entry[:] == 0).float().mean())
        for name, entry in tensors(folder)
        if is_matrix(name, entries[name], linear)
    }


def _check_share(name: str, share: float, allowed: float, columns: int, sparsity: float) -> None:
    tolerance = max(TOLERANCE, 1 / columns)
    if not sparsity - tolerance <= share <= max(sparsity, allowed) + tolerance:
        raise BuildError(f"{name} has {share:.2%} zeros, not {sparsity:.2%}")


def _mask_bits(weights: int, guarantees: Guarantees) -> int:
    """Bits that say where the stored weights are: a bitmap, or an index for each non-zero one."""
    if guarantees.pattern is None:
        return weights
    n, m = guarantees.pattern
    return weights // m * (m - n) * math.ceil(math.log2(m))
