"""What runs in the processes of a Ray cluster: a look at a node, and a worker.

Ray and the runner's libraries are imported where these are used, so that the environment is set
before.
"""

from __future__ import annotations

import os
import platform
import socket
import sys
import time
import traceback
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from unicomp.cluster.unit import MakeRunner, Needs, Node, Runner, Unit
from unicomp.errors import EngineError, UnicompError, described
from unicomp.store import CHECKPOINTS, MANIFEST

COMPARED = ("unicomp", "torch", "transformers", "lm-eval", "llmcompressor")
"""The distributions whose version is the same on all nodes: answers depend on it."""
_NAMED = "store-id"


@dataclass(frozen=True)
class Sight:
    """What a node says of itself."""

    host: str
    versions: Mapping[str, str]
    """Python and `COMPARED` → version; empty for what is not installed."""
    gpu_memory: int
    """Bytes of its smallest GPU; 0 without one."""
    store: str
    """The name of its store, which is the same on nodes that share it."""
    checkpoints: frozenset[str]
    """The keys of the checkpoints in its store."""


def versions() -> dict[str, str]:
    """The versions that matter, of this process."""
    found = {"Python": ".".join(platform.python_version_tuple()[:2])}
    for name in COMPARED:
        found[name] = ""
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def look(home: Path | None) -> Sight:
    """Look at the node of this process; its store is UNICOMP_HOME there, or else `home`."""
    named = os.environ.get("UNICOMP_HOME")
    folder = Path(named) if named else home
    store = "" if folder is None else _store_name(folder)
    checkpoints = frozenset[str]() if folder is None else stored_checkpoints(folder)
    return Sight(socket.gethostname(), versions(), _gpu_memory(), store, checkpoints)


def stored_checkpoints(home: Path) -> frozenset[str]:
    """The keys of the finished checkpoints in a store, whose files are not read."""
    return frozenset(path.parent.name for path in (home / CHECKPOINTS).glob(f"*/{MANIFEST}"))


def _store_name(folder: Path) -> str:
    """A name that is made once for each store, and kept in it; empty where it cannot be kept."""
    path = folder / _NAMED
    mine = folder / f"{_NAMED}-{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            mine.write_text(uuid.uuid4().hex, encoding="utf-8")
            try:
                with suppress(FileExistsError):  # another node was first
                    os.link(mine, path)
            finally:
                mine.unlink()
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _gpu_memory() -> int:
    """Bytes of the smallest GPU of the machine, whether or not this process may use it."""
    import pynvml

    try:
        pynvml.nvmlInit()
        handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        return min((int(pynvml.nvmlDeviceGetMemoryInfo(one).total) for one in handles), default=0)
    except pynvml.NVMLError:
        return 0


class WorkerProcess:
    """A worker: the actor of a process that does one unit after another."""

    def __init__(
        self, make: MakeRunner, node: Node, needs: Needs, environment: Mapping[str, str]
    ) -> None:
        """`environment` has what this process gets, unless its node has set it."""
        for name, value in environment.items():
            os.environ.setdefault(name, value)
        os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(needs.cpus)
        if not needs.gpus:  # otherwise Ray has set it
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        self._make = make
        self._node = node
        self._runner: Runner | None = None

    def run(
        self, unit: Unit, kind: type | None, names: Sequence[str], *values: Any
    ) -> tuple[Any, UnicompError | None, float]:
        """Do a unit: its result, or its error, and the seconds that it took.

        The payload is the one of `values`, or a dataclass of this type, of which the values are
        the fields `names`: fields that many payloads share travel once.
        """
        began = time.monotonic()
        try:
            payload = values[0] if kind is None else kind(**dict(zip(names, values, strict=True)))
            if self._runner is None:
                self._runner = self._make(self._node)
            return self._runner.run(unit, payload), None, time.monotonic() - began
        except UnicompError as error:
            return None, error, time.monotonic() - began
        except Exception as error:  # the worker goes on with other units
            traceback.print_exc(file=sys.stderr)
            told = EngineError(f"{unit.name} failed on {self._node.name}: {described(error)}")
            return None, told, time.monotonic() - began

    def close(self) -> None:
        """Unload what is loaded."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None
