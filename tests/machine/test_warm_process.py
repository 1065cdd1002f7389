"""Children are forked of a process that has imported once; nothing passes from one to the next."""

import ctypes
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from unicomp.machine import child_process, warm_process
from unicomp.machine.child_process import ChildFailureError

REPOSITORY = Path(__file__).parents[2]
SERVED = """
import os, random, sys, threading, time
from unicomp.machine.child_process import serve

def handle(request, narrate):
{body}

serve(handle)
"""
READY = """
import os
from pathlib import Path

seen = []

def warm_up():
    with Path(__file__).with_name("imports").open("a") as file:
        print(os.getpid(), file=file)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked elsewhere")


@pytest.fixture
def ask(tmp_path, monkeypatch, own_warm_processes):
    """Runs a child whose `handle(request, narrate)` is the given body; it may import `ready`."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "ready.py").write_text(READY)

    def run(body, name="served", **settings):
        text = SERVED.format(body=textwrap.indent(body, "    "))
        (tmp_path / f"{name}.py").write_text(text)
        settings = {"threads": 1, "environment": {}, "preload": ("ready",)} | settings
        return child_process.run(name, {}, log=tmp_path / f"{name}.log", **settings)

    return run


def imports(tmp_path):
    return (tmp_path / "imports").read_text().split()


def test_one_process_imports_for_all_requests(ask, tmp_path):
    parents = {ask("return os.getppid()") for _ in range(3)}
    assert [str(parent) for parent in parents] == imports(tmp_path)
    assert parents != {os.getpid()}


def test_nothing_of_a_request_is_there_in_the_next_one(ask):
    body = (
        "import ready, tempfile\n"
        "found = [len(ready.seen), os.environ.get('LEFT'), os.getcwd(), len(sys.path)]\n"
        "ready.seen.append(1)\n"
        "os.environ['LEFT'] = 'x'\n"
        "os.chdir('/')\n"
        "sys.path.append('/left')\n"
        "return found"
    )
    first, second = ask(body), ask(body)
    assert first == second
    assert first[:3] == [0, None, os.getcwd()]


def test_no_two_children_draw_the_same_random_numbers(ask):
    assert ask("return random.random()") != ask("return random.random()")


def test_a_child_leads_a_session_of_its_own_in_our_folder(ask, tmp_path, monkeypatch):
    ask("return 0")
    monkeypatch.chdir(tmp_path)
    assert ask("return [os.getsid(0) == os.getpid(), os.getcwd()]") == [True, str(tmp_path)]


@pytest.mark.parametrize("variable", ["PYTEST_CURRENT_TEST", "TORCHINDUCTOR_CACHE_DIR"])
def test_what_is_set_while_a_session_runs_needs_no_other_warm_process(
    ask, monkeypatch, tmp_path, variable
):
    assert ask("return 0") == 0
    for value in ("one", "two"):
        monkeypatch.setenv(variable, value)
        assert ask(f"return os.environ[{variable!r}]") == value
    assert len(imports(tmp_path)) == 1


def test_other_settings_have_another_warm_process_which_has_them_when_it_imports(ask, tmp_path):
    (tmp_path / "ready.py").write_text(
        READY + "\nimported_with = os.environ['OMP_NUM_THREADS'], os.environ.get('GIVEN')\n"
    )
    body = "import ready; return ready.imported_with"
    assert ask(body) == ["1", None]
    assert ask(body, threads=2) == ["2", None]
    assert ask(body, environment={"GIVEN": "yes"}) == ["1", "yes"]
    assert ask(body, environment={"GIVEN": "yes"}) == ["1", "yes"]
    assert len(imports(tmp_path)) == 3


def test_a_session_keeps_few_warm_processes(ask):
    for threads in range(1, 5):
        ask("return 0", threads=threads)
    assert len(psutil.Process().children()) == warm_process.MOST


def test_a_child_that_crashes_takes_nothing_along(ask, tmp_path):
    before = ask("return os.getppid()")
    with pytest.raises(ChildFailureError, match="killed by signal 11"):
        ask("os.kill(os.getpid(), 11)")
    assert ask("return os.getppid()") == before
    assert len(imports(tmp_path)) == 1


def test_a_warm_process_that_ended_is_replaced(ask, tmp_path):
    before = ask("return os.getppid()")
    os.kill(before, signal.SIGKILL)
    psutil.wait_procs(psutil.Process().children(), timeout=5)
    assert ask("return os.getppid()") != before
    assert len(imports(tmp_path)) == 2


def test_a_warm_process_that_ends_takes_its_child_along_and_is_replaced(ask, tmp_path):
    with pytest.raises(ChildFailureError, match=r"was killed by signal 9"):
        ask("os.kill(os.getppid(), 9)\ntime.sleep(600)")
    assert ask("return 1") == 1
    assert len(imports(tmp_path)) == 2


@pytest.mark.parametrize(
    "warm_up",
    [
        "raise ImportError('no such library')",
        "import threading, time; threading.Timer(60, time.sleep, [0]).start()",
        "import os; os._exit(3)",
    ],
    ids=["fails", "starts a thread", "crashes"],
)
def test_where_nothing_can_be_forked_a_new_process_serves(ask, tmp_path, warm_up):
    (tmp_path / "ready.py").write_text(f"def warm_up():\n    {warm_up}\n")
    assert [ask("return os.getppid()") for _ in range(2)] == [os.getpid()] * 2
    assert psutil.Process().children() == []


def test_a_second_request_at_the_same_time_has_a_new_process(ask):
    parents = {}
    waiting = threading.Event()

    def slowly():
        parents["slow"] = ask(
            "narrate('here')\ntime.sleep(1)\nreturn os.getppid()",
            name="slow",
            narrate=lambda text: waiting.set(),
        )

    thread = threading.Thread(target=slowly)
    thread.start()
    assert waiting.wait(30)
    parents["quick"] = ask("return os.getppid()", name="quick")
    thread.join()
    assert parents["quick"] == os.getpid() != parents["slow"]


def test_a_killed_session_takes_its_warm_process_along(tmp_path):
    (tmp_path / "ready.py").write_text(READY)
    body = "    return os.getppid()"
    (tmp_path / "served.py").write_text(SERVED.format(body=body))
    script = (
        "import time; from pathlib import Path; from unicomp.machine.child_process import run\n"
        f"print(run('served', {{}}, log=Path({str(tmp_path / 'log')!r}), threads=1,\n"
        "    environment={}, preload=('ready',)), flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    ) as session:
        warm = psutil.Process(int(session.stdout.readline()))
        assert warm.ppid() == session.pid
        session.kill()
        session.wait()
    end = time.monotonic() + 5
    while warm.is_running() and warm.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end, "the warm process is still there"
        time.sleep(0.05)


@pytest.mark.parametrize(("answer", "started"), [(3, False), (0, True), (100, True)])
def test_cuda_is_asked_whether_it_has_started(monkeypatch, answer, started):
    driver = SimpleNamespace(cuDeviceGetCount=lambda count: answer)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: driver)
    assert warm_process._cuda_has_started() is started


def test_without_a_driver_cuda_has_not_started(monkeypatch):
    def missing(name):
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert not warm_process._cuda_has_started()


@pytest.mark.long
def test_a_fork_computes_with_several_threads_after_its_parent_imported_the_libraries(ask):
    body = (
        "import numpy, torch\n"
        "ones = torch.ones(1000, 1000)\n"
        "products = [float((ones @ ones).sum()), float((numpy.ones((800, 800)) @ "
        "numpy.ones((800, 800))).sum())]\n"
        "return [os.getppid(), torch.get_num_threads(), *products]"
    )
    preload = ("unicomp.data.libraries", "unicomp.methods.oneshot")
    parent, threads, *products = ask(body, threads=2, preload=preload)
    assert parent != os.getpid()
    assert threads == 2
    assert products == [1e9, 800.0**3]
