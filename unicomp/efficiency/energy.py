"""Energy: what the machine's own counters say was spent, in joules, where it has any.

Processors count in the files of Linux's power capping framework (RAPL), GPUs in their driver. Both
count all that the chip spends, whoever it is for, so a figure is that of the measurement only
while the device is held alone (`unicomp.machine.turns`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from unicomp.efficiency import nvml
from unicomp.engines import Device

POWERCAP = Path("/sys/class/powercap")


class Counter(Protocol):
    """Counts what a part of the machine spends."""

    def read(self) -> float:
        """Joules since some moment in the past. Raises OSError."""
        ...

    def spent(self, before: float, now: float) -> float:
        """Joules between two readings."""
        ...


@dataclass(frozen=True)
class RaplCounter:
    """One zone of the power capping framework: a processor package, or the memory beside it."""

    zone: Path

    @property
    def counts(self) -> bool:
        """Whether no other zone holds it: the cores are inside their package, and the platform
        holds all.
        """
        name = (self.zone / "name").read_text().strip()
        return name.startswith("package") or name == "dram"

    def read(self) -> float:
        """Joules since the counter last began anew."""
        return int((self.zone / "energy_uj").read_text()) / 1e6

    def spent(self, before: float, now: float) -> float:
        """Joules between two readings, less than a counter's round apart: minutes, not seconds."""
        if now >= before:
            return now - before
        return now - before + int((self.zone / "max_energy_range_uj").read_text()) / 1e6


@dataclass(frozen=True)
class GpuCounter:
    """One GPU; its counter moves some ten times a second, so only sums of short turns are told."""

    gpu: nvml.Gpu

    def read(self) -> float:
        """Joules since the driver was loaded."""
        return self.gpu.joules()

    def spent(self, before: float, now: float) -> float:
        """Joules between two readings."""
        return now - before


@dataclass
class Meter:
    """Tells what was spent between `start` and `stop`: the sum of all its counters.

    It tells nothing where it has none, or one cannot be read.
    """

    counters: tuple[Counter, ...] = ()
    _before: tuple[float, ...] = field(default=(), repr=False)

    def start(self) -> None:
        """Begin anew."""
        self._before = self._read()

    def stop(self) -> float | None:
        """Joules since `start`, or None."""
        now = self._read()
        if not now or len(now) != len(self._before):
            return None
        readings = zip(self.counters, self._before, now, strict=True)
        return sum(counter.spent(before, now) for counter, before, now in readings)

    def _read(self) -> tuple[float, ...]:
        try:
            return tuple(counter.read() for counter in self.counters)
        except (OSError, ValueError):
            self.counters = ()
            return ()


UNMETERED = Meter()


def device_meter(device: Device, powercap: Path = POWERCAP) -> Meter:
    """Counts what does the work: the GPU that an engine uses, or else the processors.

    A processor beside a GPU is left out, so that figures do not depend on who may read its counter,
    and so are GPUs beside the first one, which no engine uses here.
    """
    if device != "cuda":
        return processor_meter(powercap)
    counters = tuple(GpuCounter(gpu) for gpu in nvml.gpus()[:1])
    try:
        for counter in counters:
            counter.read()
    except OSError:  # GPUs before Volta do not count
        return UNMETERED
    return Meter(counters)


def processor_meter(powercap: Path = POWERCAP) -> Meter:
    """Counts what the processors and their memory spend, where Linux says so and may be asked."""
    counters = tuple(RaplCounter(zone) for zone in sorted(powercap.glob("intel-rapl:*")))
    try:
        counters = tuple(counter for counter in counters if counter.counts)
        for counter in counters:
            counter.read()
    except (OSError, ValueError):  # many systems let only the administrator read them
        return UNMETERED
    return Meter(counters)
