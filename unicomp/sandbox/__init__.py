"""A sandbox for programs that a model wrote: bubblewrap, with limits.

A program runs in a process of its own, in namespaces of its own. It has no network, no files but
those that Python needs, no descriptors but its standard streams, and an empty environment. It can
start no other process or thread. Memory, time, files and output are limited. It ends with the
process that started it.

The session's process never runs such a program, and where the sandbox does not work here, nothing
runs at all.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a program may use. Time on the CPU decides, so that a busy machine is not to blame."""

    cpu_seconds: int = 5
    """Time on the CPU, with the start of Python."""
    seconds: float = 30.0
    """Time by the clock, for a program that waits."""
    memory: int = 1024 * MIB
    """Bytes of address space."""
    written: int = 4 * MIB
    """Bytes of one file, and of all files in its folder /tmp together."""
    output: int = MIB
    """Bytes of its standard output, and of its standard error."""
    value: int = 16 * MIB
    """Bytes of one value that a tested function returns."""
    descriptors: int = 64

    def to_json(self) -> dict[str, float]:
        """The limits as JSON values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How a program ended."""

    status: int | None
    """Its exit status; 128 + N if signal N ended it; None if it was ended from outside."""
    timed_out: bool
    """Whether it reached a limit of time."""
    flooded: bool
    """Whether it reached the limit of output."""
    output: str
    errors: str
    """Both cut at the limit of output."""
