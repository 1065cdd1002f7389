"""Who may use the machine: many builds and answers side by side, or one measurement alone.

A timing taken while something else runs is none, and a build that starts meanwhile spoils it. So
what works hard holds the device shared, and a measurement holds it alone. The lock is the operating
system's, one for each user of the machine, whatever store they use, and vanishes with its process.
It knows nothing of other users, nor of programs that do not ask for it.

A measurement waits until nobody holds the device shared: an endless stream of builds keeps it
waiting. One that holds the device alone must not wait for a lock of the store, whose holder may be
waiting for the device: what is measured is built before.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from unicomp.errors import StoreError

Wait = Callable[[], None]
"""Is called once where another process has to be waited for."""

_HOLDING: ContextVar[str | None] = ContextVar("holding", default=None)
"""How this thread holds the device: `shared`, `alone` or not."""


@contextmanager
def shared(on_wait: Wait = lambda: None) -> Iterator[None]:
    """Hold the device for work that others may do beside it, such as a build.

    Inside of `shared` or `alone` it is held already. Raises StoreError if the lock cannot be used.
    """
    if _HOLDING.get() is not None:
        yield
        return
    with _held("shared", on_wait):
        yield


@contextmanager
def alone(on_wait: Wait = lambda: None) -> Iterator[None]:
    """Hold the device for a measurement.

    Inside of `alone` it is held already. Raises StoreError if the lock cannot be used, RuntimeError
    inside of `shared`: two who both kept what they have would wait for each other for good.
    """
    holding = _HOLDING.get()
    if holding == "shared":
        raise RuntimeError("the device cannot be had alone by one who holds it shared")
    if holding == "alone":
        yield
        return
    with _held("alone", on_wait):
        yield


@contextmanager
def _held(kind: str, on_wait: Wait) -> Iterator[None]:
    import fcntl

    path = Path(tempfile.gettempdir()) / f"unicomp-device-{os.getuid()}.lock"
    wanted = fcntl.LOCK_EX if kind == "alone" else fcntl.LOCK_SH
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise StoreError(
            f"the lock of the device {path} cannot be opened ({error.strerror}): remove it, or "
            "name another folder for it in TMPDIR"
        ) from None
    try:
        try:
            fcntl.flock(descriptor, wanted | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(descriptor, wanted)
        token = _HOLDING.set(kind)
        try:
            yield
        finally:
            _HOLDING.reset(token)
    finally:
        os.close(descriptor)
