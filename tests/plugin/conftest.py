"""A gate to run: a folder of the user's own, pytest in a process of its own, one shared store."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from unicomp.instruments.judge import JUDGEMENTS
from unicomp.instruments.similarity import SIMILARITIES
from unicomp.store import (
    ADMISSIONS,
    CALIBRATIONS,
    CHECKPOINTS,
    FIGURES,
    ITEMS,
    MEASUREMENTS,
    RESPONSES,
    SCORES,
    TRAINING,
)

REPOSITORY = Path(__file__).parents[2]
SUITES = str(REPOSITORY / "suites")

SHARED = (
    *(CHECKPOINTS, TRAINING, RESPONSES, SCORES, ITEMS, CALIBRATIONS, FIGURES, MEASUREMENTS),
    *(ADMISSIONS, JUDGEMENTS, SIMILARITIES, "digests", "logs", "locks"),
)
"""What the gates of all tests share of a store."""

_LEFT_OUT = ("PYTEST_", "PYTHONDONTWRITEBYTECODE")
"""Without bytecode, pytest would rewrite the assertions of all plugins in each run."""

SETTINGS = "[engine]\nthreads = 1\nbatch_size = 128\n"


@dataclass(frozen=True)
class Outcome:
    """What a session printed, wrote and returned."""

    status: int
    text: str
    card: dict[str, Any] | None

    def score(self, method: str, benchmark: str) -> dict[str, Any]:
        """The row of a benchmark."""
        assert self.card is not None, self.text
        rows = [*self.card["scores"], *self.card["missing"]]
        return next(r for r in rows if r["method"] == method and r["benchmark"] == benchmark)

    @property
    def lines(self) -> list[str]:
        return [line for line in self.text.splitlines() if line.strip()]


@dataclass(frozen=True)
class Gate:
    """A folder with a `unicomp.toml`, in which pytest is run."""

    folder: Path
    home: Path
    python: str
    """The executable that runs pytest; see `tests.warm_python`."""

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def command(self, *arguments: str) -> list[str]:
        known = ("-W", "ignore:Module already imported")
        return [self.python, "-m", "pytest", "-p", "no:cacheprovider", *known, *arguments]

    def environment(self) -> dict[str, str]:
        return {
            **{name: v for name, v in os.environ.items() if not name.startswith(_LEFT_OUT)},
            "UNICOMP_HOME": str(self.home),
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "120",
        }

    def run(self, *arguments: str) -> Outcome:
        """Run pytest and have it write a scorecard."""
        card = self.folder / "scorecard.json"
        card.unlink(missing_ok=True)
        done = self.run_plain(f"--scorecard={card}", *arguments)
        written = json.loads(card.read_text()) if card.exists() else None
        return Outcome(done.status, done.text, written)

    def run_plain(self, *arguments: str) -> Outcome:
        """Run pytest with nothing added."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )
        return Outcome(done.returncode, done.stdout, None)


@pytest.fixture(scope="session")
def shared_home(common_folder: Path) -> Path:
    """One store for all tests and workers: the store is safe for that."""
    return common_folder / "unicomp-home"


def _borrowed(shared: Path, home: Path) -> Path:
    """A store with all that is in the shared one but its looks, which belong to another test."""
    home.mkdir()
    for kind in SHARED:
        (shared / kind).mkdir(parents=True, exist_ok=True)
        (home / kind).symlink_to(shared / kind)
    return home


def _new_gate(
    folder: Path, home: Path, settings: str = SETTINGS, *, python: str, suites: bool = True
) -> Gate:
    folder = folder / f"gate-{len(list(folder.iterdir()))}"
    folder.mkdir()
    gate = Gate(folder, home, python)
    gate.write("unicomp.toml", settings)
    gate.write("pytest.ini", "[pytest]\naddopts = --import-mode=importlib --tb=short\n")
    if suites:
        shutil.copytree(SUITES, folder / "suites", ignore=shutil.ignore_patterns("efficiency"))
    return gate


@pytest.fixture(scope="session")
def new_gates(shared_home: Path, warm_python: str) -> Callable[..., Gate]:
    """Makes a gate in a folder, with a store of one's choice, and copies of the shipped suites.

    Efficiency tests are left out: they take minutes, and no other tests may run meanwhile.
    """

    def make(folder: Path, home: Path, settings: str = SETTINGS, **options: Any) -> Gate:
        gate = _new_gate(folder, home, settings, **{"python": warm_python, **options})
        if home == shared_home:
            gate = replace(gate, home=_borrowed(shared_home, gate.folder / "home"))
        return gate

    return make


@pytest.fixture
def new_gate(tmp_path: Path, new_gates: Callable[..., Gate]) -> Callable[..., Gate]:
    """Makes a gate in the folder of the test."""
    return partial(new_gates, tmp_path)


@pytest.fixture
def gate(new_gate: Callable[..., Gate], shared_home: Path) -> Gate:
    """A gate on the shared store: what another test has built and asked is found there."""
    return new_gate(shared_home)
