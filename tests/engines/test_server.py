"""A server is started once, waited for, and always gone afterwards."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.engines.conftest import running, until
from unicomp.engines import keeper as shipped
from unicomp.engines import server as module
from unicomp.engines.executable import outside
from unicomp.engines.server import Server
from unicomp.errors import EngineError

SERVED = ["serve", "model", "--dtype", "float32", "--max-model-len", "64"]
SERVED += ["--generation-config", "vllm"]


@pytest.fixture
def server(double, tmp_path):
    def make():
        command = [str(double.path), *SERVED]
        return Server(command, outside(os.environ), tmp_path / "logs" / "vllm.log")

    return make


def listening(url):
    """Whether a port of this machine answers."""
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def test_a_server_is_up_inside_its_context_and_gone_after_it(server, double):
    with server() as up:
        assert up.alive
        assert listening(up.url)
        assert up.url.startswith("http://127.0.0.1:")
        assert len(double.left) == 2  # itself and its child
        assert "startup complete" in up.log.read_text()
    assert double.left == []
    assert not listening(up.url)
    assert len(double.starts) == 1


def test_two_servers_at_once_have_ports_of_their_own(server, tmp_path):
    other = server()
    other.log = tmp_path / "other.log"
    with server() as one, other as two:
        assert one.url != two.url
        assert listening(one.url)
        assert listening(two.url)


def test_a_server_is_stopped_after_an_exception(server, double):
    with pytest.raises(ZeroDivisionError), server():
        raise ZeroDivisionError
    assert double.left == []


def test_a_server_that_ignores_being_asked_to_end_is_killed(server, double, monkeypatch, tmp_path):
    keeper = tmp_path / "keeper.py"
    source = Path(shipped.__file__).read_text()
    keeper.write_text(source.replace("TERM_SECONDS = 20.0", "TERM_SECONDS = 0.5"))
    monkeypatch.setattr(shipped, "__file__", str(keeper))
    monkeypatch.setenv("DOUBLE", "stubborn")
    with server():
        assert len(double.left) == 2
    assert double.left == []


def test_a_server_is_stopped_when_its_keeper_is_killed(server, double):
    with server() as served:
        served._keeper.kill()  # as Ray does with the children of a worker that it ends
        assert until(lambda: not double.left)


PARENT = """
import os, sys, time
from pathlib import Path
from unicomp.engines.executable import outside
from unicomp.engines.server import Server
try:
    with Server(sys.argv[2:], outside(os.environ), Path(sys.argv[1])) as server:
        print(server.url, flush=True)
        time.sleep(600)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.fixture
def parent(double, tmp_path):
    """A process of its own that holds a server."""
    started = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "vllm.log"), str(double.path), *SERVED],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        start_new_session=True,
    )
    yield started
    started.kill()
    started.wait()
    started.stdout.close()


def test_a_server_is_stopped_by_a_keyboard_interrupt(parent, double):
    url = parent.stdout.readline().strip()
    assert listening(url)
    os.killpg(parent.pid, signal.SIGINT)  # as a terminal does: the whole foreground group
    assert parent.stdout.readline() == "interrupted\n"
    assert parent.wait(30) == 0
    assert double.left == []
    assert not listening(url)


def test_a_server_is_stopped_by_a_keyboard_interrupt_while_it_starts(
    double, tmp_path, monkeypatch, request
):
    monkeypatch.setenv("DOUBLE", "hangs")
    parent = request.getfixturevalue("parent")
    assert until(lambda: double.starts)
    os.killpg(parent.pid, signal.SIGINT)
    assert parent.wait(30) == 0
    assert double.left == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_is_stopped_when_its_parent_is_killed(parent, double, number):
    url = parent.stdout.readline().strip()
    assert len(double.left) == 2
    parent.send_signal(number)
    parent.wait(30)
    assert until(lambda: not double.left, 15)
    assert not listening(url)


def test_a_server_that_does_not_start_says_why_in_one_line(server, double, monkeypatch):
    monkeypatch.setenv("DOUBLE", "fails")
    began = time.monotonic()
    with pytest.raises(EngineError) as failure, server() as up:
        pytest.fail(f"{up.url} is up")
    message = str(failure.value)
    assert "vllm did not start: ValueError: the weights do not fit the memory" in message
    assert message.endswith("vllm.log")
    assert "\n" not in message
    assert time.monotonic() - began < 30  # noticed at once, not by the clock
    assert len(double.starts) == 1
    assert double.left == []


def test_a_server_that_never_answers_is_given_up(server, double, monkeypatch):
    monkeypatch.setenv("DOUBLE", "hangs")
    monkeypatch.setattr(module, "READY_WITHIN", 1.0)
    with pytest.raises(EngineError, match="not ready after 1 s; its log is"), server():
        pass
    assert double.left == []


@pytest.mark.long
def test_a_port_that_was_taken_meanwhile_is_given_up_for_another(server, double, monkeypatch):
    monkeypatch.setenv("DOUBLE", "taken")
    with server() as up:
        assert listening(up.url)
    first, second = (entry["options"]["port"] for entry in double.starts)
    assert first != second


def test_an_executable_that_is_not_there_is_an_engine_error(tmp_path):
    missing = Server([str(tmp_path / "no"), "serve"], outside(os.environ), tmp_path / "vllm.log")
    with pytest.raises(EngineError, match="did not start: FileNotFoundError"), missing:
        pass


def test_a_failure_names_why_the_server_ended(server, double, monkeypatch):
    with server() as up:
        pid, child = double.starts[0]["start"]
        with monkeypatch.context() as patch:
            patch.setattr(module, "ENDED_WITHIN", 0.2)
            assert str(up.failure("still here")).startswith("still here; its log is ")
        os.kill(pid, signal.SIGKILL)
        assert "vllm ended: " in str(up.failure("no answer"))
        assert until(lambda: not running(child), 10), "its child outlived it"
