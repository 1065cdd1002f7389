"""Who waits for a lock says so, with the process that holds it."""

import os
import subprocess
import sys
import threading

import pytest
from filelock import FileLock

from unicomp.machine import waiting as module
from unicomp.machine.waiting import holder_of, said, waiting
from unicomp.store import Store

HOLDER = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("holds", flush=True)
    sys.stdin.readline()
"""
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="/proc/locks is Linux's")


@ON_LINUX
def test_who_waits_for_the_store_names_the_process_that_holds_it(tmp_path):
    store, heard = Store(tmp_path), []
    lock = tmp_path / "locks" / "one.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "holds\n"

        def say(text):
            heard.append(text)
            if text:
                other.stdin.write("\n")
                other.stdin.flush()

        with store.lock("one", waiting(say, "build it", "wanda_50 of mine")):
            assert heard == [
                f"wanda_50 of mine: waiting for process {other.pid} to build it",
                "",
            ]


@pytest.mark.parametrize(
    ("lines", "holder"),
    [
        (["1: FLOCK  ADVISORY  WRITE 4711 {} 0 EOF"], "process 4711"),
        (
            [
                "1: FLOCK  ADVISORY  READ 23 {} 0 EOF",
                "2: FLOCK  ADVISORY  READ 7 {} 0 EOF",
                "2: -> FLOCK  ADVISORY  WRITE 9 {} 0 EOF",
            ],
            "process 7 and 1 more",
        ),
        (["1: FLOCK  ADVISORY  WRITE 4711 08:01:1 0 EOF"], "another process"),
        (["1: FLOCK  ADVISORY  WRITE 0 {} 0 EOF"], "another process"),
        ([f"1: FLOCK  ADVISORY  WRITE {os.getpid()} {{}} 0 EOF"], "another process"),
        (["nonsense"], "another process"),
        (None, "another process"),
    ],
)
def test_the_holders_are_those_that_the_system_lists(tmp_path, monkeypatch, lines, holder):
    lock, listed = tmp_path / "a.lock", tmp_path / "locks"
    lock.touch()
    file = lock.stat()
    own = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    if lines is not None:
        listed.write_text("".join(line.format(own) + "\n" for line in lines))
    monkeypatch.setattr(module, "_LOCKS", listed)
    assert holder_of(lock) == holder


def test_the_end_of_a_wait_is_said_also_after_an_error(tmp_path):
    heard = []
    with pytest.raises(ZeroDivisionError), said(heard.append, tmp_path / "lock"):
        1 / 0  # noqa: B018
    assert heard == ["another process", ""]


def test_a_wait_of_a_moment_is_not_worth_a_word(tmp_path):
    store, held = Store(tmp_path), threading.Event()

    def hold():
        with FileLock(tmp_path / "locks" / "one.lock"):
            held.set()

    other = threading.Thread(target=hold)
    other.start()
    assert held.wait(60)
    with store.lock("one", pytest.fail):
        other.join()
