"""What was measured of checkpoints, once, and kept by all that decides it.

A timing is kept for the machine that it was taken on, the two checkpoints, the engine and the
effort; the other figures for the checkpoint and what computed them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

from unicomp import device
from unicomp.catalogue import read_config
from unicomp.checkpoint import Checkpoint
from unicomp.efficiency import flops, machine
from unicomp.efficiency.energy import machine_meter
from unicomp.efficiency.memory import Footprint, footprint
from unicomp.efficiency.rounds import (
    Conduct,
    Effort,
    Rounds,
    alone,
    fresh_prompts,
    interleave,
    ordinary_tokens,
)
from unicomp.engines import Engine, EngineSettings
from unicomp.errors import SpecError
from unicomp.spec import Load
from unicomp.store import MEASUREMENTS, Store, content_key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

VERSION = 1
"""To be raised when something is measured differently than before; what is kept then counts no
more."""

PUBLISHED_TOKENS = 128
"""Of the forward pass whose operations the paper tells."""

Narrate = Callable[[str], None]
Pair = AbstractContextManager[tuple[Engine, Engine]]
"""The dense checkpoint and another one, both loaded."""


@dataclass
class Measurements:
    """The figures of a session's checkpoints, taken or found."""

    store: Store
    engine: EngineSettings
    effort: Effort = field(default_factory=Effort)
    fresh: bool = False
    """Whether timings are taken again, though they are known."""
    seconds: float = 0.0
    """What measuring has taken so far."""

    @cached_property
    def machine(self) -> dict[str, Any]:
        """The fingerprint of this machine, as JSON values."""
        libraries = () if self.engine.serves else ("torch", "transformers")
        versions = {name: version(name) for name in libraries}
        return machine.fingerprint(threads=self.engine.threads, versions=versions)

    def rounds(
        self,
        checkpoint: Checkpoint,
        dense: Checkpoint,
        load: Load,
        loaded: Callable[[], Pair],
        conduct: Conduct,
        narrate: Narrate,
    ) -> Rounds:
        """Both checkpoints timed in turn at a load, `dense` by itself. Raises EngineError."""
        identity = {
            "rounds": asdict(load),
            "effort": asdict(self.effort),
            "checkpoints": [dense.key, checkpoint.key],
            "engine": self.engine.identity(checkpoint.model),
            "machine": self.machine,
        }
        key = content_key({**identity, "code": VERSION})
        known = None if self.fresh else self.store.recall(MEASUREMENTS, key)
        if known is not None:
            return Rounds.from_json(known["rounds"])
        start = time.monotonic()
        taken = self._take(checkpoint, dense, load, loaded, conduct, narrate)
        self.seconds += time.monotonic() - start
        self.store.remember(MEASUREMENTS, key, {**identity, "rounds": taken.as_json()})
        return taken

    def footprint(self, checkpoint: Checkpoint, load: Load, narrate: Narrate) -> Footprint:
        """The memory that reading a prompt needs, in a process of its own. Raises EngineError.

        Random tokens stand in for WikiText: the peak is a matter of shapes, not of words.
        """
        identity = {
            "footprint": asdict(load),
            "checkpoint": checkpoint.key,
            "engine": self.engine.identity(checkpoint.model),
            "machine": self.machine,
        }

        def measure() -> dict[str, Any]:
            narrate(f"{checkpoint}: measuring the memory of {load.prompt_tokens} tokens")
            (prompt,) = fresh_prompts(load, vocabulary_of(checkpoint), seed=0, number=0)
            log = self.store.home / "logs" / f"{checkpoint}-memory.log"
            found = footprint(checkpoint.path, checkpoint.model, prompt, self.engine, log=log)
            return asdict(found)

        return Footprint(**self._once(identity, measure))

    def flops(
        self, checkpoint: Checkpoint, load: Load, narrate: Narrate
    ) -> tuple[float, float | None]:
        """Floating-point operations of one forward pass, and those of 128 tokens without attention,
        which is what the paper tells; None where the architecture is not known.
        """
        identity = {
            "flops": asdict(load),
            "checkpoint": checkpoint.key,
            "torch": version("torch"),
            "transformers": version("transformers"),
        }

        def measure() -> list[float | None]:
            narrate(f"{checkpoint}: counting the operations of {load.prompt_tokens} tokens")
            trust = checkpoint.model.trust_remote_code
            counted = flops.counted(checkpoint.path, load, trust_remote_code=trust)
            try:
                linear = flops.linear_flops(read_config(checkpoint.path), PUBLISHED_TOKENS)
            except SpecError:
                return [float(counted), None]
            return [float(counted), float(linear)]

        counted, linear = self._once(identity, measure)
        assert counted is not None
        return counted, linear

    def _once(self, identity: Mapping[str, Any], measure: Callable[[], T]) -> T:
        key = content_key({**identity, "code": VERSION})
        known: T | None = self.store.recall(MEASUREMENTS, key)
        if known is not None:
            return known
        start = time.monotonic()
        found = measure()
        self.seconds += time.monotonic() - start
        self.store.remember(MEASUREMENTS, key, found)
        return found

    def _take(
        self,
        checkpoint: Checkpoint,
        dense: Checkpoint,
        load: Load,
        loaded: Callable[[], Pair],
        conduct: Conduct,
        narrate: Narrate,
    ) -> Rounds:
        label = f"{checkpoint}: timing {load.concurrency} × {load.prompt_tokens}/{load.new_tokens}"

        def progress(done: int, rounds: int) -> None:
            narrate(f"{label} tokens, round {done}/{rounds}")

        narrate(f"{label} tokens")
        known = vocabulary_of(checkpoint)
        with loaded() as (one, other), device.alone(lambda: narrate(f"{label}: waiting")):
            how: Any = {"conduct": conduct, "progress": progress, "meter": machine_meter()}
            if one is other and checkpoint is dense:
                return alone(one, load, known, self.effort, **how)
            return interleave(one, other, load, known, self.effort, **how)


def fewer_operations(checkpoint: Checkpoint, dense: Checkpoint) -> float:
    """How many times more operations the linear layers of `dense` make for each token: 1 for equal
    shapes, and where an architecture is not known.
    """
    try:
        this, other = (flops.linear_flops(read_config(c.path), 1) for c in (checkpoint, dense))
    except SpecError:
        return 1.0
    return other / this


def vocabulary_of(checkpoint: Checkpoint) -> NDArray[np.int64]:
    """The token ids that prompts can be made of, shape (tokens,). Raises EngineError."""
    from unicomp.engines.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(checkpoint.path, checkpoint.model).tokenizer
    size = min(len(tokenizer), read_config(checkpoint.path).get("vocab_size", len(tokenizer)))
    return ordinary_tokens(size, [i for i in tokenizer.all_special_ids if i < size])
