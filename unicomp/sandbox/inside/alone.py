"""Run one program whose output is read; the request is one line of JSON on standard input."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from unicomp.sandbox.inside.limiting import limit


def main() -> None:
    """Run the program of the request as `__main__`, with an empty standard input."""
    line = b""
    while not line.endswith(b"\n") and (piece := os.read(0, 1 << 16)):
        line += piece
    request: dict[str, Any] = json.loads(line)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    limit(request["limits"])
    module: dict[str, Any] = sys.modules["__main__"].__dict__
    exec(compile(request["program"], "<program>", "exec"), module)  # noqa: S102 (its purpose)
