"""A Python that starts at once: each process is a fork of one that has imported the libraries.

Most tests that start a process pay for importing torch and transformers, not for what they check.
A `WarmPython` is a server that imports these libraries once, with an executable to use in place of
`sys.executable`. It takes `-m MODULE`, `-c CODE` or a file, and the flags -P, -u and -I. The
process has a memory, an environment, open files and an exit status of its own. Its `sys.executable`
is the same executable, so its children start at once, too.

A module that reads an environment variable while it is imported has seen the server's. A test of
imports, of signals or of such a variable starts `sys.executable` instead.
"""

import contextlib
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

LIBRARIES = (
    *("pytest", "_pytest.pytester", "xdist.plugin", "xdist.remote", "xdist.dsession"),
    *("xdist.workermanage", "pytest_benchmark.plugin", "anyio.pytest_plugin", "hypothesis"),
    *("_hypothesis_pytestplugin", "scipy.stats", "sympy", "torch", "torch._dynamo", "datasets"),
    *("transformers.models.auto.modeling_auto", "transformers.models.auto.tokenization_auto"),
    *("transformers.models.llama.modeling_llama", "transformers.generation.utils"),
    *("lm_eval", "lm_eval.api.task", "lm_eval.models.huggingface", "llmcompressor"),
    *("llmcompressor.modifiers.pruning", "llmcompressor.modifiers.quantization"),
)
"""What most processes of the tests import; one that is not installed is left out."""

_WAIT = 300.0
"""Seconds until the server must have imported everything."""
_TICK = 0.01
"""Seconds between two looks at a process that runs."""


# -- in the tests ---------------------------------------------------------------------------------


class WarmPython:
    """A server and its executable; `end` it. It does not wait until the libraries are imported."""

    def __init__(self) -> None:
        import subprocess
        import tempfile

        self._folder = tempfile.TemporaryDirectory(prefix="warm-")  # short: it holds a socket
        folder = Path(self._folder.name)
        self.executable = str(folder / "python")
        """The executable that starts a process; the first one waits for the server."""
        place = folder / "socket"
        client = f'#!/bin/sh\nexec "{sys.executable}" -IS "{__file__}" "{place}" "$@"\n'
        Path(self.executable).write_text(client)
        Path(self.executable).chmod(0o755)
        self._server = subprocess.Popen(
            [sys.executable, __file__, "--serve", str(place), self.executable],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"},
        )

    def end(self) -> None:
        """End the server."""
        assert self._server.stdin is not None
        self._server.stdin.close()
        try:
            self._server.wait(10)
        finally:
            self._server.kill()
            self._server.wait()
            self._folder.cleanup()


# -- the executable -------------------------------------------------------------------------------


def request(place: str, arguments: list[str]) -> int:
    """Have the server start a process with this one's files and folder; return its status."""
    parent, deadline = os.getppid(), time.monotonic() + _WAIT
    while not os.path.exists(place):
        if time.monotonic() > deadline or os.getppid() != parent:
            raise RuntimeError("the server of warm processes did not start")
        time.sleep(_TICK)
    channel = socket.socket(socket.AF_UNIX)
    channel.connect(place)
    asked = {"arguments": arguments, "folder": os.getcwd(), "parent": parent}
    text = json.dumps({**asked, "environment": {**os.environ}}).encode()
    socket.send_fds(channel, [len(text).to_bytes(8, "big")], [0, 1, 2])
    channel.sendall(text)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: channel.sendall(bytes([number])))
    channel.settimeout(0.5)
    while True:
        with contextlib.suppress(TimeoutError):
            status = int.from_bytes(channel.recv(8), "big", signed=True)
            break
        if os.getppid() != parent:
            return 1
    if status < 0:
        with contextlib.suppress(OSError):  # SIGKILL has no handler
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


# -- the server -----------------------------------------------------------------------------------


def serve(place: str, executable: str) -> None:
    """Import the libraries, then fork for each request, until standard input is closed."""
    import gc
    import importlib
    import pkgutil
    import select

    import unicomp

    ours = [found.name for found in pkgutil.walk_packages(unicomp.__path__, "unicomp.")]
    for name in (*LIBRARIES, *ours):
        if not name.startswith("unicomp.suites"):
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    gc.collect()
    gc.freeze()  # or each process would copy these objects when it looks for garbage
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{place}.new")
    listener.listen(64)
    os.rename(f"{place}.new", place)
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        if listener not in ready:
            return
        channel, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _attend(channel, executable)
        channel.close()


def _attend(channel: socket.socket, executable: str) -> None:
    """Start the process of a request, pass on its signals, report its status, and end."""
    import select

    head, files, _, _ = socket.recv_fds(channel, 8, 3)
    size, text = int.from_bytes(head, "big"), b""
    while len(text) < size:
        text += channel.recv(size - len(text))
    child = os.fork()
    if child == 0:
        channel.close()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        _become(**json.loads(text), executable=executable)
    for file in (0, 1, 2, *files):
        os.close(file)
    while (found := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if select.select([channel], [], [], _TICK)[0]:
            number = channel.recv(1)
            os.kill(child, number[0] if number else signal.SIGKILL)
            if not number:
                os._exit(0)
    with contextlib.suppress(OSError):
        channel.sendall(os.waitstatus_to_exitcode(found[1]).to_bytes(8, "big", signed=True))
    os._exit(0)


def _become(
    arguments: list[str], folder: str, parent: int, environment: dict[str, str], executable: str
) -> None:
    """Run what a Python with these arguments runs, and end with its status."""
    import atexit
    import threading
    import traceback

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    unbuffered = "PYTHONUNBUFFERED" in environment
    sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in environment
    sys.stdin = sys.__stdin__ = os.fdopen(0, closefd=False)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", 1, "utf-8", "backslashreplace", closefd=False)
    sys.stdout.reconfigure(line_buffering=os.isatty(1), write_through=unbuffered)
    sys.executable = executable
    # the executable's parent: this process is killed with it; those that it forks have their own
    own, real = os.getpid(), os.getppid
    os.getppid = lambda: parent if os.getpid() == own else real()
    status = 0
    try:
        _run(arguments, environment)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException as error:
        traceback.print_exc()
        status = 130 if isinstance(error, KeyboardInterrupt) else 1
    threading._shutdown()
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _run(arguments: list[str], environment: dict[str, str]) -> None:
    """Run a module, a text or a file as `__main__`."""
    import runpy

    arguments, safe = list(arguments), False
    while arguments[0] in ("-P", "-u", "-I"):
        safe |= arguments.pop(0) in ("-P", "-I")
    kind, rest = arguments[0], arguments[1:]
    first = [os.path.dirname(os.path.abspath(kind))]
    if kind in ("-m", "-c"):
        first = [os.getcwd() if kind == "-m" else ""]
    given = [one for one in environment.get("PYTHONPATH", "").split(os.pathsep) if one]
    sys.path[:] = [*([] if safe else first), *given, *sys.path[1:]]
    if kind == "-m":
        sys.argv = rest
        sys.modules.pop(rest[0], None)  # it is to be run, not found
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), sys.modules["__main__"].__dict__)
    else:
        sys.argv = [kind, *rest]
        runpy.run_path(kind, run_name="__main__")


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve(*sys.argv[2:])
    else:
        sys.exit(request(sys.argv[1], sys.argv[2:]))
