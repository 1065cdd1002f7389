"""Runs a program in a process group of its own, and always ends that group.

    python -I keeper.py PARENT COMMAND...

The group ends when standard input is closed, when PARENT is no longer the parent process, and when
the program itself ends: a server's children must not outlive it. The system closes a parent's end
of the pipe however the parent ends: by an exception, Ctrl-C or SIGKILL. So the parent need not
catch anything.

The keeper is two processes: whoever kills its parent may kill the parent's own children, too, as
Ray does. The inner one, which keeps the program, then finds the outer one gone.

The module is run by its path and needs nothing but Python: the variables that would let it find
UniComp must not reach the program.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time

TERM_SECONDS = 20.0
"""Seconds from SIGTERM to SIGKILL. A server needs about two to release its shared memory."""
STRAGGLE_SECONDS = 3.0
"""Seconds for the clean-up of children that the program leaves behind."""


def keep(parent: int, command: list[str]) -> int:
    """Run `command` until it or `parent`, the parent of this process, ends; returns its status."""
    program = subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.DEVNULL, start_new_session=True
    )
    while program.poll() is None and os.getppid() == parent:
        if select.select([sys.stdin], [], [], 0.2)[0]:
            break
    _signal(program.pid, signal.SIGTERM)
    try:
        program.wait(TERM_SECONDS)
    except subprocess.TimeoutExpired:
        _signal(program.pid, signal.SIGKILL)
        program.wait()
    deadline = time.monotonic() + STRAGGLE_SECONDS
    while _signal(program.pid, 0) and time.monotonic() < deadline:
        time.sleep(0.05)
    _signal(program.pid, signal.SIGKILL)
    return program.returncode


def guard(parent: int, inner: int) -> int:
    """Stand between `parent` and the process that keeps; returns its exit status.

    It ends early if `parent` does.
    """
    while os.getppid() == parent:
        ended, status = os.waitpid(inner, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    return 1


def _signal(group: int, number: int) -> bool:
    """Signal a process group; False where no process is left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # the latter on macOS, for zombies only
        return False
    return True


def main(parent: int, command: list[str]) -> int:
    """Keep a program; returns its exit status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # not SIG_IGN, which the program would inherit
        signal.signal(number, lambda *_: None)
    outer = os.getpid()
    if inner := os.fork():
        return guard(parent, inner)
    status = keep(outer, command)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
