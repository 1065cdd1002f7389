"""The room of a node, and the workers that sit on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from unicomp.cluster.unit import Needs, Node


@dataclass(frozen=True)
class Worker:
    """A process on a node that does one unit after another."""

    number: int
    node: str
    needs: Needs
    """What it holds of its node, whether it works or waits; all of it if `needs.alone`."""


@dataclass(eq=False)
class Seat:
    """A worker, and what it does."""

    worker: Worker
    loaded: str = ""
    """The checkpoint that it has loaded."""
    unit: str = ""
    """The unit that it runs; empty while it waits."""


class Opening(NamedTuple):
    """A way to begin a unit on a node now."""

    seat: Seat | None
    """A worker that waits; None for a new one."""
    closes: tuple[Seat, ...] = ()
    """Workers that wait and have to end before, since they hold what the unit needs."""


@dataclass(eq=False)
class Place:
    """A node in use."""

    node: Node
    waiting: dict[int, Seat] = field(default_factory=dict)
    busy: dict[int, Seat] = field(default_factory=dict)

    @property
    def store(self) -> str:
        """The name of its store."""
        return self.node.store or f"of {self.node.name}"

    @property
    def alone(self) -> bool:
        """Whether a unit runs here that has the node for itself."""
        return any(seat.worker.needs.alone for seat in self.busy.values())

    @property
    def has_room(self) -> bool:
        """Whether a worker waits, or a CPU is free."""
        return bool(self.waiting) or self.free().cpus > 0

    def free(self) -> Needs:
        """What no worker holds."""
        cpus, gpus, memory = self.node.cpus, self.node.gpus, self.node.memory
        for seat in (*self.waiting.values(), *self.busy.values()):
            needs = seat.worker.needs
            if needs.alone:
                return Needs(cpus=0)
            cpus, gpus, memory = cpus - needs.cpus, gpus - needs.gpus, memory - needs.memory
        return Needs(cpus=cpus, gpus=gpus, memory=memory)

    def opening(self, needs: Needs, spent: Iterable[Seat] = ()) -> Opening | None:
        """The cheapest way to begin a unit now; None if there is no room.

        `spent` are waiting workers whose checkpoint nobody needs any longer: they are taken, or
        ended, before others. Next is a new worker, then one that loads another checkpoint.
        """
        if needs.alone and self.busy:
            return None
        useless = {id(seat) for seat in spent}
        waiting = sorted(self.waiting.values(), key=lambda seat: id(seat) not in useless)
        fit = next((seat for seat in waiting if seat.worker.needs == needs), None)
        if needs.alone:
            return Opening(fit, tuple(seat for seat in waiting if seat is not fit))
        if fit is not None and id(fit) in useless:
            return Opening(fit)
        free = self.free()
        if _fits(needs, free):
            return Opening(None)
        if fit is not None:
            return Opening(fit)
        closes = []
        for seat in waiting:
            closes.append(seat)
            free = self._with(free, seat)
            if _fits(needs, free):
                return Opening(None, tuple(closes))
        return None

    def slots(self, needs: Needs) -> int:
        """How many units of such needs fit on the node at once."""
        node = self.node
        if not node.has(needs):
            return 0
        pairs = ((node.cpus, needs.cpus), (node.gpus, needs.gpus), (node.memory, needs.memory))
        fitting = (has // needed for has, needed in pairs if needed)
        return 1 if needs.alone else min(fitting, default=1)

    def opens_soon(self, needs: Needs) -> bool:
        """Whether one of the workers that are busy makes room for a unit when it is done."""
        if needs.alone:
            return len(self.busy) == 1
        free = self.free()
        for seat in self.waiting.values():
            free = self._with(free, seat)
        return any(_fits(needs, self._with(free, seat)) for seat in self.busy.values())

    def _with(self, free: Needs, seat: Seat) -> Needs:
        """What is free once a worker is no more."""
        held = seat.worker.needs
        if held.alone:
            return Needs(cpus=self.node.cpus, gpus=self.node.gpus, memory=self.node.memory)
        return Needs(
            cpus=free.cpus + held.cpus,
            gpus=free.gpus + held.gpus,
            memory=free.memory + held.memory,
        )


def _fits(needs: Needs, free: Needs) -> bool:
    return needs.cpus <= free.cpus and needs.gpus <= free.gpus and needs.memory <= free.memory
