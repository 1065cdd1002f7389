"""Where the checkpoints of a model run: how many GPUs, which ones, what share of their memory.

All of it is arithmetic on a `config.json`, the bytes of weights and the memory of the GPUs, so it
is known before anything is built. A checkpoint needs on each of its GPUs its part of the weights,
the keys and values of two requests, and `WORKSPACE`. It is split over the fewest GPUs on which that
fits.

The dense checkpoint and a compressed one are loaded at the same time only to be timed. They share
GPUs if both fit, else each has GPUs of its own, if there are enough of one kind. Otherwise one is
unloaded for the other, and nothing is timed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unicomp.data import weight_files
from unicomp.data.model_folder import WIDTHS, declared_dtype, kind_of, read_config
from unicomp.errors import SpecError, UnmeasuredError
from unicomp.machine.gpus import Gpu
from unicomp.units import amount

if TYPE_CHECKING:
    from unicomp.engines import EngineSettings

WHOLE = 0.9
"""The share of a GPU's memory that one checkpoint may take if no other is loaded there: vLLM's own
default. The rest is left to the driver and to captured graphs."""
HALF = 0.45
"""The share of the dense checkpoint beside another one, if it needs no more."""
BOTH = 0.95
"""The most that two checkpoints may take of one GPU together, if their share is set."""
WORKSPACE = 2**31
"""Bytes of CUDA's context, activations and logits on each GPU. Assumed: no GPU was at hand to
measure it."""
REQUEST_TOKENS = 4096
"""Tokens of a request that must have room; those of the memory probe."""
REQUESTS = 2
"""Such requests that must have room together. With more room, more are answered at a time."""
GROUP = 128
"""Columns that share a scale in packed weights: a GPU must have whole groups, if the model has."""
MOST = 8
"""GPUs of the largest machine that is usual."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """The memory of one checkpoint, in bytes."""

    weights: int
    """Of the whole checkpoint."""
    cache: int
    """Keys and values on each GPU."""
    split: int
    """The GPUs that it is split over."""

    @property
    def each(self) -> int:
        """On each GPU."""
        return -(-self.weights // self.split) + self.cache + WORKSPACE

    def __str__(self) -> str:
        weights, cache, workspace, each = (
            amount(part, "bytes") for part in (self.weights, self.cache, WORKSPACE, self.each)
        )
        over = f" / {self.split} GPUs" if self.split > 1 else ""
        return (
            f"{weights} of weights{over} + {cache} of keys and values + {workspace} of workspace "
            f"= {each}{' on each' if over else ''}"
        )


@dataclass(frozen=True)
class Seat:
    """The GPUs of one loaded checkpoint."""

    gpus: tuple[Gpu, ...]
    memory: float
    """The share of their memory that it may take."""

    def leaves_room_for(self, other: Seat) -> bool:
        """Whether both can be taken at the same time."""
        return set(self.gpus).isdisjoint(other.gpus) or self.memory + other.memory <= BOTH


@dataclass(frozen=True, kw_only=True)
class Placement:
    """The GPUs for the checkpoints of one model."""

    gpus: tuple[Gpu, ...]
    """All that this process may use."""
    largest: Need
    """The need of the largest checkpoint that is known before a build: the dense one."""
    replicas: int
    """Copies of a checkpoint that answer side by side, each on GPUs of its own."""
    whole: float
    """The share of a checkpoint that has its GPUs for itself."""
    dense: float
    """The share of the dense checkpoint if another one will be loaded, too."""
    beside: float
    """The share that is left on the same GPUs for the other one; 0 for none."""
    seat: Seat
    """Where the next checkpoint is loaded."""

    @property
    def size(self) -> int:
        """The GPUs of one loaded checkpoint."""
        return self.largest.split * self.replicas

    @property
    def alone(self) -> Seat:
        """The seat of a checkpoint that is loaded alone."""
        return Seat(self.gpus[: self.size], self.whole)

    @property
    def first(self) -> Seat:
        """The seat of the dense checkpoint if another one is loaded beside it."""
        return Seat(self.gpus[: self.size], self.dense)

    def second(self, weights: int) -> Seat:
        """The seat of a checkpoint with so many bytes of weights beside the dense one.

        On other GPUs it gets the share that the dense one has, so that both have equal conditions.
        Raises UnmeasuredError with the arithmetic if there is none.
        """
        need = replace(self.largest, weights=weights)
        memory, others = _least(self.gpus), self.gpus[self.size : 2 * self.size]
        if need.each <= self.beside * memory:
            return Seat(self.first.gpus, self.beside)
        same_kind = len({gpu.name for gpu in self.gpus[: 2 * self.size]}) == 1
        if len(others) == self.size and same_kind and need.each <= self.dense * memory:
            return Seat(others, self.dense)
        left = amount(max(self.beside, 0.0) * memory, "bytes")
        raise UnmeasuredError(
            f"it needs {need}, and {left} of each GPU are left beside the dense model, which needs "
            f"{amount(self.largest.each, 'bytes')}: both must be loaded to be timed in turns. Use "
            f"{2 * self.size} GPUs of one kind, or larger ones than {described(self.gpus)}"
        )

    def at(self, seat: Seat) -> Placement:
        """The same, for a checkpoint in this seat."""
        return replace(self, seat=seat)

    @property
    def device_map(self) -> dict[str, Any]:
        """How transformers spreads the layers over the seat; empty for the first GPU alone."""
        places = {self.gpus.index(gpu): gpu.memory for gpu in self.seat.gpus}
        if len(places) > 1:
            room = {place: int(self.seat.memory * memory) for place, memory in places.items()}
            return {"device_map": "auto", "max_memory": room}
        return {} if 0 in places else {"device_map": {"": next(iter(places))}}

    def __str__(self) -> str:
        copies = f", {self.replicas} replicas" if self.replicas > 1 else ""
        room = amount(self.whole * _least(self.gpus), "bytes")
        return (
            f"{self.size} of {described(self.gpus)}{copies}: {self.largest}, of {room} "
            f"({self.whole:g} of a GPU)"
        )


def placed(
    settings: EngineSettings,
    name: str,
    weights: int,
    config: Mapping[str, Any],
    gpus: Sequence[Gpu],
    workers: int = 1,
) -> EngineSettings:
    """The settings with a placement of the model `name`, whose largest checkpoint has `weights`.

    `gpus` are shared by so many `workers`; the placement has those of the first one. Without GPUs
    the settings are returned as they are. Raises SpecError, with the arithmetic, for a model that
    fits nowhere and for numbers that are not possible.
    """
    if not gpus:
        return settings
    own = tuple(gpus[: len(gpus) // workers])
    split = settings.tensor_parallel
    if split == "auto":
        try:
            split = gpus_for(weights, config, settings, _least(gpus), len(gpus))
        except SpecError as error:
            raise SpecError(f"{name} fits nowhere on {described(gpus)}: {error}") from None
    possible = splits(config, settings.name, len(gpus))
    if split not in possible:
        raise SpecError(
            f"[engine] tensor_parallel = {split} is not possible for {name} on {described(gpus)}: "
            f"choose one of {', '.join(map(str, possible))}"
        )
    if len(own) < split:
        most = len(gpus) // split
        hint = f"give -n {most} at most" if most > 1 else "leave out -n"
        raise SpecError(
            f"-n {workers}: {name} needs {split} GPU{'s' if split > 1 else ''} for each worker, "
            f"and there are {described(gpus)}: {hint}"
        )
    found = need(weights, config, split)
    if not _fits(found, settings.alone, _least(gpus)):
        raise SpecError(f"{name} does not fit: {_too_large(found, settings.alone, _least(gpus))}")
    shares = _shares(settings, found, _least(own))
    placement = Placement(
        gpus=own,
        largest=found,
        replicas=_replicas(settings, name, config, len(own), split),
        whole=settings.alone,
        dense=shares[0],
        beside=shares[1],
        seat=Seat(own[:split], shares[0]),
    )
    return replace(settings, placement=placement.at(placement.first))


def placed_for(
    settings: EngineSettings,
    name: str,
    folders: Sequence[Path],
    gpus: Sequence[Gpu],
    *,
    dtype: str = "auto",
    workers: int = 1,
) -> EngineSettings:
    """The same for a model of which the checkpoints in `folders` exist, the dense one first.

    They are served in the precision `dtype`.
    """
    weights = max(served_bytes(folder, dtype) for folder in folders)
    return placed(settings, name, weights, read_config(folders[0]), gpus, workers)


def gpus_for(
    weights: int,
    config: Mapping[str, Any],
    settings: EngineSettings,
    memory_of_one: int,
    most: int = MOST,
) -> int:
    """The fewest GPUs that a checkpoint fits on, of `most` at least.

    `weights` are its bytes as it is served (`served_bytes`), `memory_of_one` those of a GPU. With
    `[engine] tensor_parallel = N` it is N. Raises SpecError with the arithmetic where it fits on no
    number of them.
    """
    numbers = splits(config, settings.name, most)
    if settings.tensor_parallel != "auto":
        numbers = [settings.tensor_parallel]
    needs = [need(weights, config, number) for number in numbers]
    for one in needs:
        if _fits(one, settings.alone, memory_of_one):
            return one.split
    raise SpecError(_too_large(needs[-1], settings.alone, memory_of_one))


def splits(config: Mapping[str, Any], engine: str, most: int) -> list[int]:
    """The numbers of GPUs that a model can be split over, up to `most`.

    vLLM gives each GPU whole heads of attention: their number must be divisible
    (`verify_with_parallel_config` in `vllm/config/model.py`). Heads of keys and values are divided,
    or each is repeated on equally many GPUs (`QKVParallelLinear` in
    `vllm/model_executor/layers/linear.py`). So are the widths of the matrices, by columns or rows.
    transformers gives each GPU whole layers.
    """
    config = config.get("text_config") or config
    if engine != "vllm":
        return list(range(1, min(most, int(config.get("num_hidden_layers", 1))) + 1))
    heads = int(config.get("num_attention_heads", 1))
    pairs = int(config.get("num_key_value_heads") or heads)
    widths = [heads * _head_width(config)]
    widths += [int(config.get(key) or 0) for key in ("intermediate_size", "moe_intermediate_size")]
    return [
        number
        for number in range(1, most + 1)
        if heads % number == 0
        and (pairs % number == 0 or number % pairs == 0)
        and all(_divides(number, width) for width in widths)
    ]


def need(weights: int, config: Mapping[str, Any], split: int) -> Need:
    """What a checkpoint needs if it is split over so many GPUs; keys and values have 16 bits."""
    tokens = REQUESTS * REQUEST_TOKENS
    return Need(weights=weights, cache=cache_bytes(config, tokens, 2, split), split=split)


def cache_bytes(config: Mapping[str, Any], tokens: int, width: int, split: int = 1) -> int:
    """Bytes on each GPU of a key and a value for each layer, token and head, of `width` bytes.

    0 for an architecture whose settings have other names. Layers with less, such as those with a
    sliding window, count in full.
    """
    config = config.get("text_config") or config
    try:
        heads = int(config["num_attention_heads"])
        layers = int(config["num_hidden_layers"])
        pairs = max(int(config.get("num_key_value_heads") or heads) // split, 1)
        return 2 * layers * pairs * _head_width(config) * tokens * width
    except KeyError:
        return 0


def served_bytes(folder: Path, dtype: str) -> int:
    """Bytes of the weights in a folder as they are served in a precision; `auto` is their own."""
    stored, config = weight_files.size(folder), read_config(folder)
    own, wanted = WIDTHS.get(declared_dtype(config) or ""), WIDTHS.get(dtype)
    if own is None or wanted is None or config.get("quantization_config"):
        return stored
    return stored * wanted // own


def described(gpus: Sequence[Gpu]) -> str:
    """GPUs in words, such as `4 × NVIDIA H100 80GB HBM3 (85.5 GB)`."""
    kinds = Counter((gpu.name, gpu.memory) for gpu in gpus)
    return ", ".join(
        f"{number} × {name} ({amount(memory, 'bytes')})" for (name, memory), number in kinds.items()
    )


def _replicas(
    settings: EngineSettings, name: str, config: Mapping[str, Any], there: int, split: int
) -> int:
    """The replicas of a checkpoint that is split over `split` of so many GPUs."""
    mixture = kind_of(config) == "moe"
    if settings.replicas == "auto":
        return 1 if mixture or settings.name != "vllm" else there // split
    if settings.replicas > 1 and mixture:
        raise SpecError(
            f"[engine] replicas = {settings.replicas}: vLLM spreads the experts of a mixture such "
            f"as {name} over all replicas, so that answers would depend on their number: set "
            "replicas = 1"
        )
    if settings.replicas * split > there:
        raise SpecError(
            f"[engine] replicas = {settings.replicas}: {name} needs {settings.replicas} × {split} "
            f"GPUs, and there are {there}: set replicas = {there // split} or fewer"
        )
    return settings.replicas


def _shares(settings: EngineSettings, dense: Need, memory: int) -> tuple[float, float]:
    """The shares of the dense checkpoint, and of one beside it."""
    if settings.memory != "auto":
        return settings.memory, settings.memory if 2 * settings.memory <= BOTH else 0.0
    share = max(HALF, min(math.ceil(100 * dense.each / memory) / 100, WHOLE))
    return share, round(WHOLE - share, 2)


def _fits(one: Need, share: float, memory: int) -> bool:
    return one.each <= share * memory


def _too_large(one: Need, share: float, memory: int) -> str:
    room = amount(share * memory, "bytes")
    return (
        f"it needs {one}, and {share:g} of the {amount(memory, 'bytes')} of a GPU are {room}: use "
        "more or larger GPUs, or a smaller precision"
    )


def _divides(number: int, width: int) -> bool:
    """Whether so many GPUs get equal parts of a width, in whole groups if it has those."""
    part, rest = divmod(width, number)
    return rest == 0 and (width % GROUP != 0 or part % GROUP == 0)


def _head_width(config: Mapping[str, Any]) -> int:
    heads = int(config.get("num_attention_heads", 1))
    return int(config.get("head_dim") or int(config.get("hidden_size", heads)) // heads)


def _least(gpus: Sequence[Gpu]) -> int:
    """The memory of the smallest GPU."""
    return min(gpu.memory for gpu in gpus)
