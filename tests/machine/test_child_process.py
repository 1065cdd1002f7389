"""A request is served by a process of its own, which reports in lines and ends with its parent."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from unicomp.machine import child_process
from unicomp.machine.child_process import ChildFailureError

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(params=["new", "forked"])
def serve(request, tmp_path, monkeypatch, own_warm_processes):
    """Runs a child, new or forked, whose `handle(request, narrate)` is the given body."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "ready.py").write_text("def warm_up(): pass\n")
    preload = ("ready",) if request.param == "forked" else ()

    def run(body, request=None, **settings):
        (tmp_path / "served.py").write_text(
            "import os, sys, time\n"
            "from unicomp.errors import EngineError\n"
            "from unicomp.machine.child_process import serve\n\n"
            f"def handle(request, narrate):\n{textwrap.indent(body, '    ')}\n\n"
            "serve(handle)\n"
        )
        settings = {"log": tmp_path / "log", "threads": 1, "environment": {}} | settings
        return child_process.run("served", request or {}, preload=preload, **settings)

    return run


def test_the_result_of_a_request_is_returned(serve):
    assert serve("return [request['words'], len(request)]", {"words": ("a", "b")}) == [
        ["a", "b"],
        1,
    ]


def test_what_is_printed_goes_to_the_log_and_progress_to_the_caller(serve, tmp_path):
    heard = []
    body = "print('noise')\nnarrate('halfway')\nos.system('echo more')\nreturn None"
    assert serve(body, narrate=heard.append) is None
    assert heard == ["halfway"]
    assert sorted((tmp_path / "log").read_text().split()) == ["more", "noise"]


def test_the_child_has_our_path_its_threads_and_the_given_environment(serve, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, "/of/the/parent"])
    body = "return [sys.path, os.environ['OMP_NUM_THREADS'], os.environ['GIVEN']]"
    path, threads, given = serve(body, threads=3, environment={"GIVEN": "yes"})
    assert "/of/the/parent" in path
    assert (threads, given) == ("3", "yes")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise ValueError('odd\\nand more')", "failed: ValueError: odd"),
        ("raise EngineError('the loss is not finite')", "failed: the loss is not finite"),
        ("raise KeyboardInterrupt", "failed: KeyboardInterrupt: no message"),
        ("os.kill(os.getpid(), 9)", "was killed by signal 9 (out of memory?)"),
        ("os.kill(os.getpid(), 15)", "was killed by signal 15"),
        ("os.write(2, b'good bye\\n\\n')\nos._exit(3)", "failed with exit status 3: good bye"),
        ("os._exit(0)", "failed with exit status 0: no message"),
    ],
)
def test_a_child_without_a_result_has_a_reason_in_one_line(serve, body, message):
    with pytest.raises(ChildFailureError) as caught:
        serve(body)
    assert str(caught.value) == message
    assert not caught.value.disk_is_full


def test_a_full_disk_is_recognised(serve):
    with pytest.raises(ChildFailureError) as caught:
        serve("raise OSError(28, 'No space left on device')")
    assert caught.value.disk_is_full


def test_a_caller_that_fails_leaves_no_child_behind(serve):
    def fails(text):
        raise RuntimeError(text)

    with pytest.raises(RuntimeError, match="early"):
        serve("narrate('early')\ntime.sleep(600)", narrate=fails)
    assert psutil.Process().children() == []


@pytest.mark.parametrize("preload", [(), ("ready",)], ids=["new", "forked"])
def test_a_killed_parent_takes_its_child_along(tmp_path, preload):
    (tmp_path / "ready.py").write_text("def warm_up(): pass\n")
    (tmp_path / "served.py").write_text(
        "import os, time\n"
        "from unicomp.machine.child_process import serve\n"
        "def handle(request, narrate):\n"
        "    narrate(str(os.getpid()))\n"
        "    time.sleep(600)\n"
        "serve(handle)\n"
    )
    script = (
        "from pathlib import Path; from unicomp.machine.child_process import run\n"
        f"run('served', {{}}, log=Path({str(tmp_path / 'log')!r}), threads=1, environment={{}},\n"
        f"    preload={preload!r},\n"
        "    narrate=lambda text: print(text, flush=True))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    ) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    end = time.monotonic() + 5
    with suppress(psutil.NoSuchProcess):
        while child.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < end, "the child is still there"
            time.sleep(0.05)
