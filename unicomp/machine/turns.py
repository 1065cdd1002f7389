"""Take turns at the machine: many builds and answers side by side, or one measurement alone.

A timing taken while something else runs is worthless, and a build that starts meanwhile spoils it.
So heavy work holds the device shared, and a measurement holds it alone. The lock is the
operating system's, one for each user of the machine, for all stores; it vanishes with its process.
It does not cover other users, nor programs that do not ask for it.

A measurement waits until no process holds the device shared: an endless stream of builds keeps it
waiting. Build before you measure: a process that holds the device alone must not wait for a lock of
the store, because the holder of that lock may wait for the device.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import Literal

from unicomp.errors import StoreError
from unicomp.machine.waiting import Wait, said, silent

_HOLDING: ContextVar[str | None] = ContextVar("holding", default=None)
"""How this thread holds the device: `shared`, `alone`, or not at all (None)."""


def shared(on_wait: Wait = silent) -> AbstractContextManager[None]:
    """Hold the device for work that others may do at the same time, such as a build.

    Does nothing inside of `shared` or `alone`. Raises StoreError if the lock cannot be used.
    """
    return nullcontext() if _HOLDING.get() else _locked("shared", on_wait)


def alone(on_wait: Wait = silent) -> AbstractContextManager[None]:
    """Hold the device for a measurement.

    Does nothing inside of `alone`. Raises StoreError if the lock cannot be used, and RuntimeError
    inside of `shared`: two threads that both keep their share would wait for each other for ever.
    """
    if _HOLDING.get() == "shared":
        raise RuntimeError("a process that holds the device shared cannot hold it alone")
    return nullcontext() if _HOLDING.get() else _locked("alone", on_wait)


@contextmanager
def _locked(how: Literal["shared", "alone"], on_wait: Wait) -> Iterator[None]:
    import fcntl

    path = Path(tempfile.gettempdir()) / f"unicomp-device-{os.getuid()}.lock"
    operation = fcntl.LOCK_EX if how == "alone" else fcntl.LOCK_SH
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise StoreError(
            f"the lock of the device {path} cannot be opened ({error.strerror}): remove it, or "
            "set TMPDIR to another folder"
        ) from None
    try:
        try:
            fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            with said(on_wait, path):
                fcntl.flock(descriptor, operation)
        token = _HOLDING.set(how)
        try:
            yield
        finally:
            _HOLDING.reset(token)
    finally:
        os.close(descriptor)
