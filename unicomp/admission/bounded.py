"""Run code from a checkpoint's folder, such as a template, with little time and memory."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any


@contextmanager
def bounded(seconds: float, megabytes: int) -> Iterator[None]:
    """Raise TimeoutError after `seconds`, MemoryError for more memory than `megabytes` beyond now.

    The time is limited in a main thread only, the memory on Linux only.
    """
    with _limited_memory(megabytes):
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        former = signal.signal(signal.SIGALRM, _too_late)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, former)


def _too_late(number: int, frame: FrameType | None) -> Any:
    raise TimeoutError("it takes too long")


@contextmanager
def _limited_memory(megabytes: int) -> Iterator[None]:
    statm = Path("/proc/self/statm")
    if not statm.is_file():
        yield
        return
    import resource

    now = int(statm.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = now + megabytes * 2**20
    if soft == resource.RLIM_INFINITY or wanted < soft:
        resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
