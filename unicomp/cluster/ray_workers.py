"""Workers on the nodes of a Ray cluster: one process for each unit that runs at a time.

A thread drives the dispatcher, so that units begin while this process does other work. What happens
reaches it through one queue. A worker is a Ray actor on a chosen node. It holds its CPUs, GPUs and
memory until it is closed, and ends with this process, however that ends.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from unicomp.cluster.backlog import Ended
from unicomp.cluster.dispatch import Dispatcher, Start
from unicomp.cluster.ray_actor import WorkerProcess
from unicomp.cluster.ray_cluster import AUTO, RayCluster
from unicomp.cluster.unit import MakeRunner, Node, Outcome, Unit
from unicomp.errors import EngineError, UnicompError, described

LOOK_SECONDS = 2.0
"""Time between two looks at the list of nodes."""
DOUBT_SECONDS = 30.0
"""How long a node on which a worker was lost may be silent until it counts as lost, too."""
CLOSE_SECONDS = 15.0
"""How long workers may take to unload a checkpoint, or to stop a server."""
_INHERITED = ("UNICOMP_", "HF_", "TRANSFORMERS_", "TOKENIZERS_", "VLLM_")
_SECRET = ("TOKEN", "KEY", "SECRET", "PASSWORD")
_SMALL = (str, int, float, bool, type(None))

Event = Callable[[], None]


def inherited() -> dict[str, str]:
    """The environment variables that workers get where their node has not set them: no secrets."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_INHERITED) and not any(word in name for word in _SECRET)
    }


@dataclass(eq=False)
class _Begun:
    """A unit at a worker."""

    start: Start
    result: Any = None
    seconds: float = 0.0


@dataclass(eq=False)
class _Payloads:
    """What travels with units; what several of them share is kept in the cluster once."""

    _of: dict[str, Any] = field(default_factory=dict)
    _times: dict[int, int] = field(default_factory=dict)
    _kept: dict[int, tuple[Any, Any]] = field(default_factory=dict)

    def add(self, unit: str, payload: Any) -> None:
        """Remember the payload of a unit."""
        self._of[unit] = payload
        for value in _parts(payload)[2]:
            if not isinstance(value, _SMALL):
                self._times[id(value)] = self._times.get(id(value), 0) + 1

    def forget(self, unit: Unit) -> None:
        """A unit has ended; a build may be needed again."""
        if unit.kind != "build":
            self._of.pop(unit.name, None)

    def of(self, unit: str) -> tuple[type | None, tuple[str, ...], list[Any]]:
        """The type of a payload, its fields, and their values or Ray's references to them."""
        kind, names, values = _parts(self._of[unit])
        return kind, names, [self._reference(value) for value in values]

    def _reference(self, value: Any) -> Any:
        if self._times.get(id(value), 0) < 2:
            return value
        if id(value) not in self._kept:
            import ray

            self._kept[id(value)] = (value, ray.put(value))
        return self._kept[id(value)][1]


def _parts(payload: Any) -> tuple[type | None, tuple[str, ...], list[Any]]:
    if not is_dataclass(payload) or isinstance(payload, type):
        return None, (), [payload]
    names = tuple(one.name for one in fields(payload) if one.init)
    return type(payload), names, [getattr(payload, name) for name in names]


class RayWorkers:
    """The workers of a cluster; see `Workers`."""

    def __init__(self, make: MakeRunner, *, address: str = AUTO, home: Path | None = None) -> None:
        """Connect to a cluster; see `RayCluster.connect`. Raises SpecError."""
        self._environment = inherited()
        self._cluster = RayCluster.connect(address, home)
        import ray

        self._make = ray.put(make)
        self._actor = ray.remote(WorkerProcess)
        self._dispatcher = Dispatcher(self._cluster.nodes.values())
        self._lock = threading.Lock()
        self._payloads = _Payloads()
        self._workers: dict[int, Any] = {}
        self._ending: list[tuple[float, Any]] = []
        self._begun: dict[str, _Begun] = {}
        self._ray_names = {node.name: name for name, node in self._cluster.nodes.items()}
        self._gone: set[str] = set()  # Ray's names of nodes that are used no longer
        self._doubted: dict[str, float] = {}  # node → when it counts as lost
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._drive, name="unicomp-cluster", daemon=True)
        self._thread.start()

    # -- what is asked, by the thread of the run --------------------------------------------------

    @property
    def nodes(self) -> Sequence[Node]:
        """The machines that are there now."""
        with self._lock:
            return list(self._dispatcher.nodes)

    def submit(self, unit: Unit, payload: Any) -> None:
        """Take a unit. Raises SpecError if no node has what it needs."""
        with self._lock:
            ended = self._dispatcher.add(unit)
            if unit.kind == "build" or not ended:  # a build may be needed again
                self._payloads.add(unit.name, payload)
            self._report(ended)
        self._events.put(_wake)

    def expect(self, checkpoint: str, seconds: float) -> None:
        """Expect another build to take so long; see `Workers.expect`."""
        with self._lock:
            self._dispatcher.expect(checkpoint, seconds)

    def outcomes(self, timeout: float | None = None) -> list[Outcome]:
        """The units that have ended since the last call; waits for one."""
        found: list[Outcome] = []
        until = None if timeout is None else time.monotonic() + timeout
        while not found:
            with self._lock:
                if self._outcomes.empty() and not self._dispatcher.left:
                    return []
            left = LOOK_SECONDS if until is None else min(until - time.monotonic(), LOOK_SECONDS)
            with suppress(queue.Empty):
                found.append(self._outcomes.get(timeout=max(left, 0)))
            if until is not None and time.monotonic() >= until:
                break
        with suppress(queue.Empty):
            while True:
                found.append(self._outcomes.get_nowait())
        return found

    def cancel(self, names: Collection[str]) -> None:
        """Drop units; see `Workers.cancel`."""
        with self._lock:
            self._dispatcher.cancel(names)
        self._events.put(_wake)

    def close(self) -> None:
        """End all workers and what they have started, and the connection."""
        if self._closed:
            return
        self._closed = True
        self._events.put(_wake)
        self._thread.join(CLOSE_SECONDS)
        try:
            self._close_workers()
        finally:
            self._cluster.close()

    def _close_workers(self) -> None:
        """Let those that wait unload; end the others as they are."""
        import ray

        busy = {begun.start.worker.number for begun in self._begun.values()}
        waiting = [worker for number, worker in self._workers.items() if number not in busy]
        asked = [worker.close.remote() for worker in waiting]
        with suppress(ray.exceptions.RayError):
            ray.wait(asked, num_returns=len(asked), timeout=CLOSE_SECONDS) if asked else None
        for worker in [*self._workers.values(), *(worker for _, worker in self._ending)]:
            ray.kill(worker)
        self._workers.clear()

    # -- what happens, in the thread that drives --------------------------------------------------

    def _drive(self) -> None:
        looked = time.monotonic()
        while not self._closed:
            event = _wake
            with suppress(queue.Empty):
                event = self._events.get(timeout=LOOK_SECONDS)
            with self._lock:
                try:
                    event()
                    if time.monotonic() - looked > LOOK_SECONDS:
                        self._look_at_nodes()
                        looked = time.monotonic()
                    while not self._closed and (start := self._dispatcher.start()):
                        self._begin(start)
                except Exception as error:  # the run would wait for ever
                    logging.getLogger(__name__).exception("the cluster cannot be driven")
                    self._give_up(described(error))

    def _begin(self, start: Start) -> None:
        """Send a unit to its worker."""
        for closed in start.closes:
            self._end(self._workers.pop(closed.number))
        worker = self._workers.get(start.worker.number)
        if worker is None:
            worker = self._workers[start.worker.number] = self._new_worker(start)
        self._begun[start.unit.name] = _Begun(start)
        kind, names, values = self._payloads.of(start.origin)
        reference = worker.run.remote(start.unit, kind, names, *values)
        reference.future().add_done_callback(
            lambda future: self._events.put(lambda: self._finished(start, future))
        )

    def _new_worker(self, start: Start) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        needs = start.worker.needs
        ray_name = self._ray_names[start.worker.node]
        node = self._cluster.nodes[ray_name]
        options = self._actor.options(
            num_cpus=node.cpus if needs.alone else needs.cpus,
            num_gpus=needs.gpus,
            memory=needs.memory or None,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(ray_name, soft=False),
        )
        return options.remote(self._make, node, needs, self._environment)

    def _finished(self, start: Start, future: Any) -> None:
        """Note how a unit ended at its worker, unless that was given up."""
        import ray

        begun = self._begun.get(start.unit.name)
        if begun is None or begun.start is not start:
            return
        error = future.exception()
        errors = ray.exceptions
        if isinstance(error, errors.RayError) and not isinstance(error, errors.RayTaskError):
            self._lose(start, error)
        elif error is not None:  # a result that cannot travel, for example
            why = f"{start.unit.name} has no result: {described(error)}"
            self._report(self._dispatcher.failed(start.unit.name, EngineError(why)))
        else:
            begun.result, failure, begun.seconds = future.result()
            name = start.unit.name
            done = self._dispatcher
            self._report(done.done(name) if failure is None else done.failed(name, failure))
        self._begun.pop(start.unit.name, None)

    def _lose(self, start: Start, error: BaseException) -> None:
        """A worker was lost, and perhaps its node: nothing begins there until that is known."""
        import ray

        number, node = start.worker.number, start.worker.node
        if (worker := self._workers.pop(number, None)) is not None:
            ray.kill(worker)
        if node not in self._doubted:
            self._doubted[node] = time.monotonic() + DOUBT_SECONDS
            self._dispatcher.hold(node)
            self._cluster.sight(self._ray_names[node]).future().add_done_callback(
                lambda future: self._events.put(lambda: self._seen(node, future))
            )
        self._report(self._dispatcher.lost(number, _reason(error)))

    def _seen(self, node: str, future: Any) -> None:
        """A node that was doubted has answered, or is lost."""
        if self._doubted.pop(node, None) is None:
            return
        if future.exception() is None:
            self._dispatcher.release(node)
        else:
            self._lose_node(self._ray_names[node])

    def _look_at_nodes(self) -> None:
        """Find nodes that were lost, and those that have joined; end workers that do not close."""
        import ray

        now = time.monotonic()
        alive = self._cluster.alive()
        late = {self._ray_names[node] for node, until in self._doubted.items() if until < now}
        for ray_name in [*self._cluster.nodes]:
            if ray_name not in alive or ray_name in late:
                self._lose_node(ray_name)
        for ray_name in alive.keys() - self._cluster.nodes.keys() - self._gone:
            self._gone.add(ray_name)  # until it has answered
            described_by_ray = alive[ray_name]
            self._cluster.sight(ray_name).future().add_done_callback(
                lambda future, one=described_by_ray: self._events.put(
                    lambda: self._joined(one, future)
                )
            )
        overdue = [worker for until, worker in self._ending if until < now]
        self._ending = [one for one in self._ending if one[0] >= now]
        for worker in overdue:
            ray.kill(worker)

    def _joined(self, described_by_ray: Mapping[str, Any], future: Any) -> None:
        """Use a node that has joined, if its software is the same."""
        if future.exception() is not None:
            return
        with suppress(UnicompError):
            node = self._cluster.node_of(described_by_ray, future.result())
            ray_name = described_by_ray["NodeID"]
            self._cluster.nodes[ray_name] = node
            self._ray_names[node.name] = ray_name
            self._gone.discard(ray_name)
            self._dispatcher.node_added(node)

    def _lose_node(self, ray_name: str) -> None:
        node = self._cluster.nodes.pop(ray_name)
        self._gone.add(ray_name)
        self._doubted.pop(node.name, None)
        for name, begun in list(self._begun.items()):
            if begun.start.worker.node == node.name:
                del self._begun[name]
        self._report(self._dispatcher.node_lost(node.name, "the node was lost"))

    def _end(self, worker: Any) -> None:
        """Let a worker unload and end; its room is free once it has."""
        worker.close.remote()
        worker.__ray_terminate__.remote()
        self._ending.append((time.monotonic() + CLOSE_SECONDS, worker))

    def _report(self, ended: Sequence[Ended]) -> None:
        for unit, error in ended:
            self._payloads.forget(unit)
            begun = self._begun.get(unit.name)
            self._outcomes.put(
                Outcome(
                    unit=unit,
                    result=None if begun is None else begun.result,
                    error=error,
                    node="" if begun is None else begun.start.worker.node,
                    seconds=0.0 if begun is None else begun.seconds,
                )
            )

    def _give_up(self, why: str) -> None:
        """Let all that is left fail."""
        for node in self._dispatcher.nodes:
            self._report(self._dispatcher.node_lost(node.name, why))


def _wake() -> None:
    """Happens when there may be something to begin."""


def _reason(error: BaseException) -> str:
    """Why a worker was lost, in few words: Ray's are many."""
    text = str(error)
    if "error raised in its creation" in text:
        return f"it could not start: {text.strip().splitlines()[-1].strip()}"
    if "low on memory" in text:
        return "it was ended, since the node ran low on memory"
    if "node has died" in text or "doesn't exist any more" in text:
        return "its node was lost"
    if "process has died" in text:
        return "its process ended"
    return "it does not answer"
