"""What a one-shot build needs, or a checkpoint that exists: memory, disk and time.

Only arithmetic on the shapes of the weights. They are read from the headers of the stored files, or
built by torch from a `config.json`, without memory. A build holds the weights as they are stored,
one layer in float32 with the statistics of its method, and the activations of the calibration
between two layers in float32 (`unicomp.methods.layerwise`). With an accelerator, that layer is on
it. Weights that the host's memory cannot hold lie on its disk. Measured figures are in
docs/results/compression_memory.md.
"""

from __future__ import annotations

import math
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unicomp.data.calibration import SAMPLES, TOKENS
from unicomp.data.model_folder import WIDTHS, declared_dtype, read_config
from unicomp.data.weight_files import headers
from unicomp.errors import SpecError, first_line
from unicomp.machine.memory import installed
from unicomp.methods.stored_weights import FULL_PRECISION
from unicomp.spec import Guarantees, Method
from unicomp.units import amount

LIBRARIES_BYTES = 600_000_000
"""Memory of a build beside the weights: torch, transformers and llmcompressor."""
RESERVED_BYTES = 5_000_000_000
"""Memory that compressed-tensors leaves free if it puts weights on the disk."""
PRECISIONS = {"float32": 4, "bfloat16": 2}
"""Precision to run in → bytes of each weight."""
RUNNING = ("memory to run in", "memory to serve in")
"""How the purposes begin that are not of a build."""
_WEIGHTS = "weights"
"""The part of memory that holds all weights; without it they lie on the disk."""
_LAYER = re.compile(r"^(.*?\.)(\d+)\.")
"""What stands before the name of a weight in a layer."""

HESSIANS = frozenset({"gptq", "SparseGPTModifier"})
"""Algorithms that hold a square matrix in float32 for the inputs of each matrix of a layer, and
three more copies of one of them while they invert it."""
COPIES = 4
"""Copies in float32 of the matrix that is compressed: itself, its scores, its mask, its result."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """An amount of memory or disk that something needs, and what there is of it."""

    purpose: str
    parts: Mapping[str, int]
    """What it is needed for → bytes."""
    there: int

    @property
    def bytes(self) -> int:
        """All of it."""
        return sum(self.parts.values())

    @property
    def fits(self) -> bool:
        """Whether there is enough."""
        return self.bytes <= self.there

    def as_json(self) -> dict[str, Any]:
        """The need as JSON values."""
        return asdict(self) | {"bytes": self.bytes, "fits": self.fits}

    def __str__(self) -> str:
        """The arithmetic: `memory to build: 16 GB of weights + … = 20 GB, and there are 8 GB`."""
        terms = [f"{amount(size, 'bytes')} of {name}" for name, size in self.parts.items()]
        total = f" = {amount(self.bytes, 'bytes')}" if len(terms) > 1 else ""
        there = amount(self.there, "bytes")
        return f"{self.purpose}: {' + '.join(terms)}{total}, and there are {there}"


MOST_TOKENS = SAMPLES * TOKENS
"""Tokens of the calibration of a real model, at most."""


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What building a checkpoint and running it needs."""

    parameters: int
    needs: tuple[Need, ...]
    seconds: float | None
    """The time of a build; None if it is not known."""
    scaled: bool = False
    """Whether the time follows from the speed of the last build by the same algorithms here."""

    @property
    def of_building(self) -> tuple[Need, ...]:
        """The needs of a build alone."""
        return tuple(need for need in self.needs if not need.purpose.startswith(RUNNING))

    def as_json(self) -> dict[str, Any]:
        """The footprint as JSON values."""
        return asdict(self) | {"needs": [need.as_json() for need in self.needs]}


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many weights a model has."""

    all: int
    matrices: int
    """Weights of the matrices in layers, which methods compress."""


@dataclass(frozen=True, kw_only=True)
class Weights(Counts):
    """The weights of a model as far as the cost of a build depends on them."""

    layer: int
    """Weights of the largest layer."""
    shapes: tuple[tuple[int, int], ...]
    """Outputs and inputs of each matrix of the largest layer."""
    layers: int

    @classmethod
    def of(cls, shapes: Mapping[str, Sequence[int]]) -> Weights:
        """The weights with these names and shapes; three dimensions are experts of two."""
        sizes: dict[str, int] = defaultdict(int)
        found: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for name, shape in shapes.items():
            if layer := _LAYER.match(name):
                sizes[layer[0]] += math.prod(shape)
                if len(shape) > 1:
                    found[layer[0]] += [(shape[-2], shape[-1])] * math.prod(shape[:-2])
        largest = max(sizes, key=lambda name: sizes[name], default="")
        return cls(
            all=sum(map(math.prod, shapes.values())),
            matrices=sum(math.prod(one) for own in found.values() for one in own),
            layer=sizes.get(largest, 0),
            shapes=tuple(sorted(found.get(largest, ()))),
            layers=len(sizes),
        )

    @property
    def hidden(self) -> int:
        """The width of the activations between two layers: the most frequent input width."""
        inputs = [inputs for _, inputs in self.shapes]
        return max(inputs, key=inputs.count, default=0)

    def operations(self, algorithms: Iterable[str], tokens: int) -> float:
        """Floating-point operations of a build on a text, roughly: those of its products."""
        total = float(self.matrices)  # each weight is rounded at least
        for algorithm in algorithms:
            # a pass with statistics and one with compressed weights
            total += 4.0 * self.matrices * tokens
            for outputs, inputs in self.shapes:
                if algorithm in HESSIANS:
                    # sum up and invert the Hessian, and update the columns that follow
                    solved = 2.0 * tokens * inputs**2 + 3.0 * inputs**3 + outputs * inputs**2
                    total += self.layers * solved
            if algorithm == "awq":
                total += AWQ_TRIALS * 2.0 * self.matrices * tokens
        return total


AWQ_TRIALS = 20
"""Scales that AWQ tries for the matrices of a layer, each with a pass of all text."""


def weights_of(folder: Path) -> Weights:
    """The weights that a folder stores, or that its configuration makes.

    Raises SpecError for an architecture that transformers does not know.
    """
    return stored_weights(folder) or _made(folder)


def stored_weights(folder: Path) -> Weights | None:
    """The weights that a folder stores; None if there are none, or packed ones."""
    try:
        stored = headers(folder)
    except SpecError:
        return None
    if any(entry["dtype"] not in FULL_PRECISION for entry in stored.values()):
        return None
    return Weights.of({name: entry["shape"] for name, entry in stored.items()})


def algorithms_of(method: Method) -> tuple[str, ...]:
    """The algorithms of a one-shot method of this package, of a combination both; else none."""
    if method.compress is None or method.corpus is not None:
        return ()
    module = getattr(method.compress, "func", method.compress).__module__
    if module.rpartition(".")[0] != __name__.rpartition(".")[0]:
        return ()
    parts = [method.parameters.get(name) for name in ("first", "second")]
    given = [part for part in parts if part] or [method.parameters]
    names = [one.get("modifier") or one.get("algorithm") for one in given]
    return tuple(str(name) for name in names if name)


def footprint(
    folder: Path,
    method: Method,
    home: Path,
    seconds: float | None,
    *,
    speed: float | None = None,
    tokens: int = MOST_TOKENS,
) -> Footprint:
    """What `method` needs on the model in `folder`; one that does not compress needs no build.

    `home` is the folder of the store. `seconds` is the time of the last such build, and `speed`
    the operations a second of one by the same algorithms; None if there was none. `tokens` is the
    length of the calibration. Raises SpecError for an architecture that transformers does not know.
    """
    config = read_config(folder)
    weights = weights_of(folder)
    memory = memory_to_run()
    needs = []
    if method.compress is not None:
        needs += build_needs(config, weights, method, home, tokens, accelerator_memory())
    stored = stored_bytes(config, weights, method.guarantees)
    for precision, width in PRECISIONS.items():
        purpose = f"{RUNNING[0]} {precision}"
        needs.append(Need(purpose=purpose, parts={"weights": width * weights.all}, there=memory))
    if method.guarantees.bits is not None:
        purpose = f"{RUNNING[1]} {method.guarantees.bits} bits"
        needs.append(Need(purpose=purpose, parts={"weights": stored}, there=memory))
    scaled = seconds is None and bool(speed)
    if scaled and speed:
        read = tokens if method.calibrated else 0
        seconds = weights.operations(algorithms_of(method), read) / speed
    return Footprint(parameters=weights.all, needs=tuple(needs), seconds=seconds, scaled=scaled)


def build_needs(
    config: Mapping[str, Any],
    weights: Weights,
    method: Method,
    home: Path,
    tokens: int,
    accelerator: int | None,
) -> list[Need]:
    """The memory and the disk of a build here, with an `accelerator` of so many bytes if any."""
    host, *others = memory_to_build(config, weights, method, tokens, installed(), accelerator)
    held = held_bytes(config, weights, method)
    disk = {"checkpoint": stored_bytes(config, weights, method.guarantees)}
    if len(algorithms_of(method)) > 1:
        disk["what the first method leaves"] = held
    if _WEIGHTS not in host.parts:
        disk["weights that memory cannot hold"] = held
    free = shutil.disk_usage(_existing(home)).free
    return [host, Need(purpose="disk", parts=disk, there=free), *others]


def held_bytes(config: Mapping[str, Any], weights: Weights, method: Method) -> int:
    """Bytes of all weights during a build."""
    held = _width(config) * weights.all
    if method.parameters.get("smooth"):  # which needs a second pass, before that none is rounded
        held += (4 - _width(config)) * weights.matrices
    return held


def memory_to_build(
    config: Mapping[str, Any],
    weights: Weights,
    method: Method,
    tokens: int,
    memory: int,
    accelerator: int | None,
) -> list[Need]:
    """The memory of a build on a machine that has `memory`, and that of its `accelerator` if any.

    The first need is that of the host.
    """
    held = held_bytes(config, weights, method)
    squares = [4 * inputs**2 for _, inputs in weights.shapes]
    hessians = sum(squares) + 3 * max(squares, default=0)
    matrix = max((4 * outputs * inputs for outputs, inputs in weights.shapes), default=0)
    layer = {"a layer in float32": 4 * weights.layer, "work on a matrix": COPIES * matrix}
    if HESSIANS & set(algorithms_of(method)):
        layer["Hessians"] = hessians
    rest = {
        # inputs and outputs of a layer, and which tokens a token may see
        "activations": 4 * tokens * (2 * weights.hidden + TOKENS),
        "libraries": LIBRARIES_BYTES,
    }
    if accelerator is None:
        rest = layer | rest
    on_disk = held + sum(rest.values()) > memory
    host = {"room to load": RESERVED_BYTES} if on_disk else {_WEIGHTS: held}
    found = [Need(purpose="memory to build", parts=host | rest, there=memory)]
    if accelerator is not None:
        found.append(Need(purpose="accelerator memory to build", parts=layer, there=accelerator))
    return found


def check_fits(subject: str, needs: Iterable[Need], where: str = "here") -> None:
    """Raise SpecError with the arithmetic of the first need that is not met."""
    for need in needs:
        if not need.fits:
            raise SpecError(
                f"{subject} cannot be built {where}: {need}; build it where there is more"
            )


def accelerator_memory() -> int | None:
    """Bytes of the accelerator that a build would use, the first one; None without one."""
    import torch

    if not torch.accelerator.is_available():
        return None
    return int(torch.accelerator.get_memory_info(0)[1])


def _made(folder: Path) -> Weights:
    """The weights that a configuration makes; those of quantized models count unpacked."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        known = AutoConfig.from_pretrained(folder)
        if hasattr(known, "quantization_config"):
            del known.quantization_config
        with torch.device("meta"):
            model: Any = AutoModelForCausalLM.from_config(known)
    except (OSError, ValueError, RuntimeError, ImportError, TypeError, AttributeError) as error:
        kind = read_config(folder).get("model_type")
        raise SpecError(f"a {kind} model cannot be weighed: {first_line(error)}") from None
    return Weights.of({name: tuple(value.shape) for name, value in model.named_parameters()})


def _width(config: Mapping[str, Any]) -> int:
    """Bytes of a weight as a configuration says that it is stored."""
    return WIDTHS.get(declared_dtype(config) or "float32", 4)


def stored_bytes(config: Mapping[str, Any], weights: Counts, guarantees: Guarantees) -> int:
    """Bytes of the weights on disk: the matrices in the guaranteed bits, with their scales."""
    width = _width(config)
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
