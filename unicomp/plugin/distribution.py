"""Side by side: what pytest-xdist needs to know about checkpoints.

The controller collects nothing. Each worker writes the grid that it collected into a folder of the
session before it reports, so the controller knows what to expect even of a worker that dies. Tests
of one checkpoint stay on one worker.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from unicomp.plugin.collection import GRID, Grid
from unicomp.scorecard import Row
from unicomp.store import write_atomically

_FOLDER = pytest.StashKey[tempfile.TemporaryDirectory[str]]()
_FILE = "grid.json"


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """On the controller: tell a worker where to write its grid."""
    stash = node.config.stash
    if _FOLDER not in stash:
        stash[_FOLDER] = tempfile.TemporaryDirectory(prefix="unicomp-")
    node.workerinput["unicomp_folder"] = stash[_FOLDER].name


@pytest.hookimpl(tryfirst=True, specname="pytest_collection_finish")
def write_grid(session: pytest.Session) -> None:
    """On a worker: write the grid, before xdist reports the collection."""
    folder = getattr(session.config, "workerinput", {}).get("unicomp_folder")
    if folder is not None and GRID in session.config.stash:
        grid = session.config.stash[GRID]
        content = {
            "rows": {nodeid: asdict(row) for nodeid, row in grid.rows.items()},
            "checkpoints": grid.checkpoints,
            "problem": grid.problem,
        }
        write_atomically(Path(folder) / _FILE, json.dumps(content))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: Sequence[str]) -> None:
    """On the controller: read the grid, and stop before anything is built if it is no good."""
    config = node.config
    if GRID in config.stash:
        return
    content = json.loads((Path(config.stash[_FOLDER].name) / _FILE).read_text())
    grid = Grid()
    grid.rows = {nodeid: Row(**row) for nodeid, row in content["rows"].items()}
    grid.checkpoints = content["checkpoints"]
    grid.problem = content["problem"]
    config.stash[GRID] = grid
    if grid.problem:
        raise pytest.UsageError(grid.problem)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A scheduler that keeps the tests of one checkpoint on one worker."""
    from xdist.scheduler import LoadScopeScheduling

    class CheckpointScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            own: str = super()._split_scope(nodeid)
            return config.stash[GRID].checkpoints.get(nodeid, own)

    config.option.loadscopereorder = False  # the dense checkpoint goes first
    return CheckpointScheduling(config, log)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the folder of the session."""
    if folder := config.stash.get(_FOLDER, None):
        folder.cleanup()
