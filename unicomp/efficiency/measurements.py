"""What was measured of checkpoints, once, and kept by all that decides it.

Timings are kept for the machine that they were taken on, the two checkpoints, the engine and the
effort, so those of one machine are never compared with those of another; the other figures for the
checkpoint and what computed them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

from unicomp import device
from unicomp.catalogue import read_config
from unicomp.checkpoint import Checkpoint
from unicomp.efficiency import flops, machine
from unicomp.efficiency.energy import machine_meter
from unicomp.efficiency.gain import Gain, gain_of_bench, gain_of_figures, gain_of_rounds
from unicomp.efficiency.memory import RESIDENT_ERROR, Footprint, footprint
from unicomp.efficiency.promise import promises
from unicomp.efficiency.rounds import (
    Conduct,
    Effort,
    Rounds,
    alone,
    fresh_prompts,
    interleave,
    ordinary_tokens,
)
from unicomp.engines import Benched, Engine, EngineSettings
from unicomp.errors import SpecError, UnicompError, UnmeasuredError
from unicomp.spec import Load, Probe
from unicomp.store import MEASUREMENTS, Store, content_key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

VERSION = 1
"""To be raised when something is measured differently than before; what is kept then counts no
more."""
PUBLISHED_TOKENS = 128
"""Of the forward pass whose operations the paper tells, without those of attention."""

Pair = AbstractContextManager[tuple[Engine, Engine]]
"""The dense checkpoint and another one, both loaded."""
Loaded = Callable[[], Pair]

_NEEDS_VLLM = (
    "measure it with --engine vllm (`make vllm` sets it up in a clone; elsewhere install vllm in "
    "an environment of its own, and put it on PATH)"
)


@dataclass
class Measurements:
    """The figures of a model's checkpoints, taken or found."""

    store: Store
    engine: EngineSettings
    effort: Effort = field(default_factory=Effort)
    fresh: bool = False
    """Whether timings are taken again, though they are in the store."""
    narrate: Callable[[str], None] = lambda text: None
    seconds: float = 0.0
    """What measuring has taken so far."""

    def __post_init__(self) -> None:
        self._rounds: dict[tuple[str, Load], Rounds | UnicompError] = {}

    @cached_property
    def machine(self) -> dict[str, Any]:
        """The fingerprint of this machine, as JSON values."""
        return machine_of(self.engine)

    def gain(
        self,
        probe: Probe,
        checkpoint: Checkpoint,
        dense: Checkpoint,
        loaded: Loaded,
        conduct: Conduct,
        unload: Callable[[], None] = lambda: None,
    ) -> Gain:
        """What a checkpoint gained over the dense one in a probe, unless it is one of building.

        `loaded` loads both where they have to be timed, and `conduct` runs the rounds then;
        `unload` makes room for vLLM's benchmark, which loads them itself. Raises EngineError, or
        UnmeasuredError where the engine does not have what is asked.
        """
        if probe.served and not self.engine.serves:
            raise UnmeasuredError(f"{probe} is a server's, and this engine is none: {_NEEDS_VLLM}")
        if probe.bench:
            return gain_of_bench(probe, *self._benched(probe, checkpoint, dense, unload))
        if probe.timed:
            assert probe.load is not None
            rounds = self._timed(checkpoint, dense, probe.load, loaded, conduct)
            return gain_of_rounds(probe, rounds, promised=_promised(probe, checkpoint, dense))
        pair = (checkpoint, dense)
        if probe.quantity == "model_size":
            sizes = [float(one.facts["bytes"]) for one in pair]
            return gain_of_figures(probe, *sizes, promised=_promised(probe, checkpoint, dense))
        assert probe.load is not None
        if probe.quantity == "inference_memory":
            mine, other = (self._footprint(one, probe.load) for one in pair)
            if self.engine.serves and self.engine.resolved_device() != "cpu":
                held, held_dense = self._served_weights(checkpoint, dense, loaded)
                mine, other = mine.with_weights(held), other.with_weights(held_dense)
            share = other.weights / other.peak
            promise = _promised(probe, checkpoint, dense, weights=share)
            resident = self.engine.resolved_device() == "cpu" and checkpoint.key != dense.key
            error = RESIDENT_ERROR if resident else 0.0
            gain = gain_of_figures(probe, mine.peak, other.peak, promised=promise, error=error)
            return replace(gain, details=_both(mine.as_details(), other.as_details()))
        counts = [self._flops(one, probe.load) for one in pair]
        promise = _promised(probe, checkpoint, dense)
        gain = gain_of_figures(probe, counts[0]["all"], counts[1]["all"], promised=promise)
        return replace(gain, details=_both(*({"linear_128": c["linear_128"]} for c in counts)))

    def _timed(
        self,
        checkpoint: Checkpoint,
        dense: Checkpoint,
        load: Load,
        loaded: Loaded,
        conduct: Conduct,
    ) -> Rounds:
        """Both checkpoints timed in turn at a load, which several probes may look at.

        A failure is remembered and raised again.
        """
        place = (checkpoint.key, load)
        if place not in self._rounds:
            try:
                self._rounds[place] = self._rounds_of(checkpoint, dense, load, loaded, conduct)
            except UnicompError as error:
                self._rounds[place] = error
        found = self._rounds[place]
        if isinstance(found, UnicompError):
            raise found
        return found

    def _rounds_of(
        self,
        checkpoint: Checkpoint,
        dense: Checkpoint,
        load: Load,
        loaded: Loaded,
        conduct: Conduct,
    ) -> Rounds:
        identity = {
            "rounds": asdict(load),
            "effort": asdict(self.effort),
            "checkpoints": [dense.key, checkpoint.key],
            "engine": self.engine.identity(checkpoint.model),
            "machine": self.machine,
        }
        values = self._kept(
            identity,
            lambda: self._take(checkpoint, dense, load, loaded, conduct).as_json(),
            fresh=self.fresh,
        )
        return Rounds.from_json(values)

    def _take(
        self,
        checkpoint: Checkpoint,
        dense: Checkpoint,
        load: Load,
        loaded: Loaded,
        conduct: Conduct,
    ) -> Rounds:
        shape = f"{load.concurrency} × {load.prompt_tokens}/{load.new_tokens} tokens"
        label = f"{checkpoint}: timing {shape}"

        def progress(done: int, rounds: int) -> None:
            self.narrate(f"{label}, round {done}/{rounds}")

        self.narrate(label)
        known = vocabulary_of(checkpoint)
        # a server may stay up for several checkpoints, and must not see the same prompts again
        seed = int(content_key({"checkpoint": checkpoint.key, "load": asdict(load)})[:8], 16)
        how: dict[str, Any] = {"seed": seed, "conduct": conduct, "progress": progress}
        with loaded() as (one, other), device.alone(lambda: self.narrate(f"{label}: waiting")):
            how["meter"] = machine_meter()
            if checkpoint.method == dense.method:
                return alone(one, load, known, self.effort, **how)
            return interleave(one, other, load, known, self.effort, **how)

    def _benched(
        self, probe: Probe, checkpoint: Checkpoint, dense: Checkpoint, unload: Callable[[], None]
    ) -> tuple[Benched, Benched]:
        """What vLLM's benchmark tells of a checkpoint, and of the dense one just before."""
        from unicomp.engines import bench

        if self.engine.name != "vllm":
            raise UnmeasuredError(f"{probe} is taken by vLLM's own benchmark: {_NEEDS_VLLM}")
        assert probe.load is not None
        load, quantity, effort = probe.load, probe.quantity, self.effort
        sides = [dense] if checkpoint.method == dense.method else [dense, checkpoint]
        for side in sides:
            bench.check(quantity, side.path)
        asked = bench.options(quantity, load, effort.warmup_rounds, effort.least_rounds)
        identity = {
            "vllm bench": [quantity, *asked],
            "checkpoints": [dense.key, checkpoint.key],
            "engine": self.engine.identity(checkpoint.model),
            "machine": self.machine,
        }

        def take() -> list[dict[str, Any]]:
            label = f"{checkpoint}: vllm bench {quantity}"
            unload()
            with device.alone(lambda: self.narrate(f"{label}: waiting")):
                found = []
                for side in sides:
                    self.narrate(f"{label} of {side.method}")
                    took = bench.run(quantity, side.path, side.model, self.engine, load, asked)
                    found.append(asdict(took))
            return found

        found = [
            Benched.from_json(values) for values in self._kept(identity, take, fresh=self.fresh)
        ]
        return found[-1], found[0]

    def _footprint(self, checkpoint: Checkpoint, load: Load) -> Footprint:
        """The memory that reading a prompt needs, in a process of its own.

        Random tokens stand in for WikiText: the peak is a matter of shapes, not of words.
        """
        identity = {
            "footprint": asdict(load),
            "checkpoint": checkpoint.key,
            "engine": self.engine.identity(checkpoint.model),
            "machine": self.machine,
        }

        def measure() -> dict[str, Any]:
            self.narrate(f"{checkpoint}: measuring the memory of {load.prompt_tokens} tokens")
            (prompt,) = fresh_prompts(load, vocabulary_of(checkpoint), seed=0, number=0)
            log = self.store.home / "logs" / f"{checkpoint}-memory.log"
            found = footprint(checkpoint.path, checkpoint.model, prompt, self.engine, log=log)
            return asdict(found)

        return Footprint(**self._kept(identity, measure))

    def _served_weights(
        self, checkpoint: Checkpoint, dense: Checkpoint, loaded: Loaded
    ) -> list[int | None]:
        """What the weights of both take in their servers: in the form in which they are served, and
        without what a server sets aside beforehand. None where a server does not tell.
        """
        identity = {
            "served weights": [checkpoint.key, dense.key],
            "engine": self.engine.identity(checkpoint.model),
        }

        def measure() -> list[int | None]:
            self.narrate(f"{checkpoint}: asking its server for its memory")
            with loaded() as (one, other):
                return [other.weights_bytes, one.weights_bytes]

        return self._kept(identity, measure)

    def _flops(self, checkpoint: Checkpoint, load: Load) -> dict[str, float]:
        """Floating-point operations of one forward pass: `all`, and `linear_128`, which the paper
        tells; 0 where the architecture is not known.
        """
        identity = {
            "flops": asdict(load),
            "checkpoint": checkpoint.key,
            "versions": {name: version(name) for name in ("torch", "transformers")},
        }

        def measure() -> dict[str, float]:
            self.narrate(f"{checkpoint}: counting the operations of {load.prompt_tokens} tokens")
            trust = checkpoint.model.trust_remote_code
            counted = flops.counted(checkpoint.path, load, trust_remote_code=trust)
            linear = _linear_flops(checkpoint, PUBLISHED_TOKENS)
            return {"all": float(counted), "linear_128": float(linear)}

        return self._kept(identity, measure)

    def _kept(
        self, identity: Mapping[str, Any], measure: Callable[[], T], *, fresh: bool = False
    ) -> T:
        key = content_key({**identity, "code": VERSION})
        known: T | None = None if fresh else self.store.recall(MEASUREMENTS, key)
        if known is not None:
            return known
        start = time.monotonic()
        found = measure()
        self.seconds += time.monotonic() - start
        self.store.remember(MEASUREMENTS, key, found)
        return found


def machine_of(engine: EngineSettings) -> dict[str, Any]:
    """The fingerprint of this machine as far as timings of an engine depend on it, as JSON values.

    A server's version is part of its identity.
    """
    libraries = () if engine.serves else ("torch", "transformers")
    versions = {name: version(name) for name in libraries}
    return machine.fingerprint(threads=engine.threads, versions=versions)


def _promised(
    probe: Probe, checkpoint: Checkpoint, dense: Checkpoint, weights: float = 1.0
) -> float | None:
    """The gain that the checkpoint's format promises in a probe, in percent; None for none."""
    this, other = (_linear_flops(one, 1) for one in (checkpoint, dense))
    return promises(
        checkpoint.method.claims,
        checkpoint.facts,
        dense.facts,
        flops=other / this if this and other else 1.0,
        weights=weights,
    ).get(probe.quantity)


def _linear_flops(checkpoint: Checkpoint, tokens: int) -> int:
    """Operations of the linear layers, or 0 where the architecture is not known."""
    try:
        return flops.linear_flops(read_config(checkpoint.path), tokens)
    except SpecError:
        return 0


def _both(mine: Mapping[str, float], dense: Mapping[str, float]) -> dict[str, float]:
    return {**mine, **{f"dense.{name}": value for name, value in dense.items()}}


def vocabulary_of(checkpoint: Checkpoint) -> NDArray[np.int64]:
    """The token ids that prompts can be made of, shape (tokens,). Raises EngineError."""
    from unicomp.engines.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(checkpoint.path, checkpoint.model).tokenizer
    size = min(len(tokenizer), read_config(checkpoint.path).get("vocab_size", len(tokenizer)))
    special: Sequence[int] = [token for token in tokenizer.all_special_ids if token < size]
    return ordinary_tokens(size, special)
