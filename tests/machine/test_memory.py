"""Resident memory is what the system says, of one process and of all it started."""

import mmap
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


def test_a_rise_is_what_a_block_added_and_gave_back_again():
    base = bytearray(100 * MIB)
    with memory.Rise() as rise:
        held = bytearray(200 * MIB)
        del held
    assert rise.bytes == pytest.approx(200 * MIB, rel=0.05)
    assert len(base)


def test_what_was_given_back_before_is_no_part_of_a_rise():
    held = bytearray(200 * MIB)
    del held
    with memory.Rise() as rise:
        pass
    assert rise.bytes < 20 * MIB


def test_a_rise_counts_a_process_that_the_block_started():
    with memory.Rise() as rise:
        code = "import time; held = bytearray(150 << 20); time.sleep(0.5)"
        subprocess.run([sys.executable, "-c", code], check=True)
    assert rise.bytes == pytest.approx(150 * MIB, rel=0.2)


def test_where_the_system_keeps_no_peak_a_rise_is_watched(monkeypatch):
    monkeypatch.setattr(memory, "forget_peak", lambda: False)
    with memory.Rise() as rise:
        held = bytearray(200 * MIB)
        time.sleep(0.3)
        del held
    assert rise.bytes == pytest.approx(200 * MIB, rel=0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="pages of files are told apart on Linux")
def test_pages_of_files_are_not_memory_of_the_process(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(100 * MIB))
    with path.open("rb") as file, memory.Rise() as rise:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        assert not any(mapped[start] for start in range(0, len(mapped), 4096))
    assert rise.bytes < 20 * MIB
    mapped.close()
