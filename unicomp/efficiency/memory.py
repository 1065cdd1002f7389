"""Measure the memory that a checkpoint takes to compute the perplexity of a text: `footprint`.

As in the paper, this is the peak of one forward pass over one row of 4096 tokens, with the loss, in
a process of its own (`unicomp.machine.child_process`).

On a GPU the peak is the allocator's: what tensors took, without the driver's context. Of a
checkpoint that is split over several GPUs it is the sum of their peaks, since each must hold its
own. On a CPU it
is resident memory above what the process held before it loaded the checkpoint, with all libraries
in place; pages of their files never count. Transient memory of loading counts in neither.

The pass is transformers' own, `model(input_ids, labels=input_ids)`. It holds the keys and values of
all tokens, and all logits in float32, which for a large vocabulary outweigh the activations.
Attention is what transformers takes by default on the device; if it is fused, its scores are never
held. The engine takes another one on CPU, which is faster for short rows; its scores of 4096 tokens
would hide the weights, and no server writes them.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unicomp.data import libraries
from unicomp.data.model_folder import context_of, read_config
from unicomp.engines import EngineSettings
from unicomp.engines.hf import check_spread
from unicomp.engines.placement import Seat
from unicomp.errors import EngineError
from unicomp.machine import child_process, memory
from unicomp.machine.child_process import ChildFailureError, Narrate, serve
from unicomp.methods.unpacking import unpack_exactly
from unicomp.spec import Model

if TYPE_CHECKING:
    import torch

RESIDENT_ERROR = 0.01
"""The largest relative difference of two measurements of resident memory. Six of a model of 6 MB
differed by 0.7 %, six of a model of 400 MB by 0.005 %."""

SAMPLING_SECONDS = 0.001
"""Time between two readings of the memory, if the system keeps no peak."""

_PARTS = ("loaded", "weights", "kv_cache", "rest")
_ALLOCATOR = {
    # freed memory goes back to the system at once, so that what is resident is in use
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(2**16),
    "MALLOC_TRIM_THRESHOLD_": str(2**16),
    "MALLOC_TOP_PAD_": "0",
}


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Memory of one forward pass, in bytes."""

    peak: int
    """The highest memory between the end of loading and the loss."""
    loaded: int
    """Parameters and buffers before the pass; packed weights are packed here."""
    weights: int
    """Parameters and buffers after the pass. If transformers unpacked weights in the pass, they are
    unpacked here."""
    kv_cache: int
    """Keys and values of all tokens."""

    @property
    def rest(self) -> int:
        """Activations, logits, and everything else that the pass holds at its peak."""
        return self.peak - self.weights - self.kv_cache

    def with_weights(self, served: int | None) -> Footprint:
        """The same with the weights as a server holds them; a server may keep them packed."""
        if served is None:
            return self
        peak = self.peak - self.weights + served
        return replace(self, peak=peak, loaded=served, weights=served)

    def as_details(self) -> dict[str, float]:
        """The parts of the peak by name."""
        return {name: float(getattr(self, name)) for name in _PARTS}


def footprint(
    folder: Path, model: Model, tokens: Sequence[int], settings: EngineSettings, *, log: Path
) -> Footprint:
    """Measure the checkpoint in `folder`, made from `model`, on one row of token ids.

    It runs with the precision, device and CPU threads of `settings`. `log` keeps what the process
    prints if it fails. Raises EngineError if there are more tokens than positions, if memory cannot
    be measured on the device, or if the process fails.
    """
    if settings.resolved_device() == "mps":
        raise EngineError("the inference memory is measured on CUDA and on CPU, not on mps")
    positions = context_of(read_config(folder))
    if positions is not None and positions < len(tokens):
        raise EngineError(
            f"{folder} has {positions} positions, too few for the {len(tokens)} tokens of the "
            "inference memory"
        )
    request = {
        "folder": str(folder),
        "dtype": settings.dtype(model),
        "device": settings.resolved_device(),
        "threads": settings.threads,
        "trust_remote_code": model.trust_remote_code,
        "tokens": list(tokens),
        "room": _room(settings),
    }
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        measured = child_process.run(
            __spec__.name,
            request,
            log=log,
            threads=settings.threads,
            environment=_ALLOCATOR,
            preload=(libraries.__name__,),
        )
    except ChildFailureError as failure:
        raise EngineError(
            f"the inference memory of {folder} cannot be measured: the process {failure} "
            f"(log: {log})"
        ) from None
    log.unlink(missing_ok=True)
    return Footprint(**measured)


def _room(settings: EngineSettings) -> dict[str, int]:
    """GPU → the bytes that a checkpoint may take of it; empty for one device.

    Nothing else is loaded meanwhile.
    """
    if settings.placement is None or settings.split == 1:
        return {}
    copy = Seat(settings.placement.gpus[: settings.split], settings.alone)
    placed = settings.placement.at(copy).device_map
    return {str(place): size for place, size in placed["max_memory"].items()}


# -- in the process that measures ---------------------------------------------------------------


def measure(request: Mapping[str, Any], narrate: Narrate) -> dict[str, int]:
    """Load the checkpoint, compute the loss once, and return the fields of a `Footprint`."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(request["threads"])
    device = torch.device(request["device"])
    libraries.warm_up()  # the code of libraries is not the model's memory
    with_peak = _peak_allocated if device.type == "cuda" else _peak_resident
    _warm_up(device)
    before = _allocated() if device.type == "cuda" else memory.current()
    # JSON has no numbers as keys
    room = {int(place): size for place, size in request["room"].items()}
    spread = {"device_map": "auto", "max_memory": room} if room else {}
    network: Any = AutoModelForCausalLM.from_pretrained(
        request["folder"],
        dtype=request["dtype"],
        trust_remote_code=request["trust_remote_code"],
        use_safetensors=True,
        **spread,
    )
    if spread:
        check_spread(network)
    else:
        network = network.to(device)
    unpack_exactly(network)
    network.eval()
    if device.type == "cpu":
        _unmap(network)
    loaded = _bytes(_state(network))
    row = torch.tensor([request["tokens"]], device=network.device)

    def forward() -> Any:
        with torch.no_grad():
            return network(input_ids=row, labels=row, use_cache=True)

    answer, peak = with_peak(forward)
    if not torch.isfinite(answer.loss):
        raise EngineError("the loss is not finite")
    return {
        "peak": peak - before,
        "loaded": loaded,
        "weights": _bytes(_state(network)),
        "kv_cache": _bytes(_cached(answer.past_key_values)),
    }


def _peak_allocated(work: Callable[[], Any]) -> tuple[Any, int]:
    """Return the result of `work`, and the peaks in bytes of tensors on all GPUs meanwhile."""
    import torch

    places = range(torch.cuda.device_count())
    for place in places:
        torch.cuda.reset_peak_memory_stats(place)
    done = work()
    for place in places:
        torch.cuda.synchronize(place)
    return done, sum(map(torch.cuda.max_memory_allocated, places))


def _allocated() -> int:
    """The bytes of tensors on all GPUs."""
    import torch

    return sum(map(torch.cuda.memory_allocated, range(torch.cuda.device_count())))


def _peak_resident(work: Callable[[], Any]) -> tuple[Any, int]:
    """Return the result of `work`, and the peak in bytes of resident memory meanwhile."""
    gc.collect()
    if memory.forget_peak():
        return work(), memory.peak()
    with memory.Watch(memory.current, SAMPLING_SECONDS) as watch:
        done = work()
    return done, watch.highest


def _warm_up(device: torch.device) -> None:
    """Load what the libraries need for a forward pass, so that it does not count as the model's."""
    import torch
    from torch.nn import functional

    rows = torch.ones(1, 2, 64, 64, device=device)
    attended = functional.scaled_dot_product_attention(rows, rows, rows, is_causal=True)
    functional.cross_entropy((attended @ rows)[0, 0], torch.zeros(64, device=device).long())


def _unmap(network: Any) -> None:
    """Copy the weights out of the mapped files, where weights of the stored precision still lie.

    A mapped tensor keeps everything that was read of its file resident, and an unread one is not
    resident at all.
    """
    for tensor in _state(network):
        tensor.data = tensor.data.clone()


def _state(network: Any) -> Iterator[torch.Tensor]:
    """Parameters and buffers, each once."""
    yield from network.parameters()
    yield from network.buffers()


def _cached(cache: Any) -> Iterator[torch.Tensor]:
    """The tensors of all layers of a cache: keys and values, or the state that replaces them."""
    import torch

    for layer in cache.layers:
        yield from (held for held in vars(layer).values() if isinstance(held, torch.Tensor))


def _bytes(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors if not tensor.is_meta)


if __name__ == "__main__":
    serve(measure)
