"""What was measured of checkpoints, once, and kept by all that decides it.

Timings are kept for the machine that they were taken on, the two checkpoints, the engine and the
effort, so those of one machine are never compared with those of another; the other figures for the
checkpoint and what computed them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

from unicomp.checkpoint import Checkpoint
from unicomp.data.model_folder import read_config
from unicomp.efficiency import fingerprint, flops
from unicomp.efficiency.energy import device_meter
from unicomp.efficiency.expected_gain import expected_gains
from unicomp.efficiency.gain import Gain, gain_of_bench, gain_of_figures, gain_of_rounds
from unicomp.efficiency.memory import RESIDENT_ERROR, Footprint, footprint
from unicomp.efficiency.rounds import (
    Conduct,
    Effort,
    Rounds,
    fresh_prompts,
    interleave,
    ordinary_tokens,
)
from unicomp.engines import Benched, Engine, EngineSettings
from unicomp.errors import SpecError, UnicompError, UnmeasuredError
from unicomp.machine import turns
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
LIBRARIES = ("torch", "transformers", "compressed-tensors")
"""What computes in our own processes; the last one decides how packed weights are."""
SIZE_ERROR = 0.001
"""How far the sizes of two files of the same weights may be apart, as a share: by their headers."""

Pair = AbstractContextManager[tuple[Engine, Engine]]
"""The dense checkpoint and another one, both loaded."""
Loaded = Callable[[], Pair]

_NEEDS_VLLM = (
    "measure it with --engine vllm (`make vllm` sets it up in a clone; elsewhere install vllm in "
    "an environment of its own, and put it on PATH)"
)


@dataclass
class MeasurementCounter:
    """What was done to measure something."""

    found: int = 0
    """Figures that were in the store."""
    taken: int = 0
    """Figures that were not, those that could not be taken included."""
    seconds: float = 0.0
    """Of measuring alone: no waiting for the device, no loading and no builds."""


@dataclass
class Measurements:
    """The figures of a model's checkpoints, taken or found."""

    store: Store
    engine: EngineSettings
    effort: Effort = field(default_factory=Effort)
    fresh: bool = False
    """Whether timings are taken again, though they are in the store."""
    narrate: Callable[[str], None] = lambda text: None
    counter: MeasurementCounter = field(default_factory=MeasurementCounter)

    def __post_init__(self) -> None:
        self._known: dict[str, Any] = {}

    @cached_property
    def machine(self) -> dict[str, Any]:
        """The fingerprint of this machine, as JSON values."""
        return machine_of(self.engine)

    @property
    def _weighs_served(self) -> bool:
        """Whether weights take the memory that a server says: on CPU it does not say any."""
        return self.engine.serves and self.engine.resolved_device() != "cpu"

    def opens(self, probe: Probe) -> bool:
        """Whether checkpoints have to be loaded into the engine to measure a probe."""
        if probe.bench or (probe.served and not self.engine.serves):
            return False
        return probe.timed or (probe.quantity == "inference_memory" and self._weighs_served)

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
            return gain_of_rounds(
                probe, rounds, expected_gain=_expected_gain(probe, checkpoint, dense)
            )
        pair = (checkpoint, dense)
        if probe.quantity == "model_size":
            sizes = [float(one.facts["bytes"]) for one in pair]
            expected_gain = _expected_gain(probe, checkpoint, dense)
            error = 0.0 if checkpoint.is_dense else SIZE_ERROR
            return gain_of_figures(probe, *sizes, expected_gain=expected_gain, error=error)
        assert probe.load is not None
        if probe.quantity == "inference_memory":
            mine, other = (self.footprint(one, probe.load) for one in pair)
            if self._weighs_served:
                held, held_dense = self._served_weights(checkpoint, dense, loaded)
                mine, other = mine.with_weights(held), other.with_weights(held_dense)
            share = other.weights / other.peak
            expected_gain = _expected_gain(probe, checkpoint, dense, weights=share)
            resident = self.engine.resolved_device() == "cpu" and not checkpoint.is_dense
            error = RESIDENT_ERROR if resident else 0.0
            gain = gain_of_figures(
                probe, mine.peak, other.peak, expected_gain=expected_gain, error=error
            )
            return replace(gain, details=_both(mine.as_details(), other.as_details()))
        counts = [self._flops(one, probe.load) for one in pair]
        expected_gain = _expected_gain(probe, checkpoint, dense)
        gain = gain_of_figures(
            probe, counts[0]["all"], counts[1]["all"], expected_gain=expected_gain
        )
        return replace(gain, details=_both(*({"linear_128": c["linear_128"]} for c in counts)))

    def _timed(
        self,
        checkpoint: Checkpoint,
        dense: Checkpoint,
        load: Load,
        loaded: Loaded,
        conduct: Conduct,
    ) -> Rounds:
        """Both checkpoints timed in turn at a load, which several probes may look at."""
        identity = {
            "rounds": asdict(load),
            "effort": asdict(self.effort),
            "checkpoints": _sides(checkpoint, dense),
            "engine": self.engine.timing_identity(checkpoint.model),
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
        known = vocabulary_of(checkpoint, dense)
        # a server may stay up for several checkpoints, and must not see the same prompts again
        seed = content_key({"checkpoints": _sides(checkpoint, dense), "load": asdict(load)})
        with (
            loaded() as (one, other),
            turns.alone(lambda: self.narrate(f"{label}: waiting")),
            self._clocked(),
        ):
            return interleave(
                None if checkpoint.is_dense else one,
                other,
                load,
                known,
                self.effort,
                seed=int(seed[:8], 16),
                conduct=conduct,
                meter=device_meter(self.engine.resolved_device()),
                progress=progress,
            )

    def _benched(
        self, probe: Probe, checkpoint: Checkpoint, dense: Checkpoint, unload: Callable[[], None]
    ) -> tuple[Benched, Benched]:
        """What vLLM's benchmark tells of a checkpoint, and of the dense one just before."""
        from unicomp.engines import bench

        if self.engine.name != "vllm":
            raise UnmeasuredError(f"{probe} is taken by vLLM's own benchmark: {_NEEDS_VLLM}")
        assert probe.load is not None
        load, quantity, effort = probe.load, probe.quantity, self.effort
        sides = [dense] if checkpoint.is_dense else [dense, checkpoint]
        for side in sides:
            bench.check(quantity, side.path)
        asked = bench.options(quantity, load, effort.warmup_rounds, effort.least_rounds)
        identity = {
            "vllm bench": [quantity, *asked],
            "checkpoints": _sides(checkpoint, dense),
            "engine": self.engine.timing_identity(checkpoint.model),
            "machine": self.machine,
        }

        def take() -> list[dict[str, Any]]:
            label = f"{checkpoint}: vllm bench {quantity}"
            unload()
            with turns.alone(lambda: self.narrate(f"{label}: waiting")), self._clocked():
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

    def footprint(self, checkpoint: Checkpoint, load: Load) -> Footprint:
        """The memory that reading a prompt needs, in a process of its own.

        Random tokens stand in for WikiText: the peak is a matter of shapes, not of words. Whichever
        the engine is, transformers makes the pass. Raises EngineError.
        """
        identity = {
            "footprint": asdict(load),
            "checkpoint": checkpoint.key,
            "dtype": self.engine.dtype(checkpoint.model),
            "machine": self.machine,
            "versions": versions_of(LIBRARIES),
        }

        def measure() -> dict[str, Any]:
            label = f"{checkpoint}: measuring the memory of {load.prompt_tokens} tokens"
            self.narrate(label)
            (prompt,) = fresh_prompts(load, vocabulary_of(checkpoint), seed=0, number=0)
            log = self.store.home / "logs" / f"{checkpoint}-{checkpoint.key}-memory.log"
            with turns.shared(lambda: self.narrate(f"{label}: waiting")), self._clocked():
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
            "engine": self.engine.timing_identity(checkpoint.model),
            "machine": self.machine,
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
            "versions": versions_of(LIBRARIES),
        }

        def measure() -> dict[str, float]:
            self.narrate(f"{checkpoint}: counting the operations of {load.prompt_tokens} tokens")
            trust = checkpoint.model.trust_remote_code
            with self._clocked():
                counted = flops.counted(checkpoint.path, load, trust_remote_code=trust)
            linear = _linear_flops(checkpoint, PUBLISHED_TOKENS)
            return {"all": float(counted), "linear_128": float(linear)}

        return self._kept(identity, measure)

    def _kept(
        self, identity: Mapping[str, Any], measure: Callable[[], T], *, fresh: bool = False
    ) -> T:
        """What `measure` gives, from the store unless it is to be `fresh`.

        It is looked up or taken once; a failure is remembered and raised again.
        """
        key = content_key({**identity, "code": VERSION})
        if key not in self._known:
            try:
                self._known[key] = self._found_or_taken(key, measure, fresh)
            except UnicompError as error:
                self._known[key] = error
        known: T | UnicompError = self._known[key]
        if isinstance(known, UnicompError):
            raise known
        return known

    def _found_or_taken(self, key: str, measure: Callable[[], T], fresh: bool) -> T:
        known: T | None = None if fresh else self.store.recall(MEASUREMENTS, key)
        if known is not None:
            self.counter.found += 1
            return known
        self.counter.taken += 1
        taken = measure()
        self.store.remember(MEASUREMENTS, key, taken)
        return taken

    @contextmanager
    def _clocked(self) -> Iterator[None]:
        """Tally the seconds, also where it fails."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.counter.seconds += time.monotonic() - start


def machine_of(engine: EngineSettings) -> dict[str, Any]:
    """The fingerprint of this machine as far as timings of an engine depend on it, as JSON values.

    A server's version is part of its identity.
    """
    return fingerprint.fingerprint(
        device=engine.resolved_device(),
        threads=engine.threads,
        versions={} if engine.serves else versions_of(LIBRARIES),
    )


def versions_of(libraries: Sequence[str]) -> dict[str, str]:
    """The versions of installed packages, by name."""
    return {name: version(name) for name in libraries}


def _sides(checkpoint: Checkpoint, dense: Checkpoint) -> list[str]:
    """What the rounds of a checkpoint compare: the dense one is measured alone, its copy is not."""
    return [dense.key] if checkpoint.is_dense else [dense.key, checkpoint.key]


def _expected_gain(
    probe: Probe, checkpoint: Checkpoint, dense: Checkpoint, weights: float = 1.0
) -> float | None:
    """The gain that the checkpoint's format promises in a probe, in percent; None for none."""
    this, other = (_linear_flops(one, 1) for one in (checkpoint, dense))
    return expected_gains(
        checkpoint.method.guarantees,
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


def vocabulary_of(*checkpoints: Checkpoint) -> NDArray[np.int64]:
    """The token ids that prompts for all of them can be made of, shape (tokens,).

    Raises EngineError.
    """
    from unicomp.engines.tokenizer import load_tokenizer

    sizes: list[int] = []
    special: set[int] = set()
    for checkpoint in checkpoints:
        tokenizer = load_tokenizer(checkpoint.path, checkpoint.model).tokenizer
        sizes += [len(tokenizer), read_config(checkpoint.path).get("vocab_size", len(tokenizer))]
        special.update(tokenizer.all_special_ids)
    size = min(sizes)
    return ordinary_tokens(size, [token for token in special if token < size])
