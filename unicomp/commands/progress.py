"""Progress of a long command, on the error stream."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable


class Teller:
    """Prints to the error stream what a long command is doing, at most every few seconds."""

    def __init__(self, seconds: float = 2.0) -> None:
        self._seconds = seconds
        self._next = time.monotonic() + seconds

    def __call__(self, text: Callable[[], str], *, at_once: bool = False) -> None:
        """Print the text if some seconds have passed since the last one, or `at_once`."""
        if (now := time.monotonic()) >= self._next or at_once:
            self._next = now + self._seconds
            print(f"unicomp: {text()}", file=sys.stderr, flush=True)
