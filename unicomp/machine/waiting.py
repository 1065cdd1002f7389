"""Say which process is waited for, as soon as a lock turns out to be held.

On Linux the system lists the holders of a lock. Elsewhere, and on a disk that another machine has
locked, the process is not named.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

Say = Callable[[str], None]
"""Called with what is waited for when a wait begins, and with an empty text when it is over."""
Wait = Callable[[str], None]
"""Called with who holds a lock when a wait begins, and with an empty text when it is over."""

_LOCKS = Path("/proc/locks")


def waiting(say: Say, to: str, label: str = "") -> Wait:
    """Pass on to `say` who is waited for, `to` do what, and what has to wait: the `label`.

    >>> waiting(print, "build it", "wanda_50 of mine")("process 4711")
    wanda_50 of mine: waiting for process 4711 to build it
    """
    prefix = f"{label}: " if label else ""
    return lambda holder: say(f"{prefix}waiting for {holder} to {to}" if holder else "")


def silent(holder: str) -> None:
    """Say nothing about a wait."""


@contextmanager
def said(on_wait: Wait, lock: Path) -> Iterator[None]:
    """Call `on_wait` before and after the wait for `lock`, a file that another process holds."""
    on_wait(holder_of(lock))
    try:
        yield
    finally:
        on_wait("")


def holder_of(lock: Path) -> str:
    """Who holds a lock file: `process 4711`, or `another process` where the system does not say."""
    with suppress(OSError, ValueError, LookupError):
        file = lock.stat()
        own = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
        # such as `1: FLOCK  ADVISORY  WRITE 4711 08:01:2345498 0 EOF`; `->` marks one that waits
        lines = [line.split() for line in _LOCKS.read_text(encoding="utf-8").splitlines()]
        holders = sorted({int(one[4]) for one in lines if one[1] != "->" and one[5] == own})
        known = [pid for pid in holders if pid not in (0, os.getpid())]
        if known:
            others = f" and {len(known) - 1} more" if known[1:] else ""
            return f"process {known[0]}{others}"
    return "another process"
