"""What a run is doing, how far it is and when it will be done: while it works.

A terminal has one line that is replaced. Anywhere else, such as in a file or under CI, a line is
printed after a few seconds, and then from time to time. With pytest-xdist the workers write their
shares into files, and the controller reports them together.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from unicomp.forecast import Counts, Forecast, Share, rough
from unicomp.plugin.grid import GRID
from unicomp.plugin.options import PLAN
from unicomp.spec import CheckpointId
from unicomp.store import write_atomically

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

FIRST, MOST = 5.0, 30.0
"""Seconds until the first line, and at most between two, where there is no terminal."""
_COLLECTING = "collecting tests"


class Display:
    """Takes what this process is doing, and shows it or passes it on.

    Create it before pytest captures output, so that its copy of the error stream is the terminal.
    """

    def __init__(self, sink: Callable[[Share], None], every: Callable[[int], float]) -> None:
        """`sink` shows the share; the n-th time `every(n)` seconds after the time before."""
        self.share = Share(doing=_COLLECTING)
        self._sink = sink
        self._every = every
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """Note that all tests are collected."""
        self.share.doing = ""
        self.share.begin(time.monotonic())

    def show(self, text: str) -> None:
        """Note what is being done; an empty text is the end of it."""
        self.share.doing = text

    def count(self, checkpoint: CheckpointId, benchmark: str, done: int, total: int) -> None:
        """Note that `done` of `total` items of a benchmark are answered."""
        self.share.note("/".join(checkpoint), benchmark, done, total, time.monotonic())

    def finish(self, checkpoint: CheckpointId) -> None:
        """Note that a checkpoint has answered everything."""
        self.share.finish("/".join(checkpoint), time.monotonic())

    def close(self) -> None:
        """Show nothing more."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        turn = 0
        while not self._end.wait(self._every(turn)):
            turn += 1
            with suppress(RuntimeError):  # the share changed while it was read: next time
                self._sink(self.share)


class Reporter:
    """Shows the shares of all processes on the copy of an error stream."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._descriptor = os.dup(2)
        self.watched = os.isatty(self._descriptor) and not os.environ.get("CI")
        self._folder: Path | None = None
        self._tests = 0
        self._start = time.monotonic()
        self._line = _Line(self._descriptor)

    def __call__(self, own: Share) -> None:
        """Show what the processes are doing, if they are doing anything."""
        shares = self._shares() or [own]
        doing = list(dict.fromkeys(share.doing for share in shares if share.doing))
        text = "; ".join([*doing, *self._forecast(shares)])
        if self.watched:
            self._line.show(text if doing and doing != [_COLLECTING] else "")
        elif text:
            taken = rough(time.monotonic() - self._start)
            below = "\n" if self._tests else ""  # pytest's line of dots
            with suppress(OSError):
                os.write(self._descriptor, f"{below}[unicomp, after {taken}] {text}\n".encode())

    def close(self) -> None:
        """Remove the line and close the stream."""
        self._line.close()
        os.close(self._descriptor)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the tests that have ended."""
        self._tests += report.when == "teardown"

    @pytest.hookimpl(optionalhook=True, trylast=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Know where the workers write their shares."""
        self._folder = Path(node.workerinput["unicomp_folder"])

    def _shares(self) -> list[Share]:
        paths = sorted(self._folder.glob("share-*.json")) if self._folder else []
        return [Share.from_json(path.read_text(encoding="utf-8")) for path in paths]

    def _forecast(self, shares: Sequence[Share]) -> list[str]:
        """How far the run is: in items, or in tests if none of them asks for answers."""
        grid, plan = self._config.stash.get(GRID, None), self._config.stash[PLAN]
        if grid is None:
            return []
        planned: Counts = {}
        for row in (row for rows in grid.rows.values() for row in rows if row.unit is None):
            count = grid.there.get(row.model, {}).get(row.benchmark)
            if count is not None:
                count = min(count, plan.samples or count)
                planned.setdefault("/".join(row.checkpoint), {})[row.benchmark] = count
        found = Forecast.of(planned, shares)
        if found.total:
            return [f"{found}{_at(found.seconds)}"]
        if not grid.checkpoints:
            return []
        done, total = self._tests, max(len(grid.checkpoints), self._tests)
        taken = time.monotonic() - self._start
        return [f"{done} of {total} tests{_at(taken / done * (total - done) if done else None)}"]


def _at(seconds: float | None) -> str:
    """The time of day when the run will be done."""
    if seconds is None:
        return ", the time left is not known yet"
    return (
        f", done in about {rough(seconds)}, at {datetime.now() + timedelta(seconds=seconds):%H:%M}"
    )


class _Line:
    """One transient line with a spinner and a clock, on a terminal."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def show(self, text: str) -> None:
        """Replace the line; remove it if `text` is empty."""
        if not text:
            self.close()
            return
        if self._progress is None:
            self._start()
        assert self._progress is not None
        assert self._task is not None
        self._progress.update(self._task, description=text)

    def close(self) -> None:
        """Remove the line."""
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
_REPORTER = pytest.StashKey[Reporter]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin to show what is going on; a worker writes it into a file."""
    if (given := getattr(config, "workerinput", None)) is not None:
        path = Path(given["unicomp_folder"]) / f"share-{given['workerid']}.json"
        config.stash[DISPLAY] = Display(
            lambda share: write_atomically(path, share.to_json()), lambda turn: 1.0
        )
        return
    config.stash[_REPORTER] = reporter = Reporter(config)
    config.pluginmanager.register(reporter, "unicomp-progress")
    rarely = [FIRST, *(min(10.0 + 2 * turn, MOST) for turn in range(11))]
    config.stash[DISPLAY] = Display(
        reporter, lambda turn: 0.3 if reporter.watched else rarely[min(turn, len(rarely) - 1)]
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Note that the work begins."""
    session.config.stash[DISPLAY].begin()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the display."""
    if display := config.stash.get(DISPLAY, None):
        display.close()
    if reporter := config.stash.get(_REPORTER, None):
        reporter.close()
