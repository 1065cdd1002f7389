"""Units of work: what a run has to do, piece by piece, and what becomes of each piece.

A unit runs on one worker, and its result travels back to the process that started the run, which
puts it into the store. Workers differ in how they are reached, not in what they do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from unicomp.errors import UnicompError

Kind = Literal["check", "build", "answer", "time"]
"""Look whether a node has what the run needs; make a checkpoint; answer a block of a benchmark's
items; time a checkpoint against the dense one."""
ATTEMPTS = 3
"""How often a unit is begun if its worker or node is lost each time."""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a unit takes of its node while it runs."""

    cpus: int = 1
    gpus: int = 0
    memory: int = 0
    """Bytes of the node's memory."""
    alone: bool = False
    """Whether nothing else runs on the node meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A piece of work."""

    name: str
    """Unique in its run, for people, too: `embedded/wanda_50: arc_easy, items 1 to 32`."""
    kind: Kind
    checkpoint: str
    """The checkpoint it works on. Units of one checkpoint run where it is built, and a worker that
    has loaded it takes more of them."""
    needs: Needs = Needs()
    seconds: float = 0.0
    """Its expected time, without loading."""
    loading: float = 0.0
    """The expected time of loading the checkpoint, where the worker has another one."""
    after: tuple[str, ...] = ()
    """The names of the units that have to be done before; they are submitted before, too."""
    first: bool = False
    """Whether it is begun before others that are ready, as the units of the dense model are."""
    key: str = ""
    """Of a build: the key of the checkpoint's content, by which nodes have it in their stores."""
    known: bool = False
    """Of a build: whether nobody needs its result, so that it does not run where a node has it."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a unit ended."""

    unit: Unit
    result: Any = None
    """What the worker returned."""
    error: UnicompError | None = None
    """Why there is no result: the unit's own error, or that its worker was lost `ATTEMPTS` times.
    """
    node: str = ""
    """Where it ran."""
    seconds: float = 0.0
    """The time that it took there, with loading."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A machine of a cluster."""

    name: str
    cpus: int
    gpus: int = 0
    memory: int = 0
    """Bytes of memory that units may take."""
    gpu_memory: int = 0
    """Bytes of each GPU."""
    store: str = ""
    """Its store; nodes of one store share what is built. Empty for a store of its own."""
    checkpoints: frozenset[str] = frozenset()
    """The keys of the checkpoints that its store had when the node was looked at."""

    def as_json(self) -> dict[str, Any]:
        """Its name and what it has, as JSON values."""
        named = ("name", "cpus", "gpus", "memory", "gpu_memory")
        return {name: getattr(self, name) for name in named}

    def has(self, needs: Needs) -> bool:
        """Whether the node, when it is idle, has what a unit needs."""
        return needs.cpus <= self.cpus and needs.gpus <= self.gpus and needs.memory <= self.memory


class Runner(Protocol):
    """Does the units on a worker: made once in the worker's process, and asked again and again."""

    def run(self, unit: Unit, payload: Any) -> Any:
        """Do a unit; `payload` is what was submitted with it. Raises UnicompError."""
        ...

    def close(self) -> None:
        """Unload what is loaded."""
        ...


MakeRunner = Callable[[Node], Runner]
"""Makes the runner of a worker on a node; it and its result's arguments can be pickled."""


class Workers(Protocol):
    """Where units run: the local process, or the workers of a cluster."""

    @property
    def nodes(self) -> Sequence[Node]:
        """The machines that are there now."""
        ...

    def submit(self, unit: Unit, payload: Any) -> None:
        """Take a unit, to be run once the units that it comes after are done.

        Raises SpecError if no node has what it needs. What comes after a unit that failed fails,
        too, with the same error.
        """
        ...

    def expect(self, checkpoint: str, seconds: float) -> None:
        """Expect that building a checkpoint on one more node takes so long."""
        ...

    def outcomes(self, timeout: float | None = None) -> list[Outcome]:
        """The units that have ended since the last call; waits for one, at most so many seconds.

        Empty if nothing is left to do, or nothing ended in time.
        """
        ...

    def cancel(self, names: Collection[str]) -> None:
        """Drop units of these names that have not begun; of others the outcome is dropped."""
        ...

    def close(self) -> None:
        """End all workers, and what they have started."""
        ...
