"""A process that has imported what its children need, and forks one of them for each request.

Most of a small build is importing. `WarmProcess` imports once; each request is served by a fork,
which begins with what was imported and nothing else, so that no request leaves anything for the
next one. A child that crashes is replaced by the next fork, a warm process that ends by the next
one. Settings that libraries read when they are imported decide which warm process may serve:
the environment and `sys.path` are the key.

A fork is safe where one thread runs and no accelerator is in use. A warm process that finds
itself otherwise refuses, and `borrow` then gives None: the caller starts a process of its own.
Only Linux is served, where a child can be watched by a descriptor.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import json
import os
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any, NoReturn

from unicomp.errors import first_line

MOST = 2
"""Warm processes that a session keeps: one that builds, and one that measures memory."""

_LATE = (
    "PYTEST_CURRENT_TEST",
    "HF_XET_HIGH_PERFORMANCE",
    "KMP_DUPLICATE_LIB_OK",
    "KMP_INIT_AT_FORK",
    "TORCHINDUCTOR_CACHE_DIR",
)
"""Environment variables that pytest and libraries set in the session itself while it runs. A child
has them, but no other warm process is started because of them."""
_AT_START = {name: os.environ[name] for name in _LATE if name in os.environ}
_COUNT_BY_NVML = "PYTORCH_NVML_BASED_CUDA_CHECK"
"""With this, torch counts devices without starting CUDA, which would not survive a fork."""
_LONGEST = 2**18
"""Bytes of one message on the control socket."""
_PATIENCE = 0.5
"""Seconds that a warm process has to end by itself; one that imports does not look up."""
_NOT_INITIALIZED = 3
"""CUDA's answer to any call before its start."""

Key = tuple[int, tuple[tuple[str, str], ...], tuple[str, ...]]


class UnforkableError(Exception):
    """The warm process cannot serve: it refused, or it ended before it forked."""


# -- in the session -----------------------------------------------------------------------------


class WarmChild:
    """A forked child, used like a `subprocess.Popen`."""

    def __init__(self, warm: WarmProcess, stdin: IO[str], stdout: IO[str]) -> None:
        self.parent = warm.pid
        """The process that forked it."""
        self.stdin, self.stdout = stdin, stdout
        self.returncode: int | None = None
        self._warm = warm

    def wait(self) -> int:
        """Its exit status, negative for a signal; that of the warm process if that ended first."""
        if self.returncode is None:
            reply = self._warm.hear()
            self.returncode = self._warm.end() if reply is None else int(reply["status"])
        return self.returncode

    def close(self) -> None:
        """End it if it has not ended, together with the warm process."""
        if self.returncode is None:
            self.returncode = self._warm.end()
        self.stdin.close()
        self.stdout.close()


class WarmProcess:
    """A process that imports, then forks on request; one request at a time."""

    def __init__(self, environment: Mapping[str, str], path: Sequence[str]) -> None:
        self.lock = threading.Lock()
        """Held while a request is served."""
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 (a module of ours)
                [sys.executable, "-P", "-m", __name__, str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={_COUNT_BY_NVML: "1", **environment},
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # a Ctrl-C is the session's to handle
            )
        self._inherits_count = _COUNT_BY_NVML in environment
        self._path = list(path)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def fork(
        self,
        module: str,
        preload: Sequence[str],
        environment: Mapping[str, str],
        errors: IO[bytes],
    ) -> WarmChild:
        """Let a fork run `python -m MODULE`, with its errors in a file. Raises UnforkableError."""
        request = {
            "module": module,
            "preload": list(preload),
            "path": self._path,
            "folder": os.getcwd(),
            "environment": dict(environment),
            "drop": [] if self._inherits_count else [_COUNT_BY_NVML],
        }
        reading, to_child = os.pipe()
        from_child, writing = os.pipe()
        stdin = os.fdopen(to_child, "w", encoding="utf-8")
        stdout = os.fdopen(from_child, "r", encoding="utf-8")
        try:
            with suppress(OSError):
                socket.send_fds(
                    self._control,
                    [json.dumps(request).encode()],
                    [reading, writing, errors.fileno()],
                )
            os.close(reading)
            os.close(writing)
            reply = self.hear()
            if reply is None or "refused" in reply:
                raise UnforkableError((reply or {}).get("refused", "it ended"))
        except BaseException:
            stdin.close()
            stdout.close()
            self.end()
            raise
        return WarmChild(self, stdin, stdout)

    def hear(self) -> dict[str, Any] | None:
        """Its next message; None if it has ended."""
        try:
            message = self._control.recv(_LONGEST)
        except OSError:
            return None
        return json.loads(message) if message else None

    def end(self) -> int:
        """End it and the child that it serves; return its exit status."""
        self._control.close()  # seeing this, it ends its child and itself
        try:
            return self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


_warm: dict[Key, WarmProcess] = {}
"""Those of this session, the last used one last."""
_unforkable: set[tuple[Key, tuple[str, ...]]] = set()
"""The keys of those that refused, with what they had to import."""
_registry = threading.Lock()


@contextmanager
def borrow(
    module: str, preload: Sequence[str], environment: Mapping[str, str], errors: IO[bytes]
) -> Iterator[WarmChild | None]:
    """A fork that runs `python -m MODULE`, or None if a process of its own has to.

    `preload` names modules whose `warm_up()` imports what the child needs. `environment` is the
    child's own. The child has ended afterwards.
    """
    late = {name: environment[name] for name in _LATE if name in environment}
    early = {name: text for name, text in environment.items() if name not in _LATE} | _AT_START
    key = (os.getpid(), tuple(sorted(early.items())), tuple(sys.path))
    if sys.platform != "linux" or not preload or (key, tuple(preload)) in _unforkable:
        yield None
        return
    warm = _reserve(key, early)
    if warm is None:  # another thread uses it
        yield None
        return
    try:
        try:
            child = warm.fork(module, preload, late, errors)
        except UnforkableError:
            _unforkable.add((key, tuple(preload)))
            child = None
        try:
            yield child
        finally:
            if child is not None:
                child.close()
    finally:
        warm.lock.release()


def _reserve(key: Key, environment: Mapping[str, str]) -> WarmProcess | None:
    """The warm process of a key, started if necessary, with its lock held; None if it is in use."""
    with _registry:
        warm = _warm.pop(key, None)
        if warm is None or not (warm.lock.locked() or warm.alive):
            warm = WarmProcess(environment, sys.path)
        _warm[key] = warm
        free = warm.lock.acquire(blocking=False)
        for other, old in [*_warm.items()][:-MOST]:
            if other[0] != os.getpid():  # of the process that forked this one
                del _warm[other]
            elif old.lock.acquire(blocking=False):
                del _warm[other]
                old.end()
    return warm if free else None


@atexit.register
def end_all() -> None:
    """End the warm processes of this session."""
    with _registry:
        for key in [key for key in _warm if key[0] == os.getpid()]:
            _warm.pop(key).end()


# -- in the warm process ------------------------------------------------------------------------


def main(arguments: Sequence[str]) -> None:
    """Serve the requests of the session until it ends."""
    control, session = socket.socket(fileno=int(arguments[0])), int(arguments[1])
    called: set[str] = set()
    while _readable(control, session):
        message, descriptors, _, _ = socket.recv_fds(control, _LONGEST, 3)
        if not message:
            return
        request = json.loads(message)
        try:
            sys.path.extend(path for path in request["path"] if path not in sys.path)
            for name in request["preload"]:
                if name not in called:
                    importlib.import_module(name).warm_up()
                    called.add(name)
                    gc.collect()
                    gc.freeze()
            reason = _why_unsafe()
        except BaseException as error:
            reason = f"{type(error).__name__}: {first_line(error)}"
        if reason is not None:
            _say(control, refused=reason)
            return
        with warnings.catch_warnings():
            # Python counts the threads of libraries, which stop theirs before a fork
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            control.close()
            _become(request, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        _say(control, forked=child)
        status = _watch(child, control, session)
        if status is None:
            return
        _say(control, status=status)


def _readable(control: socket.socket, session: int, *others: int) -> list[int]:
    """Those of the descriptors that have something to read; none if the session has ended."""
    while os.getppid() == session:
        ready, _, _ = select.select([control.fileno(), *others], [], [], 1.0)
        if ready:
            return ready
    return []


def _say(control: socket.socket, **message: Any) -> None:
    with suppress(OSError):
        control.send(json.dumps(message).encode())


def _watch(child: int, control: socket.socket, session: int) -> int | None:
    """The exit status of a child; None if the session ended or gave it up, and it was killed."""
    descriptor = os.pidfd_open(child)
    given_up = descriptor not in _readable(control, session, descriptor)
    os.close(descriptor)
    if given_up:
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return None if given_up else status


def _why_unsafe() -> str | None:
    """Why a fork of this process would not work; None if it would."""
    if threading.active_count() > 1:
        return "an import started a thread"
    if _cuda_has_started():
        return "an import started CUDA"
    if not hasattr(os, "pidfd_open"):
        return "this Python cannot watch a child"
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        return f"this system cannot watch a child: {error.strerror}"
    return None


def _cuda_has_started() -> bool:
    """Whether CUDA's driver was started in this process; asking does not start it."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int()
    return int(driver.cuDeviceGetCount(ctypes.byref(count))) != _NOT_INITIALIZED


def _become(request: Mapping[str, Any], descriptors: Sequence[int]) -> NoReturn:
    """Run the module of a request in this fork as a process of its own would."""
    try:
        os.setsid()
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.chdir(request["folder"])
        os.environ.update(request["environment"])
        for name in request["drop"]:
            os.environ.pop(name, None)
        importlib.invalidate_caches()
        _draw_anew()
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def _draw_anew() -> None:
    """Seed the generators of random numbers, as the start of a process does.

    Otherwise all forks would draw the same numbers.
    """
    random.seed()
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed()
    if (torch := sys.modules.get("torch")) is not None:
        torch.seed()


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)  # tearing down the libraries takes seconds and serves nothing
