"""Resident memory in bytes: of this process, current and peak, and with its descendants."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import psutil

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"


def current() -> int:
    """The memory that this process holds."""
    import psutil

    held: int = psutil.Process().memory_info().rss
    return held


def peak() -> int:
    """The peak memory of this process since it began, or since `forget_peak`."""
    with suppress(OSError):
        # unlike getrusage, this does not include the process that started this one
        for line in _STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def forget_peak() -> bool:
    """Reset `peak` to the current memory; return False if the system cannot."""
    try:
        _CLEAR.write_text(_FORGET_PEAK, encoding="utf-8")
    except OSError:
        return False
    return True


def of_family() -> int:
    """The memory of this process and its descendants; 0 if it has none.

    On Linux, pages that several of them share are counted once.
    """
    import psutil

    own = psutil.Process()
    children = own.children(recursive=True)
    return sum(map(_share, (own, *children))) if children else 0


def _share(process: psutil.Process) -> int:
    """The memory of one process, with its part of shared pages; 0 if it has ended."""
    import psutil

    try:
        known = process.as_dict(["memory_full_info", "memory_info"])
    except psutil.NoSuchProcess:
        return 0
    info = known["memory_full_info"] or known["memory_info"]
    return int(getattr(info, "pss", info.rss)) if info else 0


class Watch:
    """Read a memory figure every few `seconds` in a thread, and keep the `highest`.

    A peak shorter than `seconds` may be missed.
    """

    def __init__(self, held: Callable[[], int], seconds: float) -> None:
        self.highest = 0
        self._held = held
        self._seconds = seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            self.highest = max(self.highest, self._held())
            if self._over.wait(self._seconds):
                return
