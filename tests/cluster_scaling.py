"""How units scale on a Ray cluster of this machine: work that only waits.

    python -m tests.cluster_scaling

Prints the table of docs/cluster.md.
"""

import resource
import time

from tests.cluster.machines import machines
from tests.cluster.scripted import Script, scripted
from unicomp.cluster.ray_workers import RayWorkers
from unicomp.cluster.unit import Unit

ITEMS = 14_042
"""The items of MMLU."""


def warm(workers):
    """Let all workers start."""
    width = sum(node.cpus for node in workers.nodes)
    for unit, script in waiting(width, 5.0, "warm"):
        workers.submit(unit, script)
    wait(workers, width)


def seconds_of(workers, units):
    """The time of (unit, script) pairs."""
    began = time.perf_counter()
    for unit, script in units:
        workers.submit(unit, script)
    outcomes = wait(workers, len(units))
    assert len({one.unit.name for one in outcomes}) == len(units)
    assert not any(one.error for one in outcomes)
    return time.perf_counter() - began


def wait(workers, count):
    """The outcomes of so many units."""
    found = []
    while len(found) < count:
        found += workers.outcomes(timeout=60.0)
    return found


def waiting(count, seconds, name="unit"):
    """Units that wait."""
    return [
        (
            Unit(name=f"{name} {n}", kind="answer", checkpoint="m", seconds=seconds),
            Script(seconds=seconds),
        )
        for n in range(count)
    ]


def blocks(size, seconds):
    """Units of `size` items of so many seconds each."""
    starts = range(0, ITEMS, size)
    lengths = [min(size, ITEMS - start) * seconds for start in starts]
    return [
        pair for n, length in enumerate(lengths) for pair in waiting(1, length, name=f"block {n},")
    ]


def used():
    """CPU seconds of this process."""
    mine = resource.getrusage(resource.RUSAGE_SELF)
    return mine.ru_utime + mine.ru_stime


def main():
    """Measure, and print the table."""
    times = {}
    for nodes in ((1,), (2, 2)):
        with machines(*nodes) as cluster:
            workers = RayWorkers(scripted, address=cluster.address)
            try:
                width = sum(nodes)
                warm(workers)
                times["units", width] = seconds_of(workers, waiting(80, 0.25))
                times["items", width] = seconds_of(workers, blocks(128, 0.001))
                if width == 4:
                    before = used()
                    times["10,000", width] = seconds_of(workers, waiting(10_000, 0.0, "empty"))
                    cpu = used() - before
            finally:
                workers.close()
    print("| | 1 worker | 4 workers | ratio |")
    print("|---|---:|---:|---:|")
    for label, key in (("80 units of 0.25 s", "units"), (f"{ITEMS:,} items of 1 ms", "items")):
        one, four = times[key, 1], times[key, 4]
        print(f"| {label} | {one:.1f} s | {four:.1f} s | {one / four:.2f} |")
    each = times["10,000", 4] / 10_000 * 1e3
    print(f"\n10,000 empty units: {each:.1f} ms each, of them {cpu / 10:.1f} ms CPU of the driver")


if __name__ == "__main__":
    main()
