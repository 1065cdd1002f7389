"""The device is shared by builds and answers, and had alone by a measurement; real processes."""

import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from unicomp import catalogue, responses
from unicomp.checkpoint import Builder
from unicomp.errors import StoreError
from unicomp.machine import turns
from unicomp.spec import Calibration, Model
from unicomp.store import Store

EMBEDDED = Path(__file__).parents[2] / "fixtures" / "embedded" / "model"

HOLDER = """
import sys
from unicomp.machine import turns
with getattr(turns, sys.argv[1])(lambda holder: holder and print("waits", flush=True)):
    print("holds", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def own_lock(tmp_path, monkeypatch):
    """Let no other session of this machine take part."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


@contextmanager
def holder(kind):
    """Another process that holds the device, or waits for it, until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def says(process):
    return process.stdout.readline().strip()


def release(process):
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.parametrize(("first", "second"), [("alone", "shared"), ("shared", "alone")])
def test_a_measurement_and_a_build_wait_for_each_other(first, second):
    with holder(first) as one:
        assert says(one) == "holds"
        with holder(second) as other:
            assert says(other) == "waits"
            release(one)
            assert says(other) == "holds"


def test_two_measurements_come_one_after_the_other():
    with holder("alone") as one:
        assert says(one) == "holds"
        with holder("alone") as other:
            assert says(other) == "waits"


def test_many_share():
    with holder("shared") as one, holder("shared") as other:
        assert says(one) == says(other) == "holds"


def test_a_process_that_is_killed_gives_the_device_back():
    with holder("alone") as one:
        assert says(one) == "holds"
        one.kill()
        one.wait()
        with holder("alone") as other:
            assert says(other) == "holds"


def test_what_is_held_may_be_asked_for_again():
    with turns.alone(pytest.fail), turns.shared(pytest.fail), turns.alone(pytest.fail):
        pass
    with turns.shared(pytest.fail), turns.shared(pytest.fail):
        pass
    with holder("alone") as other:
        assert says(other) == "holds"


def test_an_inner_holder_does_not_give_the_device_back():
    with turns.alone():
        with turns.shared():
            pass
        with holder("shared") as other:
            assert says(other) == "waits"


def test_asking_for_it_alone_while_sharing_is_an_error_and_no_deadlock():
    with turns.shared(), pytest.raises(RuntimeError, match="cannot hold it alone"), turns.alone():
        pass


def test_another_thread_of_the_process_waits_like_another_process():
    events = []

    def measure():
        with turns.alone(lambda holder: events.append("waits" if holder else "waited")):
            events.append("holds")

    thread = threading.Thread(target=measure)
    with turns.shared():
        thread.start()
        while not events:
            time.sleep(0.01)
        assert events == ["waits"]
    thread.join()
    assert events == ["waits", "waited", "holds"]


def test_it_is_given_back_after_an_error():
    with pytest.raises(ZeroDivisionError), turns.alone():
        1 / 0  # noqa: B018
    with turns.shared(pytest.fail):
        pass


def test_the_lock_is_the_users_own(own_lock):
    with turns.shared():
        pass
    (lock,) = own_lock.glob("unicomp-device-*")
    assert lock.stat().st_mode & 0o777 == 0o600
    assert str(os.getuid()) in lock.name


def test_a_lock_that_is_a_link_is_not_followed(own_lock):
    (own_lock / f"unicomp-device-{os.getuid()}.lock").symlink_to(own_lock / "elsewhere")
    with pytest.raises(StoreError, match="cannot be opened"), turns.shared():
        pass


def test_answers_are_asked_for_with_the_device_shared_and_found_without():
    held = []

    @contextmanager
    def opened(*about, **named):
        with holder("alone") as measurement:
            held.append(says(measurement))
        yield SimpleNamespace(answer=lambda requests: ["yes"] * len(requests))

    known = {"old": ["yes"]}
    log = SimpleNamespace(read=known.copy, append=known.update)
    for key in ("old", "new"):
        item = SimpleNamespace(key=key, requests=[SimpleNamespace(arguments=("?",))])
        assert responses.collect(log, opened, {"bench": [item]}).responses[key] == ["yes"]
    assert held == ["waits"]


# -- builds -------------------------------------------------------------------------------------

METHOD = """
from unicomp.spec import Method

def compress(source, target, calibration):
    raise NotImplementedError  # see `Builds.copy`

method = Method(name={name!r}, family="pruning", compress=compress)
"""


class Builds:
    """Builds of copies of the embedded model, each in a thread; none has a process of its own."""

    def __init__(self, folder, present):
        self.meeting = folder / "meeting"
        self.meeting.mkdir()
        self.messages = []
        self.waits = []
        self.built = 0
        self._folder = folder
        self._present = present
        self._store = Store(folder / "home")
        (folder / "user/fixtures").mkdir(parents=True)
        shutil.copytree(EMBEDDED.parents[1] / "methods", folder / "user/fixtures/methods")
        self._roots = catalogue.roots(folder / "user")

    def start(self, name):
        (self._roots[0] / "methods" / f"{name}.py").write_text(METHOD.format(name=name))
        thread = threading.Thread(target=self._build, args=(name,))
        thread.start()
        return thread

    def copy(self, builder, model, method, calibration, folder, *about):
        """Stands for the compression: copies the model once all builds are there."""
        (self.meeting / method.name).touch()
        deadline = time.monotonic() + 60
        while len(list(self.meeting.iterdir())) < self._present and time.monotonic() < deadline:
            time.sleep(0.02)
        assert time.monotonic() < deadline, "the other one did not come"
        shutil.copytree(model.source, folder / "model")
        return {"seconds": 1.0}

    def _build(self, name):
        built = Builder(store=self._store, roots=self._roots).build(
            Model(name="embedded", source=str(EMBEDDED)),
            catalogue.load_method(name, self._roots),
            Calibration(name="text", samples=("one",)),
            self.messages.append,
            self.waits.append,
        )
        self.built += built.fresh


def test_two_builds_run_side_by_side(tmp_path, monkeypatch):
    builds = Builds(tmp_path, present=2)
    monkeypatch.setattr(Builder, "_compress", lambda *about: builds.copy(*about))
    threads = [builds.start("one"), builds.start("other")]
    for thread in threads:
        thread.join(timeout=120)
    assert len(list(builds.meeting.iterdir())) == 2  # each waited for the other, and both ended
    assert not builds.waits
    assert builds.built == 2


def test_a_build_waits_for_a_measurement_and_says_so(tmp_path, monkeypatch):
    builds = Builds(tmp_path, present=1)
    monkeypatch.setattr(Builder, "_compress", lambda *about: builds.copy(*about))
    with holder("alone") as measurement:
        assert says(measurement) == "holds"
        thread = builds.start("late")
        while not builds.waits:
            time.sleep(0.01)
        who = f"process {measurement.pid}" if sys.platform == "linux" else "another process"
        assert builds.waits == [f"late of embedded: waiting for {who} to end its timings"]
        time.sleep(0.3)
        assert not list(builds.meeting.iterdir())
        release(measurement)
        thread.join(timeout=120)
    assert len(list(builds.meeting.iterdir())) == 1
    assert builds.built == 1
