"""What answers prompts."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from unicomp.engines.executable import find_vllm, version_of
from unicomp.errors import SpecError
from unicomp.spec import Model

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

ENGINES = ("hf", "vllm")
ENGINE_VERSION = 2
"""To be raised when an engine answers differently than before; stored responses then count no
more."""
Device = Literal["cpu", "cuda", "mps"]
ON_CPU: Mapping[str, str] = {"hf": "float32", "vllm": "float16"}
"""The precision on CPU of a model that does not say, by engine. vLLM's kernels for packed weights
take no float32; float16 is nearer to it than bfloat16, and one precision has to serve dense and
compressed checkpoints alike."""


@dataclass(frozen=True)
class Timing:
    """How long requests that were made together took, in seconds."""

    seconds: float
    """From the first request sent to the last token received."""
    first: tuple[float, ...]
    """Of each request: until its first token."""
    gaps: tuple[float, ...]
    """Of all requests: between one token and the next."""


@dataclass(frozen=True)
class Benched:
    """What vLLM's own benchmark told of one checkpoint."""

    seconds: tuple[float, ...]
    """Of each iteration; of throughput one figure, that of all requests together."""
    tokens: int
    """Read and generated in each of them."""

    def __post_init__(self) -> None:
        """Raise ValueError for what no benchmark can have measured."""
        if not self.seconds or not all(0 < figure < math.inf for figure in self.seconds):
            raise ValueError(f"{self.seconds} are no durations")
        if self.tokens < 1:
            raise ValueError(f"{self.tokens} tokens are none")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """What `dataclasses.asdict` made JSON values of."""
        return cls(tuple(values["seconds"]), values["tokens"])


class Engine(Protocol):
    """A loaded checkpoint."""

    @property
    def alive(self) -> bool:
        """Whether it can still answer; one that ended has to be opened again."""
        ...

    @property
    def weights_bytes(self) -> int | None:
        """Memory that the weights take as the engine itself tells it; None where it does not."""
        ...

    def answer(self, requests: Sequence[Instance]) -> list[Any]:
        """One response for each request, in order.

        Generated text for `generate_until`, `(log-likelihood, is_greedy)` for `loglikelihood`,
        a log-likelihood for `loglikelihood_rolling` and for a window. Raises EngineError.
        """
        ...

    def generate(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> Timing:
        """Answer prompts of token ids all at the same time, greedily, with exactly `new_tokens`
        tokens each whatever they are, and say how long it took. Raises EngineError.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """How checkpoints are run; everything here may change a response in its last digit."""

    name: str = "hf"
    device: str = "auto"
    threads: int = 1
    """CPU threads of each process. Fixed, so that scores do not depend on the number of
    processes."""
    batch_size: int = 64
    """Sequences in one forward pass."""
    sampling: str = "greedy"
    """`greedy`, or `declared`: with the temperature of the published evaluation, where one is
    declared, and always the same draws."""
    vllm: str = ""
    """The executable of vLLM; where it is not there, or empty, the one on PATH."""
    memory: float = 0.45
    """The share of a GPU's memory that one vLLM server takes; the dense checkpoint and a
    compressed one are served at the same time."""
    logs: str = ""
    """The folder of the servers' logs; empty for the current one. A session has it in its store."""

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise SpecError(f"there is no engine {self.name!r}; known: {', '.join(ENGINES)}")
        if self.device not in ("auto", "cpu", "cuda", "mps"):
            raise SpecError(f"device {self.device!r} is none of auto, cpu, cuda, mps")
        if self.sampling not in ("greedy", "declared"):
            raise SpecError(f"sampling {self.sampling!r} is none of greedy, declared")
        for option in ("threads", "batch_size"):
            if getattr(self, option) < 1:
                raise SpecError(f"engine setting {option} must be at least 1")
        if not 0 < self.memory < 1:
            raise SpecError("engine setting memory must be a share between 0 and 1, such as 0.45")

    def check(self) -> None:
        """Raise SpecError where the engine cannot be used, before anything is built for it."""
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
        """Whether a server answers, rather than this process."""
        return self.name != "hf"

    def resolved_device(self) -> Device:
        """The device that is used; decided without importing torch. Raises SpecError.

        vLLM is built for one device, whatever our own torch can use.
        """
        if self.name == "vllm":
            return "cpu" if "cpu" in version_of(find_vllm(self.vllm)) else "cuda"
        if self.device != "auto":
            return self.device  # type: ignore[return-value]
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1")
        for_cpu = version("torch").endswith("+cpu")
        if Path("/dev/nvidiactl").exists() and not hidden and not for_cpu:
            return "cuda"
        if sys.platform == "darwin" and os.uname().machine == "arm64":
            return "mps"
        return "cpu"

    def dtype(self, model: Model) -> str:
        """The precision a model is run in: its own, but on CPU, unless it says otherwise."""
        if model.dtype == "auto" and self.resolved_device() == "cpu":
            return ON_CPU[self.name]
        return model.dtype

    def flags(self) -> list[str]:
        """Options of vLLM that may change a response or a timing, but for the precision.

        No prompt is answered from the cache of another: every one is timed like the first. On CPU
        nothing is compiled, which takes longer than it saves in one session.
        """
        eager = ["--enforce-eager"] if self.resolved_device() == "cpu" else []
        return ["--no-enable-prefix-caching", *eager]

    def identity(self, model: Model) -> dict[str, Any]:
        """What of the engine decides the responses, as JSON values. Raises SpecError."""
        return {
            **self._program(model),
            "batch_size": self.batch_size,
            "sampling": self.sampling,
            "code": ENGINE_VERSION,
        }

    def timing_identity(self, model: Model) -> dict[str, Any]:
        """What of the engine decides timings, as JSON values. Raises SpecError.

        On a GPU the share of its memory does: what is left of it beside the weights holds the
        requests that are answered at a time.
        """
        shares = self.serves and self.resolved_device() != "cpu"
        return {**self._program(model), **({"memory": self.memory} if shares else {})}

    def _program(self, model: Model) -> dict[str, Any]:
        """What runs a model and how, whatever it is asked."""
        served = {}
        if self.serves:
            served = {"vllm": version_of(find_vllm(self.vllm)), "flags": self.flags()}
        return {
            "engine": self.name,
            "device": self.resolved_device(),
            "threads": self.threads,
            "dtype": self.dtype(model),
            **served,
        }

    def open(self, folder: Path, model: Model, tokens: int) -> AbstractContextManager[Engine]:
        """Load the checkpoint in `folder`; it is unloaded when the context ends.

        No request is longer than `tokens`, those to be generated included.
        """
        if self.name == "vllm":
            from unicomp.engines.vllm import VllmEngine

            return VllmEngine(folder, model, self, tokens)
        from unicomp.engines.hf import HuggingFaceEngine

        return HuggingFaceEngine(folder, model, self)
