"""Resident memory in bytes: of this process, current and peak, and with its descendants.

On Linux, pages of mapped files are left out. Most of them are the code of libraries, which lies in
memory once for all processes, and turns up in one of them when it is first used.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import psutil

_OWN = Path("/proc/self")
_FORGET_PEAK = "5"

WATCH_SECONDS = 0.1
"""Time between two readings of the memory of processes that a block of code starts."""


def installed() -> int:
    """The memory of this machine."""
    import psutil

    return int(psutil.virtual_memory().total)


def free() -> int:
    """The memory of this machine that can be taken without swapping."""
    import psutil

    return int(psutil.virtual_memory().available)


def current() -> int:
    """The memory that this process holds."""
    with suppress(OSError, KeyError):
        found = _fields(_OWN / "status")
        return found["VmRSS"] - found["RssFile"]
    import psutil

    held: int = psutil.Process().memory_info().rss
    return held


def peak() -> int:
    """The peak memory of this process since it began, or since `forget_peak`.

    Pages of files count if they were resident at the peak and are no longer.
    """
    with suppress(OSError, KeyError):
        # unlike getrusage, this does not include the process that started this one
        found = _fields(_OWN / "status")
        return found["VmHWM"] - found["RssFile"]
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def forget_peak() -> bool:
    """Reset `peak` to the current memory; return False if the system cannot."""
    try:
        (_OWN / "clear_refs").write_text(_FORGET_PEAK, encoding="utf-8")
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

    with suppress(OSError, KeyError):
        found = _fields(Path(f"/proc/{process.pid}/smaps_rollup"))
        return found["Pss_Anon"] + found["Pss_Shmem"]
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _fields(path: Path) -> dict[str, int]:
    """The sizes that a file of /proc lists in kB, in bytes. Raises OSError."""
    lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words[-1:] == ["kB"]}


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


class Rise:
    """The most memory that a block of code adds to what this process held before it.

    The memory of processes that the block starts counts whole.

    >>> with Rise() as rise:
    ...     held = bytearray(100 << 20)
    >>> rise.bytes >= 100 << 20
    True
    """

    def __init__(self) -> None:
        self.bytes = 0
        """Set when the block ends; not below 0."""

    def __enter__(self) -> Self:
        import psutil

        gc.collect()
        self._kept = forget_peak()  # if the system keeps no peak, it is watched
        self._before, self._share = current(), _share(psutil.Process())
        self._family = Watch(of_family, WATCH_SECONDS)
        self._own = Watch(current, WATCH_SECONDS)
        self._family.__enter__()
        if not self._kept:
            self._own.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._family.__exit__()
        if not self._kept:
            self._own.__exit__()
        own = peak() if self._kept else self._own.highest
        self.bytes = max(0, own - self._before, self._family.highest - self._share)
