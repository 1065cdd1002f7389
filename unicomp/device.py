"""Who may use the machine: many builds and answers side by side, or one measurement alone.

A timing taken while something else runs is none, and a build that starts meanwhile spoils it. So
what works hard holds the device shared, and a measurement holds it alone. The lock is the operating
system's, one for each user of the machine, whatever store they use, and vanishes with its process.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Wait = Callable[[], None]
"""Is called once where another process has to be waited for."""


@contextmanager
def shared(on_wait: Wait = lambda: None) -> Iterator[None]:
    """Hold the device for work that others may do beside it, such as a build."""
    with _held(alone=False, on_wait=on_wait):
        yield


@contextmanager
def alone(on_wait: Wait = lambda: None) -> Iterator[None]:
    """Hold the device for a measurement. Not to be asked for while this process holds it shared."""
    with _held(alone=True, on_wait=on_wait):
        yield


@contextmanager
def _held(*, alone: bool, on_wait: Wait) -> Iterator[None]:
    import fcntl

    user = os.getuid()
    path = Path(tempfile.gettempdir()) / f"unicomp-device-{user}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        kind = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)
