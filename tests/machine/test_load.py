"""Processor time is that of a block of code, and what others took is a share of the machine."""

import os
import subprocess
import sys
import time

import pytest

from unicomp.machine import load
from unicomp.machine.load import Load

BURN = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"


def burn():
    exec(BURN, {})


def test_the_time_of_this_process_counts_and_that_of_its_children():
    with Load() as alone:
        burn()
    assert 0.28 <= alone.cpu_seconds < 1
    with Load() as both:
        burn()
        subprocess.run([sys.executable, "-c", BURN], check=True)
    assert 0.58 <= both.cpu_seconds < 2


def test_waiting_takes_no_processor_time():
    with Load() as waited:
        time.sleep(0.2)
    assert waited.cpu_seconds < 0.1


def ran(monkeypatch, own, busy, seconds, processors=4):
    """A block with these figures of the machine."""
    figures = {"_own": own, "_busy": busy}
    for name, total in figures.items():
        monkeypatch.setattr(load, name, iter((100.0, 100.0 + total)).__next__)
    monkeypatch.setattr(load.time, "monotonic", iter((50.0, 50.0 + seconds)).__next__)
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    with Load() as found:
        pass
    return found


@pytest.mark.parametrize(
    ("own", "busy", "others", "beside"),
    [
        (10.0, 10.2, 0.005, False),  # alone
        (10.0, 20.0, 0.25, True),  # one of four processors was another's
        (40.0, 40.0, 0.0, False),  # all four were its own
        (10.0, 9.9, 0.0, False),  # the system counts in steps
        (1.0, 60.0, 1.0, True),
    ],
)
def test_what_others_took_is_a_share_of_all_processors(monkeypatch, own, busy, others, beside):
    found = ran(monkeypatch, own, busy, seconds=10.0)
    assert found.cpu_seconds == pytest.approx(own)
    assert found.others == pytest.approx(others)
    assert found.beside_other_work is beside


def test_another_process_that_works_is_seen():
    with (
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other,
        Load() as found,
    ):
        time.sleep(1)
        other.kill()
    # the other one ended within the block but was not waited for
    assert found.others > 0.5 / os.cpu_count()
