"""The processor time of this process, and what others took of the machine meanwhile."""

from __future__ import annotations

import os
import time
from typing import Self

MOST_OF_OTHERS = 0.1
"""A block of code that leaves other processes more than this share of the processors ran beside
other work."""


class Load:
    """The processor time that a block of code took, and the share that was left for others' work.

    >>> with Load() as load:
    ...     total = sum(range(1_000_000))
    >>> load.cpu_seconds > 0 and 0 <= load.others <= 1
    True
    """

    def __init__(self) -> None:
        self.cpu_seconds = 0.0
        """Of this process, in all threads, and of the processes that it started and waited for."""
        self.others = 0.0
        """The share of all processors' time, in [0, 1], that other processes were busy."""

    @property
    def beside_other_work(self) -> bool:
        """Whether others were busy enough to slow the block down."""
        return self.others > MOST_OF_OTHERS

    def __enter__(self) -> Self:
        self._started, self._own, self._all = time.monotonic(), _own(), _busy()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu_seconds = _own() - self._own
        there = (time.monotonic() - self._started) * (os.cpu_count() or 1)
        others = _busy() - self._all - self.cpu_seconds
        self.others = min(1.0, max(0.0, others / there))


def _own() -> float:
    """Seconds of this process and its ended children."""
    return sum(os.times()[:4])


def _busy() -> float:
    """Seconds that the processors of this machine have worked, or were kept by a hypervisor."""
    import psutil

    spent = psutil.cpu_times()._asdict()
    unused = ("idle", "iowait", "guest", "guest_nice")  # guests' time is in user's as well
    return float(sum(value for name, value in spent.items() if name not in unused))
