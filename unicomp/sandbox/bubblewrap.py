"""The command line of bubblewrap: what a program in the sandbox sees of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from unicomp.sandbox import Limits, seccomp

EXECUTABLE = "bwrap"

_PYTHON, _OURS, _PACKAGES = "/python", "/ours", "/packages"
"""Where the sandbox has Python, the modules of `inside`, and numpy, which some tests import."""
_SYSTEM = ("/usr/lib", "/usr/lib64", "/lib", "/lib64")
"""Folders of shared libraries."""
_NOBODY = "65534"


@contextmanager
def started(
    module: str, limits: Limits, stdin: int | IO[bytes], stdout: int | IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """A module of `inside` in a sandbox of its own, which has ended afterwards.

    `stdin` and `stdout` are as for `subprocess.Popen`; the standard error is a pipe. Who kills the
    process of bubblewrap kills all in its namespace.
    """
    read, write = os.pipe()
    try:
        os.write(write, seccomp.filter_program())  # far smaller than a pipe
        os.close(write)
        process = subprocess.Popen(  # noqa: S603 (its arguments are ours)
            [
                shutil.which(EXECUTABLE) or EXECUTABLE,
                *_arguments(limits.written),
                "--seccomp",
                str(read),
                *_inside(module),
            ],
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            pass_fds=(read,),
            env={},
        )
    finally:
        os.close(read)
    with process:
        try:
            yield process
        finally:
            process.kill()


def _inside(module: str) -> list[str]:
    """The command inside: Python without its site, which runs `main` of a module of `inside`."""
    start = (
        f"import sys; sys.path += [{_OURS!r}, {_PACKAGES!r}]; "
        f"from unicomp.sandbox.inside.{module} import main; main()"
    )
    return [f"{_PYTHON}/bin/python", "-I", "-S", "-B", "-X", "utf8", "-c", start]


@cache
def _arguments(written: int) -> list[str]:
    """The options that make the sandbox; its folder /tmp takes `written` bytes."""
    return [
        *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"),
        *("--unshare-cgroup", "--uid", _NOBODY, "--gid", _NOBODY, "--hostname", "sandbox"),
        *("--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *("--setenv", "OPENBLAS_NUM_THREADS", "1", "--setenv", "OMP_NUM_THREADS", "1"),
        *_system(),
        *_python(),
        *_packages(),
        *_bind(Path(__file__).parent / "inside", f"{_OURS}/unicomp/sandbox/inside"),
        *("--dev-bind", "/dev/null", "/dev/null"),
        *("--size", str(written), "--tmpfs", "/tmp", "--chdir", "/tmp"),  # noqa: S108 (its own)
        *("--remount-ro", "/"),
    ]


def _system() -> Iterator[str]:
    """Shared libraries, and the list by which the loader finds them."""
    for name in _SYSTEM:
        folder = Path(name)
        if folder.is_symlink():
            yield from ("--symlink", os.readlink(folder), name)
        elif folder.is_dir():
            yield from _bind(folder, name)
    yield from ("--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache")


def _python() -> Iterator[str]:
    """The Python that runs here and its standard library, without what is installed in it."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    prefix = Path(sys.base_prefix)
    executable = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    yield from _bind(executable, f"{_PYTHON}/bin/python")
    for name in dict.fromkeys(("lib", sys.platlibdir)):
        if (prefix / name).is_dir():
            yield from _bind(prefix / name, f"{_PYTHON}/{name}")
        if (prefix / name / version / "site-packages").is_dir():
            hidden = f"{_PYTHON}/{name}/{version}/site-packages"
            yield from ("--tmpfs", hidden, "--remount-ro", hidden)
    yield from ("--setenv", "LD_LIBRARY_PATH", f"{_PYTHON}/{sys.platlibdir}:{_PYTHON}/lib")


def _packages() -> Iterator[str]:
    """numpy, which the tests of some benchmarks import."""
    spec = find_spec("numpy")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for part in (Path(folder), Path(folder).with_name("numpy.libs")):
            if part.is_dir():
                yield from _bind(part, f"{_PACKAGES}/{part.name}")


def _bind(path: Path, target: str) -> tuple[str, str, str]:
    return ("--ro-bind", str(path), target)
