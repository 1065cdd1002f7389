"""A warm Python differs from `sys.executable` only in what it has imported."""

import os
import signal
import subprocess
import sys
import time

import pytest


@pytest.fixture(params=["cold", "warm"])
def python(request, warm_python):
    return sys.executable if request.param == "cold" else warm_python


def test_it_has_arguments_a_folder_an_environment_files_and_a_status(python, tmp_path):
    code = "import os, sys; print(sys.argv, os.getcwd(), os.environ['ONE'], input()); sys.exit(7)"
    done = subprocess.run(
        [python, "-c", code, "a", "b c"],
        cwd=tmp_path,
        env={**os.environ, "ONE": "1"},
        input="typed\n",
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"['-c', 'a', 'b c'] {tmp_path} 1 typed\n"
    assert (done.returncode, done.stderr) == (7, "")


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [("raise KeyError('x')", 1, "KeyError: 'x'"), ("import sys; sys.exit('no')", 1, "no")],
)
def test_an_error_is_printed_and_is_status_1(python, code, status, said):
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    assert done.returncode == status
    assert done.stderr.splitlines()[-1] == said


def test_a_signal_reaches_it_and_one_that_kills_it_is_its_status(python):
    code = "import signal, os; os.kill(os.getpid(), signal.SIGKILL)"
    assert subprocess.run([python, "-c", code]).returncode == -signal.SIGKILL
    code = "import time\nprint('up', flush=True)\ntime.sleep(60)"
    child = subprocess.Popen([python, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout.readline() == b"up\n"
    child.send_signal(signal.SIGINT)
    assert b"KeyboardInterrupt" in child.communicate(timeout=30)[1]


def test_it_ends_when_its_executable_is_killed(warm_python):
    code = "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)"
    child = subprocess.Popen([warm_python, "-c", code], stdout=subprocess.PIPE)
    process = int(child.stdout.readline())
    child.kill()
    child.wait()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError(f"process {process} is still there")


def test_no_start_sees_what_another_one_has_changed(warm_python):
    code = "import torch; print(getattr(torch, 'mark', 0)); torch.mark = 1"
    for _ in range(2):
        assert subprocess.run([warm_python, "-c", code], capture_output=True).stdout == b"0\n"
