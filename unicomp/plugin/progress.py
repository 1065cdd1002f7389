"""What a run is doing, how far it is and when it will be done: while it works.

Everything goes through one `Display`: what is being done, what is waited for, and what is counted.
A terminal has one line that is replaced. Anywhere else, such as in a file, a line is printed after
a few seconds, then from time to time, and at once when the run has to wait for another process or
when its end is first known; under CI a line a minute. With pytest-xdist the workers write their
shares into files, and the controller reports them together: at a terminal a line for each worker.

This module is imported before the rest of the plugin, which takes seconds on a slow machine. So it
imports little.
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

from unicomp.forecast import Expected, Forecast, Share, rough

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from unicomp.spec import CheckpointId

FIRST, MOST = 5.0, 30.0
"""Seconds from the start of the process to the first line, and at most between two, where there is
no terminal."""
MINUTE = 60.0
"""Seconds between two lines under CI."""
TICK = 0.3
"""Seconds between two looks at what is being done."""
FRESH = 60.0
"""The seconds of a process that has run nothing else before; it counts from its start."""
_SHARE = "share-"
"""What the file of a worker's share begins with; its name follows."""
_STARTING = "starting"
_COLLECTING = "collecting tests"
_BEFORE = ("", _STARTING, _COLLECTING)
"""What a process does before the work."""


class Display:
    """Takes what this process is doing, and shows it or passes it on.

    Create it before pytest captures output, so that its copy of the error stream is the terminal.
    """

    def __init__(self, sink: Callable[[Share], None]) -> None:
        """`sink` shows the share, again and again, and at once when something is waited for."""
        self.share = Share(doing=_STARTING)
        self._sink = sink
        self._wake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """Note that all tests are collected."""
        self.share.doing = ""
        self.share.begin(time.monotonic())

    def show(self, text: str) -> None:
        """Note what is being done; an empty text is the end of it."""
        self.share.doing = text

    def wait(self, text: str) -> None:
        """Show what is waited for; an empty text is the end of the wait."""
        self.share.waiting = text
        self._wake.set()

    def count(self, checkpoint: CheckpointId, benchmark: str, done: float, total: int) -> None:
        """Note that `done` of `total` items of a benchmark are answered."""
        self.share.note("/".join(checkpoint), benchmark, done, total, time.monotonic())

    def expect(self, checkpoint: CheckpointId, benchmark: str, likely: int) -> None:
        """Note that `likely` items of a benchmark will be asked in all, where asking may stop.

        If as many are answered, asking has stopped and no more are left.
        """
        self.share.expect("/".join(checkpoint), benchmark, likely)

    def work(self, benchmark: str, items: int, seconds: float, workers: int) -> None:
        """Note that workers of a cluster, so many now, have answered items of a benchmark."""
        self.share.note_elsewhere(benchmark, items, seconds, workers)

    def count_rounds(self, checkpoint: CheckpointId, load: str, done: float, total: int) -> None:
        """Note that `done` of `total` rounds of a load are timed."""
        self.share.rounds.note("/".join(checkpoint), load, done, total, time.monotonic())

    def finish(self, checkpoint: CheckpointId) -> None:
        """Note that a checkpoint has answered everything."""
        self.share.finish("/".join(checkpoint), time.monotonic())

    def close(self) -> None:
        """Show nothing more."""
        self._closed = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed:
            with suppress(RuntimeError):  # the share changed while it was read: next time
                self._sink(self.share)
            self._wake.wait(TICK)
            self._wake.clear()


class Timetable:
    """When a line is printed where there is no terminal."""

    def __init__(self, start: float, *, each: float | None = None) -> None:
        """`start` is the moment in `time.monotonic` from which the run counts.

        `each` is the seconds between two lines, if nothing else is to count.
        """
        self._start = start
        self._each = each
        self._due = FIRST
        self._lines = 0
        self._waits: list[str] = []
        self._known = False

    @property
    def age(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def is_due(self, waits: list[str], known: bool) -> bool:
        """Whether a line is due; it is then taken as printed.

        `waits` are what is waited for, and `known` is set once the end of the run is known.
        """
        new = any(wait not in self._waits for wait in waits)
        self._waits = waits
        changed = known and not self._known and self._lines > 0
        at_once = self._each is None and (new or changed)
        if self.age < self._due and not at_once:
            return False
        self._known = self._known or known
        self._due = self.age + (self._each or min(10.0 + 2 * self._lines, MOST))
        self._lines += 1
        return True


class Reporter:
    """Shows the shares of all processes on the copy of an error stream."""

    def __init__(self) -> None:
        self._descriptor = os.dup(2)
        by_ci = bool(os.environ.get("CI"))
        self._watched = os.isatty(self._descriptor) and not by_ci
        self._folder: Path | None = None
        self._expected: Expected | None = None
        self._collected = 0
        self._ended = 0
        self._timetable = Timetable(time.monotonic() - _age(), each=MINUTE if by_ci else None)
        self._line = _Line(self._descriptor)

    def expect(self, expected: Expected) -> None:
        """Note the work of the run, once its tests are collected."""
        self._expected = expected

    def __call__(self, own: Share) -> None:
        """Show what the processes are doing, if they are doing anything."""
        workers = self._shares()
        shares = [*workers.values(), own]
        waits = list(dict.fromkeys(share.waiting for share in shares if share.waiting))
        busy = [share for share in shares if share.waiting or share.doing]
        doing = [f"{name}: {share}" for name, share in workers.items()] if busy else []
        if own in busy and not (workers and own.doing in _BEFORE and not own.waiting):
            doing.append(own.waiting or own.doing)
        found, seconds = self._forecast(shares)
        if self._watched:  # of collecting, pytest shows a line of its own
            shown = waits or any(share.doing not in _BEFORE for share in busy)
            # a narrow terminal cuts the end off
            order = [*doing, found] if waits and not workers else [found, *doing]
            between = "\n" if workers else "; "
            self._line.show(between.join(filter(None, order)) if shown else "")
            return
        text = "; ".join(filter(None, [*doing, found]))
        if text and self._timetable.is_due(waits, seconds is not None):
            below = "\n" if self._ended else ""  # pytest's line of dots
            line = f"{below}[unicomp, after {rough(self._timetable.age)}] {text}\n"
            with suppress(OSError):
                os.write(self._descriptor, line.encode())

    def close(self) -> None:
        """Remove the line and close the stream."""
        self._line.close()
        os.close(self._descriptor)

    def pytest_itemcollected(self) -> None:
        """Count the tests that are collected."""
        self._collected += 1

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Write out what pytest has printed so far, which a file would show much later."""
        session.config.get_terminal_writer().flush()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the tests that have ended."""
        self._ended += report.when == "teardown"

    @pytest.hookimpl(optionalhook=True, trylast=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Know where the workers write their shares."""
        self._folder = Path(node.workerinput["unicomp_folder"])

    def _shares(self) -> dict[str, Share]:
        """Worker of pytest-xdist → its share, in the order of their numbers."""
        paths = self._folder.glob(f"{_SHARE}*.json") if self._folder else ()
        found = {path.stem.removeprefix(_SHARE): path for path in paths}
        return {
            name: Share.from_json(found[name].read_text(encoding="utf-8"))
            for name in sorted(found, key=lambda name: (len(name), name))
        }

    def _forecast(self, shares: Sequence[Share]) -> tuple[str, float | None]:
        """How far the run is, and the seconds left if they are known.

        It is counted in items and rounds; in tests where no items are asked.
        """
        if self._expected is None:
            return (f"{self._collected:,} so far" if self._collected else ""), None
        found = Forecast.of(self._expected, shares)
        if found.items.total:
            return f"{found}{_at(found.seconds)}", found.seconds
        if not self._expected.tests:
            return "", None
        done, total = self._ended, max(self._expected.tests, self._ended)
        seconds = self._timetable.age / done * (total - done) if done else found.seconds
        counted = ", ".join(filter(None, [f"{done:,} of {total:,} tests", str(found)]))
        return f"{counted}{_at(seconds)}", seconds


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


class _ShareFile:
    """Writes the share of a worker into a file: every second, and at once when it waits."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting = ""
        self._due = 0.0

    def __call__(self, share: Share) -> None:
        from unicomp.store import write_atomically

        now = time.monotonic()
        if now >= self._due or share.waiting != self._waiting:
            self._due, self._waiting = now + 1.0, share.waiting
            write_atomically(self._path, share.to_json())


def _age() -> float:
    """The seconds that this process has been starting; 0 if it has run something else before."""
    import psutil

    age: float = time.time() - psutil.Process().create_time()
    return age if 0 <= age < FRESH else 0.0


DISPLAY = pytest.StashKey[Display]()
REPORTER = pytest.StashKey[Reporter]()
"""Only on the process that reports."""


def start(config: pytest.Config) -> None:
    """Begin to show what is going on, before anything else is imported."""
    config.stash[REPORTER] = reporter = Reporter()
    config.pluginmanager.register(reporter, "unicomp-progress")
    config.stash[DISPLAY] = display = Display(reporter)
    config.add_cleanup(reporter.close)
    config.add_cleanup(display.close)


def stop(config: pytest.Config) -> None:
    """Show nothing more: another session goes on in this process."""
    config.stash[DISPLAY].close()


def pytest_configure(config: pytest.Config) -> None:
    """Write what a worker is doing into a file."""
    if (given := getattr(config, "workerinput", None)) is not None:
        path = Path(given["unicomp_folder"]) / f"{_SHARE}{given['workerid']}.json"
        config.stash[DISPLAY] = display = Display(_ShareFile(path))
        config.add_cleanup(display.close)


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Note that tests are collected."""
    session.config.stash[DISPLAY].show(_COLLECTING)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Note that the work begins."""
    session.config.stash[DISPLAY].begin()


@pytest.hookimpl(optionalhook=True, trylast=True)
def pytest_xdist_node_collection_finished(node: Any) -> None:
    """On the controller: note that the work begins."""
    node.config.stash[DISPLAY].begin()
