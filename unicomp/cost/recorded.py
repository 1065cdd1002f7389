"""How fast checkpoints were built, loaded, asked and timed, kept in the store for the next plan.

One file for each model, method and benchmark, or for each such stage, by engine and hardware; the
last run counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any, Literal, Self

from unicomp.cost.figures import Figure
from unicomp.cost.workloads import Workload
from unicomp.efficiency.fingerprint import fingerprint_of
from unicomp.engines import EngineSettings
from unicomp.hardware import kind_of_product
from unicomp.measuring import CheckpointRecords
from unicomp.responses import Spent
from unicomp.spec import CheckpointId
from unicomp.store import FIGURES, Store, content_key

Stage = Literal["build", "load", "time"]
FEW = 32
"""Items that are enough for a rate."""


def hardware_of(engine: EngineSettings) -> str:
    """What an engine runs on here: the kind of its GPU, or the processor with its threads."""
    return hardware_in(fingerprint_of(engine))


def hardware_in(found: Mapping[str, Any]) -> str:
    """The same on the machine of a fingerprint."""
    if found["device"] == "cuda" and found["gpus"]:
        return kind_of_product(str(found["gpus"][0].get("name", "")))
    threads = found["threads"]
    return f"{found['processor']}, {threads} thread{'s' if threads > 1 else ''}"


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """The rates of one engine on one kind of hardware."""

    store: Store
    engine: str
    hardware: str

    @classmethod
    def here(cls, store: Store, engine: EngineSettings) -> Self:
        """Those of an engine on this machine."""
        return cls(store=store, engine=engine.name, hardware=hardware_of(engine))

    @classmethod
    def on(cls, store: Store, engine: EngineSettings, machine: Mapping[str, Any]) -> Self:
        """Those of an engine on the machine of a fingerprint, such as a node of a cluster."""
        return cls(store=store, engine=engine.name, hardware=hardware_in(machine))

    def remember_answers(
        self, name: CheckpointId, measured: CheckpointRecords, seconds: float
    ) -> None:
        """Keep what loading and each benchmark took, of so many seconds in all.

        Time that is neither loading nor asking, as for reading the answers, is spread over the
        items. A few items say little, and replace nothing. Raises StoreError if the disk is full.
        """
        if not measured.asked:
            return
        self.remember_seconds(name, "load", measured.loading)
        besides = max(seconds - measured.seconds, 0.0) / measured.asked
        for benchmark, spent in measured.spent.items():
            known = self.items(name.model, name.method, benchmark)
            if known is None or spent.items >= min(FEW, known.items):
                whole = replace(spent, seconds=spent.seconds + besides * spent.items)
                what = _of_items(benchmark)
                self._remember(name.model, name.method, what, asdict(whole))

    def remember_seconds(self, name: CheckpointId, stage: Stage, seconds: float) -> None:
        """Keep what a stage of a checkpoint took. Raises StoreError if the disk is full."""
        self._remember(name.model, name.method, stage, {"seconds": seconds})

    def items(self, model: str, method: str, benchmark: str) -> Spent | None:
        """What the items of a benchmark took; None if that was never measured."""
        found = self._recall(model, method, _of_items(benchmark))
        return None if found is None else Spent(**found)

    def seconds(self, model: str, method: str, stage: Stage) -> Figure | None:
        """What a stage of a checkpoint took; None if that was never measured."""
        found = self._recall(model, method, stage)
        return None if found is None else Figure.of(float(found["seconds"]), "measured")

    def _remember(self, model: str, method: str, what: str, value: Mapping[str, Any]) -> None:
        self.store.remember(FIGURES, self._key(model, method, what), dict(value))

    def _recall(self, model: str, method: str, what: str) -> Any | None:
        return self.store.recall(FIGURES, self._key(model, method, what))

    def _key(self, model: str, method: str, what: str) -> str:
        identity = {"rate of": what, "model": model, "method": method}
        return content_key({**identity, "engine": self.engine, "hardware": self.hardware})


def _of_items(benchmark: str) -> str:
    return f"items of {benchmark}"


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds for each character that is read, and for each that is written."""

    read: float
    written: float

    def item(self, each: Workload) -> Figure:
        """The time of an item that was never measured."""
        return Figure.of(each.read * self.read + each.written * self.written, "measured")


def pace_of(measured: Iterable[Spent]) -> Pace | None:
    """The pace that explains what was measured; None if nothing was.

    It minimises the sum of the squared relative errors, and neither part of it is negative.
    """
    points = [
        (one.read / one.seconds, one.written / one.seconds)
        for one in measured
        if one.seconds > 0 and one.read + one.written > 0
    ]
    if not points:
        return None
    reads, writes = sum(r for r, _ in points), sum(w for _, w in points)
    squares = sum(r * r for r, _ in points), sum(w * w for _, w in points)
    mixed = sum(r * w for r, w in points)
    determinant = squares[0] * squares[1] - mixed * mixed
    if determinant > 1e-9 * squares[0] * squares[1]:
        read = (reads * squares[1] - writes * mixed) / determinant
        written = (writes * squares[0] - reads * mixed) / determinant
        if read >= 0 and written >= 0:
            return Pace(read=read, written=written)
    alone = [
        Pace(read=reads / squares[0] if squares[0] else 0.0, written=0.0),
        Pace(read=0.0, written=writes / squares[1] if squares[1] else 0.0),
    ]

    def error(pace: Pace) -> float:
        return sum((1 - r * pace.read - w * pace.written) ** 2 for r, w in points)

    return min(alone, key=error)


def usual(known: Iterable[Figure | None]) -> Figure | None:
    """The median of what was measured for others; None if nothing was."""
    seconds = [one.seconds for one in known if one is not None]
    return Figure.of(median(seconds), "measured") if seconds else None
