"""A runner of fixed latency, with children and accidents as its payloads ask for them."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from unicomp.engines import keeper
from unicomp.errors import BuildError


@dataclass(frozen=True)
class Script:
    """What a unit does."""

    seconds: float = 0.0
    echo: object = None
    shared: bytes = b""
    fails: str = ""
    crashes: bool = False
    child: Path | None = None
    """Start a program under our keeper, and write its process id to this file."""


@dataclass
class Scripted:
    """Does what scripts say."""

    node: str
    folder: Path | None
    """Where a file tells that it was closed."""

    def run(self, unit, script):
        if script.child is not None:
            self._start(script.child)
        time.sleep(script.seconds)
        if script.fails:
            raise BuildError(script.fails)
        if script.crashes:
            os._exit(9)
        return {
            "echo": script.echo,
            "node": self.node,
            "shared": len(script.shared),
            "threads": os.environ["OMP_NUM_THREADS"],
            "gpus": os.environ["CUDA_VISIBLE_DEVICES"],
        }

    def close(self):
        if self.folder is not None:
            (self.folder / str(os.getpid())).touch()

    def _start(self, path):
        """A program that waits, kept as a server is."""
        code = (
            "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))"
        )
        command = [sys.executable, "-c", f"{code}; time.sleep(600)", path]
        self._child = subprocess.Popen(
            [sys.executable, "-I", keeper.__file__, str(os.getpid()), *command],
            stdin=subprocess.PIPE,
        )


def scripted(node, folder=None):
    return Scripted(node.name, folder)
