"""What a run is doing, how far it is and when it will be done, also into a file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from itertools import pairwise
from types import SimpleNamespace

import pytest

from unicomp.forecast import Expected, Share
from unicomp.machine.waiting import holder_of
from unicomp.plugin import progress
from unicomp.plugin.progress import FIRST, MINUTE, MOST, Display, Reporter, Timetable
from unicomp.spec import CheckpointId
from unicomp.units import items_so_far

DENSE = CheckpointId("m", "dense", "none")
ITEMS = Expected(items={"/".join(DENSE): {"easy": 100}}, tests=1)


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress.time, "monotonic", clock)
    return clock


@pytest.fixture
def written(monkeypatch, tmp_path, clock):
    """A reporter whose error stream is a file, and the lines in it."""
    monkeypatch.delenv("CI", raising=False)
    with (tmp_path / "log").open("w") as stream:
        monkeypatch.setattr(progress.os, "dup", lambda _: os.open(stream.name, os.O_WRONLY))
        monkeypatch.setattr(progress, "_age", lambda: 0.0)
        reporter = Reporter()
    lines = lambda: (tmp_path / "log").read_text().splitlines()  # noqa: E731
    yield SimpleNamespace(reporter=reporter, lines=lines)
    reporter.close()


def test_a_short_run_prints_nothing(written, clock):
    written.reporter(Share(doing="collecting tests"))
    clock.now += FIRST - 0.1
    written.reporter(Share(doing="collecting tests"))
    assert written.lines() == []


def test_a_line_says_what_is_done_how_far_it_is_and_when_it_will_be_done(written, clock):
    written.reporter.expect(ITEMS)
    share = Share(doing="m/dense: answering easy, 10 of 100 items")
    share.note("/".join(DENSE), "easy", 0, 100, clock.now)
    clock.now += 6
    share.note("/".join(DENSE), "easy", 10, 100, clock.now)
    written.reporter(share)
    (line,) = written.lines()
    assert re.fullmatch(
        r"\[unicomp, after 6 s\] m/dense: answering easy, 10 of 100 items; "
        r"10 of 100 items of the run, done in about 54 s, at \d\d:\d\d",
        line,
    )


def test_where_asking_may_stop_early_the_line_counts_the_items_that_are_likely(written, clock):
    written.reporter.expect(ITEMS)
    display = Display(lambda share: None)
    try:
        display.count(DENSE, "easy", 0, 100)
        clock.now += 6
        display.count(DENSE, "easy", 10, 100)
        display.expect(DENSE, "easy", 36)
        display.show(f"m/dense: answering easy, {items_so_far(10, 100, 36)}")
    finally:
        display.close()
    written.reporter(display.share)
    assert (
        "m/dense: answering easy, 10 of about 36 items (100 in full); "
        "10 of about 36 items of the run, done in about 16 s, at "
    ) in written.lines()[0]


def test_what_is_waited_for_is_printed_at_once_and_once(written, clock):
    share = Share(doing="m/dense: reading", waiting="m/dense: waiting for process 7 to measure it")
    clock.now += 1
    for _ in range(3):
        written.reporter(share)
    assert written.lines() == ["[unicomp, after 1 s] m/dense: waiting for process 7 to measure it"]


def test_the_end_is_printed_as_soon_as_it_is_known(written, clock):
    written.reporter.expect(ITEMS)
    share = Share(doing="loading")
    clock.now += FIRST
    written.reporter(share)
    assert written.lines()[-1].endswith("0 of 100 items of the run, the time left is not known yet")
    share.note("/".join(DENSE), "easy", 0, 100, clock.now)
    clock.now += 1
    share.note("/".join(DENSE), "easy", 0.5, 100, clock.now)
    written.reporter(share)
    assert "0 of 100 items of the run, done in about 3 min" in written.lines()[-1]
    assert len(written.lines()) == 2


def test_the_tests_are_counted_where_nothing_else_is(written, clock):
    written.reporter.expect(Expected(tests=4))
    written.reporter.pytest_runtest_logreport(SimpleNamespace(when="teardown"))
    clock.now += 10
    written.reporter(Share(doing="counting the operations of 4096 tokens"))
    assert "1 of 4 tests, done in about 30 s" in written.lines()[-1]


def test_what_pytest_printed_is_written_out_before_the_work_begins(written):
    flushed = []
    writer = SimpleNamespace(flush=lambda: flushed.append(True))
    config = SimpleNamespace(get_terminal_writer=lambda: writer)
    written.reporter.pytest_collection_finish(SimpleNamespace(config=config))
    assert flushed


def test_lines_become_rare_but_never_rarer_than_half_a_minute(clock):
    timetable, moments = Timetable(clock.now), []
    for _ in range(3000):
        clock.now += 0.1
        if timetable.is_due([], known=False):
            moments.append(timetable.age)
    gaps = [after - before for before, after in pairwise(moments)]
    assert moments[0] == pytest.approx(FIRST, abs=0.2)
    assert gaps == sorted(gaps)
    assert gaps[-1] == pytest.approx(MOST, abs=0.2)


def test_the_workers_shares_reach_the_controller_at_once_when_they_wait(written, clock, tmp_path):
    node = SimpleNamespace(workerinput={"unicomp_folder": str(tmp_path)})
    written.reporter.pytest_configure_node(node)
    worker, share = progress._ShareFile(tmp_path / "share-gw0.json"), Share(doing="loading")
    worker(share)
    clock.now += 0.1
    share.doing = "answering"
    worker(share)
    assert Share.from_json((tmp_path / "share-gw0.json").read_text()).doing == "loading"
    share.waiting = "waiting for process 7"
    worker(share)
    written.reporter(Share())
    assert written.lines() == ["[unicomp, after 0 s] gw0: waiting for process 7"]


def answering(name, done, clock):
    """A worker that has answered `done` of 100 items in 10 seconds."""
    share = Share(doing=f"m/{name}: answering easy, {done} of 100 items")
    share.note(f"m/{name}", "easy", 0, 100, clock.now - 10)
    share.note(f"m/{name}", "easy", done, 100, clock.now)
    return share


@pytest.fixture
def two_workers(written, tmp_path, clock):
    """A reporter with the shares of two workers, of which one builds."""
    node = SimpleNamespace(workerinput={"unicomp_folder": str(tmp_path)})
    written.reporter.pytest_configure_node(node)
    written.reporter.expect(Expected(items={"m/a": {"easy": 100}, "m/b": {"easy": 100}}, tests=2))
    for name, share in (("gw0", answering("a", 40, clock)), ("gw10", Share(doing="building m/b"))):
        (tmp_path / f"share-{name}.json").write_text(share.to_json())
    return written


def test_a_line_has_each_worker_with_its_speed_and_the_time_left(two_workers, clock):
    clock.now += FIRST
    two_workers.reporter(Share())
    (line,) = two_workers.lines()
    assert "gw0: m/a: answering easy, 40 of 100 items, 4 items/s, 15 s left; gw10: build" in line
    assert "40 of 200 items of the run" in line


def test_a_terminal_has_a_line_for_each_worker(two_workers, monkeypatch):
    shown = []
    monkeypatch.setattr(two_workers.reporter, "_watched", True)
    monkeypatch.setattr(two_workers.reporter._line, "show", shown.append)
    two_workers.reporter(Share())
    run, first, second = shown[-1].splitlines()
    assert run.startswith("40 of 200 items of the run")
    assert first == "gw0: m/a: answering easy, 40 of 100 items, 4 items/s, 15 s left"
    assert second == "gw10: building m/b"


def test_a_workers_expectation_reaches_the_controller(two_workers, tmp_path, clock):
    share = answering("a", 40, clock)
    share.expect("m/a", "easy", 60)
    share.expect("m/b", "easy", 0)  # skipped
    (tmp_path / "share-gw0.json").write_text(share.to_json())
    clock.now += FIRST
    two_workers.reporter(Share())
    (line,) = two_workers.lines()
    assert "gw0: m/a: answering easy, 40 of 100 items, 4 items/s, 5 s left; gw10: build" in line
    assert "40 of about 60 items of the run" in line


def test_under_ci_there_is_a_line_a_minute(clock):
    timetable, moments = Timetable(clock.now, each=MINUTE), []
    for second in range(600):
        clock.now += 1
        if timetable.is_due([f"wait {second}"], known=second > 20):
            moments.append(timetable.age)
    assert moments[0] == FIRST
    assert [after - before for before, after in pairwise(moments)] == [MINUTE] * 9


def test_ci_is_known_by_its_environment(monkeypatch):
    monkeypatch.setattr(progress, "_age", lambda: 0.0)
    for value, each in (("true", MINUTE), ("", None)):
        monkeypatch.setenv("CI", value)
        reporter = Reporter()
        assert reporter._timetable._each == each
        reporter.close()


def wait_until(condition, seconds=30):
    """Wait until the condition holds, or the seconds are over."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_wait_wakes_the_display(monkeypatch):
    monkeypatch.setattr(progress, "TICK", 60.0)
    shown = []
    display = Display(lambda share: shown.append(share.waiting))
    try:
        display.wait("waiting for process 7")
        wait_until(lambda: "waiting for process 7" in shown)
        assert shown[-1] == "waiting for process 7"
    finally:
        display.close()


def test_what_is_being_done_is_shown_again_and_again_while_nothing_is_reported(monkeypatch):
    monkeypatch.setattr(progress, "TICK", 0.01)
    shown = []
    display = Display(lambda share: shown.append(share.doing))
    try:
        display.show("loading the checkpoint")
        wait_until(lambda: shown.count("loading the checkpoint") >= 2)
    finally:
        display.close()
    assert shown.count("loading the checkpoint") >= 2


def test_an_old_process_has_run_something_else_before(monkeypatch):
    now = time.time()
    monkeypatch.setattr(progress.time, "time", lambda: now + 3600)
    assert progress._age() == 0.0


MEASUREMENT = """
import sys
from unicomp.machine import turns
with turns.alone():
    print("holds", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.long
def test_a_worker_that_waits_says_so_at_once_into_the_runs_file(new_gate, shared_home, tmp_path):
    """Another session takes timings, so that the answers have to wait.

    The gate has a new Python, since TMPDIR is read when Python starts.
    """
    gate = new_gate(shared_home, python=sys.executable)
    for kind in ("responses", "scores", "locks"):  # those of other gates
        (gate.home / kind).unlink()
    environment, log = gate.environment() | {"TMPDIR": str(tmp_path)}, tmp_path / "log"
    with (
        log.open("w") as stream,
        subprocess.Popen(
            [sys.executable, "-c", MEASUREMENT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        ) as other,
    ):
        assert other.stdout.readline() == "holds\n"
        who = holder_of(next(tmp_path.glob("unicomp-device-*.lock")))
        run = subprocess.Popen(
            gate.command("-q", "-n1", "-m", "knowledge", "--samples=20", "--method=dense"),
            cwd=gate.folder,
            env=environment,
            stdout=stream,
            stderr=stream,
        )
        deadline = time.monotonic() + 300
        while "waiting" not in log.read_text() and time.monotonic() < deadline:
            assert run.poll() is None, log.read_text()
            time.sleep(0.1)
        text = log.read_text()
        other.stdin.write("\n")
        other.stdin.flush()
        assert run.wait(300) == 0, log.read_text()
    assert f"embedded/dense: waiting for {who} to end its timings; 0 of 20 items" in text
