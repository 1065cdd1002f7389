"""One measuring session: checkpoints built, answers given and scores read, each at most once.

A checkpoint is measured in one go: whoever needs any of its benchmarks first answers all that the
session expects of it, so that it is loaded once, by one process, also when several work side by
side. The dense model is no exception: it is measured when the first retention asks for it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from unicomp.checkpoint import Builder, Checkpoint, Narrate
from unicomp.data.calibration import GENERIC, UNSEEN
from unicomp.data.model_folder import hub_id
from unicomp.efficiency.gain import Gain
from unicomp.efficiency.measurements import MeasurementCounter, Measurements
from unicomp.efficiency.rounds import Conduct, Effort, in_a_loop
from unicomp.engines import Engine
from unicomp.engines.pool import Pool
from unicomp.errors import SpecError, UnicompError, UnmeasuredError
from unicomp.findings.engines import crosscheck
from unicomp.responses import Answering
from unicomp.retention import Retention, retention
from unicomp.scorecard import Work
from unicomp.scores import CheckpointRecords, Conditions, Records, guarded, measure
from unicomp.spec import DENSE, OF_BUILDING, Benchmark, Calibration, Method, Model, Probe

K = TypeVar("K")
T = TypeVar("T")

Key = tuple[str, str, str]
"""(model, method, calibration) by name: a checkpoint of a session."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A method on a model with a calibration: what a test is about."""

    model: Model
    method: Method
    calibration: str = UNSEEN
    """The calibration's name, with its seed (`reasoning@43`) where that is not the default one;
    `none` where the method sees no text."""

    @property
    def key(self) -> Key:
        """What tells it from others in a session."""
        return (self.model.name, self.method.name, self.calibration)

    def __str__(self) -> str:
        seen = "" if self.calibration in (UNSEEN, GENERIC) else f" ({self.calibration})"
        return f"{self.model}/{self.method}{seen}"


class Session:
    """Builds, measures and compares; remembers results and failures alike."""

    def __init__(
        self,
        *,
        conditions: Mapping[str, Conditions],
        calibration: Callable[[Model, str], Calibration],
        expected: Mapping[Key, Sequence[Benchmark]],
        probed: Mapping[Key, Sequence[Probe]],
        subjects: Sequence[Subject] = (),
        roots: Sequence[Path],
        effort: Effort,
        fresh_timings: bool = False,
        narrate: Narrate = lambda text: None,
    ) -> None:
        """`conditions` are given by model name; `calibration` gives the text of that name for a
        model; `expected` and `probed` are the benchmarks and probes that the session will ask for,
        `subjects` those of which it will ask them; `roots` are where methods are looked up.
        """
        os.environ.setdefault("TQDM_DISABLE", "1")  # libraries' bars; read when tqdm is imported
        self._conditions = conditions
        self._calibration = calibration
        self._expected = expected
        self._roots = roots
        self._narrate = narrate
        self._asked: dict[str, Benchmark] = {}
        self._calibrations: dict[tuple[str, str], Calibration | UnicompError] = {}
        self._checkpoints: dict[Key, Checkpoint | UnicompError] = {}
        self._records: dict[Key, dict[str, Records | UnicompError]] = {}
        self._work: list[Work] = []
        self._probed = probed
        self._subjects = subjects
        self._pool = Pool()
        self._prepared: set[str] = set()
        self._measurements = {
            name: Measurements(known.store, known.engine, effort, fresh_timings, narrate)
            for name, known in conditions.items()
        }

    def close(self) -> None:
        """Unload whatever is loaded."""
        self._pool.close()

    def take_work(self) -> list[Work]:
        """The work done since this was last asked."""
        done, self._work = self._work, []
        return done

    def checkpoint(self, subject: Subject) -> Checkpoint:
        """The checkpoint, built or found. A failure is remembered and raised again."""
        return _once(self._checkpoints, subject.key, lambda: self._find_or_build(subject))

    def retention(self, subject: Subject, benchmark: Benchmark) -> Retention:
        """What the method kept of a benchmark. Raises what kept it from being measured."""
        model = subject.model
        self._check_known(model)
        if self._asked.setdefault(benchmark.name, benchmark) != benchmark:
            raise SpecError(f"two different benchmarks are named {benchmark.name!r}: rename one")
        compressed = self._measured(subject, benchmark)
        dense = self._measured(Subject(model=model, method=DENSE), benchmark)
        return retention(benchmark, compressed, dense)

    def gain(self, subject: Subject, probe: Probe, conduct: Conduct = in_a_loop) -> Gain:
        """What the method gained in a probe. Raises what kept it from being measured.

        `conduct` runs the rounds, if they are not in the store. Raises SpecError for a probe of
        building, in which nothing is gained.
        """
        self._check_known(subject.model)
        if probe.quantity in OF_BUILDING:
            raise SpecError(f"probe {probe}: the dense model is not built; ask for the cost of it")
        checkpoint = self.checkpoint(subject)
        dense = self.checkpoint(Subject(model=subject.model, method=DENSE))
        tokens = _longest(probe)

        @contextmanager
        def loaded() -> Iterator[tuple[Engine, Engine]]:
            with self._borrowed(dense, tokens) as one, self._borrowed(checkpoint, tokens) as other:
                yield one, other

        if self._measurements[subject.model.name].opens(probe):
            self._prepare(subject.model)
        with self._measuring(subject) as measurements:
            return measurements.gain(
                probe, checkpoint, dense, loaded, conduct, unload=self._pool.close
            )

    def cost(self, subject: Subject, probe: Probe) -> float:
        """What making the checkpoint took, in the unit of the probe.

        Raises UnmeasuredError where it was not made here, SpecError for any other probe.
        """
        self._check_known(subject.model)
        if probe.quantity not in OF_BUILDING:
            raise SpecError(
                f"probe {probe}: {probe.quantity} is no cost of building; ask for the gain"
            )
        facts = self.checkpoint(subject).facts
        on_accelerator = facts.get("peak_accelerator_bytes")
        memory = on_accelerator or facts.get("peak_rss_bytes")
        found = facts.get("seconds") if probe.quantity == "compression_time" else memory
        if found is None:
            raise UnmeasuredError(f"{subject.method} was not made here: what it took is not known")
        return float(found)

    def _borrowed(self, checkpoint: Checkpoint, tokens: int) -> AbstractContextManager[Engine]:
        """The checkpoint loaded for requests of `tokens`, and for what it will be measured with.

        One that will be measured stays loaded.
        """
        probes = self._opening(checkpoint.model)
        return self._pool.borrowed(
            checkpoint,
            self._conditions[checkpoint.model.name].engine,
            max([tokens, *map(_longest, probes)]),
            keep=bool(probes),
        )

    def _opening(self, model: Model) -> list[Probe]:
        """The probes of the session for which checkpoints of a model are loaded."""
        opens = self._measurements[model.name].opens
        return [
            probe for probe in self._probes_of(Subject(model=model, method=DENSE)) if opens(probe)
        ]

    def _prepare(self, model: Model) -> None:
        """Do what needs the memory for itself before a checkpoint of the model stays loaded.

        That is to build whatever will be compared, and to take the footprints. What it takes
        belongs to no loading, so it is called before one is timed.
        """
        if model.name in self._prepared or not self._opening(model):
            return
        self._prepared.add(model.name)
        for subject in (Subject(model=model, method=DENSE), *self._subjects):
            if subject.model.name == model.name:
                # its own tests will say so
                with suppress(UnicompError), self._measuring(subject) as measurements:
                    checkpoint = self.checkpoint(subject)
                    for probe in self._probes_of(subject):
                        if probe.quantity == "inference_memory" and probe.load:
                            measurements.footprint(checkpoint, probe.load)

    @contextmanager
    def _measuring(self, subject: Subject) -> Iterator[Measurements]:
        """Enter what is measured of a subject meanwhile, also where it fails."""
        measurements = self._measurements[subject.model.name]
        done = measurements.counter = MeasurementCounter()
        try:
            yield measurements
        finally:
            self._narrate("")
            if done.found or done.taken:
                self._work.append(
                    Work(
                        stage="measure",
                        subject=f"{subject.model}/{subject.method}",
                        calibration=subject.calibration,
                        cached=not done.taken,
                        seconds=done.seconds,
                    )
                )

    def _probes_of(self, subject: Subject) -> Sequence[Probe]:
        """What the session will measure of a checkpoint: of the dense one, whatever of any."""
        if subject.method.name != DENSE.name:
            return self._probed.get(subject.key, ())
        return [
            probe
            for (model, _, _), probes in self._probed.items()
            for probe in probes
            if model == subject.model.name
        ]

    def _check_known(self, model: Model) -> None:
        if model.name not in self._conditions:
            raise SpecError(f"the model {model} is not one of the session: give it with --model")

    def _find_or_build(self, subject: Subject) -> Checkpoint:
        model, method = subject.model, subject.method
        conditions = self._conditions[model.name]
        self._pool.close_others(model.name)  # a build needs the memory
        start = time.monotonic()
        builder = Builder(
            store=conditions.store,
            roots=self._roots,
            source=conditions.source,
            threads=conditions.engine.threads,
        )
        calibration = self._calibration_for(subject) if method.compress else None
        checkpoint = builder.build(model, method, calibration, self._narrate)
        self._narrate("")
        if method.name != DENSE.name:
            seconds = time.monotonic() - start
            self._work.append(
                Work(
                    stage="build",
                    subject=f"{model}/{method}",
                    calibration=subject.calibration,
                    cached=not checkpoint.fresh,
                    seconds=seconds,
                    facts=_cost_facts(checkpoint),
                )
            )
        return checkpoint

    def _calibration_for(self, subject: Subject) -> Calibration:
        """The calibration, read once: asking the hub in vain takes long."""
        return _once(
            self._calibrations,
            (subject.model.name, subject.calibration),
            lambda: self._calibration(subject.model, subject.calibration),
        )

    def _measured(self, subject: Subject, benchmark: Benchmark) -> Records:
        known = self._records.setdefault(subject.key, {})
        if benchmark.name not in known:
            wanted = {bench.name: bench for bench in (*self._expected_of(subject), benchmark)}
            todo = [bench for name, bench in wanted.items() if name not in known]
            known.update(self._measure(subject, todo).records)
        found = known[benchmark.name]
        if isinstance(found, UnicompError):
            raise found
        benign = known.get(benchmark.benign or "")
        return guarded(benchmark, found, benign if isinstance(benign, Records) else None)

    def _expected_of(self, subject: Subject) -> Sequence[Benchmark]:
        """What the session will ask of a checkpoint: of the dense one, whatever it asks of any."""
        if subject.method.name != DENSE.name:
            return self._expected.get(subject.key, ())
        return [
            bench
            for (model, _, _), benchmarks in self._expected.items()
            if model == subject.model.name
            for bench in benchmarks
        ]

    def _measure(self, subject: Subject, benchmarks: Sequence[Benchmark]) -> CheckpointRecords:
        checkpoint = self.checkpoint(subject)
        self._prepare(subject.model)
        self._narrate(f"{subject}: looking for responses")

        def on_progress(state: Answering) -> None:
            self._narrate(f"{subject}: answering {state.benchmark} {state.done}/{state.total}")

        measured = measure(
            checkpoint,
            benchmarks,
            self._conditions[subject.model.name],
            open_for=lambda tokens: self._borrowed(checkpoint, tokens),
            on_progress=on_progress,
            on_wait=lambda: self._narrate(f"{subject}: waiting for another process"),
        )
        self._narrate("")
        self._work.append(
            Work(
                stage="answer",
                subject=f"{subject.model}/{subject.method}",
                calibration=subject.calibration,
                cached=measured.asked == 0,
                seconds=measured.seconds,
                items=measured.asked,
                facts=self._crosschecks(subject, checkpoint, benchmarks),
            )
        )
        return measured

    def _crosschecks(
        self, subject: Subject, checkpoint: Checkpoint, benchmarks: Sequence[Benchmark]
    ) -> dict[str, Any]:
        """How far a server's scores are from the other engine's, where the store has those."""
        conditions = self._conditions[subject.model.name]
        if not conditions.engine.serves:
            return {}
        found = crosscheck(checkpoint, benchmarks, conditions)
        return {"crosschecks": [asdict(one) for one in found]} if found else {}


def _longest(probe: Probe) -> int:
    """Tokens of each of a probe's requests, those to be generated included."""
    return probe.load.prompt_tokens + probe.load.new_tokens if probe.load else 0


_COST_FACTS = (
    *("seconds", "peak_rss_bytes", "peak_accelerator_bytes", "device", "threads"),
    *("estimate", "published", "base"),
)


def _cost_facts(checkpoint: Checkpoint) -> dict[str, Any]:
    known = {name: checkpoint.facts[name] for name in _COST_FACTS if name in checkpoint.facts}
    if known.get("base") not in (None, hub_id(checkpoint.model)):
        known["judged_against"] = checkpoint.model.name
    return known


def _once(memory: dict[K, T | UnicompError], key: K, make: Callable[[], T]) -> T:
    """What `make` gave or raised the first time, for each key."""
    if key not in memory:
        try:
            memory[key] = make()
        except UnicompError as error:
            memory[key] = error
    found = memory[key]
    if isinstance(found, UnicompError):
        raise found
    return found
