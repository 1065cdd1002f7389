"""Memory that a checkpoint takes while it computes the perplexity of a text: `footprint`.

As in the paper: the peak of one forward pass over one row of 4096 tokens, with the loss, in a
process of its own (`python -m unicomp.efficiency.memory`). It reads a request (JSON) from its
standard input and writes one JSON object to its standard output: `{"footprint": {...}}`, or
`{"error": TEXT}`. All else that is printed goes to its standard error.

On a GPU the peak is that of the allocator: what tensors took, without the driver's context. On a
CPU it is resident memory above what the process held before it loaded the checkpoint, with all
libraries in place. The transient memory of loading counts in neither.

The pass is transformers' own, `model(input_ids, labels=input_ids)`: it holds the keys and values of
all tokens, and all logits in float32, which for a large vocabulary outweigh the activations.
Attention is the one that transformers takes by itself, on every device: where it is the fused one,
its scores are never held. The engine answers with another one on CPU, where that is faster for
short rows; its scores of 4096 tokens would hide the weights, and no server writes them.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unicomp.data.model_folder import read_config
from unicomp.engines import EngineSettings
from unicomp.errors import EngineError
from unicomp.machine import memory, parent_watch
from unicomp.spec import Model

if TYPE_CHECKING:
    import torch

RESIDENT_ERROR = 0.01
"""How far two measurements of resident memory may be apart, as a share: on a model of 6 MB six of
them differed by .7 %, on one of 400 MB by .005 %."""

SAMPLING_SECONDS = 0.001
"""Between two looks at the memory, where the system keeps no peak."""

_PARTS = ("loaded", "weights", "kv_cache", "rest")
_ALLOCATOR = {
    # memory that is given back is given back to the system, so that what is resident is in use
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(2**16),
    "MALLOC_TRIM_THRESHOLD_": str(2**16),
    "MALLOC_TOP_PAD_": "0",
}


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Memory of a checkpoint in a forward pass, in bytes."""

    peak: int
    """The most that was held at a time, from the end of loading to the loss."""
    loaded: int
    """Of parameters and buffers before the pass: packed weights are packed here."""
    weights: int
    """Of parameters and buffers after the pass. Where transformers unpacks weights in their first
    pass, they are what they became."""
    kv_cache: int
    """Of the keys and values of all tokens."""

    @property
    def rest(self) -> int:
        """Activations, logits, and what else the pass holds at its peak."""
        return self.peak - self.weights - self.kv_cache

    def with_weights(self, served: int | None) -> Footprint:
        """The same with the weights as a server holds them, which may well stay packed."""
        if served is None:
            return self
        peak = self.peak - self.weights + served
        return replace(self, peak=peak, loaded=served, weights=served)

    def as_details(self) -> dict[str, float]:
        """What the peak is made of, by name."""
        return {name: float(getattr(self, name)) for name in _PARTS}


def footprint(
    folder: Path, model: Model, tokens: Sequence[int], settings: EngineSettings, *, log: Path
) -> Footprint:
    """Measure the checkpoint in `folder`, made from `model`, on one row of token ids.

    It is run in the precision, on the device and with the CPU threads of `settings`. What the
    process prints is kept in `log` if it fails. Raises EngineError where the checkpoint has fewer
    positions than there are tokens, where the device does not tell, or where the process fails.
    """
    if settings.resolved_device() == "mps":
        raise EngineError("the inference memory is measured on CUDA and on CPU, not on mps")
    config = read_config(folder)
    positions = (config.get("text_config") or config).get("max_position_embeddings")
    if positions is not None and positions < len(tokens):
        raise EngineError(
            f"{folder} has {positions} positions, too few for the {len(tokens)} tokens of the "
            "inference memory"
        )
    request = {
        "parent": os.getpid(),
        "folder": str(folder),
        "dtype": settings.dtype(model),
        "device": settings.resolved_device(),
        "threads": settings.threads,
        "trust_remote_code": model.trust_remote_code,
        "tokens": list(tokens),
    }
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        measured = Footprint(**_run(request, log))
    except EngineError as failure:
        raise EngineError(
            f"the inference memory of {folder} cannot be measured: {failure} (log: {log})"
        ) from None
    log.unlink(missing_ok=True)
    return measured


def _run(request: Mapping[str, Any], log: Path) -> dict[str, int]:
    """Serve one request in a process of its own, which ends when this one does."""
    package = str(Path(__file__).parents[2])
    inherited = os.environ.get("PYTHONPATH")
    environment = {
        **os.environ,
        **_ALLOCATOR,
        "PYTHONPATH": os.pathsep.join([package, inherited] if inherited else [package]),
        "OMP_NUM_THREADS": str(request["threads"]),
        "MKL_NUM_THREADS": str(request["threads"]),
        "TOKENIZERS_PARALLELISM": "false",
    }
    with log.open("wb") as errors:
        done = subprocess.run(  # noqa: S603 (this very module)
            [sys.executable, "-P", "-m", __spec__.name],
            input=json.dumps(request).encode(),
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            start_new_session=True,
            check=False,
        )
    if done.returncode < 0:
        hint = " (out of memory?)" if done.returncode == -signal.SIGKILL else ""
        raise EngineError(f"it was killed by signal {-done.returncode}{hint}")
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise EngineError(f"it ended with status {done.returncode}") from None
    if "error" in answer:
        raise EngineError(answer["error"])
    found: dict[str, int] = answer["footprint"]
    return found


# -- in the process that measures ---------------------------------------------------------------


def main() -> int:
    """Serve one request; the exit status is 0 if it was measured."""
    request = json.load(sys.stdin)
    parent_watch.end_with(int(request["parent"]))
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        answer: dict[str, Any] = {"footprint": asdict(_measure(request))}
    except Exception as error:
        traceback.print_exc()
        line = next(iter(str(error).strip().splitlines()), "no message")
        answer = {"error": f"{type(error).__name__}: {line[:400]}"}
    print(json.dumps(answer), file=channel, flush=True)
    return int("error" in answer)


def _measure(request: Mapping[str, Any]) -> Footprint:
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(request["threads"])
    device = torch.device(request["device"])
    highest_during = _allocated if device.type == "cuda" else _resident
    _warm_up(device)
    before = torch.cuda.memory_allocated() if device.type == "cuda" else memory.current()
    network = AutoModelForCausalLM.from_pretrained(
        request["folder"],
        dtype=request["dtype"],
        trust_remote_code=request["trust_remote_code"],
        use_safetensors=True,
    ).to(device)
    network.eval()
    if device.type == "cpu":
        _unmap(network)
    loaded = _bytes(_state(network))
    row = torch.tensor([request["tokens"]], device=device)

    def forward() -> Any:
        with torch.no_grad():
            return network(input_ids=row, labels=row, use_cache=True)

    answer, highest = highest_during(forward)
    if not torch.isfinite(answer.loss):
        raise EngineError("the loss is not finite")
    return Footprint(
        peak=highest - before,
        loaded=loaded,
        weights=_bytes(_state(network)),
        kv_cache=_bytes(_cached(answer.past_key_values)),
    )


def _allocated(work: Callable[[], Any]) -> tuple[Any, int]:
    """What `work` gives, and the most bytes of tensors on the GPU meanwhile."""
    import torch

    torch.cuda.reset_peak_memory_stats()
    done = work()
    torch.cuda.synchronize()
    return done, torch.cuda.max_memory_allocated()


def _resident(work: Callable[[], Any]) -> tuple[Any, int]:
    """What `work` gives, and the most bytes that were resident meanwhile."""
    gc.collect()
    if memory.forget_peak():
        return work(), memory.peak()
    with memory.Watch(memory.current, SAMPLING_SECONDS) as watch:
        done = work()
    return done, watch.highest


def _warm_up(device: torch.device) -> None:
    """Make the libraries load what a forward pass uses, so that it is not taken for the model's."""
    import torch
    from torch.nn import functional

    rows = torch.ones(1, 2, 64, 64, device=device)
    attended = functional.scaled_dot_product_attention(rows, rows, rows, is_causal=True)
    functional.cross_entropy((attended @ rows)[0, 0], torch.zeros(64, device=device).long())


def _unmap(network: Any) -> None:
    """Copy the weights out of the mapped files, where those of the stored precision still lie.

    One tensor there keeps all that was read of its file resident, while one that was not read is
    not resident at all.
    """
    for tensor in _state(network):
        tensor.data = tensor.data.clone()


def _state(network: Any) -> Iterator[torch.Tensor]:
    """Parameters and buffers, each once."""
    yield from network.parameters()
    yield from network.buffers()


def _cached(cache: Any) -> Iterator[torch.Tensor]:
    """What a cache holds of each layer: keys and values, or the state that is there instead."""
    import torch

    for layer in cache.layers:
        yield from (held for held in vars(layer).values() if isinstance(held, torch.Tensor))


def _bytes(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors if not tensor.is_meta)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
