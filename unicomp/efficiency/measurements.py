"""Efficiency figures of checkpoints, each measured once and kept in the store.

Timings are kept for the machine, the two checkpoints, the engine and the effort; timings of one
machine are therefore never compared with those of another. Other figures are kept for the
checkpoint and for what computed them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from unicomp.checkpoint import Checkpoint
from unicomp.data.model_folder import read_config
from unicomp.efficiency.energy import UNMETERED, Meter, device_meter
from unicomp.efficiency.expected_gain import expected_gains
from unicomp.efficiency.fingerprint import fingerprint_of, library_versions
from unicomp.efficiency.flops import counted_flops, linear_flops
from unicomp.efficiency.gain import Gain, gain_of_bench, gain_of_figures, gain_of_rounds, of_both
from unicomp.efficiency.memory import RESIDENT_ERROR, Footprint, footprint
from unicomp.efficiency.random_prompts import fresh_prompts, vocabulary_of
from unicomp.efficiency.rounds import Conduct, Effort, Rounds, interleave
from unicomp.engines import Benched, Engine, EngineSettings
from unicomp.engines.placement import Seat, served_bytes
from unicomp.errors import SpecError, UnicompError, UnmeasuredError
from unicomp.machine import turns
from unicomp.machine.waiting import Say, Wait, silent, waiting
from unicomp.spec import Load, Probe
from unicomp.store import MEASUREMENTS, Store, content_key

T = TypeVar("T")

VERSION = 2
"""Raise it when something is measured differently than before: stored figures then expire."""
PAPER_PROMPT_TOKENS = 128
"""Tokens of the forward pass whose FLOPs the paper reports, attention left out."""
SIZE_ERROR = 0.001
"""How far the sizes of two files of equal weights may differ, as a share: by their headers."""

LoadOne = Callable[[Checkpoint], AbstractContextManager[Engine]]
"""Loads a checkpoint."""

CountRounds = Callable[[str, int, int], None]
"""Takes the shape of a load, the rounds that were timed, and the rounds in all."""

_NEEDS_VLLM = (
    "measure it with --engine vllm (`make vllm` sets it up in a clone; elsewhere install vllm in "
    "an environment of its own, and put it on PATH)"
)


@dataclass
class MeasurementCounter:
    """The effort of measuring."""

    found: int = 0
    """Figures that were in the store."""
    taken: int = 0
    """Figures that were not in the store, including those that failed."""
    seconds: float = 0.0
    """Time of measuring alone, without waiting for the device, loading and builds."""


@dataclass(frozen=True)
class _Comparison:
    """A checkpoint and the dense one, with the means to run both."""

    checkpoint: Checkpoint
    dense: Checkpoint
    load: LoadOne
    conduct: Conduct
    unload: Callable[[], None]
    count: CountRounds

    @property
    def sides(self) -> list[Checkpoint]:
        """The dense checkpoint and another one, such as its copy; or the dense one alone."""
        return [self.dense] if self.checkpoint.is_dense else [self.dense, self.checkpoint]

    @property
    def keys(self) -> list[str]:
        """The content keys of the sides."""
        return [side.key for side in self.sides]

    def expected_gain(self, probe: Probe, weights: float = 1.0) -> float | None:
        """The expected gain in percent, or None; `weights` is the weights' share of the memory."""
        this, other = (_linear_flops(one, 1) for one in (self.checkpoint, self.dense))
        return expected_gains(
            self.checkpoint.method.guarantees,
            self.checkpoint.facts,
            self.dense.facts,
            flops=other / this if this and other else 1.0,
            weights=weights,
        ).get(probe.quantity)


@dataclass
class Measurements:
    """Measures checkpoints of one model, or finds their figures in the store."""

    store: Store
    engine: EngineSettings
    effort: Effort = field(default_factory=Effort)
    fresh: bool = False
    """Whether timings in the store are taken again."""
    narrate: Callable[[str], None] = lambda text: None
    on_wait: Say = silent
    counter: MeasurementCounter = field(default_factory=MeasurementCounter)

    def __post_init__(self) -> None:
        self._known: dict[str, Any] = {}

    @property
    def figures(self) -> dict[str, Any]:
        """Key in the store → each figure that was found or taken, without failures."""
        return {
            key: value for key, value in self._known.items() if not isinstance(value, UnicompError)
        }

    @cached_property
    def machine(self) -> dict[str, Any]:
        """The fingerprint of this machine, as JSON values."""
        return fingerprint_of(self.engine)

    @property
    def _server_reports_weights(self) -> bool:
        """Whether a server reports the memory of its weights; on CPU it does not."""
        return self.engine.serves and self.engine.resolved_device() != "cpu"

    def opens(self, probe: Probe) -> bool:
        """Whether checkpoints have to be loaded into the engine to measure a probe."""
        return probe.is_timed_by(serves=self.engine.serves) or (
            probe.quantity == "inference_memory" and self._server_reports_weights
        )

    # -- gains --------------------------------------------------------------------------------

    def gain(
        self,
        probe: Probe,
        checkpoint: Checkpoint,
        dense: Checkpoint,
        load_one: LoadOne,
        conduct: Conduct,
        unload: Callable[[], None] = lambda: None,
        count: CountRounds = lambda load, done, rounds: None,
    ) -> Gain:
        """Measure the gain of a checkpoint over the dense one; the probe is not one of building.

        `load_one` loads one of them, and `conduct` runs the rounds. `unload` makes room for
        vLLM's benchmark, which loads them itself. `count` takes the rounds that were timed. Raises
        EngineError, or UnmeasuredError where the engine does not have what is asked.
        """
        if probe.served and not self.engine.serves:
            raise UnmeasuredError(f"{probe} is measured at a server only: {_NEEDS_VLLM}")
        both = _Comparison(checkpoint, dense, load_one, conduct, unload, count)
        if probe.quantity == "model_size":
            return gain_of_figures(
                probe,
                *(float(one.facts["bytes"]) for one in (checkpoint, dense)),
                error=0.0 if checkpoint.is_dense else SIZE_ERROR,
                expected_gain=both.expected_gain(probe),
            )
        assert probe.load is not None
        if probe.bench:
            return gain_of_bench(probe, *self._benched(both, probe, probe.load))
        if probe.timed:
            rounds = Rounds.from_json(self._rounds(both, probe.load))
            return gain_of_rounds(probe, rounds, expected_gain=both.expected_gain(probe))
        if probe.quantity == "inference_memory":
            return self._memory_gain(both, probe, probe.load)
        counts, dense_counts = (self._flops(one, probe.load) for one in (checkpoint, dense))
        return gain_of_figures(
            probe,
            counts.pop("all"),
            dense_counts.pop("all"),
            details=of_both(counts, dense_counts),
            expected_gain=both.expected_gain(probe),
        )

    def _memory_gain(self, both: _Comparison, probe: Probe, load: Load) -> Gain:
        mine, dense = (self.footprint(one, load) for one in (both.checkpoint, both.dense))
        if self._server_reports_weights:
            served, served_dense = self._served_weights(both)
            mine, dense = mine.with_weights(served), dense.with_weights(served_dense)
        on_cpu = self.engine.resolved_device() == "cpu"
        return gain_of_figures(
            probe,
            mine.peak,
            dense.peak,
            error=RESIDENT_ERROR if on_cpu and not both.checkpoint.is_dense else 0.0,
            own_error=RESIDENT_ERROR if on_cpu else 0.0,
            details=of_both(mine.as_details(), dense.as_details()),
            expected_gain=both.expected_gain(probe, weights=dense.weights / dense.peak),
        )

    # -- figures ------------------------------------------------------------------------------

    def _rounds(self, both: _Comparison, load: Load) -> dict[str, Any]:
        """Both checkpoints timed in turn at a load, which several probes may share."""
        label = f"{both.checkpoint}: timing {load.shape}"
        apart = self._apart(both)

        def note_round(done: int, rounds: int) -> None:
            self.narrate(f"{label}, {done} of {rounds} rounds")
            both.count(load.shape, done, rounds)

        def measure() -> dict[str, Any]:
            self.narrate(label)
            both.count(load.shape, 0, self.effort.least_rounds)
            vocabulary = vocabulary_of(both.checkpoint, both.dense)
            # a server may stay up for several checkpoints, and must not see the same prompts again
            seed = content_key({"checkpoints": both.keys, "load": asdict(load)})
            with (
                both.load(both.dense) as dense,
                both.load(both.checkpoint) as compressed,
                self._device(turns.alone, label),
            ):
                return interleave(
                    None if both.checkpoint.is_dense else dense,
                    compressed,
                    load,
                    vocabulary,
                    self.effort,
                    seed=int(seed[:8], 16),
                    conduct=both.conduct,
                    meter=UNMETERED if apart else self._meter(),
                    on_round=note_round,
                ).as_json()

        identity: dict[str, Any] = {"rounds": asdict(load), "effort": asdict(self.effort)}
        identity |= {"apart": True} if apart else {}
        kept = self._kept(identity | self._timed_on(both), measure, fresh=self.fresh)
        both.count(load.shape, len(kept["dense"]), len(kept["dense"]))
        return kept

    def _benched(self, both: _Comparison, probe: Probe, load: Load) -> tuple[Benched, Benched]:
        """Figures of vLLM's own benchmark: of the checkpoint, and of the dense one before it."""
        from unicomp.engines import bench

        if self.engine.name != "vllm":
            raise UnmeasuredError(f"{probe} is measured by vLLM's own benchmark: {_NEEDS_VLLM}")
        quantity = probe.quantity
        for side in both.sides:
            bench.check(quantity, side.path)
        options = bench.options(quantity, load, self.effort.warmup_rounds, self.effort.least_rounds)
        label = f"{both.checkpoint}: vllm bench {quantity}"

        def run(side: Checkpoint) -> dict[str, Any]:
            self.narrate(f"{label} of {side.method}")
            return asdict(bench.run(quantity, side.path, side.model, self.engine, load, options))

        def measure() -> list[dict[str, Any]]:
            both.unload()
            with self._device(turns.alone, label):
                return [run(side) for side in both.sides]

        identity = {"vllm bench": [quantity, *options]}
        kept = self._kept(identity | self._timed_on(both), measure, fresh=self.fresh)
        benched = [Benched.from_json(values) for values in kept]
        return benched[-1], benched[0]

    def seated(self, checkpoint: Checkpoint, *, alone: bool) -> EngineSettings:
        """The settings to load a checkpoint with: on its GPUs, with its share of their memory.

        `alone` if no other one will be loaded meanwhile. One that has no room beside the dense
        checkpoint is loaded alone, too.
        """
        placement = self.engine.placement
        if placement is None or checkpoint.endpoint is not None:
            return self.engine
        seat = placement.alone
        if not alone:
            with suppress(UnmeasuredError):
                seat = self._seat_beside(checkpoint) or placement.first
        return self.engine.seated(seat)

    def _seat_beside(self, checkpoint: Checkpoint) -> Seat | None:
        """The seat of a checkpoint beside the dense one; None if it is that, or needs no seat.

        Raises UnmeasuredError if there is none.
        """
        placement = self.engine.placement
        if placement is None or checkpoint.is_dense:
            return None
        weights = served_bytes(checkpoint.path, self.engine.dtype(checkpoint.model))
        if not self.engine.serves and read_config(checkpoint.path).get("quantization_config"):
            weights = placement.largest.weights  # transformers unpacks them
        return placement.second(weights)

    def _apart(self, both: _Comparison) -> bool:
        """Whether the two are loaded on GPUs of their own. Raises UnmeasuredError for no room."""
        seat = self._seat_beside(both.checkpoint)
        placement = self.engine.placement
        return seat is not None and placement is not None and seat.gpus != placement.first.gpus

    def _meter(self) -> Meter:
        """The meter of the device; of GPUs that two checkpoints share, it counts both alike."""
        placement = self.engine.placement
        device = self.engine.resolved_device()
        return device_meter(device, gpus=placement.size if placement is not None else 1)

    def _timed_on(self, both: _Comparison) -> dict[str, Any]:
        """The part of the identity that all timings share."""
        return {
            "checkpoints": both.keys,
            "engine": self.engine.timing_identity(both.checkpoint.model),
            "machine": self.machine,
        }

    def footprint(self, checkpoint: Checkpoint, load: Load) -> Footprint:
        """The memory that reading a prompt of random tokens needs, in a process of its own.

        The paper reads WikiText; the peak depends on shapes only, not on words. Transformers makes
        the pass, for every engine. Raises EngineError.
        """
        label = f"{checkpoint}: measuring the memory of {load.prompt_tokens} tokens"

        def measure() -> dict[str, Any]:
            self.narrate(label)
            (prompt,) = fresh_prompts(load, vocabulary_of(checkpoint), seed=0, number=0)
            log = self.store.home / "logs" / f"{checkpoint}-{checkpoint.key}-memory.log"
            with self._device(turns.shared, label):
                found = footprint(checkpoint.path, checkpoint.model, prompt, self.engine, log=log)
            return asdict(found)

        identity = {
            "footprint": asdict(load),
            "checkpoint": checkpoint.key,
            "dtype": self.engine.dtype(checkpoint.model),
            "machine": self.machine,
            "versions": library_versions(),
            **({"gpus": self.engine.split} if self.engine.split > 1 else {}),
        }
        return Footprint(**self._kept(identity, measure))

    def _served_weights(self, both: _Comparison) -> list[int | None]:
        """Memory of the weights in the servers of both, without what a server sets aside.

        Weights are in the form in which they are served; None where a server does not report it.
        """

        def measure() -> list[int | None]:
            self.narrate(f"{both.checkpoint}: asking its server for its memory")
            with both.load(both.dense) as engine:
                dense = engine.weights_bytes
            with both.load(both.checkpoint) as engine:
                return [engine.weights_bytes, dense]

        identity = {
            "served weights": [both.checkpoint.key, both.dense.key],
            "engine": self.engine.timing_identity(both.checkpoint.model),
            "machine": self.machine,
        }
        return self._kept(identity, measure)

    def _flops(self, checkpoint: Checkpoint, load: Load) -> dict[str, float]:
        """FLOPs of one forward pass: `all`, and `linear_128`, which the paper reports.

        The latter is 0 for an unknown architecture.
        """

        def measure() -> dict[str, float]:
            self.narrate(f"{checkpoint}: counting the operations of {load.prompt_tokens} tokens")
            trust = checkpoint.model.trust_remote_code
            with self._clocked():
                counted = counted_flops(checkpoint.path, load, trust_remote_code=trust)
            linear = _linear_flops(checkpoint, PAPER_PROMPT_TOKENS)
            return {"all": float(counted), "linear_128": float(linear)}

        identity = {
            "flops": asdict(load),
            "checkpoint": checkpoint.key,
            "versions": library_versions(),
        }
        return dict(self._kept(identity, measure))

    # -- how figures are kept -----------------------------------------------------------------

    def _kept(
        self, identity: Mapping[str, Any], measure: Callable[[], T], *, fresh: bool = False
    ) -> T:
        """The figure of this identity, found or measured once; `fresh` skips the store.

        A failure is remembered and raised again.
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
    def _device(
        self, turn: Callable[[Wait], AbstractContextManager[None]], label: str
    ) -> Iterator[None]:
        """Wait for the device; count the seconds from then on."""
        with turn(waiting(self.on_wait, "leave the device", label)), self._clocked():
            yield

    @contextmanager
    def _clocked(self) -> Iterator[None]:
        """Count the seconds, also where measuring fails."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.counter.seconds += time.monotonic() - start


def _linear_flops(checkpoint: Checkpoint, tokens: int) -> int:
    """FLOPs of the linear layers, or 0 for an unknown architecture."""
    try:
        return linear_flops(read_config(checkpoint.path), tokens)
    except SpecError:
        return 0
