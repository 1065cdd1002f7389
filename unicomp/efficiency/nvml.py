"""NVIDIA's management library, which comes with the driver: what GPUs are there, and their energy.

It is called as it is, so nothing has to be installed for it. Signatures and numbers are those of
its header `nvml.h`.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from functools import cache
from typing import Any

LIBRARY = "libnvidia-ml.so.1"
_SM, _MEMORY = 1, 2  # nvmlClockType_t


@dataclass(frozen=True)
class Gpu:
    """One GPU of this machine."""

    library: Any
    handle: Any

    @property
    def name(self) -> str:
        """What its maker calls it."""
        text = ctypes.create_string_buffer(96)
        _check(self.library.nvmlDeviceGetName(self.handle, text, ctypes.c_uint(96)), "name")
        return text.value.decode()

    @property
    def max_clocks(self) -> tuple[int, int]:
        """The highest clocks of its processors and of its memory, in MHz."""
        return self._max_clock(_SM), self._max_clock(_MEMORY)

    @property
    def power_limit(self) -> float:
        """The most that it may draw as it is set, in watts."""
        milliwatts = ctypes.c_uint()
        status = self.library.nvmlDeviceGetEnforcedPowerLimit(self.handle, ctypes.byref(milliwatts))
        _check(status, "power limit")
        return milliwatts.value / 1000

    def joules(self) -> float:
        """What it has spent since its driver was loaded; GPUs before Volta do not count."""
        millijoules = ctypes.c_ulonglong()
        status = self.library.nvmlDeviceGetTotalEnergyConsumption(
            self.handle, ctypes.byref(millijoules)
        )
        _check(status, "energy")
        return millijoules.value / 1000

    def _max_clock(self, kind: int) -> int:
        megahertz = ctypes.c_uint()
        status = self.library.nvmlDeviceGetMaxClockInfo(
            self.handle, ctypes.c_int(kind), ctypes.byref(megahertz)
        )
        _check(status, "clock")
        return megahertz.value


def gpus() -> tuple[Gpu, ...]:
    """The GPUs that this process may use, in the order of their slots; none without a driver."""
    library = _library()
    if library is None:
        return ()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        names = _all(library) if visible is None else visible.split(",")
        return tuple(Gpu(library, _handle(library, name.strip())) for name in names if name.strip())
    except OSError:
        return ()


def driver() -> str | None:
    """The version of the driver, or None where there is none."""
    library = _library()
    if library is None:
        return None
    text = ctypes.create_string_buffer(80)
    failed = library.nvmlSystemGetDriverVersion(text, ctypes.c_uint(80))
    return None if failed else text.value.decode()


@cache
def _library() -> Any:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        return None
    return None if library.nvmlInit_v2() else library


def _all(library: Any) -> list[str]:
    number = ctypes.c_uint()
    _check(library.nvmlDeviceGetCount_v2(ctypes.byref(number)), "number")
    return [str(index) for index in range(number.value)]


def _handle(library: Any, name: str) -> ctypes.c_void_p:
    """The GPU of an index or of a UUID, as CUDA_VISIBLE_DEVICES has them."""
    handle = ctypes.c_void_p()
    if name.isdecimal():
        status = library.nvmlDeviceGetHandleByIndex_v2(
            ctypes.c_uint(int(name)), ctypes.byref(handle)
        )
    else:
        status = library.nvmlDeviceGetHandleByUUID(name.encode(), ctypes.byref(handle))
    _check(status, "handle")
    return handle


def _check(status: int, what: str) -> None:
    if status:
        raise OSError(f"NVML gives no {what} of a GPU (status {status})")
