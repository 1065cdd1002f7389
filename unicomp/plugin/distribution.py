"""Running side by side with pytest-xdist: the tests of one checkpoint stay on one worker.

The controller collects nothing. Each worker writes its grid into a folder of the session before it
reports, so that the controller knows the expected rows even if a worker dies.

The dense model goes first, since all are compared with it. Then what takes longest to build, so
that no worker starts it when the others have nothing left.
"""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from unicomp.plugin.foresight import expected
from unicomp.plugin.grid import GRID, Grid
from unicomp.plugin.options import PLAN
from unicomp.plugin.progress import REPORTER
from unicomp.spec import DENSE, Method
from unicomp.store import write_atomically

_FOLDER = pytest.StashKey[tempfile.TemporaryDirectory[str]]()
_FILE = "grid.json"
_SEARCHING = ("autoround", "awq")
"""Algorithms of quantization that try many settings; the others take a fraction of their time."""


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


def in_turn(
    units: Mapping[str, Iterable[str]], grid: Grid, models: Sequence[str], methods: Sequence[Method]
) -> list[str]:
    """The names of units, in the order in which workers take them; a unit has node ids.

    Units that are no checkpoint go last.
    """
    slow = {one.name for one in methods if takes_long(one)}

    def turn(name: str) -> tuple[int, int]:
        row = next((row for nodeid in units[name] for row in grid.rows.get(nodeid, ())), None)
        if row is None or row.model not in models:
            return len(models), 0
        return models.index(row.model), 0 if row.method == DENSE.name else 2 - (row.method in slow)

    return sorted(units, key=turn)


def takes_long(method: Method) -> bool:
    """Whether a build takes much longer than most: it trains, or tries many settings."""
    return method.corpus is not None or method.parameters.get("algorithm") in _SEARCHING


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A scheduler that keeps the tests of one checkpoint on one worker."""
    from xdist.scheduler import LoadScopeScheduling

    class CheckpointScheduling(LoadScopeScheduling):  # type: ignore[misc]
        workqueue: OrderedDict[str, dict[str, bool]]

        def _split_scope(self, nodeid: str) -> str:
            own: str = super()._split_scope(nodeid)
            return config.stash[GRID].checkpoints.get(nodeid, own)

        def _assign_work_unit(self, node: Any) -> None:
            plan = config.stash[PLAN]
            names = [model.name for model in plan.models]
            order = in_turn(self.workqueue, config.stash[GRID], names, plan.methods)
            self.workqueue = OrderedDict((name, self.workqueue[name]) for name in order)
            super()._assign_work_unit(node)

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

    config.option.loadscopereorder = False  # not by the number of tests
    return CheckpointScheduling(config, log)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the folder of the session."""
    if folder := config.stash.get(_FOLDER, None):
        folder.cleanup()
