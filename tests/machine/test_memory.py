"""Resident memory is what the system says, of one process and of all it started."""

import subprocess
import sys
import time

import pytest

from unicomp.machine import memory

MIB = 2**20
HOLD = "held = bytearray({} << 20); print(flush=True); input()"


def test_the_peak_remembers_what_was_given_back():
    before = memory.current()
    held = bytearray(200 * MIB)
    del held
    assert memory.peak() > before + 190 * MIB


@pytest.mark.skipif(sys.platform != "linux", reason="the system keeps the peak")
def test_a_forgotten_peak_begins_anew():
    held = bytearray(200 * MIB)
    del held
    assert memory.forget_peak()
    assert memory.peak() < memory.current() + 50 * MIB


def test_a_process_alone_is_no_family():
    assert memory.of_family() == 0


def test_a_family_holds_the_sum_of_what_each_holds():
    started = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD.format(size)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for size in (100, 200)
    ]
    try:
        for child in started:
            child.stdout.readline()
        assert memory.of_family() > 300 * MIB
    finally:
        for child in started:
            child.communicate(b"\n")
    assert memory.of_family() == 0


def test_a_watch_keeps_the_highest():
    seen = iter([3, 9, 4, *[1] * 10_000])
    with memory.Watch(lambda: next(seen), 0.001) as watch:
        time.sleep(0.1)
    assert watch.highest == 9
