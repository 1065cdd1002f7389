"""Limits that a process sets for itself and cannot raise again."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping


def limit(limits: Mapping[str, float]) -> None:
    """Set the limits of this process for good; `limits` is `Limits.to_json()`."""
    seconds, memory = int(limits["cpu_seconds"]), int(limits["memory"])
    _set(resource.RLIMIT_AS, memory)
    _set(resource.RLIMIT_FSIZE, int(limits["written"]))
    _set(resource.RLIMIT_NOFILE, int(limits["descriptors"]))
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_MEMLOCK, 0)
    _set(resource.RLIMIT_NPROC, 0)  # does not bind root, whom the system call filter does
    # a signal first, whose number says why the program ended; who ignores it is killed
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    sys.set_int_max_str_digits(0)


def _set(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(what, (most, most))
