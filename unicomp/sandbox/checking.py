"""Check a program by tests that it cannot see, so that it cannot pretend to pass them.

Two sandboxes are joined by pipes. One has the program; the other has the tests and the reference
solution, and calls the program's functions through the pipes. The program gets arguments and gives
values, which are rebuilt as plain values. The verdict is written by the other sandbox alone. So a
program that ends itself, changes built-in functions or prints a verdict only fails.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import IO, Any, Protocol

from unicomp.sandbox import Limits
from unicomp.sandbox.bubblewrap import started
from unicomp.sandbox.inside.checker import DIED, NOT_STARTED, NOTHING_CALLED, READY
from unicomp.sandbox.running import ended, identity, read_until, why_unusable

_MOST = 1 << 16
"""Bytes of a verdict, and of bubblewrap's messages."""
_NOT_STARTED = "the sandbox did not start"
TIMEOUT = "timeout"


@dataclass(frozen=True, kw_only=True)
class Task:
    """A program and its tests."""

    program: str
    reference: str
    """A program that passes; the tests may use what it defines beside `names`."""
    tests: str
    """Statements that raise an exception unless the program is right."""
    names: tuple[str, ...]
    """The functions of the program that the tests call."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Whether a program passed its tests."""

    passed: bool = False
    why: str = ""
    """Why not: `wrong`, `timeout`, `died`, or the name of an exception."""
    gap: str | None = None
    """Why it could not be checked; None if it was."""


class Sandbox(Protocol):
    """Checks programs by their tests, away from this process."""

    @property
    def identity(self) -> dict[str, Any]:
        """JSON values that change when its outcomes may change."""
        ...

    def why_unusable(self) -> str | None:
        """Why it does not work here, and how to get it; None if it works."""
        ...

    def check(self, tasks: Sequence[Task], limits: Limits) -> list[Outcome]:
        """The outcome of each task, in order; with a gap where it does not work."""
        ...


@dataclass(frozen=True)
class Bubblewrap:
    """The sandbox by bubblewrap; it checks as many programs at a time as this process has CPUs."""

    @property
    def identity(self) -> dict[str, Any]:
        """The versions of bubblewrap, Python and numpy; empty where it does not work."""
        return {} if self.why_unusable() else identity()

    def why_unusable(self) -> str | None:
        """Why it does not work here, and how to get it; None if it works. Tried once."""
        return why_unusable()

    def check(self, tasks: Sequence[Task], limits: Limits) -> list[Outcome]:
        """The outcome of each task, in order; with a gap where it does not work."""
        if reason := self.why_unusable():
            return [Outcome(gap=reason) for _ in tasks]
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            try:
                return list(pool.map(partial(check, limits=limits), tasks))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def check(task: Task, limits: Limits) -> Outcome:
    """The outcome of one task; the sandbox must work here."""
    if not task.names:
        return Outcome(gap=NOTHING_CALLED)
    end = time.monotonic() + limits.seconds
    with ExitStack() as stack:

        def pipe() -> tuple[IO[bytes], IO[bytes]]:
            read, write = os.pipe()
            ends = os.fdopen(read, "rb"), os.fdopen(write, "wb")
            return stack.enter_context(ends[0]), stack.enter_context(ends[1])

        (answers, to_tests), (calls, to_program) = pipe(), pipe()
        tests = stack.enter_context(started("checker", limits, answers, to_program))
        program = stack.enter_context(started("candidate", limits, calls, to_tests))
        for one in (answers, to_program, calls):
            one.close()
        # the first line to the tests is ours: the program gets nothing before they have read it
        with suppress(BrokenPipeError), to_tests:
            to_tests.write(json.dumps(asdict(task) | {"limits": limits.to_json()}).encode() + b"\n")
        assert tests.stderr is not None
        assert program.stderr is not None
        (said,), _ = read_until([tests.stderr], _MOST, end)
        if time.monotonic() >= end:
            return Outcome(why=TIMEOUT)
        lines = said.decode("utf-8", "replace").splitlines()
        statuses = [ended(process, end) for process in (tests, program)]
        if not lines or lines[0] != READY:
            return Outcome(gap=f"{_NOT_STARTED}: {lines[0] if lines else 'it gives no message'}")
        message: dict[str, Any] = json.loads(lines[1]) if len(lines) > 1 else {"why": DIED}
        if message.get("why") == DIED and 128 + signal.SIGXCPU in statuses:
            message["why"] = TIMEOUT
        if message.get("why") == NOT_STARTED:
            (errors,), _ = read_until([program.stderr], _MOST, end)
            reason = errors.decode("utf-8", "replace").strip().partition("\n")[0]
            return Outcome(gap=f"{_NOT_STARTED}: {reason}")
    if "fault" in message:
        return Outcome(gap=message["fault"])
    return Outcome(passed="passed" in message, why=message.get("why", ""))
