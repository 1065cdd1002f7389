"""Killed at any moment: what was finished stays, and the next run ends in the same scores."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

FEW = ("-m", "knowledge or reasoning", "--samples=70", "--method=dense", "--method=wanda_50")
FLOORS = ("--floor=performance=0",)


def _kill_when(gate, condition):
    """Run until something is there on disk, then kill everything."""
    process = subprocess.Popen(
        replace(gate, python=sys.executable).command(*FEW, *FLOORS),
        cwd=gate.folder,
        env=gate.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 240
    while process.poll() is None and not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.long
def test_a_killed_run_continues_and_ends_in_the_same_scores(new_gate, tmp_path):
    home = tmp_path / "killed"
    gate = new_gate(home)
    _kill_when(gate, lambda: any(home.glob("responses/*/*.jsonl")))
    _kill_when(gate, lambda: any(home.glob("checkpoints/.partial-*/build.log")))
    _kill_when(gate, lambda: len(list(home.glob("responses/*"))) > 1)
    resumed = gate.run(*FEW, *FLOORS)
    undisturbed = new_gate(tmp_path / "undisturbed").run(*FEW, *FLOORS)
    assert resumed.status == undisturbed.status == 0, resumed.text
    assert resumed.card["scores"] == undisturbed.card["scores"]
    assert resumed.card["metrics"] == undisturbed.card["metrics"]
