"""A program of vLLM's that never outlives us, whatever ends us; what it says goes to a log."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from unicomp.engines import keeper
from unicomp.errors import EngineError

FINISH = keeper.TERM_SECONDS + keeper.STRAGGLE_SECONDS + 10.0
"""Seconds until a keeper that was told to stop must have done so."""


def start(
    command: Sequence[str], environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Run a command under a keeper, whose process is returned; `stop` has to be called.

    `environment` is all that it gets to see, and `log` is overwritten. Raises EngineError.
    """
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            return subprocess.Popen(  # noqa: S603
                [sys.executable, "-I", keeper.__file__, str(os.getpid()), *command],
                stdin=subprocess.PIPE,  # closed by the system if this process is killed
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,  # a Ctrl-C is for this process to handle
            )
    except OSError as error:
        raise EngineError(f"vllm could not be started: {error}") from None


def stop(keeping: subprocess.Popen[bytes]) -> None:
    """End the program and all that it left behind; returns when they are gone."""
    if keeping.stdin is not None:
        keeping.stdin.close()
    try:
        keeping.wait(FINISH)
    except subprocess.TimeoutExpired:
        keeping.kill()
        keeping.wait()
