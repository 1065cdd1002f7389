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
    closed: Path | None = None

    def run(self, unit, script):
        if script.child is not None:
            code = f"import os, time; open({str(script.child)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
            # ruff: noqa: E501
            self._child = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    keeper.__file__,
                    str(os.getpid()),
                    sys.executable,
                    "-c",
                    code,
                ],
                stdin=subprocess.PIPE,
            )
        time.sleep(script.seconds)
        if script.fails:
            raise BuildError(script.fails)
        if script.crashes:
            os._exit(9)
        return {
            "echo": script.echo,
            "node": self.node,
            "pid": os.getpid(),
            "shared": len(script.shared),
            "threads": os.environ["OMP_NUM_THREADS"],
        }

    def close(self):
        if self.closed is not None:
            self.closed.write_text("closed")


def scripted(node):
    return Scripted(node.name)
