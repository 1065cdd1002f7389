"""Hostile programs: none reads outside, reaches a network, or outlives its limits."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.sandbox.programs import HOSTILE, SECRET, USING_MORE
from unicomp.sandbox import Limits
from unicomp.sandbox.bubblewrap import started
from unicomp.sandbox.running import run, why_unusable

pytestmark = pytest.mark.skipif(why_unusable() is not None, reason=str(why_unusable()))

LIMITS = Limits(cpu_seconds=1, seconds=4, memory=512 << 20)
SPARE = 4.0
"""Seconds that a busy machine may take to start and to end a sandbox."""


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """What lies outside, and can be reached from there."""
    folder = tmp_path_factory.mktemp("outside")
    secret = folder / "secret"
    secret.write_text(SECRET)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        local, abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        names = {"socket": f"{folder}/socket", "abstract": f"\0unicomp-{os.getpid()}"}
        for one, name in ((local, names["socket"]), (abstract, names["abstract"])):
            one.bind(name)
            one.listen()
        yield {
            **names,
            "secret": str(secret),
            "port": listener.getsockname()[1],
            "project": str(Path.cwd()),
            "store": str(folder),
            "pid": os.getpid(),
        }
        local.close()
        abstract.close()
    assert secret.read_text() == SECRET


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_program_neither_escapes_nor_outlives_its_limits(name, outside, monkeypatch):
    monkeypatch.setenv("UNICOMP_SECRET", SECRET)
    begun = time.monotonic()
    with open(outside["secret"]) as inheritable:
        os.set_inheritable(inheritable.fileno(), True)
        ran = run(HOSTILE[name].format(**outside), LIMITS)
    assert time.monotonic() - begun < LIMITS.seconds + SPARE
    assert "ESCAPED" not in ran.output
    assert SECRET not in ran.output + ran.errors
    assert "SyntaxError" not in ran.errors
    assert len(ran.output) <= LIMITS.output
    assert len(ran.errors) <= LIMITS.output
    if name in USING_MORE:
        assert ran.status != 0
    if "endless" in name:
        assert ran.timed_out
    if name in ("output", "errors"):
        assert ran.flooded


def test_there_are_forty_hostile_programs():
    assert len(HOSTILE) >= 40


def test_the_same_programs_do_harm_outside(outside):
    """The listener answers, and the secret can be read: so the sandbox is what forbids it."""
    for name in ("tcp", "a socket in a folder", "an abstract socket", "a secret by its path"):
        code = HOSTILE[name].format(**outside)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert "ESCAPED" in done.stdout, (name, done.stderr)


def test_nothing_is_left_of_a_program_that_was_killed():
    """Every process inside holds the standard output: its end means that none is left."""
    import json

    pipe = subprocess.PIPE
    with started("alone", LIMITS, pipe, pipe) as process:
        request = {"program": "import time; print(1, flush=True); time.sleep(60)"}
        process.stdin.write(json.dumps({**request, "limits": LIMITS.to_json()}).encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"1\n"
        process.kill()
        assert process.stdout.read() == b""


def test_a_program_ends_with_the_process_that_started_it():
    code = (
        "from unicomp.sandbox import Limits\nfrom unicomp.sandbox.running import run\n"
        "run('import time; time.sleep(60)', Limits(seconds=60))"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        # before that, bubblewrap may not know yet that it ends with its parent
        _until(lambda: any(map(_is_inside, _below(parent))))
        below = _below(parent)
        parent.send_signal(signal.SIGKILL)
    _until(lambda: not any(one.is_running() for one in below))


def _below(parent: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """All that a process has started, directly or not."""
    return psutil.Process(parent.pid).children(recursive=True)


def _is_inside(process: psutil.Process) -> bool:
    """Whether it is the Python of a sandbox."""
    try:
        return process.cmdline()[:1] == ["/python/bin/python"]
    except psutil.Error:
        return False


def _until(true, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
