"""End this process when its parent ends."""

from __future__ import annotations

import os
import sys
import threading
import time


def end_with(parent: int) -> None:
    """Make this process end when `parent`, the process that started it, does."""
    if sys.platform == "linux":
        import ctypes
        import signal

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)

    def watch() -> None:
        # not psutil's wait for a process: the id of a parent that has ended may be used again
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
