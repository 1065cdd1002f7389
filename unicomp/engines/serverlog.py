"""Reads the log of a vLLM program: why it ended, and the memory of its weights."""

from __future__ import annotations

import re
from pathlib import Path

_PREFIX = re.compile(
    r"^(\([^)]*pid=\d+\) )?((DEBUG|INFO|WARNING|ERROR|CRITICAL) [\d-]+ [\d:]+ \[[^\]]*\] ?)?"
)
_CAUSE = re.compile(r"^[\w.]*(Error|Exception|Exit|Interrupt)\b|died unexpectedly|: error: ")
_SECOND_HAND = re.compile(r"root cause|EngineDeadError|RuntimeError: cancelled")
"""Errors that only point to another one."""
_NOISE = re.compile(r"^(\s|Traceback|nanobind:|- |$)|\^\^|resource_tracker|warnings\.warn|Route:")
_WEIGHTS = re.compile(r"Model loading took ([\d.]+) GiB memory")
_TAIL = 256 * 1024


def last_words(log: Path) -> str:
    """The last error in a log, or else its last lines, in one line."""
    text = _tail(log)
    lines = [_PREFIX.sub("", line).rstrip() for line in text.splitlines()]
    errors = [line for line in lines if _CAUSE.search(line)]
    causes = [line for line in errors if not _SECOND_HAND.search(line)] or errors
    if causes:
        return causes[-1][:400]
    return " | ".join(line[:200] for line in lines if not _NOISE.search(line)).strip()[-400:]


def weights_bytes(log: Path) -> int | None:
    """Memory of the weights on all devices, to 0.01 GiB; None where it is not in the log.

    vLLM logs it on GPUs only.
    """
    try:
        found = _WEIGHTS.findall(log.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    return round(sum(map(float, found)) * 2**30) if found else None


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - _TAIL))
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
