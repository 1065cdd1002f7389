"""What a one-shot build needs, or a checkpoint that exists: memory, disk and time.

Only arithmetic on the shapes of a `config.json`, which torch builds on its device without memory.
A build holds all weights in float32. While it stores them, it reads back one file of them at a time
and makes a copy in the model's precision. Measured with 100 M weights: 1.53 to 1.68 GB, estimated
1.6. The statistics of a calibrated method and the activations are left out.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unicomp.data.model_folder import read_config
from unicomp.errors import SpecError, first_line
from unicomp.machine.memory import installed
from unicomp.spec import Guarantees, Method

LIBRARIES_BYTES = 600_000_000
"""Memory of a build beside the weights: torch, transformers and llmcompressor."""
FILE_BYTES = 5_000_000_000
"""The largest file that a build saves."""
PRECISIONS = {"float32": 4, "bfloat16": 2}
"""Precision to run in → bytes of each weight."""
_WIDTHS = {"float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True, kw_only=True)
class Need:
    """An amount of memory or disk that something needs, and what there is of it."""

    purpose: str
    bytes: int
    there: int

    @property
    def fits(self) -> bool:
        """Whether there is enough."""
        return self.bytes <= self.there


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What building a checkpoint and running it needs."""

    parameters: int
    needs: tuple[Need, ...]
    seconds: float | None
    """The time of the last such build on this machine; None if there was none."""

    def as_json(self) -> dict[str, Any]:
        """The footprint as JSON values."""
        needs = [asdict(need) | {"fits": need.fits} for need in self.needs]
        return asdict(self) | {"needs": needs}


@dataclass(frozen=True)
class Weights:
    """How many weights a model has, and how many of them are in matrices that methods compress."""

    all: int
    matrices: int


def footprint(folder: Path, method: Method, home: Path, seconds: float | None) -> Footprint:
    """What `method` needs on the model in `folder`; one that does not compress needs no build.

    Only the configuration is read. `home` is the folder of the store. Raises SpecError for an
    architecture that transformers does not know.
    """
    config = read_config(folder)
    weights = weigh(folder, config)
    memory, disk = memory_to_run(), shutil.disk_usage(_existing(home)).free
    needs = []
    if method.compress is not None:
        needs.append(
            Need(
                purpose="memory to build",
                bytes=4 * weights.all
                + int(1.5 * min(4 * weights.all, FILE_BYTES))
                + LIBRARIES_BYTES,
                there=installed(),
            )
        )
        stored = stored_bytes(config, weights, method.guarantees)
        # what is not quantized is written in float32 first, and then once more as stored
        written = 4 * weights.all if method.guarantees.bits is None else 0
        needs.append(Need(purpose="disk", bytes=stored + written, there=disk))
    for precision, width in PRECISIONS.items():
        purpose = f"memory to run in {precision}"
        needs.append(Need(purpose=purpose, bytes=width * weights.all, there=memory))
    if method.guarantees.bits is not None:
        purpose = f"memory to serve in {method.guarantees.bits} bits"
        needs.append(Need(purpose=purpose, bytes=stored, there=memory))
    return Footprint(parameters=weights.all, needs=tuple(needs), seconds=seconds)


def weigh(folder: Path, config: Mapping[str, Any]) -> Weights:
    """Count the weights that a configuration makes; those of quantized models count unpacked."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        known = AutoConfig.from_pretrained(folder)
        if hasattr(known, "quantization_config"):
            del known.quantization_config
        with torch.device("meta"):
            model: Any = AutoModelForCausalLM.from_config(known)
    except (OSError, ValueError, RuntimeError, ImportError, TypeError, AttributeError) as error:
        raise SpecError(
            f"a {config['model_type']} model cannot be weighed: {first_line(error)}"
        ) from None
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    outside = sum({id(end.weight): end.weight.numel() for end in ends if end is not None}.values())
    total = sum(weight.numel() for weight in model.parameters())
    vectors = sum(weight.numel() for weight in model.parameters() if weight.dim() < 2)
    return Weights(total, total - outside - vectors)


def stored_bytes(config: Mapping[str, Any], weights: Weights, guarantees: Guarantees) -> int:
    """Bytes of the weights on disk: the matrices in the guaranteed bits, with their scales."""
    declared = str(config.get("dtype") or config.get("torch_dtype") or "float32")
    width = _WIDTHS.get(declared, 4)
    if guarantees.bits is None:
        return width * weights.all
    packed = guarantees.format not in ("int-quantized", "float-quantized", "mxfp8-quantized")
    bits = guarantees.bits if packed else 8
    # four-bit floats have scales of one byte
    scale = 1 if guarantees.type == "float" and guarantees.bits == 4 else width
    scales = scale * weights.matrices // guarantees.group_size if guarantees.group_size else 0
    return width * (weights.all - weights.matrices) + bits * weights.matrices // 8 + scales


def memory_to_run() -> int:
    """Bytes of the smallest GPU, or of the machine if there is none."""
    import torch

    if torch.cuda.is_available():
        counts = range(torch.cuda.device_count())
        return min(torch.cuda.get_device_properties(n).total_memory for n in counts)
    return installed()


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())
