"""The files and connections that this process may have open at a time."""

from __future__ import annotations

from contextlib import suppress

OTHERS = 256
"""Files that are open for other reasons."""


def allow_open_files(number: int) -> None:
    """Let this process open so many files at a time beside others, as far as the system allows.

    Many shells start a process with room for 1024, and some with fewer. Windows has no such limit.
    """
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number + OTHERS
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with suppress(OSError, ValueError):  # macOS has a lower limit than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
