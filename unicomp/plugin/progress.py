"""A line that says what long work is doing; for people at a terminal only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Display:
    """One transient line with a spinner and a clock, on a copy of the error stream.

    Made while pytest does not capture, so the copy is the terminal's. Silent where nobody
    watches: under CI, in a pytest-xdist worker, when the stream is no terminal.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._descriptor = os.dup(2)
        watched = os.isatty(self._descriptor) and not os.environ.get("CI")
        self._enabled = watched and not quiet
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def show(self, text: str) -> None:
        """Replace the line; an empty text takes it away."""
        if not self._enabled:
            return
        if not text:
            self._stop()
            return
        if self._progress is None:
            self._start()
        assert self._progress is not None
        assert self._task is not None
        self._progress.update(self._task, description=text)

    def close(self) -> None:
        """Take the line away for good."""
        self._stop()
        self._enabled = False
        os.close(self._descriptor)

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress.console.file.close()
            self._progress = None

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        stream = os.fdopen(os.dup(self._descriptor), "w")
        stream.write("\n")  # pytest's line of dots goes on below
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=Console(file=stream, force_terminal=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._progress.add_task("", total=None)
        self._progress.start()


DISPLAY = pytest.StashKey[Display]()


def pytest_configure(config: pytest.Config) -> None:
    """Take the copy of the error stream before tests are captured."""
    config.stash[DISPLAY] = Display(quiet=hasattr(config, "workerinput"))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Give it back."""
    if display := config.stash.get(DISPLAY, None):
        display.close()
