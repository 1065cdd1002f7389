"""Resident memory: of this process, now and at most, and of it with the processes it started."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import psutil

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"


def current() -> int:
    """Bytes that this process holds."""
    import psutil

    held: int = psutil.Process().memory_info().rss
    return held


def peak() -> int:
    """The most bytes that this process has held at a time, since it began or `forget_peak`."""
    try:
        # Unlike getrusage, this forgets the process that started this one.
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def forget_peak() -> bool:
    """Let `peak` begin anew at what is held now; False where the system does not let it."""
    try:
        _CLEAR.write_text(_FORGET_PEAK)
    except OSError:
        return False
    return True


def of_family() -> int:
    """Bytes that this process and all that it started hold; 0 if there are none of those.

    Where the system can tell, pages that several of them share are counted once.
    """
    import psutil

    own = psutil.Process()
    children = own.children(recursive=True)
    return sum(map(_share, (own, *children))) if children else 0


def _share(process: psutil.Process) -> int:
    """Bytes of one process, its part of what it shares; 0 if it is gone."""
    import psutil

    try:
        try:
            info: Any = process.memory_full_info()
        except psutil.AccessDenied:
            info = process.memory_info()
    except psutil.Error:
        return 0
    return int(getattr(info, "pss", info.rss))


class Watch:
    """Looks at an amount of memory again and again, in a thread of its own; keeps the `highest`.

    What is held for less than `seconds` may go unseen.
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            self.highest = max(self.highest, self._held())
            if self._over.wait(self._seconds):
                return
