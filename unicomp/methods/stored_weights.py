"""The weights of a model as they lie on disk, in safetensors files; packed ones too.

A packed matrix is stored as `weight_packed`, `weight_scale` and `weight_shape`, and also as
`weight_zero_point` if its integers are not symmetric.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unicomp.spec import Guarantees

if TYPE_CHECKING:
    import torch

PACKED = ".weight_packed"
SCALE = ".weight_scale"
SHAPE = ".weight_shape"
ZERO_POINT = ".weight_zero_point"


def tensors(folder: Path) -> Iterator[tuple[str, Any]]:
    """Name and lazily read slice of every stored tensor."""
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118 (not a mapping)
                yield name, weights.get_slice(name)


def headers(folder: Path) -> dict[str, dict[str, Any]]:
    """Name → `dtype`, `shape` and `data_offsets` of every stored tensor, read without torch."""
    entries: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(length))
        header.pop("__metadata__", None)
        entries.update(header)
    return entries


def parameters(folder: Path) -> int:
    """The number of weights of a full-precision model, zeros included."""
    return sum(math.prod(entry["shape"]) for entry in headers(folder).values())


def size(folder: Path) -> int:
    """The bytes of the weights on disk."""
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def is_matrix(name: str, shape: Sequence[int], linear: Mapping[str, Any]) -> bool:
    """Whether a stored tensor is one that a matrix-wise method compresses.

    `linear` has the names of the model's linear modules, without the head.
    """
    module, _, tensor = name.rpartition(".")
    return tensor == "weight" and len(shape) == 2 and (module in linear or ".experts." in module)


def packed_matrices(
    folder: Path, linear: Mapping[str, torch.Tensor], guarantees: Guarantees
) -> dict[str, Callable[[], torch.Tensor]]:
    """Module name → a function that returns its weights, (outputs, inputs), if they are packed.

    These are the weights that transformers unpacked, which `linear` has by module name. Experts,
    which transformers fuses, are unpacked here; theirs are integers.
    """
    stored = dict(tensors(folder))

    def integers(module: str) -> torch.Tensor:
        import torch
        from compressed_tensors.compressors.pack_quantized.helpers import unpack_from_int32

        shape = torch.Size(stored[module + SHAPE][:].tolist())
        bits = guarantees.bits_of(module) or 32
        return unpack_from_int32(stored[module + PACKED][:], bits, shape)  # type: ignore[no-any-return]

    modules = [name.removesuffix(PACKED) for name in stored if name.endswith(PACKED)]
    return {
        module: linear[module].detach if module in linear else partial(integers, module)
        for module in modules
    }
