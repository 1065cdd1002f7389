"""The schedule of a run before it starts: a cluster's dispatcher, driven by a clock of its own.

So the forecast has the order that the run will have, as far as its times are right.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from unicomp.cluster.dispatch import Dispatcher
from unicomp.cluster.unit import Kind, Node, Unit


@dataclass(frozen=True)
class Ran:
    """A unit that ran on a node, in seconds from the start."""

    unit: Unit
    node: str
    start: float
    end: float
    loaded: bool
    """Whether the worker had to load the checkpoint."""

    @property
    def seconds(self) -> float:
        """How long it took, with loading."""
        return self.end - self.start


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When every unit runs, and where."""

    nodes: tuple[Node, ...]
    ran: tuple[Ran, ...]
    """In the order of their ends; a build that is repeated on another node stands twice."""

    @property
    def seconds(self) -> float:
        """From the start to the end of the last unit."""
        return max((one.end for one in self.ran), default=0.0)

    @property
    def gpu_seconds(self) -> float:
        """Those of all GPUs that units had."""
        return sum(one.seconds * one.unit.needs.gpus for one in self.ran)

    @property
    def cpu_seconds(self) -> float:
        """Those of all CPUs that units had."""
        return sum(one.seconds * one.unit.needs.cpus for one in self.ran)

    def of(self, kind: Kind) -> list[Ran]:
        """The units of a kind."""
        return [one for one in self.ran if one.unit.kind == kind]

    @cached_property
    def critical_path(self) -> tuple[Unit, ...]:
        """The longest chain of units of which each comes after the one before it.

        No number of machines makes a run shorter than that.
        """
        return _longest([one.unit for one in self.ran])

    @property
    def critical_seconds(self) -> float:
        """The time of the critical path."""
        return sum(map(least_seconds, self.critical_path))


def simulate(units: Iterable[Unit], nodes: Sequence[Node]) -> Schedule:
    """Run units on nodes in thought; a unit stands behind those that it comes after.

    Raises SpecError, with the arithmetic, for a unit that no node has room for.
    """
    dispatcher = Dispatcher(nodes)
    for unit in units:
        dispatcher.add(unit)
    clock, ran = 0.0, []
    running: list[tuple[float, int, Ran]] = []
    begun = 0
    while dispatcher.left:
        while (start := dispatcher.start()) is not None:
            seconds = start.unit.seconds + start.unit.loading * start.loads
            one = Ran(start.unit, start.worker.node, clock, clock + seconds, start.loads)
            heapq.heappush(running, (one.end, begun, one))
            begun += 1
        clock, _, one = heapq.heappop(running)
        dispatcher.done(one.unit.name)
        ran.append(one)
    return Schedule(nodes=tuple(nodes), ran=tuple(ran))


def least_seconds(unit: Unit) -> float:
    """The time of a unit whose worker has to load its checkpoint."""
    return unit.seconds + unit.loading


def _longest(units: Iterable[Unit]) -> tuple[Unit, ...]:
    by_name = {unit.name: unit for unit in units}
    best: dict[str, tuple[float, str | None]] = {}
    for unit in by_name.values():
        _lengthen(unit, by_name, best)
    if not best:
        return ()
    chain: list[Unit] = []
    name: str | None = max(best, key=lambda one: best[one][0])
    while name is not None:
        chain.append(by_name[name])
        name = best[name][1]
    return tuple(reversed(chain))


def _lengthen(
    unit: Unit, by_name: dict[str, Unit], best: dict[str, tuple[float, str | None]]
) -> None:
    """Note the longest path that ends with a unit, and with those before it."""
    stack = [unit]
    while stack:
        one = stack[-1]
        before = [name for name in one.after if name in by_name]
        if open_ones := [name for name in before if name not in best]:
            stack += [by_name[name] for name in open_ones]
            continue
        stack.pop()
        longest = max(before, key=lambda name: best[name][0], default=None)
        best[one.name] = (least_seconds(one) + (best[longest][0] if longest else 0.0), longest)
