"""Energy in joules, as the machine's own counters report it, if it has any.

Processors count in the files of Linux's power capping framework (RAPL), GPUs in their driver. A
counter counts all that its chip spends, for every process. A figure therefore belongs to a
measurement only while the device is held alone (`unicomp.machine.turns`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from unicomp.engines import Device
from unicomp.machine import nvml

POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True)
class EnergyCounter:
    """Counts the energy of a part of the machine."""

    read: Callable[[], float]
    """Joules since some moment in the past. Raises OSError or ValueError."""
    limit: float = 0.0
    """Joules at which it begins at 0 again, which takes minutes."""

    def spent(self, before: float, now: float) -> float:
        """Joules between two readings."""
        return now - before + (self.limit if now < before else 0.0)


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


def device_meter(device: Device, powercap: Path = POWERCAP, gpus: int = 1) -> Meter:
    """A meter of what does the work: the first `gpus`, or the processors where none is used.

    With a GPU the processors are left out, so that figures do not depend on who may read their
    counters. A GPU's counter moves about ten times a second: only sums over many turns mean
    something.
    """
    if device != "cuda":
        return processor_meter(powercap)
    return _readable(tuple(EnergyCounter(gpu.joules) for gpu in nvml.gpus()[:gpus]))


def processor_meter(powercap: Path = POWERCAP) -> Meter:
    """A meter of the processor packages and their memory; empty where Linux does not report them.

    The other zones are left out: packages include their cores, and the platform includes all.
    """
    try:
        return _readable(
            tuple(
                _zone_counter(zone)
                for zone in sorted(powercap.glob("intel-rapl:*"))
                if (zone / "name").read_text(encoding="utf-8").startswith(("package", "dram"))
            )
        )
    except (OSError, ValueError):
        return UNMETERED


def _zone_counter(zone: Path) -> EnergyCounter:
    def joules(file: str) -> float:
        return int((zone / file).read_text(encoding="utf-8")) / 1e6

    return EnergyCounter(lambda: joules("energy_uj"), limit=joules("max_energy_range_uj"))


def _readable(counters: tuple[EnergyCounter, ...]) -> Meter:
    """A meter of these counters, if all can be read.

    Many systems let only the administrator read them, and GPUs before Volta have none.
    """
    meter = Meter(counters)
    meter.start()
    return meter
