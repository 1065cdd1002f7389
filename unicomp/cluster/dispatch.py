"""Which unit begins where, and when: no clock, no process, no effect but on itself.

Whoever drives a `Dispatcher` begins what `start` returns, and reports what became of it. The
workers of a cluster do, and so does the simulation of a schedule, with a clock of its own:

    dispatcher = Dispatcher(nodes)
    dispatcher.add(unit)
    while start := dispatcher.start():
        ...  # make start.worker if it is new, end start.closes before, and let it run start.unit
    ended = dispatcher.done(start.unit.name)

A unit of a checkpoint runs on a node whose store has it, or anywhere if no unit builds it. A build
whose key a node's store has runs there, and only finds it. Workers are chosen by these rules, the
first that applies:

1. A unit that others come after begins at once if it would otherwise delay the end.
2. A worker that has loaded a checkpoint takes more units of it.
3. Units that are marked `first` come before others; then those of the checkpoint with the most
   expected seconds left for each of its workers; of one checkpoint, those of the longest path. A
   worker loads a checkpoint that others have loaded only if they need longer for the rest.
4. A node that has nothing else to do builds a checkpoint again, if those that have it would need
   longer for the rest than building and loading take.
5. A unit for which no node has room, or that needs a node alone, gets one on which nothing else
   begins until there is room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from unicomp.cluster.backlog import Alike, Backlog, Ended, Ready, Task
from unicomp.cluster.seats import Opening, Place, Seat, Worker
from unicomp.cluster.unit import ATTEMPTS, Needs, Node, Unit
from unicomp.errors import EngineError, SpecError, UnicompError
from unicomp.units import amount


@dataclass(frozen=True)
class Start:
    """A unit begins."""

    unit: Unit
    worker: Worker
    """Made for this unit if it is new."""
    origin: str
    """The unit that was submitted: another one if a build is repeated on another node."""
    closes: tuple[Worker, ...] = ()
    """Workers that end before."""
    loads: bool = False
    """Whether the worker has to load the checkpoint."""


class Dispatcher:
    """Gives units to workers on nodes."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._places = {node.name: Place(node) for node in nodes}
        self._backlog = Backlog()
        self._seats: dict[int, Seat] = {}
        self._number = 0
        self._at: dict[str, Seat] = {}  # unit → its worker
        self._working: Counter[tuple[str, Needs]] = Counter()  # busy with answers of a checkpoint
        self._builds: dict[str, Task] = {}  # checkpoint → the build that was submitted
        self._built: dict[str, set[str]] = {}  # checkpoint → stores that have it
        self._expected: dict[str, float] = {}  # checkpoint → seconds of building it again
        self._barred: set[tuple[str, str]] = set()  # (checkpoint, store): not built there again
        self._reserved: dict[str, Alike] = {}  # node → what it is kept free for
        self._held: set[str] = set()
        # what follows from the above, until it changes
        self._open: dict[Needs, list[Place]] = {}
        self._slots: dict[Needs, int] = {}
        self._settled = False

    @property
    def nodes(self) -> Sequence[Node]:
        """The nodes that are there now."""
        return [place.node for place in self._places.values()]

    @property
    def left(self) -> int:
        """The number of units that have not ended."""
        return self._backlog.open

    # -- what is asked --------------------------------------------------------------------------

    def check(self, unit: Unit) -> None:
        """Raise SpecError if no node has what a unit needs."""
        if not self._slots_of(unit.needs):
            raise SpecError(_too_large(unit, self.nodes))

    def add(self, unit: Unit) -> list[Ended]:
        """Take a unit; returns it if it ends at once. Raises SpecError."""
        self.check(unit)
        if unit.kind == "build" and unit.checkpoint in self._builds:
            raise SpecError(f"{unit.checkpoint} has two units that build it; submit one")
        ended = self._backlog.add(unit)
        if unit.kind == "build":
            task = self._builds[unit.checkpoint] = self._backlog.tasks[unit.name]
            stores = {place.store for place in self._places.values() if _found(unit, place.node)}
            self._built[unit.checkpoint] = stores
            if unit.known and stores and not ended:
                ended = self._backlog.done(task)
        self._settled = False
        return ended or self._ensure_built(unit.checkpoint)

    def expect(self, checkpoint: str, seconds: float) -> None:
        """Expect another build of a checkpoint to take so long."""
        self._expected[checkpoint] = seconds

    def start(self) -> Start | None:
        """The next unit that begins; None if nothing can begin now."""
        if self._settled:
            return None
        found = self._start_reserved() or self._start_pressing()
        if found is None and any(place.has_room for place in self._places.values()):
            found = self._start_loaded() or self._start_other() or self._start_repeated()
            if found is None and self._reserve():
                found = self._start_reserved()
        self._settled = found is None
        return found

    def done(self, name: str) -> list[Ended]:
        """A unit that ran is done. Returns it, unless it was cancelled or a repeated build."""
        task, seat, place = self._vacate(name)
        checkpoint = task.unit.checkpoint
        # a build, or a timing of two checkpoints, leaves nothing loaded
        seat.loaded = checkpoint if task.unit.kind == "answer" else ""
        ended = self._backlog.done(task)
        if task.unit.kind == "build":
            self._built[checkpoint].add(place.store)
            ended += self._ensure_built(checkpoint)
        return ended

    def failed(self, name: str, error: UnicompError) -> list[Ended]:
        """A unit has failed by an error of its own. Returns what fails with it, itself included."""
        task, seat, place = self._vacate(name)
        seat.loaded = ""
        return self._fail(task, error, place.store)

    def lost(self, number: int, reason: str = "") -> list[Ended]:
        """A worker was lost. Returns what fails with it, if its unit is not tried again."""
        seat = self._seats.get(number)
        if seat is None:
            return []
        place = self._places[seat.worker.node]
        task = self._remove(seat)
        return [] if task is None else self._again(task, place, reason)

    def cancel(self, names: Collection[str]) -> None:
        """Forget units: those that have not begun never do, and those that run end unheard."""
        self._backlog.drop(names)
        self._settled = False

    def node_lost(self, name: str, reason: str = "") -> list[Ended]:
        """A node was lost, with its workers and what is built there. Returns what fails for it."""
        place = self._places.pop(name, None)
        if place is None:
            return []
        self._reserved.pop(name, None)
        self._held.discard(name)
        self._count_slots()
        seats = [*place.waiting.values(), *place.busy.values()]
        tasks = [self._remove(seat, place) for seat in seats]
        shared = any(other.store == place.store for other in self._places.values())
        gone = [] if shared else [of for of, stores in self._built.items() if place.store in stores]
        for checkpoint in gone:
            self._built[checkpoint].discard(place.store)
        ended = [one for task in tasks if task for one in self._again(task, place, reason)]
        ended += self._fail_homeless()
        return ended + [one for checkpoint in self._built for one in self._ensure_built(checkpoint)]

    def hold(self, name: str) -> None:
        """Begin nothing on a node until it is released: nobody knows whether it is there still."""
        self._held.add(name)
        self._changed()

    def release(self, name: str) -> None:
        """Use a node again that was held."""
        self._held.discard(name)
        self._changed()

    def node_added(self, node: Node) -> None:
        """A node has joined."""
        place = self._places[node.name] = Place(node)
        for checkpoint, build in self._builds.items():
            if _found(build.unit, node):
                self._built[checkpoint].add(place.store)
        self._count_slots()
        self._changed()

    # -- how a unit ends ------------------------------------------------------------------------

    def _vacate(self, name: str) -> tuple[Task, Seat, Place]:
        """Let the worker of a unit wait again."""
        seat, task = self._at.pop(name), self._backlog.tasks[name]
        place = self._places[seat.worker.node]
        seat.unit = ""
        place.waiting[seat.worker.number] = place.busy.pop(seat.worker.number)
        self._work_on(task, -1)
        self._changed()
        return task, seat, place

    def _remove(self, seat: Seat, place: Place | None = None) -> Task | None:
        """Forget a worker; returns what it ran."""
        number = seat.worker.number
        place = place or self._places[seat.worker.node]
        place.waiting.pop(number, None)
        place.busy.pop(number, None)
        del self._seats[number]
        self._changed()
        if not seat.unit:
            return None
        del self._at[seat.unit]
        task = self._backlog.tasks[seat.unit]
        self._work_on(task, -1)
        return task

    def _again(self, task: Task, place: Place, reason: str) -> list[Ended]:
        """Begin a lost unit again, unless that was done often enough, or nobody needs it."""
        unit = task.unit
        needless = task.repeated and self._built[unit.checkpoint]
        if needless or (task.dropped and unit.kind != "build"):
            return self._fail(task, EngineError(reason), place.store)
        if task.attempts >= ATTEMPTS:
            why = f": {reason}" if reason else ""
            error = EngineError(
                f"{unit.name}: its worker was lost {task.attempts} times, "
                f"the last time on {place.node.name}{why}"
            )
            return self._fail(task, error, place.store)
        self._backlog.again(task, place.node.name)
        return self._ensure_built(unit.checkpoint)

    def _fail(self, task: Task, error: UnicompError, store: str) -> list[Ended]:
        ended = self._backlog.fail(task, error)
        if task.unit.kind == "build":
            self._barred.add((task.unit.checkpoint, store))
            if not task.repeated:  # what was there is damaged
                self._built[task.unit.checkpoint].discard(store)
            ended += self._abandon(task.unit.checkpoint, error)
        return ended

    def _abandon(self, checkpoint: str, error: UnicompError) -> list[Ended]:
        """Fail what is left of a checkpoint if no store has it and no unit builds it."""
        if self._backlog.builds[checkpoint]:
            return []
        unmet = self._unmet(checkpoint)
        return [
            one
            for task in list(self._backlog.uses[checkpoint].values())
            if task.state in ("waiting", "ready") and task.unit.needs in unmet
            for one in self._backlog.fail(task, error)
        ]

    def _fail_homeless(self) -> list[Ended]:
        """Fail the units for which the nodes that are left are too small."""
        return [
            one
            for task in list(self._backlog.tasks.values())
            if task.state in ("waiting", "ready") and not self._slots_of(task.unit.needs)
            for one in self._fail(task, SpecError(_too_large(task.unit, self.nodes)), "")
        ]

    # -- where a checkpoint is ------------------------------------------------------------------

    def _unmet(self, checkpoint: str) -> set[Needs]:
        """What units that use a checkpoint need, and no node has whose store has it."""
        stores = self._built[checkpoint]
        there = [place.node for place in self._places.values() if place.store in stores]
        needs = self._backlog.needs[checkpoint]
        return {one for one in needs if not any(node.has(one) for node in there)}

    def _ensure_built(self, checkpoint: str) -> list[Ended]:
        """Build a checkpoint again if units are left that cannot use it where it is."""
        build = self._builds.get(checkpoint)
        if build is None or build.state != "ended" or not (unmet := self._unmet(checkpoint)):
            return []
        if self._backlog.builds[checkpoint]:
            return []
        failure = self._backlog.failure(build.unit.name)
        if failure is None and not self._meets(self._builders(build.unit, unmet), unmet):
            failure = SpecError(
                f"{build.unit.name}: no node that can run it is one where it is used; "
                "use a store that the nodes share"
            )
        if failure is not None:
            return self._abandon(checkpoint, failure)
        self._repeat(build)
        self._settled = False
        return []

    def _finders(self, build: Task) -> list[Place]:
        """The nodes on which a build that has not ended only finds the checkpoint."""
        stores = self._built[build.unit.checkpoint] if build.state != "ended" else ()
        places = self._places.values()
        return [one for one in places if one.store in stores and one.node.has(build.unit.needs)]

    def _builders(self, unit: Unit, unmet: Collection[Needs]) -> list[Place]:
        """The nodes that can build a checkpoint for the most of what its units need."""
        fit = [place for place in self._places.values() if place.node.has(unit.needs)]
        met = {place.store: self._meets([place], unmet) for place in fit}
        most = max(met.values(), default=0)
        return [place for place in fit if met[place.store] == most]

    def _meets(self, places: Collection[Place], unmet: Collection[Needs]) -> int:
        """How many of these needs a node has that uses the store of one of the places."""
        stores = {place.store for place in places}
        nodes = [place.node for place in self._places.values() if place.store in stores]
        return sum(any(node.has(needs) for node in nodes) for needs in unmet)

    def _repeat(self, build: Task) -> Task:
        """Make a unit that builds a checkpoint once more."""
        name = f"{build.unit.name} (again, {len(self._backlog.tasks)})"
        unit = replace(build.unit, name=name, after=(), seconds=self._seconds_of(build))
        self._backlog.add(unit, origin=build.unit.name)
        return self._backlog.tasks[name]

    def _eligible(self, alike: Alike) -> list[Place]:
        """The nodes on which units may run; not where they were lost, if there are others."""
        checkpoint, needs = alike.checkpoint, alike.needs
        if alike.kind == "build":
            build = self._builds[checkpoint]
            places = self._finders(build) or self._builders(build.unit, self._unmet(checkpoint))
        else:
            stores = self._built.get(checkpoint)
            places = [
                place
                for place in self._places.values()
                if (stores is None or place.store in stores) and place.node.has(needs)
            ]
        return [place for place in places if place.node.name not in alike.avoid] or places

    # -- which unit begins ----------------------------------------------------------------------

    def _start_reserved(self) -> Start | None:
        """Begin what a node was kept free for."""
        for name, alike in list(self._reserved.items()):
            if name in self._held:
                continue
            found = self._backlog.ready.get(alike)
            place = self._places[name]
            if found is None or place not in self._eligible(alike):
                del self._reserved[name]
                self._changed()
            elif opening := place.opening(alike.needs, self._spent(place)):
                del self._reserved[name]
                return self._begin(found, place, opening)
        return None

    def _start_pressing(self) -> Start | None:
        """Begin what would delay the end if it waited."""
        pressing = [found for found in self._backlog.ready.values() if self._presses(found)]
        for found in sorted(pressing, key=self._path, reverse=True):
            if started := self._start_somewhere(found):
                return started
            self._reserve_for(found, self._eligible(found.alike))
        return None

    def _start_loaded(self) -> Start | None:
        """Let a worker that waits go on with the checkpoint that it has loaded."""
        for place in self._places.values():
            for seat in place.waiting.values():
                for found in self._backlog.ready_of[seat.loaded].values() if seat.loaded else ():
                    if (
                        found.alike.kind == "answer"
                        and found.alike.needs == seat.worker.needs
                        and place in self._open_for(found)
                        and place in self._eligible(found.alike)
                    ):
                        return self._begin(found, place, Opening(seat))
        return None

    def _start_other(self) -> Start | None:
        """Begin units of the checkpoint that needs another worker most."""
        open_now = [
            found
            for found in self._backlog.ready.values()
            if not found.alike.needs.alone and self._open_for(found) and self._worth_loading(found)
        ]
        for found in sorted(open_now, key=self._urgency):
            if started := self._start_somewhere(found):
                return started
        return None

    def _start_repeated(self) -> Start | None:
        """Build a checkpoint on another node, too, if its workers would need longer without."""
        waiting = [
            found
            for found in self._backlog.ready.values()
            if found.alike.kind != "build"
            and not found.alike.needs.alone
            and (build := self._builds.get(found.alike.checkpoint))
            and self._open_places(build.unit.needs)
            and self._worth_building(found, build)
        ]
        for found in sorted(waiting, key=self._urgency):
            checkpoint = found.alike.checkpoint
            build = self._builds[checkpoint]
            building = (self._at.get(name) for name in self._backlog.builds[checkpoint])
            have = self._built[checkpoint] | {
                self._places[seat.worker.node].store for seat in building if seat
            }
            for place in self._open_places(build.unit.needs):
                if (
                    place.store not in have
                    and (checkpoint, place.store) not in self._barred
                    and place.node.has(found.alike.needs)
                    and (opening := place.opening(build.unit.needs, self._spent(place)))
                ):
                    task = self._repeat(build)
                    return self._begin(self._backlog.ready[task.alike], place, opening)
        return None

    def _start_somewhere(self, found: Ready) -> Start | None:
        """Begin a unit on the best of the nodes that have room."""
        eligible = self._eligible(found.alike) if self._open_for(found) else ()
        ways = [
            (place, opening)
            for place in self._open_for(found)
            if place in eligible
            and (opening := place.opening(found.alike.needs, self._spent(place)))
        ]
        if not ways:
            return None
        place, opening = min(ways, key=lambda way: (len(way[1].closes), len(way[0].busy)))
        return self._begin(found, place, opening)

    def _begin(self, found: Ready, place: Place, opening: Opening) -> Start:
        """Let the next of these units run."""
        task = self._backlog.begin(found.alike)
        for closed in opening.closes:
            self._remove(closed)
        seat = opening.seat
        if seat is None:
            self._number += 1
            seat = Seat(Worker(self._number, place.node.name, task.unit.needs))
            self._seats[self._number] = seat
        place.waiting.pop(seat.worker.number, None)
        place.busy[seat.worker.number] = seat
        seat.unit = task.unit.name
        self._at[task.unit.name] = seat
        self._work_on(task, +1)
        self._changed()
        return Start(
            task.unit,
            seat.worker,
            task.origin,
            tuple(closed.worker for closed in opening.closes),
            loads=task.unit.kind != "build" and seat.loaded != task.unit.checkpoint,
        )

    # -- nodes that are kept free ---------------------------------------------------------------

    def _reserve(self) -> bool:
        """Keep nodes with workers that wait for units that find no room on them."""
        idle = [place for place in self._places.values() if place.waiting or not place.busy]
        reserved = False
        for found in sorted(self._backlog.ready.values(), key=self._urgency) if idle else ():
            eligible = self._eligible(found.alike)
            places = [place for place in idle if place in eligible]
            reserved |= self._reserve_for(found, places)
        return reserved

    def _reserve_for(self, found: Ready, places: Collection[Place]) -> bool:
        """Keep one of the nodes for units that need more than one worker leaves when it ends."""
        needs = found.alike.needs
        taken = self._held | self._reserved.keys()
        places = [place for place in places if place.node.name not in taken]
        if not places or found.alike in self._reserved.values():
            return False
        eligible = self._eligible(found.alike)
        if not needs.alone and any(place.opens_soon(needs) for place in eligible):
            return False
        place = min(places, key=lambda place: (place.alone, len(place.busy)))
        self._reserved[place.node.name] = found.alike
        self._changed()
        return True

    # -- what is worth what ---------------------------------------------------------------------

    def _presses(self, found: Ready) -> bool:
        """Whether what follows from these units takes longer than all the rest."""
        head, backlog = found.head, self._backlog
        if found.alike.needs.alone:
            kept = sum(
                place.alone or (name in self._reserved and self._reserved[name].needs.alone)
                for name, place in self._places.items()
            )
            others = len(self._places) - kept - 1
            return others > 0 and backlog.alone / (kept + 1) > (
                (backlog.total - backlog.alone) / others
            )
        if found.alike.kind != "build" and head.path <= head.unit.seconds:
            return False
        return self._path(found) > (backlog.total + backlog.running / 2) / self._width()

    def _path(self, found: Ready) -> float:
        """Expected seconds until all is done that follows from the next of these units."""
        head = found.head
        if found.alike.kind != "build":
            return head.path
        rest = self._backlog.unbegun[found.alike.checkpoint] - head.unit.seconds
        return max(head.path, head.unit.seconds + rest / self._width())

    def _urgency(self, found: Ready) -> tuple[bool, float]:
        """A key that sorts the units to begin next first."""
        left = self._backlog.unbegun[found.alike.checkpoint]
        return (not found.head.unit.first, -found.head.path - left / (self._working_on(found) + 1))

    def _worth_loading(self, found: Ready) -> bool:
        """Whether another worker should load a checkpoint: not if others are done before it has."""
        return (
            found.alike.kind != "answer"
            or bool(found.alike.avoid)
            or self._outlasts(found, found.head.unit.loading)
        )

    def _worth_building(self, found: Ready, build: Task) -> bool:
        """Whether building a checkpoint again takes no longer than the rest without it.

        If no worker answers for it now, those that have it do other work first: all that is left.
        """
        seconds = self._seconds_of(build) + found.head.unit.loading
        if self._working_on(found) or not self._built[found.alike.checkpoint] or not found.seconds:
            return self._outlasts(found, seconds)
        left = self._backlog.total + self._backlog.running / 2
        return left / max(len(self._at), 1) >= seconds

    def _seconds_of(self, build: Task) -> float:
        """The expected time of building a checkpoint again."""
        return self._expected.get(build.unit.checkpoint, build.unit.seconds)

    def _outlasts(self, found: Ready, seconds: float) -> bool:
        """Whether the workers of a checkpoint need so long for what is left, or nobody knows."""
        working, head = self._working_on(found), found.head.unit
        return (
            not working
            or not found.seconds
            or found.seconds / working + head.seconds / 2 >= seconds
        )

    def _working_on(self, found: Ready) -> int:
        return self._working[found.alike.checkpoint, found.alike.needs]

    def _work_on(self, task: Task, sign: int) -> None:
        if task.unit.kind == "answer":
            self._working[task.unit.checkpoint, task.unit.needs] += sign

    # -- what follows from the nodes ------------------------------------------------------------

    def _open_for(self, found: Ready) -> list[Place]:
        return self._open_places(found.alike.needs)

    def _open_places(self, needs: Needs) -> list[Place]:
        """The nodes that have room now and are not kept for something else."""
        if needs not in self._open:
            self._open[needs] = [
                place
                for name, place in self._places.items()
                if name not in self._reserved
                and name not in self._held
                and place.node.has(needs)
                and place.opening(needs)
            ]
        return self._open[needs]

    def _spent(self, place: Place) -> Iterator[Seat]:
        """The workers that wait and whose checkpoint has no units left."""
        unbegun = self._backlog.needs
        return (seat for seat in place.waiting.values() if not unbegun.get(seat.loaded))

    def _slots_of(self, needs: Needs) -> int:
        """How many units of such needs all nodes together can run."""
        if needs not in self._slots:
            self._slots[needs] = 0
            self._count_slots()
        return self._slots[needs]

    def _count_slots(self) -> None:
        for needs in self._slots:
            self._slots[needs] = sum(place.slots(needs) for place in self._places.values())

    def _width(self) -> int:
        """The most units that run at once."""
        return max(self._slots.values(), default=1) or 1

    def _changed(self) -> None:
        self._open.clear()
        self._settled = False


def _found(build: Unit, node: Node) -> bool:
    """Whether the store of a node had a checkpoint before the run."""
    return build.key in node.checkpoints


def _too_large(unit: Unit, nodes: Sequence[Node]) -> str:
    """Why a unit runs nowhere."""
    if not nodes:
        return f"{unit.name} cannot run: no node is left"
    largest = max(nodes, key=lambda node: (node.gpus, node.memory, node.cpus))
    alone = " of a node alone" if unit.needs.alone else ""
    return (
        f"{unit.name} needs {_listed(unit.needs)}{alone}; "
        f"the largest node, {largest.name}, has {_listed(largest)}"
    )


def _listed(of: Needs | Node) -> str:
    parts = [f"{of.cpus} CPU{'s' * (of.cpus != 1)}", f"{of.gpus} GPU{'s' * (of.gpus != 1)}"]
    return f"{parts[0]}, {parts[1]} and {amount(of.memory, 'bytes')} of memory"
