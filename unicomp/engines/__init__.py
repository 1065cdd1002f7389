"""Engines: they load a checkpoint, answer prompts, and measure how long that takes."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from unicomp.engines.executable import find_vllm, version_of
from unicomp.engines.placement import HALF, WHOLE, Placement, Seat
from unicomp.errors import SpecError
from unicomp.instruments.endpoint import ClientSettings
from unicomp.spec import Model

if TYPE_CHECKING:
    import numpy as np
    from lm_eval.api.instance import Instance
    from numpy.typing import NDArray

ENGINES = ("hf", "vllm")
ENGINE_VERSION = 3
"""Raise it when an engine answers differently than before: stored responses then expire."""
Device = Literal["cpu", "cuda", "mps"]
Number = int | Literal["auto"]
Share = float | Literal["auto"]
TIMED_ATTENTION = "sdpa"
"""The implementation of attention in process while requests are timed, if the network has it. It is
what transformers takes by default: fused, as in servers. On CPU, prompts of 1024 tokens take a
third of the time of the eager one, which answers are made with."""
ON_CPU: Mapping[str, str] = {"hf": "float32", "vllm": "float16"}
"""The precision on CPU of a model without one, by engine. vLLM's kernels for packed weights take
no float32, and float16 is nearer to it than bfloat16. Dense and compressed checkpoints must have
the same."""


@dataclass(frozen=True)
class Timing:
    """The times of requests that were made together, in seconds."""

    seconds: float
    """From the first request sent to the last token received."""
    first: tuple[float, ...]
    """For each request: until its first token."""
    gaps: tuple[float, ...]
    """For all requests: between one token and the next."""


@dataclass(frozen=True)
class Benched:
    """The figures of vLLM's own benchmark for one checkpoint."""

    seconds: tuple[float, ...]
    """For each iteration; for throughput one figure, for all requests together."""
    tokens: int
    """Tokens that are read and generated in each iteration."""

    def __post_init__(self) -> None:
        """Raise ValueError for figures that no benchmark can have measured."""
        if not self.seconds or not all(0 < figure < math.inf for figure in self.seconds):
            raise ValueError(f"{self.seconds} are not durations")
        if self.tokens < 1:
            raise ValueError(f"{self.tokens} is not a number of tokens")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The figures that `dataclasses.asdict` wrote."""
        return cls(tuple(values["seconds"]), values["tokens"])


class Engine(Protocol):
    """A loaded checkpoint."""

    @property
    def alive(self) -> bool:
        """Whether it can still answer; otherwise it has to be opened again."""
        ...

    @property
    def weights_bytes(self) -> int | None:
        """Memory of the weights as the engine reports it; None where it does not."""
        ...

    def answer(self, requests: Sequence[Instance]) -> list[Any]:
        """One response for each request, in order.

        Generated text for `generate_until`, `(log-likelihood, is_greedy)` for `loglikelihood`,
        a log-likelihood for `loglikelihood_rolling` and for a window. Raises EngineError.
        """
        ...

    def log_probabilities(
        self, chunks: Sequence[Sequence[int]], most: int
    ) -> NDArray[np.float16] | None:
        """The log-probabilities of all next tokens, at places in the second half of each chunk.

        Chunks are equally long lists of token ids. The result has at most `most` values and the
        shape (chunks, places, vocabulary); None from a server, which does not give them. Raises
        EngineError.
        """
        ...

    def generate(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> Timing:
        """Answer prompts of token ids at the same time, greedily, and measure the time.

        Each answer has exactly `new_tokens` tokens; an end of the text is ignored. Raises
        EngineError.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """How checkpoints are run; every setting may change a response in its last digit."""

    name: str = "hf"
    """`hf`, in this process, or `vllm`, served by it."""
    device: str = "auto"
    """`cpu`, `cuda` or `mps`; `auto` for the best one that is there."""
    threads: int = 1
    """CPU threads of each process; fixed, so that scores do not depend on the number of them."""
    batch_size: int = 64
    """Sequences in one forward pass."""
    sampling: str = "greedy"
    """`greedy`, or `declared`: as the model declares in [answering], or else at the benchmark's
    temperature, that of the published evaluation; always the same draws."""
    vllm: str = ""
    """The executable of vLLM; if it is missing or empty, the one on PATH."""
    memory: Share = "auto"
    """The share of a GPU's memory that one checkpoint may take; `auto` for 0.9 if it is loaded
    alone, and 0.45, or what the dense one needs, if two are loaded to be timed in turns."""
    tensor_parallel: Number = "auto"
    """The GPUs that a checkpoint is split over, all of a model's over equally many; `auto` for the
    fewest that the dense one fits on. vLLM splits each layer, the engine in process the layers."""
    replicas: Number = 1
    """Copies of a checkpoint that vLLM serves side by side, each on GPUs of its own; `auto` for as
    many as there are GPUs for."""
    logs: str = ""
    """The folder of the servers' logs; empty for the current one. A session uses its store's."""
    endpoint: ClientSettings = field(default_factory=ClientSettings)
    """How the servers are asked that run already; the table [endpoint]."""
    placement: Placement | None = None
    """The GPUs of a model's checkpoints, once they are counted; None where an engine finds its
    device by itself."""

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise SpecError(f"there is no engine {self.name!r}; known: {', '.join(ENGINES)}")
        if self.device not in ("auto", "cpu", "cuda", "mps"):
            raise SpecError(f"device {self.device!r} is unknown; known: auto, cpu, cuda, mps")
        if self.sampling not in ("greedy", "declared"):
            raise SpecError(f"sampling {self.sampling!r} is unknown; known: greedy, declared")
        for option in ("threads", "batch_size"):
            if getattr(self, option) < 1:
                raise SpecError(f"engine setting {option} must be at least 1")
        if self.memory != "auto" and not _is_share(self.memory):
            raise SpecError(
                'engine setting memory must be a share between 0 and 1, such as 0.45, or "auto"'
            )
        for option in ("tensor_parallel", "replicas"):
            number = getattr(self, option)
            if number != "auto" and not (isinstance(number, int) and number >= 1):
                raise SpecError(f'engine setting {option} must be a number from 1, or "auto"')

    def check(self) -> None:
        """Raise SpecError where the engine cannot be used; call it before anything is built."""
        if self.name != "vllm" and self.replicas not in (1, "auto"):
            raise SpecError(
                f"[engine] replicas = {self.replicas}: only vLLM serves replicas; set replicas = 1 "
                "or give --engine vllm"
            )
        for option in ("tensor_parallel", "replicas"):
            number = getattr(self, option)
            if number not in (1, "auto") and self.resolved_device() != "cuda":
                raise SpecError(
                    f"[engine] {option} = {number} needs {number} GPUs, and the engine runs on "
                    f"{self.resolved_device()}: leave it out"
                )
        if self.name != "vllm":
            return
        executable = find_vllm(self.vllm)
        build = "cpu" if "cpu" in version_of(executable) else "cuda"
        if self.device not in ("auto", build):
            raise SpecError(
                f"{executable} is vLLM {version_of(executable)}, which does not run on device "
                f'{self.device!r}: set device = "auto" under [engine], or name another vllm'
            )

    @property
    def serves(self) -> bool:
        """Whether a server answers, not this process."""
        return self.name != "hf"

    @property
    def split(self) -> int:
        """The GPUs that one copy of a checkpoint is split over."""
        if self.placement is not None:
            return self.placement.largest.split
        return 1 if self.tensor_parallel == "auto" else self.tensor_parallel

    @property
    def copies(self) -> int:
        """The copies of a checkpoint that answer side by side."""
        if self.placement is not None:
            return self.placement.replicas
        return 1 if self.replicas == "auto" else self.replicas

    @property
    def alone(self) -> float:
        """The share of a GPU's memory for a checkpoint that is loaded alone."""
        return WHOLE if self.memory == "auto" else self.memory

    @property
    def share(self) -> float:
        """The share of a GPU's memory for the next checkpoint that is loaded."""
        if self.placement is not None:
            return self.placement.seat.memory
        return HALF if self.memory == "auto" else self.memory

    def seated(self, seat: Seat) -> EngineSettings:
        """The same, to load a checkpoint in this seat of the placement."""
        assert self.placement is not None
        return replace(self, placement=self.placement.at(seat))

    @property
    def smallest_batch(self) -> int:
        """The fewest items that are asked together.

        On an accelerator, and of a server, as many as are answered at the same time: fewer would
        take as long.
        """
        cheap = not self.serves and self.resolved_device() == "cpu"
        return min(32, self.batch_size) if cheap else min(self.batch_size, 128)

    def resolved_device(self) -> Device:
        """The device that is used, found without importing torch. Raises SpecError.

        vLLM is built for one device, which may differ from our own torch's.
        """
        if self.name == "vllm":
            return "cpu" if "cpu" in version_of(find_vllm(self.vllm)) else "cuda"
        if self.device != "auto":
            return self.device  # type: ignore[return-value]
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1")
        there = Path("/dev/nvidiactl").exists() and not hidden
        if there and not version("torch").endswith("+cpu"):
            return "cuda"
        if sys.platform == "darwin" and os.uname().machine == "arm64":
            return "mps"
        return "cpu"

    def dtype(self, model: Model) -> str:
        """The precision that a model is run in: its own, or on CPU the engine's for `auto`."""
        if model.dtype == "auto" and self.resolved_device() == "cpu":
            return ON_CPU[self.name]
        return model.dtype

    def flags(self) -> list[str]:
        """Options of vLLM that may change a response or a timing, without the precision.

        No prompt is answered from the cache of another, so that each is timed like the first.
        Settings of decoding in the checkpoint's folder do not apply. On
        CPU nothing is compiled: it takes longer than it saves in one session.
        """
        eager = ["--enforce-eager"] if self.resolved_device() == "cpu" else []
        return ["--no-enable-prefix-caching", "--generation-config", "vllm", *eager]

    def identity(self, model: Model) -> dict[str, Any]:
        """The settings that decide the responses, as JSON values. Raises SpecError.

        Replicas are none of them: each computes what one alone computes.
        """
        if model.endpoint is not None:
            return {
                "engine": "endpoint",
                **model.endpoint.identity,
                "sampling": self.sampling,
                "code": ENGINE_VERSION,
            }
        return {
            **self._program(model),
            "batch_size": self.batch_size,
            "sampling": self.sampling,
            "code": ENGINE_VERSION,
        }

    def timing_identity(self, model: Model) -> dict[str, Any]:
        """The settings that decide timings, as JSON values. Raises SpecError.

        On a GPU the share of its memory is one: the more is left by the weights, the more requests
        are answered at a time. It is that of the dense checkpoint.
        """
        shares = self.serves and self.resolved_device() != "cpu"
        dense = self.placement.dense if self.placement is not None else self.share
        attention = {} if self.serves else {"attention": TIMED_ATTENTION}
        spread = {"gpus": self.split} if self.split > 1 and not self.serves else {}
        return {
            **self._program(model),
            **attention,
            **spread,
            **({"memory": dense} if shares else {}),
            **({"replicas": self.copies} if self.copies > 1 else {}),
        }

    def _program(self, model: Model) -> dict[str, Any]:
        """The settings that decide responses and timings alike."""
        served: dict[str, Any] = {}
        if self.serves:
            served = {"vllm": version_of(find_vllm(self.vllm)), "flags": self.flags()}
            if self.split > 1:  # it changes the order of sums
                served["tensor_parallel"] = self.split
        return {
            "engine": self.name,
            "device": self.resolved_device(),
            "threads": self.threads,
            "dtype": self.dtype(model),
            **served,
        }

    def open(self, folder: Path, model: Model, tokens: int) -> AbstractContextManager[Engine]:
        """Load the checkpoint in `folder`, and unload it when the context ends.

        No request is longer than `tokens`, including the tokens that it generates. A model at an
        endpoint is not loaded, but asked there.
        """
        if model.endpoint is not None:
            from unicomp.engines.endpoint import EndpointEngine

            return EndpointEngine(folder, model, self)
        if self.name == "vllm":
            from unicomp.engines.vllm import VllmEngine

            return VllmEngine(folder, model, self, tokens)
        from unicomp.engines.hf import HuggingFaceEngine

        return HuggingFaceEngine(folder, model, self)


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and 0 < value < 1
