"""A double of vLLM, and the real one where the environment names it."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from unicomp.engines import EngineSettings

HERE = Path(__file__).parent
REAL = "UNICOMP_VLLM"
"""Names the executable of a real vLLM, against which the same is asserted."""


def running(pid):
    """Whether a process runs; a zombie does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return sys.platform != "linux"
    return state != "Z"


def until(condition, seconds=60.0):
    """Whether a condition comes true in time."""
    deadline = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


class Double:
    """The executable of the double, and the record of its starts and requests."""

    def __init__(self, folder):
        self.path = folder / "bin" / "vllm"
        self.path.parent.mkdir()
        self.path.write_text(f'#!/bin/sh\nexec {sys.executable} {HERE / "double.py"} "$@"\n')
        self.path.chmod(0o755)
        self.record = folder / "record.jsonl"

    @property
    def entries(self):
        lines = self.record.read_text(encoding="utf-8").splitlines() if self.record.exists() else []
        return [json.loads(line) for line in lines]

    @property
    def starts(self):
        return [entry for entry in self.entries if "start" in entry]

    @property
    def requests(self):
        """The requests to the model, without the first one, which only warms up."""
        return [entry for entry in self.entries if entry.get("prompt")][1:]

    @property
    def left(self):
        """Its processes that still run."""
        return [pid for entry in self.starts for pid in entry["start"] if running(pid)]


@pytest.fixture
def double(tmp_path, monkeypatch):
    found = Double(tmp_path)
    monkeypatch.setenv("DOUBLE_RECORD", str(found.record))
    monkeypatch.delenv("DOUBLE", raising=False)
    yield found
    assert until(lambda: not found.left, 10), "a server was left behind"


def settings_of(executable, logs, **changed):
    return EngineSettings(
        **{"name": "vllm", "vllm": str(executable), "logs": str(logs), "batch_size": 16, **changed}
    )


@pytest.fixture
def settings(double, tmp_path):
    """Settings with which the double is found, and computes what the model computes."""
    return settings_of(double.path, tmp_path / "logs")


@pytest.fixture
def toy(settings, monkeypatch):
    """Settings with which the double answers anything, at once."""
    monkeypatch.setenv("DOUBLE_TOY", "1")
    return settings


@pytest.fixture(params=["double", "vllm"])
def faithful(request, tmp_path):
    """Settings of the double that computes what the model computes, and of a real vLLM."""
    if request.param == "double":
        return request.getfixturevalue("settings")
    return settings_of(real_vllm(), tmp_path / "logs")


def real_vllm():
    """The executable of a real vLLM; skips the test if there is none."""
    named = os.environ.get(REAL)
    if not named:
        pytest.skip(f"{REAL} names no executable of vLLM")
    return Path(named)
