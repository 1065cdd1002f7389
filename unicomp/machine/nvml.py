"""The NVIDIA GPUs of this machine, as their driver reports them: memory, speed limits, energy."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pynvml


@dataclass(frozen=True)
class Gpu:
    """One GPU; each figure raises OSError where the driver does not report it."""

    handle: Any
    id: str
    """Its index or UUID, as CUDA_VISIBLE_DEVICES has it."""

    @property
    def name(self) -> str:
        """Its product name."""
        return str(_ask(pynvml.nvmlDeviceGetName, self.handle))

    @property
    def memory(self) -> int:
        """All of its memory, in bytes."""
        return int(_ask(pynvml.nvmlDeviceGetMemoryInfo, self.handle).total)

    @property
    def max_clocks(self) -> tuple[int, int]:
        """The highest clocks of its processors and of its memory, in MHz."""
        kinds = (pynvml.NVML_CLOCK_SM, pynvml.NVML_CLOCK_MEM)
        ours, memory = (_ask(pynvml.nvmlDeviceGetMaxClockInfo, self.handle, k) for k in kinds)
        return int(ours), int(memory)

    @property
    def power_limit(self) -> float:
        """The limit that is set for its power, in watts."""
        return float(_ask(pynvml.nvmlDeviceGetEnforcedPowerLimit, self.handle)) / 1000

    def joules(self) -> float:
        """Energy used since its driver was loaded; GPUs before Volta do not count it."""
        return float(_ask(pynvml.nvmlDeviceGetTotalEnergyConsumption, self.handle)) / 1000


def gpus() -> tuple[Gpu, ...]:
    """The GPUs that this process may use, in the order of their slots; none without a driver."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if not _has_driver():
        return ()
    try:
        if visible is None:
            visible = ",".join(map(str, range(_ask(pynvml.nvmlDeviceGetCount))))
        names = (name.strip() for name in visible.split(","))
        return tuple(Gpu(_handle(name), name) for name in names if name)
    except OSError:
        return ()


def driver() -> str | None:
    """The version of the driver, or None where there is none."""
    try:
        return str(_ask(pynvml.nvmlSystemGetDriverVersion)) if _has_driver() else None
    except OSError:
        return None


@cache
def _has_driver() -> bool:
    """Start NVML, once; False where it cannot be started."""
    try:
        _ask(pynvml.nvmlInit)
    except OSError:
        return False
    return True


def _handle(name: str) -> Any:
    """The GPU of an index or of a UUID, as CUDA_VISIBLE_DEVICES has them."""
    if name.isdecimal():
        return _ask(pynvml.nvmlDeviceGetHandleByIndex, int(name))
    return _ask(pynvml.nvmlDeviceGetHandleByUUID, name)


def _ask(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of NVML. Raises OSError with a message of one line."""
    try:
        return function(*arguments)
    except pynvml.NVMLError as error:
        raise OSError(f"{function.__name__} failed: {error}") from None
