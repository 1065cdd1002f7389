"""What is left to do: units, what they wait for, and how often they were begun."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from unicomp.cluster.unit import Kind, Needs, Unit
from unicomp.errors import SpecError, UnicompError


class Ended(NamedTuple):
    """A unit that has ended, and why it has no result if it failed."""

    unit: Unit
    error: UnicompError | None


@dataclass(eq=False)
class Task:
    """A unit on its way."""

    unit: Unit
    order: int
    origin: str
    """The submitted unit; another name than the unit's own for a build that is repeated."""
    waits: set[str]
    """The units that it still comes after."""
    path: float
    """Expected seconds until the last unit that comes after it is done, begun now."""
    state: Literal["waiting", "ready", "running", "ended"] = "waiting"
    attempts: int = 0
    avoid: frozenset[str] = frozenset()
    """The nodes on which it was lost."""
    dropped: bool = False
    """Whether it was cancelled while it ran, so that nobody waits for its result."""

    @property
    def repeated(self) -> bool:
        """Whether this is a build that was submitted and done before."""
        return self.origin != self.unit.name

    @property
    def alike(self) -> Alike:
        """Its sort."""
        return Alike(self.unit.checkpoint, self.unit.kind, self.unit.needs, self.avoid)


class Alike(NamedTuple):
    """What ready units have in common, if the same workers may take them."""

    checkpoint: str
    kind: Kind
    needs: Needs
    avoid: frozenset[str]


@dataclass(eq=False)
class Ready:
    """The units of one sort that may begin."""

    alike: Alike
    heap: list[tuple[bool, float, int, Task]] = field(default_factory=list)
    """Those to begin first, then those of the longest path, then in the order of submission."""
    seconds: float = 0.0
    count: int = 0

    @property
    def head(self) -> Task:
        """The unit to begin next; there is one."""
        while self.heap[0][-1].state != "ready":  # cancelled
            heapq.heappop(self.heap)
        return self.heap[0][-1]


class Backlog:
    """The units of a run in their states; knows nothing of workers."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.ready: dict[Alike, Ready] = {}
        """Without empty ones."""
        self.ready_of: dict[str, dict[Alike, Ready]] = defaultdict(dict)
        """The same by checkpoint."""
        self.unbegun: dict[str, float] = defaultdict(float)
        """Checkpoint → expected seconds of its units that have not begun."""
        self.needs: dict[str, Counter[Needs]] = defaultdict(Counter)
        """Checkpoint → what those of them need that use it, and how many do."""
        self.alone = 0.0
        """Those of units that need a node for themselves."""
        self.total = 0.0
        """Those of all units."""
        self.running = 0.0
        """Expected seconds of the units that run."""
        self.builds: dict[str, dict[str, Task]] = defaultdict(dict)
        """Checkpoint → the units that build it and have not ended, by name."""
        self.uses: dict[str, dict[str, Task]] = defaultdict(dict)
        """The same of the units that use it."""
        self.open = 0
        """The number of units that have not ended."""
        self._followers: dict[str, list[str]] = defaultdict(list)
        self._failures: dict[str, UnicompError] = {}

    def add(self, unit: Unit, origin: str | None = None) -> list[Ended]:
        """Take a unit; returns it if it ends at once, since one that it comes after has failed.

        Raises SpecError for a name that is taken, or for one that it comes after and nobody knows.
        """
        if unit.name in self.tasks:
            raise SpecError(f"the unit {unit.name!r} was submitted before; give each its own name")
        for name in unit.after:
            if name not in self.tasks:
                raise SpecError(
                    f"{unit.name!r} comes after {name!r}, which was not submitted; submit it first"
                )
        waits = {name for name in unit.after if self.tasks[name].state != "ended"}
        task = Task(unit, len(self.tasks), origin or unit.name, waits, unit.seconds)
        self.tasks[unit.name] = task
        self._of(unit)[unit.name] = task
        self.open += 1
        self._count(task, +1)
        for name in waits:
            self._followers[name].append(unit.name)
        self._lengthen(task)
        failed = next((name for name in unit.after if name in self._failures), None)
        if failed is not None:
            return self.fail(task, self._failures[failed])
        if not waits:
            self._make_ready(task)
        return []

    def begin(self, alike: Alike) -> Task:
        """Take the next of the ready units of a sort."""
        found = self.ready[alike]
        task = found.head
        heapq.heappop(found.heap)
        self._withdraw(task)
        task.state = "running"
        task.attempts += 1
        self._count(task, -1)
        self.running += task.unit.seconds
        return task

    def again(self, task: Task, node: str) -> None:
        """Put a unit that ran back, since its worker on `node` was lost."""
        self.running -= task.unit.seconds
        task.avoid |= {node}
        self._count(task, +1)
        self._make_ready(task)

    def done(self, task: Task) -> list[Ended]:
        """A unit that ran is done; returns it unless nobody waits for it."""
        self._end(task)
        self._release(task)
        return [] if task.dropped or task.repeated else [Ended(task.unit, None)]

    def fail(self, task: Task, error: UnicompError) -> list[Ended]:
        """A unit has failed, and with it all that come after it."""
        ended = []
        stack = [task]
        while stack:
            one = stack.pop()
            if one.state == "ended":
                continue
            self._end(one)
            self._failures[one.unit.name] = error
            if not (one.dropped or one.repeated):
                ended.append(Ended(one.unit, error))
            stack += [self.tasks[name] for name in reversed(self._followers.pop(one.unit.name, []))]
        return ended

    def drop(self, names: Collection[str]) -> None:
        """Forget units; those that run end unheard. What comes after waits for them no longer.

        What comes after a build that never began is dropped with it.
        """
        stack = [self.tasks[name] for name in names if name in self.tasks]
        while stack:
            task = stack.pop()
            if task.state == "running":
                task.dropped = True
                if task.unit.kind != "build":
                    self._release(task)
            elif task.state != "ended":
                self._end(task)
                if task.unit.kind == "build":
                    stack += [self.tasks[name] for name in self._followers.get(task.unit.name, ())]
                self._release(task)

    def failure(self, name: str) -> UnicompError | None:
        """Why a unit has failed; None if it has not."""
        return self._failures.get(name)

    def _of(self, unit: Unit) -> dict[str, Task]:
        return (self.builds if unit.kind == "build" else self.uses)[unit.checkpoint]

    def _lengthen(self, task: Task) -> None:
        """Let the units before a new one know how long their paths have become."""
        stack = [task]
        while stack:
            one = stack.pop()
            for name in one.unit.after:
                before = self.tasks[name]
                if before.path < before.unit.seconds + one.path:
                    before.path = before.unit.seconds + one.path
                    stack.append(before)

    def _make_ready(self, task: Task) -> None:
        unit = task.unit
        found = self.ready.setdefault(task.alike, Ready(task.alike))
        self.ready_of[unit.checkpoint][task.alike] = found
        heapq.heappush(found.heap, (not unit.first, -task.path, task.order, task))
        found.seconds += unit.seconds
        found.count += 1
        task.state = "ready"

    def _withdraw(self, task: Task) -> None:
        """Take a ready unit out of those of its sort."""
        found = self.ready[task.alike]
        found.seconds -= task.unit.seconds
        found.count -= 1
        if not found.count:
            del self.ready[task.alike]
            del self.ready_of[task.unit.checkpoint][task.alike]

    def _end(self, task: Task) -> None:
        if task.state == "ready":
            self._withdraw(task)
        if task.state == "running":
            self.running -= task.unit.seconds
        else:
            self._count(task, -1)
        task.state = "ended"
        self.open -= 1
        del self._of(task.unit)[task.unit.name]

    def _release(self, task: Task) -> None:
        """Make ready what waited for an ended unit alone."""
        for name in self._followers.pop(task.unit.name, []):
            after = self.tasks[name]
            after.waits.discard(task.unit.name)
            if not after.waits and after.state == "waiting":
                self._make_ready(after)

    def _count(self, task: Task, sign: int) -> None:
        unit = task.unit
        self.unbegun[unit.checkpoint] += sign * unit.seconds
        self.total += sign * unit.seconds
        self.alone += sign * unit.seconds * unit.needs.alone
        if unit.kind != "build":
            needs = self.needs[unit.checkpoint]
            needs[unit.needs] += sign
            if not needs[unit.needs]:
                del needs[unit.needs]
