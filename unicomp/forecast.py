"""How far a run is, in items, and when it will be done; summed over its processes.

Each process keeps a `Share`. Items that were found in the store count as answered, but say nothing
about the speed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Self

Counts = dict[str, dict[str, int]]
"""Checkpoint → benchmark → items."""


@dataclass(kw_only=True)
class Share:
    """What one process is doing and has done."""

    doing: str = ""
    """In words; empty between two pieces of work."""
    answered: Counts = field(default_factory=dict)
    asked: Counts = field(default_factory=dict)
    """All items of the benchmarks that were begun."""
    finished: list[str] = field(default_factory=list)
    """Checkpoints with all of their items answered."""
    speeds: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Benchmark → items that were answered here, and the seconds they took."""
    besides: float = 0.0
    """Seconds of the finished checkpoints that went into building and loading."""
    _last: tuple[str, str, int, float] = ("", "", 0, 0.0)
    """The last report: checkpoint, benchmark, items, moment."""
    _mark: float | None = None
    """The end of the last checkpoint, or the start."""
    _answering: float = 0.0
    """Seconds of answering since then."""

    def begin(self, now: float) -> None:
        """Note the start of the work; `now` is a moment in seconds, from any zero."""
        self._mark = now

    def note(self, checkpoint: str, benchmark: str, done: int, total: int, now: float) -> None:
        """Note that `done` of `total` items of a benchmark are answered."""
        self.answered.setdefault(checkpoint, {})[benchmark] = done
        self.asked.setdefault(checkpoint, {})[benchmark] = total
        if self._last[:2] == (checkpoint, benchmark) and done > self._last[2]:
            items, seconds = self.speeds.get(benchmark, (0, 0.0))
            more = now - self._last[3]
            self.speeds[benchmark] = (items + done - self._last[2], seconds + more)
            self._answering += more
        self._last = (checkpoint, benchmark, done, now)

    def finish(self, checkpoint: str, now: float) -> None:
        """Note that a checkpoint has answered everything."""
        if checkpoint in self.finished:
            return
        self.finished.append(checkpoint)
        if self._mark is not None:
            self.besides += max(now - self._mark - self._answering, 0.0)
        self._mark, self._answering = now, 0.0

    def to_json(self) -> str:
        """What the reporting process needs."""
        public = {name: value for name, value in asdict(self).items() if name[0] != "_"}
        return json.dumps(public)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Restore a share from `to_json`."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Forecast:
    """The items of a run that are answered, of how many, and the seconds left."""

    done: int
    total: int
    seconds: float | None
    """None as long as no speed is known."""

    @classmethod
    def of(cls, planned: Mapping[str, Mapping[str, int]], shares: Sequence[Share]) -> Self:
        """Add up the shares of a run; `planned` may lack what nobody could count beforehand."""
        asked: Counts = {name: dict(items) for name, items in planned.items()}
        answered: Counts = {}
        speeds: dict[str, tuple[int, float]] = {}
        finished = {name for share in shares for name in share.finished}
        for share in shares:
            for name, items in share.asked.items():
                asked.setdefault(name, {}).update(items)
            for name, items in share.answered.items():
                answered.setdefault(name, {}).update(items)
            for name, (count, seconds) in share.speeds.items():
                known = speeds.get(name, (0, 0.0))
                speeds[name] = (known[0] + count, known[1] + seconds)
        for name in finished:
            answered[name] = dict(asked.get(name, {}))
        left: dict[str, int] = {}
        for name, items in asked.items():
            for benchmark, count in items.items():
                open_ = max(count - answered.get(name, {}).get(benchmark, 0), 0)
                left[benchmark] = left.get(benchmark, 0) + open_
        total = sum(sum(items.values()) for items in asked.values())
        answering = _seconds(left, speeds)
        if answering is None:
            return cls(total - sum(left.values()), total, None)
        besides = sum(share.besides for share in shares) / max(len(finished), 1)
        workers = max(sum(bool(share.speeds or share.doing) for share in shares), 1)
        seconds = (answering + besides * len(asked.keys() - finished)) / workers
        return cls(total - sum(left.values()), total, seconds)

    def __str__(self) -> str:
        return f"{self.done:,} of {self.total:,} items of the run"


def _seconds(left: Mapping[str, int], speeds: Mapping[str, tuple[int, float]]) -> float | None:
    """The seconds for the items left; a benchmark without a speed has that of all others."""
    items = sum(count for count, _ in speeds.values())
    seconds = sum(taken for _, taken in speeds.values())
    if not items:
        return 0.0 if not any(left.values()) else None
    each = {name: taken / count for name, (count, taken) in speeds.items() if count}
    return sum(count * each.get(name, seconds / items) for name, count in left.items())


def rough(seconds: float) -> str:
    """A duration as one tells it: `40 s`, `4 min`, `2.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
