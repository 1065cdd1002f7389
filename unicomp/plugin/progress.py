"""A status line for long work, shown only at a terminal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Display:
    """One transient line with a spinner and a clock, on a copy of the error stream.

    Create it before pytest captures output, so that the copy is the terminal. Nothing is shown
    under CI, in a pytest-xdist worker, or if the stream is not a terminal.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._descriptor = os.dup(2)
        watched = os.isatty(self._descriptor) and not os.environ.get("CI")
        self._enabled = watched and not quiet
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def show(self, text: str) -> None:
        """Replace the line; remove it if `text` is empty."""
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
        """Remove the line and close the stream."""
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

        stream = os.fdopen(os.dup(self._descriptor), "w", encoding="utf-8")
        stream.write("\n")  # pytest's line of dots continues below
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
    """Copy the error stream before tests are captured."""
    config.stash[DISPLAY] = Display(quiet=hasattr(config, "workerinput"))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the display."""
    if display := config.stash.get(DISPLAY, None):
        display.close()
