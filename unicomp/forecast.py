"""How far a run is, in items and timed rounds, and when it will be done; over all its processes.

Each process keeps a `Share`. Items that were found in the store count as answered, but say nothing
about the speed. Where asking may stop early, the items that are likely to be asked count instead of
all items.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self, TypeVar

T = TypeVar("T")

Counts = dict[str, dict[str, int]]
"""Checkpoint → benchmark → items, or checkpoint → load → rounds."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The work of a run, as far as it can be counted beforehand."""

    items: Counts = field(default_factory=dict)
    rounds: Counts = field(default_factory=dict)
    round_seconds: float | None = None
    """The least seconds of a round. Where items come first, they stand for those of the rounds
    until one is timed; a run of rounds alone soon knows better."""
    tests: int = 0


@dataclass(kw_only=True)
class Counted:
    """The items that one process has answered, or the rounds that it has timed."""

    done: dict[str, dict[str, float]] = field(default_factory=dict)
    """Checkpoint → benchmark or load → items or rounds; one that is done in part counts in part."""
    asked: Counts = field(default_factory=dict)
    """All items or rounds of what was begun."""
    likely: Counts = field(default_factory=dict)
    """The items that are likely to be asked in all, where asking may stop early; those that were
    asked, where it has stopped."""
    speeds: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Benchmark or load → the items or rounds that were done here, and the seconds they took."""
    current: list[str] = field(default_factory=list)
    """Checkpoint and benchmark or load that is being counted; empty if none is."""
    _last: tuple[str, str, float, float] = ("", "", 0.0, 0.0)
    """The last report: checkpoint, benchmark or load, items or rounds, moment."""

    def note(
        self,
        checkpoint: str,
        name: str,
        done: float,
        total: int,
        now: float,
        *,
        timed: bool = True,
    ) -> float:
        """Note that `done` of `total` are done; return the seconds that the new ones took.

        They are not `timed` where others work on it, too.
        """
        self.done.setdefault(checkpoint, {})[name] = done
        self.asked.setdefault(checkpoint, {})[name] = total
        seconds = 0.0
        if timed and self._last[:2] == (checkpoint, name) and done > self._last[2]:
            seconds = now - self._last[3]
            before = self.speeds.get(name, (0.0, 0.0))
            self.speeds[name] = (before[0] + done - self._last[2], before[1] + seconds)
        self._last = (checkpoint, name, done, now)
        self.current = [checkpoint, name] if done < self._end(checkpoint, name) else []
        return seconds

    def expect(self, checkpoint: str, name: str, likely: int) -> None:
        """Note that `likely` items or rounds will be done in all; the count ends if they are."""
        self.likely.setdefault(checkpoint, {})[name] = likely
        if self.current == [checkpoint, name] and self.done[checkpoint][name] >= likely:
            self.current = []

    def _end(self, checkpoint: str, name: str) -> int:
        """How many will be done in all, as far as it is known."""
        total = self.asked[checkpoint][name]
        return min(self.likely.get(checkpoint, {}).get(name, total), total)

    def pace(self) -> tuple[float, float] | None:
        """What is done in a second of the current count, and the seconds left for it.

        None if nothing is being counted, or nothing of it was done here yet.
        """
        if not self.current:
            return None
        checkpoint, name = self.current
        count, seconds = self.speeds.get(name, (0.0, 0.0))
        if count <= 0 or seconds <= 0:
            return None
        left = max(self._end(checkpoint, name) - self.done[checkpoint][name], 0.0)
        return count / seconds, left * seconds / count


@dataclass(kw_only=True)
class Share:
    """What one process is doing and has done."""

    doing: str = ""
    """In words; empty between two pieces of work."""
    waiting: str = ""
    """What it waits for, in words; empty if it does not wait."""
    items: Counted = field(default_factory=Counted)
    rounds: Counted = field(default_factory=Counted)
    workers: int = 0
    """The workers of a cluster that work for it; 0 if it does everything itself."""
    finished: list[str] = field(default_factory=list)
    """Checkpoints with all of their items answered."""
    besides: float = 0.0
    """Seconds of the finished checkpoints that went into building and loading."""
    _mark: float | None = None
    """The end of the last checkpoint, or the start."""
    _answering: float = 0.0
    """Seconds of answering since then."""

    def begin(self, now: float) -> None:
        """Note the start of the work; `now` is a moment in seconds, from any zero."""
        self._mark = now

    def note(self, checkpoint: str, benchmark: str, done: float, total: int, now: float) -> None:
        """Note that `done` of `total` items of a benchmark are answered."""
        timed = not self.workers
        self._answering += self.items.note(checkpoint, benchmark, done, total, now, timed=timed)

    def note_elsewhere(self, benchmark: str, items: int, seconds: float, workers: int) -> None:
        """Note that a worker of a cluster took so long for items; `workers` work side by side."""
        self.workers = workers
        before = self.items.speeds.get(benchmark, (0.0, 0.0))
        self.items.speeds[benchmark] = (before[0] + items, before[1] + seconds)

    def expect(self, checkpoint: str, benchmark: str, likely: int) -> None:
        """Note that `likely` items of a benchmark will be asked in all; see `Counted.likely`."""
        self.items.expect(checkpoint, benchmark, likely)

    def finish(self, checkpoint: str, now: float) -> None:
        """Note that a checkpoint has answered everything."""
        self.items.current = []
        if checkpoint in self.finished:
            return
        self.finished.append(checkpoint)
        if self._mark is not None and not self.workers:
            self.besides += max(now - self._mark - self._answering, 0.0)
        self._mark, self._answering = now, 0.0

    def __str__(self) -> str:
        """What the process waits for or is doing, how fast, and the time left for that."""
        if self.waiting or not self.doing:
            return self.waiting or "idle"
        for counted, unit in ((self.items, "items"), (self.rounds, "rounds")):
            if (pace := counted.pace()) is not None:
                return f"{self.doing}, {pace[0]:.3g} {unit}/s, {rough(pace[1])} left"
        return self.doing

    def to_json(self) -> str:
        """What the reporting process needs."""
        return json.dumps(_public(asdict(self)))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Restore a share from `to_json`."""
        values = json.loads(text)
        items, rounds = (Counted(**values.pop(name)) for name in ("items", "rounds"))
        return cls(**values, items=items, rounds=rounds)


def _public(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _public(value) if isinstance(value, dict) else value
        for name, value in values.items()
        if name[:1] != "_"
    }


@dataclass(frozen=True)
class Stand:
    """How many items or rounds of a run are done, of how many, and the seconds for the others."""

    done: int
    total: int
    seconds: float | None
    """None as long as no speed is known."""
    about: bool = False
    """Whether the total is an estimate, since asking may stop early."""

    @classmethod
    def of(
        cls,
        expected: Counts,
        shares: Sequence[Counted],
        finished: Collection[str] = (),
        each: float | None = None,
    ) -> Self:
        """Add up the counts of all processes.

        Everything of a `finished` checkpoint is done, also what failed. `each` is the seconds of
        one as long as none was done. What has no speed of its own has that of all others.
        """
        asked = _merged([expected, *(share.asked for share in shares)])
        done = _merged([share.done for share in shares])
        likely = _merged([share.likely for share in shares])
        left: dict[str, float] = {}
        total, about = 0, False
        for checkpoint, counts in asked.items():
            for name, everything in counts.items():
                so_far = done.get(checkpoint, {}).get(name, 0.0)
                end = likely.get(checkpoint, {}).get(name, everything)
                end = min(max(end, math.ceil(so_far)), everything)
                total += end
                if checkpoint not in finished:
                    left[name] = left.get(name, 0.0) + max(end - so_far, 0.0)
                    about = about or so_far < end < everything
        speeds = _speeds(shares)
        return cls(int(total - sum(left.values())), total, _seconds(left, speeds, each), about)


def _merged(parts: Iterable[Mapping[str, Mapping[str, T]]]) -> dict[str, dict[str, T]]:
    """Checkpoint → benchmark or load → count; a later part outranks an earlier one."""
    merged: dict[str, dict[str, T]] = {}
    for part in parts:
        for checkpoint, counts in part.items():
            merged.setdefault(checkpoint, {}).update(counts)
    return merged


def _speeds(shares: Sequence[Counted]) -> dict[str, tuple[float, float]]:
    """Benchmark or load → what all processes have done of it, and their seconds."""
    speeds: dict[str, tuple[float, float]] = {}
    for share in shares:
        for name, (count, seconds) in share.speeds.items():
            known = speeds.get(name, (0.0, 0.0))
            speeds[name] = (known[0] + count, known[1] + seconds)
    return speeds


@dataclass(frozen=True)
class Forecast:
    """How far a run is, and the seconds left."""

    items: Stand
    rounds: Stand
    seconds: float | None
    """None as long as no speed is known."""

    @classmethod
    def of(cls, expected: Expected, shares: Sequence[Share]) -> Self:
        """Add up the shares of a run; `expected` may lack what nobody could count beforehand."""
        finished = {name for share in shares for name in share.finished}
        items = Stand.of(expected.items, [share.items for share in shares], finished)
        rounds = Stand.of(
            expected.rounds,
            [share.rounds for share in shares],
            each=expected.round_seconds if items.total else None,
        )
        if items.seconds is None or rounds.seconds is None or not (items.total or rounds.total):
            return cls(items, rounds, None)
        begun = {name for share in shares for name in share.items.asked}
        unfinished = len((expected.items.keys() | begun) - finished)
        besides = sum(share.besides for share in shares) / max(len(finished), 1)
        busy = sum(share.workers or bool(share.items.speeds or share.doing) for share in shares)
        seconds = items.seconds + rounds.seconds + besides * unfinished
        return cls(items, rounds, seconds / max(busy, 1))

    def __str__(self) -> str:
        """Such as `120 of 400 items, 6 of 40 rounds of the run`; empty if nothing is counted."""
        named = {"items": self.items, "rounds": self.rounds}
        known = [
            f"{one.done:,} of {'about ' if one.about else ''}{one.total:,} {name}"
            for name, one in named.items()
            if one.total
        ]
        return f"{', '.join(known)} of the run" if known else ""


def _seconds(
    left: Mapping[str, float], speeds: Mapping[str, tuple[float, float]], each: float | None
) -> float | None:
    """The seconds for what is left; see `Stand.of`."""
    if not any(left.values()):
        return 0.0
    if count := sum(count for count, _ in speeds.values()):
        each = sum(seconds for _, seconds in speeds.values()) / count
    if each is None:
        return None
    own = {name: seconds / count for name, (count, seconds) in speeds.items() if count}
    return sum(count * own.get(name, each) for name, count in left.items())


def rough(seconds: float) -> str:
    """A duration as one tells it: `40 s`, `4 min`, `2.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
