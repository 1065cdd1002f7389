"""How near the expected time of a run is to the time that it takes.

    python -m tests.cost_check

An earlier run with another method and other metrics is all that is known. Both are in seconds of
the processor: a busy machine changes those little, and seconds of the clock much.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from unicomp.store import FIGURES, Store

REPOSITORY = Path(__file__).parents[1]
EARLIER = ("wanda_50", ("knowledge", "reasoning", "safety"))
"""Method and metrics of the run whose times are known."""
PLANNED = ("wanda_2_4", ("knowledge", "truthfulness", "fairness"))
"""Those of the run that is planned."""
SAMPLES = "200"

CLOCKED = """
# these keep the real clock
import multiprocessing.connection, os, queue, subprocess, sys, threading, time
time.monotonic = lambda: sum(os.times()[:4])
import pytest

class Collected:
    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self):
        self.at = time.monotonic()

collected = Collected()
status = pytest.main(sys.argv[1:], plugins=[collected])
print("WORKED", time.monotonic() - collected.at)
sys.exit(status)
"""
"""pytest with a clock that counts the time of its processor. Builds run in processes of their own,
whose time it does not see."""


def ran(home: Path, method: str, metrics: tuple[str, ...]) -> float:
    """The seconds of the processor that a run with a store of its own takes after collection."""
    # without the marks of a pytest that calls this
    outside = {name: value for name, value in os.environ.items() if name[:7] != "PYTEST_"}
    arguments = ["suites", "-q", "-p", "no:cacheprovider", "-m", " or ".join(metrics)]
    arguments += ["--method", method, "--samples", SAMPLES, "--unicomp-home", str(home)]
    done = subprocess.run(
        [sys.executable, "-c", CLOCKED, *arguments],
        cwd=REPOSITORY,
        env={**outside, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return float(done.stdout.rpartition("WORKED ")[2])


def asked() -> list[str]:
    """The arguments of `unicomp plan` for the planned run."""
    method, metrics = PLANNED
    named = [part for metric in metrics for part in ("--metric", metric)]
    return ["--model", "embedded", "--method", method, *named, "--samples", SAMPLES]


def main() -> None:
    """Measure both, and print how far they are apart."""
    with tempfile.TemporaryDirectory() as folder:
        first, home = Path(folder, "first"), Path(folder, "home")
        ran(first, *EARLIER)
        (first / FIGURES).rename(Store(home).home / FIGURES)
        unicomp = Path(sys.executable).with_name("unicomp")
        command = [unicomp, "plan", *asked(), "--cluster", "1 CPU", "--json"]
        command += ["--unicomp-home", home]
        plan = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        expected = float(json.loads(plan.stdout)["seconds"])
        took = ran(Path(folder, "second"), *PLANNED)
    print(f"expected {expected:.1f} s, took {took:.1f} s: {expected / took - 1:+.0%}")


if __name__ == "__main__":
    main()
