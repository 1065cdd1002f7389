"""What an executor brings to a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from unicomp.checkpoint import Checkpoint
from unicomp.efficiency.gain import Gain
from unicomp.efficiency.measurements import MeasurementCounter
from unicomp.engines import Timing
from unicomp.errors import EngineError, UnicompError
from unicomp.responses import Spent

if TYPE_CHECKING:
    import numpy as np
    from lm_eval.api.instance import Instance
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Brought:
    """What a checkpoint's answers cost, and which benchmarks have none."""

    failed: Mapping[str, UnicompError]
    asked: int
    """Items that were answered."""
    seconds: float
    """The time of all workers, with loading."""
    loading: float
    """The longest time of loading the checkpoint."""
    spent: Mapping[str, Spent]
    """Benchmark → what its items took."""
    nodes: tuple[str, ...]
    machine: Mapping[str, Any]
    """The fingerprint of the nodes; empty if they are of several kinds."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """A checkpoint that was found, or built on a node."""

    checkpoint: Checkpoint
    seconds: float = 0.0
    nodes: tuple[str, ...] = ()
    machine: Mapping[str, Any] = field(default_factory=dict)
    """The fingerprint of the node."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A gain as a node measured it, or why there is none, and the effort since the last one."""

    gain: Gain | UnicompError
    counter: MeasurementCounter
    nodes: tuple[str, ...]
    machine: Mapping[str, Any]
    """The fingerprint of the node."""


class Elsewhere:
    """Stands for the engine of a checkpoint whose answers are brought: nothing is asked here."""

    alive = True
    weights_bytes = None

    def answer(self, requests: Sequence[Instance]) -> list[Any]:
        """Raise EngineError: whatever could be answered was brought."""
        raise EngineError("the workers of the cluster have not answered it")

    def log_probabilities(
        self, chunks: Sequence[Sequence[int]], most: int
    ) -> NDArray[np.float16] | None:
        """None: what could be read was brought."""
        return None

    def generate(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> Timing:
        """Raise EngineError: nodes measure."""
        raise EngineError("nothing is timed in the process that started a run on a cluster")
