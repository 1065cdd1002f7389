"""The weights of a model as they lie on disk (`unicomp.data.weight_files`); packed ones too.

A packed matrix is stored as `weight_packed`, `weight_scale` and `weight_shape`, and also as
`weight_zero_point` if its integers are not symmetric.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unicomp.data.weight_files import headers as headers  # for those who read methods' weights
from unicomp.data.weight_files import parameters as parameters
from unicomp.data.weight_files import size as size
from unicomp.data.weight_files import tensors as tensors
from unicomp.spec import Guarantees

if TYPE_CHECKING:
    import torch

PACKED = ".weight_packed"
SCALE = ".weight_scale"
SHAPE = ".weight_shape"
ZERO_POINT = ".weight_zero_point"


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
