"""The runner of a worker: finds or builds checkpoints in the store of its node, and asks them.

It keeps the last checkpoint loaded for the next unit. Nothing is kept of what it is asked but
checkpoints, and what is measured of them: responses belong into the store of the process that
started the run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unicomp import catalogue
from unicomp.checkpoint import Builder, Checkpoint
from unicomp.cluster.companions import read_companions
from unicomp.cluster.tasks import (
    Answered,
    AnswerTask,
    BuildTask,
    Built,
    CheckTask,
    Recipe,
    Request,
    Timed,
    TimeTask,
)
from unicomp.cluster.unit import Node, Unit
from unicomp.data.model_source import locate
from unicomp.data.sources import shipped_fixtures
from unicomp.distributions import MOST_VALUES
from unicomp.efficiency.fingerprint import fingerprint_of
from unicomp.efficiency.gain import Gain
from unicomp.efficiency.gains import Gains
from unicomp.efficiency.measurements import MeasurementCounter, Measurements
from unicomp.efficiency.rounds import in_a_loop
from unicomp.engines import Engine, EngineSettings
from unicomp.engines.placement import placed_for
from unicomp.engines.pool import Pool
from unicomp.errors import SpecError, UnicompError
from unicomp.machine import gpus, turns
from unicomp.store import FIXTURES, MEASUREMENTS, Store, content_key, write_atomically
from unicomp.upstream import open_store

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance


@dataclass(frozen=True, kw_only=True)
class RunnerOnNode:
    """Makes the runner of a worker; this is what travels to a node first."""

    home: Path
    """The folder of the store, unless the node has a UNICOMP_HOME of its own."""
    upstream: str | None

    def __call__(self, node: Node) -> CheckpointRunner:
        """The runner; raises StoreError if the node's store cannot be used."""
        os.environ.setdefault("TQDM_DISABLE", "1")  # libraries' bars; see plugin/options.py
        home = Path(os.environ.get("UNICOMP_HOME") or self.home)
        os.environ.setdefault(gpus.ORDER, gpus.BY_SLOT)  # the order in which they are counted
        return CheckpointRunner(open_store(home, self.upstream), node)


class CheckpointRunner:
    """Does the units of a session on a worker."""

    def __init__(self, store: Store, node: Node) -> None:
        self._store = store
        self._node = node
        self._pool = Pool()
        self._loaded = ""
        """The key of the checkpoint that is loaded."""
        self._found: dict[str, Checkpoint] = {}
        self._machine = cache(fingerprint_of)

    def run(self, unit: Unit, payload: Any) -> Any:
        """Do a unit. Raises UnicompError."""
        match payload:
            case CheckTask():
                return list(self._lacking(payload))
            case BuildTask():
                return self._build(payload)
            case AnswerTask():
                return self._answer(payload)
            case TimeTask():
                return self._time(payload)
        raise TypeError(f"{unit.name}: {payload!r} is no task")

    def close(self) -> None:
        """Unload what is loaded."""
        self._unload()

    def _unload(self) -> None:
        self._pool.close()
        self._loaded = ""

    # -- checks -----------------------------------------------------------------------------------

    def _lacking(self, task: CheckTask) -> Iterator[str]:
        """What the node lacks, a line each."""
        for model in task.models:
            if model.folder is not None and not model.folder.exists():
                yield (
                    f"the node {self._node.name} has no {model.folder}: put {model} on a disk that "
                    "all nodes share, copy it there, or give a hub id"
                )
        device = replace(task.engine, device="auto").resolved_device()
        if not task.engine.serves and device != task.engine.device:
            yield (
                f"the node {self._node.name} computes on {device}, and the run on "
                f'{task.engine.device}: set device = "{device}" under [engine], or start the '
                "cluster on nodes of one kind"
            )

    # -- checkpoints ------------------------------------------------------------------------------

    def _build(self, task: BuildTask) -> Built:
        checkpoint = self._checkpoint(task.recipe)
        return Built(
            calibration=checkpoint.calibration,
            facts=checkpoint.facts,
            fresh=checkpoint.fresh,
            companions=read_companions(checkpoint.path),
            machine=self._machine(task.recipe.engine),
        )

    def _checkpoint(self, recipe: Recipe) -> Checkpoint:
        """The checkpoint, found in the node's store or built. Raises UnicompError."""
        if found := self._found.get(recipe.key):
            return replace(found, fresh=False)
        roots, method = [shipped_fixtures().resolve()], recipe.method
        if recipe.files:
            roots.insert(0, self._received(recipe.files))
            method = catalogue.load_method(method.name, roots)
        builder = Builder(
            store=self._store, roots=roots, source=recipe.source, threads=recipe.engine.threads
        )
        if builder.key(recipe.model, method, recipe.calibration) != recipe.key:
            raise SpecError(
                f"the node {self._node.name} has another content of {recipe.model.source}, or "
                "other software, than the process that started the run: make them equal"
            )
        if builder.find(recipe.model, method, recipe.calibration) is None:
            self._unload()  # a build needs the memory
        found = builder.build(recipe.model, method, recipe.calibration)
        self._found[recipe.key] = found
        return found

    def _received(self, files: Mapping[str, str]) -> Path:
        """A folder of the store with files of the user's fixtures."""
        folder = self._store.home / FIXTURES / content_key({"files": dict(files)})
        for name, text in files.items():
            if not (folder / name).is_file():
                write_atomically(folder / name, text)
        return folder

    # -- answers ----------------------------------------------------------------------------------

    def _answer(self, task: AnswerTask) -> Answered:
        checkpoint = self._checkpoint(task.recipe)
        given: list[Sequence[Any]] = []
        read, failure, loaded = None, None, 0.0
        with turns.shared():
            try:
                with self._borrowed(checkpoint, task) as engine:
                    loaded = time.monotonic()
                    for requests in task.batches:
                        given.append(engine.answer(list(map(_instance, requests))))
                    if task.chunks:
                        read = engine.log_probabilities(task.chunks, MOST_VALUES)
            except UnicompError as error:
                failure = error
        seconds = time.monotonic() - loaded if loaded else 0.0
        return Answered(
            batches=given,
            seconds=seconds,
            error=failure,
            distributions=read,
            machine=self._machine(task.recipe.engine),
        )

    @contextmanager
    def _borrowed(self, checkpoint: Checkpoint, task: AnswerTask) -> Iterator[Engine]:
        """The checkpoint, loaded; no other one is."""
        engine = self._engine(task.recipe)
        if engine.placement is not None:
            engine = engine.seated(engine.placement.alone)
        if self._loaded != checkpoint.key:
            self._unload()
            self._loaded = checkpoint.key
        with self._pool.borrowed(checkpoint, engine, task.tokens, keep=True) as loaded:
            yield loaded

    def _engine(self, recipe: Recipe) -> EngineSettings:
        """The settings of a checkpoint's engine, on the GPUs of this process."""
        engine = replace(recipe.engine, logs=str(self._store.home / "logs"))
        if engine.resolved_device() != "cuda":
            return engine
        model = recipe.model
        dtype, there = engine.dtype(model), gpus.visible()
        return placed_for(engine, model.name, [locate(model)], there, dtype=dtype)

    # -- timings ----------------------------------------------------------------------------------

    def _time(self, task: TimeTask) -> Timed:
        self._unload()
        for key, value in task.figures.items():
            if self._store.recall(MEASUREMENTS, key) is None:
                self._store.remember(MEASUREMENTS, key, value)
        recipes = {one.name: one for one in (task.dense, task.recipe)}
        model = task.recipe.model.name
        measurements = Measurements(self._store, self._engine(task.recipe), task.effort, task.fresh)
        counters: list[MeasurementCounter] = []
        gains = Gains(
            measurements={model: measurements},
            probes={task.recipe.name: task.probes},
            keep=(),
            find=lambda name: self._checkpoint(recipes[name]),
            done=lambda name, counter: counters.append(counter),
            count_rounds=lambda checkpoint, load, done, total: None,
        )
        found: dict[Any, Gain | UnicompError] = {}
        try:
            for probe in task.probes:
                try:
                    found[probe] = gains.gain(task.recipe.name, probe, in_a_loop)
                except UnicompError as error:
                    found[probe] = error
        finally:
            gains.close()
        return Timed(
            gains=found,
            machine=measurements.machine,
            figures=measurements.figures,
            taken=sum(counter.taken for counter in counters),
            seconds=sum(counter.seconds for counter in counters),
        )


def _instance(request: Request) -> Instance:
    from lm_eval.api.instance import Instance

    kind, arguments = request
    return Instance(request_type=kind, doc={}, arguments=arguments, idx=0)
