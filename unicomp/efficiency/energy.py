"""Energy in joules, as the machine's own counters report it, if it has any.

Processors count in the files of Linux's power capping framework (RAPL), GPUs in their driver. A
counter counts all that its chip spends, for every process. A figure therefore belongs to a
measurement only while the device is held alone (`unicomp.machine.turns`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from unicomp.efficiency import nvml
from unicomp.engines import Device

POWERCAP = Path("/sys/class/powercap")


class EnergyCounter(Protocol):
    """Counts what a part of the machine spends."""

    def read(self) -> float:
        """Joules since some moment in the past. Raises OSError."""
        ...

    def spent(self, before: float, now: float) -> float:
        """Joules between two readings."""
        ...


@dataclass(frozen=True)
class RaplCounter:
    """One zone of the power capping framework: a processor package, or its memory."""

    zone: Path

    @property
    def is_separate(self) -> bool:
        """Whether no other zone includes it: packages include their cores, the platform all."""
        name = (self.zone / "name").read_text().strip()
        return name.startswith("package") or name == "dram"

    def read(self) -> float:
        """Joules since the counter last began at 0."""
        return int((self.zone / "energy_uj").read_text()) / 1e6

    def spent(self, before: float, now: float) -> float:
        """Joules between two readings; the counter must not wrap twice, which takes minutes."""
        if now >= before:
            return now - before
        return now - before + int((self.zone / "max_energy_range_uj").read_text()) / 1e6


@dataclass(frozen=True)
class GpuCounter:
    """One GPU. It updates about ten times a second, so only sums over many turns are reported."""

    gpu: nvml.Gpu

    def read(self) -> float:
        """Joules since the driver was loaded."""
        return self.gpu.joules()

    def spent(self, before: float, now: float) -> float:
        """Joules between two readings."""
        return now - before


@dataclass
class Meter:
    """Measures the energy between `start` and `stop`, summed over its counters.

    The result is None without counters, and from the first failed reading on.
    """

    counters: tuple[EnergyCounter, ...] = ()
    _before: tuple[float, ...] = field(default=(), repr=False)

    def start(self) -> None:
        """Begin at 0."""
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
    """A meter of what does the work: the first GPU, or the processors where the engine uses none.

    No engine here uses a second GPU. With a GPU the processors are left out, so that figures do not
    depend on who may read their counters.
    """
    if device != "cuda":
        return processor_meter(powercap)
    return _readable(tuple(GpuCounter(gpu) for gpu in nvml.gpus()[:1]))


def processor_meter(powercap: Path = POWERCAP) -> Meter:
    """A meter of the processors and their memory; empty where Linux does not report them."""
    zones = (RaplCounter(zone) for zone in sorted(powercap.glob("intel-rapl:*")))
    try:
        return _readable(tuple(counter for counter in zones if counter.is_separate))
    except (OSError, ValueError):
        return UNMETERED


def _readable(counters: tuple[EnergyCounter, ...]) -> Meter:
    """A meter of these counters, if all can be read.

    Many systems let only the administrator read them, and GPUs before Volta have none.
    """
    meter = Meter(counters)
    meter.start()
    return meter
