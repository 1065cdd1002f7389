"""Run a program in the sandbox, and say whether the sandbox works here."""

from __future__ import annotations

import json
import os
import platform
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO

from unicomp.errors import UnmeasuredError
from unicomp.sandbox import Limits, Ran, seccomp
from unicomp.sandbox.bubblewrap import EXECUTABLE, started

INSTALL = "install it with `apt install bubblewrap` or `dnf install bubblewrap`"

_SETTINGS: Mapping[str, tuple[str, str]] = {
    "/proc/sys/kernel/unprivileged_userns_clone": ("0", "1"),
    "/proc/sys/user/max_user_namespaces": ("0", "10000"),
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": ("1", "0"),
}
"""Kernel setting → the value that forbids user namespaces, and one that allows them."""
_KEPT = 1 << 16
"""Bytes of the errors of bubblewrap that are read."""


def run(program: str, limits: Limits | None = None) -> Ran:
    """Run a Python program in the sandbox; it may write to its standard output and error.

    Raises UnmeasuredError where the sandbox does not work here.
    """
    if reason := why_unusable():
        raise UnmeasuredError(reason)
    return _run(program, limits or Limits())


def _run(program: str, limits: Limits) -> Ran:
    end = time.monotonic() + limits.seconds
    request = json.dumps({"program": program, "limits": limits.to_json()}).encode() + b"\n"
    pipe = subprocess.PIPE
    with started("alone", limits, pipe, pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        with suppress(BrokenPipeError), process.stdin:  # bubblewrap that failed says why
            process.stdin.write(request)
        texts, flooded = read_until([process.stdout, process.stderr], limits.output, end)
        status = None if flooded else ended(process, end)
    output, errors = (text.decode("utf-8", "replace") for text in texts)
    late = status is None and not flooded
    return Ran(
        status=status,
        timed_out=late or status == 128 + signal.SIGXCPU,
        flooded=flooded,
        output=output,
        errors=errors,
    )


def read_until(streams: Sequence[IO[bytes]], most: int, end: float) -> tuple[list[bytes], bool]:
    """The bytes of some streams up to a moment of `time.monotonic`, and whether they are too many.

    At most `most` bytes of each are kept; if a stream has more, reading ends.
    """
    found = [b""] * len(streams)
    with selectors.DefaultSelector() as selector:
        for place, stream in enumerate(streams):
            selector.register(stream, selectors.EVENT_READ, place)
        while selector.get_map() and (left := end - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                piece = os.read(key.fd, _KEPT)
                found[key.data] += piece
                if not piece:
                    selector.unregister(key.fileobj)
                if len(found[key.data]) > most:
                    return [text[:most] for text in found], True
    return found, False


def ended(process: subprocess.Popen[bytes], end: float) -> int | None:
    """The exit status of a process; None if it has not ended at the moment `end`."""
    try:
        return process.wait(max(end - time.monotonic(), 0.0))
    except subprocess.TimeoutExpired:
        return None


# -- whether it works here ------------------------------------------------------------------------


@cache
def why_unusable() -> str | None:
    """Why programs cannot be run here, and how to mend it; None if they can. Tried once."""
    only = "generated code runs in bubblewrap only"
    if platform.system() != "Linux":
        return f"{only}, which needs Linux: this is {platform.system()}"
    if not seccomp.supported():
        return f"{only}, and there is no system call filter for {platform.machine()} here"
    if shutil.which(EXECUTABLE) is None:
        return f"{only}, which is not installed: {INSTALL}"
    ran = _run("print('works')", Limits())
    if ran.output == "works\n":
        return None
    said = next(iter(ran.errors.strip().splitlines()), "it gives no message")
    return f"{only}, which does not work here ({said}): {_hint()}"


def _hint() -> str:
    """How to allow bubblewrap to work."""
    for path, (forbids, allows) in _SETTINGS.items():
        with suppress(OSError):
            if Path(path).read_text(encoding="ascii").strip() == forbids:
                name = path.removeprefix("/proc/sys/").replace("/", ".")
                return f"allow user namespaces with `sysctl {name}={allows}`"
    return (
        "allow user namespaces, for a container for example with "
        "`docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined`"
    )


@cache
def identity() -> dict[str, str | None]:
    """What decides how a program ends, beside its limits, as JSON values."""
    shown = subprocess.run(  # noqa: S603
        [EXECUTABLE, "--version"], capture_output=True, encoding="utf-8", check=True
    )
    try:
        numpy = version("numpy")
    except PackageNotFoundError:
        numpy = None
    return {
        "sandbox": shown.stdout.strip(),
        "python": platform.python_version(),
        "numpy": numpy,
    }
