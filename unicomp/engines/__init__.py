"""What answers prompts."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from unicomp.errors import SpecError
from unicomp.spec import Model

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

ENGINES = ("hf",)
ENGINE_VERSION = 2
"""To be raised when an engine answers differently than before; stored responses then count no
more."""
Device = Literal["cpu", "cuda", "mps"]


@dataclass(frozen=True)
class Timing:
    """How long requests that were made together took, in seconds."""

    seconds: float
    """From the first request sent to the last token received."""
    first: tuple[float, ...]
    """Of each request: until its first token."""
    gaps: tuple[float, ...]
    """Of all requests: between one token and the next."""


class Engine(Protocol):
    """A loaded checkpoint."""

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

    def __post_init__(self) -> None:
        if self.name == "vllm":
            raise SpecError("the engine vllm is not part of this version: use --engine hf")
        if self.name not in ENGINES:
            raise SpecError(f"there is no engine {self.name!r}; known: {', '.join(ENGINES)}")
        if self.device not in ("auto", "cpu", "cuda", "mps"):
            raise SpecError(f"device {self.device!r} is none of auto, cpu, cuda, mps")
        if self.sampling not in ("greedy", "declared"):
            raise SpecError(f"sampling {self.sampling!r} is none of greedy, declared")
        for option in ("threads", "batch_size"):
            if getattr(self, option) < 1:
                raise SpecError(f"engine setting {option} must be at least 1")

    @property
    def serves(self) -> bool:
        """Whether a server answers, rather than this process."""
        return self.name != "hf"

    def resolved_device(self) -> Device:
        """The device that is used; decided without importing torch."""
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
        """The precision a model is run in: on CPU float32 unless the model says otherwise."""
        if model.dtype == "auto" and self.resolved_device() == "cpu":
            return "float32"
        return model.dtype

    def identity(self, model: Model) -> dict[str, Any]:
        """What of the engine decides the responses, as JSON values."""
        return {
            "engine": self.name,
            "device": self.resolved_device(),
            "threads": self.threads,
            "batch_size": self.batch_size,
            "sampling": self.sampling,
            "dtype": self.dtype(model),
            "code": ENGINE_VERSION,
        }

    def open(self, folder: Path, model: Model, tokens: int) -> AbstractContextManager[Engine]:
        """Load the checkpoint in `folder`; it is unloaded when the context ends.

        No request is longer than `tokens`, those to be generated included.
        """
        from unicomp.engines.hf import HuggingFaceEngine

        return HuggingFaceEngine(folder, model, self)
