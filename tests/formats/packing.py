"""Pack the matrices of a small folder as others do, and say what each then stands for.

The packing is written out here, bit by bit, so that it shares no code with what unpacks it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

Packed = tuple[dict[str, torch.Tensor], torch.Tensor]
"""The tensors of a module, by the last part of their names, and the matrix that they mean."""
FP4 = (0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6)
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
"""The output that stands at each place of a word of AutoAWQ, from the lowest bits."""


def bits_in_words(numbers: np.ndarray, bits: int) -> torch.Tensor:
    """Whole numbers along the last dimension as one stream of bits in words of 32."""
    stream = (numbers[..., None].astype(np.uint32) >> np.arange(bits, dtype=np.uint32)) & 1
    words = stream.reshape(*numbers.shape[:-1], -1, 32).astype(np.uint64)
    packed = (words << np.arange(32, dtype=np.uint64)).sum(-1)
    return torch.tensor(packed.astype(np.uint32).view(np.int32))


def random_integers(weight: torch.Tensor, bits: int, group: int, zeros: int | None) -> Any:
    """Random integers of a matrix (outputs, inputs), with zero points and scales of its groups."""
    outputs, inputs = weight.shape
    draw = np.random.default_rng(outputs * 1000 + inputs)
    numbers = draw.integers(0, 2**bits, (inputs, outputs))
    shape = (inputs // group, outputs)
    points = draw.integers(1, 2**bits, shape) if zeros is None else np.full(shape, zeros)
    scales = torch.tensor(draw.uniform(0.01, 0.05, shape)).half()
    return numbers, points, scales


def meant(numbers: Any, points: Any, scales: torch.Tensor, order: Any) -> torch.Tensor:
    """The matrix (outputs, inputs)."""
    return torch.tensor(((numbers - points[order]) * scales.double().numpy()[order]).T)


def gptq(
    bits: int = 4, group: int = 64, *, zeros: int | None = None, second: bool = False,
    reordered: bool = False,
) -> Callable[[torch.Tensor], Packed]:  # fmt: skip
    """GPTQ's packing; `zeros` is the zero point of all groups, None for random ones."""

    def pack(weight: torch.Tensor) -> Packed:
        numbers, points, scales = random_integers(weight, bits, group, zeros)
        order = np.arange(weight.shape[1]) // group
        if reordered:
            order = np.random.default_rng(1).permutation(order)
        tensors = {
            "qweight": bits_in_words(numbers.T, bits).T.contiguous(),
            "qzeros": bits_in_words(points - (0 if second else 1), bits),
            "scales": scales,
            "g_idx": torch.tensor(order, dtype=torch.int32),
        }
        return tensors, meant(numbers, points, scales, order)

    return pack


def awq(group: int = 64, *, zeros: int | None = None) -> Callable[[torch.Tensor], Packed]:
    """AutoAWQ's packing of four bits."""

    def pack(weight: torch.Tensor) -> Packed:
        numbers, points, scales = random_integers(weight, 4, group, zeros)

        def shuffled(values: np.ndarray) -> torch.Tensor:
            words = values.reshape(values.shape[0], -1, 8)[:, :, list(AWQ_ORDER)]
            return bits_in_words(words.reshape(values.shape), 4)

        tensors = {"qweight": shuffled(numbers), "qzeros": shuffled(points), "scales": scales}
        return tensors, meant(numbers, points, scales, np.arange(weight.shape[1]) // group)

    return pack


def modelopt_fp8(weight: torch.Tensor) -> Packed:
    """FP8 with one scale, and one for the activations."""
    scale = weight.float().abs().max() / 448
    stored = (weight.float() / scale).to(torch.float8_e4m3fn)
    tensors = {"weight": stored, "weight_scale": scale, "input_scale": torch.tensor(0.05)}
    return tensors, stored.double() * scale.double()


def modelopt_nvfp4(weight: torch.Tensor) -> Packed:
    """Random FP4 values in groups of 16."""
    outputs, inputs = weight.shape
    draw = np.random.default_rng(inputs)
    codes = draw.integers(0, 16, (outputs, inputs))
    scales = torch.tensor(draw.uniform(0.5, 8, (outputs, inputs // 16))).to(torch.float8_e4m3fn)
    overall = torch.tensor(0.02)
    tensors = {
        "weight": torch.tensor((codes[:, ::2] | codes[:, 1::2] << 4).astype(np.uint8)),
        "weight_scale": scales,
        "weight_scale_2": overall,
        "input_scale": torch.tensor(0.02),
    }
    values = torch.tensor(np.array(FP4)[codes])
    return tensors, values * scales.double().repeat_interleave(16, dim=1) * overall.double()


def write_packed(
    folder: Path,
    target: Path,
    packs: Callable[[str], Callable[[torch.Tensor], Packed] | None],
    quantization: dict[str, Any] | None,
) -> dict[str, torch.Tensor]:
    """Copy a folder with its matrices packed; return what each of them stands for, by module.

    `packs` gives the packing of a module by its name, None to leave it.
    """
    shutil.copytree(folder, target)
    tensors, wanted = {}, {}
    for name, weight in load_file(folder / "model.safetensors").items():
        module = name.removesuffix(".weight")
        pack = packs(module) if module.endswith("proj") else None
        if pack is None:
            tensors[name] = weight
            continue
        packed, wanted[module] = pack(weight)
        tensors |= {f"{module}.{suffix}": one for suffix, one in packed.items()}
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((target / "config.json").read_text())
    if quantization is not None:
        config["quantization_config"] = quantization
    (target / "config.json").write_text(json.dumps(config))
    return wanted
