"""Running side by side with pytest-xdist: the tests of one checkpoint stay on one worker.

The controller collects nothing. Each worker writes its grid into a folder of the session before it
reports, so that the controller knows the expected rows even if a worker dies.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from unicomp.plugin.foresight import expected
from unicomp.plugin.grid import GRID, Grid
from unicomp.plugin.options import PLAN
from unicomp.plugin.progress import REPORTER
from unicomp.store import write_atomically

_FOLDER = pytest.StashKey[tempfile.TemporaryDirectory[str]]()
_FILE = "grid.json"


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """On the controller: give a worker the folder for its grid."""
    stash = node.config.stash
    if _FOLDER not in stash:
        stash[_FOLDER] = tempfile.TemporaryDirectory(prefix="unicomp-")
    node.workerinput["unicomp_folder"] = stash[_FOLDER].name


def publish(config: pytest.Config, grid: Grid) -> None:
    """On a worker: write the grid, before xdist reports the collection."""
    folder = getattr(config, "workerinput", {}).get("unicomp_folder")
    if folder is not None:
        write_atomically(Path(folder) / _FILE, grid.to_json())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any) -> None:
    """On the controller: read the grid, and stop before anything is built if it has a problem."""
    config = node.config
    if GRID not in config.stash:
        text = (Path(config.stash[_FOLDER].name) / _FILE).read_text(encoding="utf-8")
        config.stash[GRID] = Grid.from_json(text)
        if not config.option.collectonly:
            config.stash[REPORTER].expect(expected(config.stash[PLAN], config.stash[GRID]))
    if problem := config.stash[GRID].problem:
        raise pytest.UsageError(problem)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A scheduler that keeps the tests of one checkpoint on one worker."""
    from xdist.scheduler import LoadScopeScheduling

    class CheckpointScheduling(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            own: str = super()._split_scope(nodeid)
            return config.stash[GRID].checkpoints.get(nodeid, own)

        def remove_node(self, node: Any) -> str | None:
            """Like the base class, but do not run the test that killed its worker again."""
            workload = self.assigned_work.pop(node)
            unfinished = [
                (unit, nodeid) for unit in workload.values() for nodeid in unit if not unit[nodeid]
            ]
            if not unfinished:
                return None
            unit, crashed = unfinished[0]
            unit[crashed] = True
            self.workqueue.update(
                {scope: unit for scope, unit in workload.items() if not all(unit.values())}
            )
            for other in self.assigned_work:
                self._reschedule(other)
            return str(crashed)

    config.option.loadscopereorder = False  # the dense checkpoint goes first
    return CheckpointScheduling(config, log)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the folder of the session."""
    if folder := config.stash.get(_FOLDER, None):
        folder.cleanup()
