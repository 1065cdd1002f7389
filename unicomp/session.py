"""One measuring session: checkpoints built, answers given and scores read, each at most once.

A checkpoint is measured in one go: whoever needs any of its benchmarks first answers all that the
session expects of it, so that it is loaded once, by one process, also when several work side by
side. The dense model is no exception: it is measured when the first retention asks for it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from unicomp.checkpoint import Checkpoint, build
from unicomp.errors import SpecError, UnicompError
from unicomp.responses import Answering
from unicomp.retention import Retention, retention
from unicomp.scores import Conditions, Measured, Records, measure
from unicomp.spec import DENSE, Benchmark, Calibration, Method, Model

K = TypeVar("K")
T = TypeVar("T")

Narrate = Callable[[str], None]
"""Is told what is being done, for a progress display."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """One piece of expensive work, done now or found in the store."""

    stage: Literal["build", "answer"]
    subject: str
    cached: bool
    seconds: float = 0.0
    items: int = 0


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A method on a model with a calibration: what a test is about."""

    model: Model
    method: Method
    calibration: str
    """The calibration's name; `none` where the method sees no text."""

    def __str__(self) -> str:
        return f"{self.model}/{self.method}"


class Session:
    """Builds, measures and compares; remembers results and failures alike."""

    def __init__(
        self,
        *,
        conditions: Mapping[str, Conditions],
        calibration: Callable[[Model], Calibration],
        expected: Mapping[tuple[str, str], Sequence[Benchmark]],
        roots: Sequence[Path],
        narrate: Narrate = lambda text: None,
    ) -> None:
        """`conditions` are given by model name; `expected` are the benchmarks that the session
        will ask for, by (model, method); `roots` are where methods are looked up.
        """
        os.environ.setdefault("TQDM_DISABLE", "1")  # libraries' bars; read when tqdm is imported
        self._conditions = conditions
        self._calibration = calibration
        self._expected = expected
        self._roots = roots
        self._narrate = narrate
        self._asked: dict[str, Benchmark] = {}
        self._calibrations: dict[str, Calibration | UnicompError] = {}
        self._checkpoints: dict[tuple[str, str], Checkpoint | UnicompError] = {}
        self._records: dict[tuple[str, str], dict[str, Records | UnicompError]] = {}
        self._work: list[Work] = []

    def take_work(self) -> list[Work]:
        """The work done since this was last asked."""
        done, self._work = self._work, []
        return done

    def checkpoint(self, model: Model, method: Method) -> Checkpoint:
        """The checkpoint, built or found. A failure is remembered and raised again."""
        return _once(
            self._checkpoints,
            (model.name, method.name),
            lambda: self._find_or_build(model, method),
        )

    def retention(self, model: Model, method: Method, benchmark: Benchmark) -> Retention:
        """What the method kept of a benchmark. Raises what kept it from being measured."""
        if model.name not in self._conditions:
            raise SpecError(f"the model {model} is not one of the session: give it with --model")
        if self._asked.setdefault(benchmark.name, benchmark) != benchmark:
            raise SpecError(f"two different benchmarks are named {benchmark.name!r}: rename one")
        compressed = self._measured(model, method, benchmark)
        return retention(benchmark, compressed, self._measured(model, DENSE, benchmark))

    def _find_or_build(self, model: Model, method: Method) -> Checkpoint:
        conditions = self._conditions[model.name]
        start = time.monotonic()
        checkpoint = build(
            model,
            method,
            self._calibration_for(model) if method.compress else None,
            store=conditions.store,
            roots=self._roots,
            progress=self._narrate,
            threads=conditions.engine.threads,
        )
        self._narrate("")
        if method is not DENSE:
            seconds = time.monotonic() - start
            self._work.append(
                Work(
                    stage="build",
                    subject=f"{model}/{method}",
                    cached=not checkpoint.fresh,
                    seconds=seconds,
                )
            )
        return checkpoint

    def _calibration_for(self, model: Model) -> Calibration:
        """The calibration, read once: asking the hub in vain takes long."""
        return _once(self._calibrations, model.name, lambda: self._calibration(model))

    def _measured(self, model: Model, method: Method, benchmark: Benchmark) -> Records:
        key = (model.name, method.name)
        known = self._records.setdefault(key, {})
        if benchmark.name not in known:
            wanted = {bench.name: bench for bench in (*self._expected_of(key), benchmark)}
            todo = [bench for name, bench in wanted.items() if name not in known]
            checkpoint = self.checkpoint(model, method)
            known.update(self._measure(checkpoint, todo, self._conditions[model.name]).records)
        found = known[benchmark.name]
        if isinstance(found, UnicompError):
            raise found
        return found

    def _expected_of(self, key: tuple[str, str]) -> Sequence[Benchmark]:
        """What the session will ask of a checkpoint: of the dense one, whatever it asks of any."""
        if key[1] != DENSE.name:
            return self._expected.get(key, ())
        return [
            bench
            for (model, _), benchmarks in self._expected.items()
            if model == key[0]
            for bench in benchmarks
        ]

    def _measure(
        self, checkpoint: Checkpoint, benchmarks: Sequence[Benchmark], conditions: Conditions
    ) -> Measured:
        subject = f"{checkpoint.model}/{checkpoint.method}"
        self._narrate(f"{subject}: looking for responses")

        def on_progress(state: Answering) -> None:
            self._narrate(f"{subject}: answering {state.benchmark} {state.done}/{state.total}")

        measured = measure(
            checkpoint,
            benchmarks,
            conditions,
            on_progress=on_progress,
            on_wait=lambda: self._narrate(f"{subject}: waiting for another process"),
        )
        self._narrate("")
        self._work.append(
            Work(
                stage="answer",
                subject=subject,
                cached=measured.asked == 0,
                seconds=measured.seconds,
                items=measured.asked,
            )
        )
        return measured


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
