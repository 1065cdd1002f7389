"""The machine that timings belong to, as JSON values: they are compared with its own ones only.

It says what decides how fast things are, and nothing that tells one machine of a kind from another:
no name of it or of its user.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from unicomp.efficiency import nvml
from unicomp.errors import SpecError

CPUINFO = Path("/proc/cpuinfo")


def fingerprint(*, device: str, threads: int, versions: Mapping[str, str]) -> dict[str, Any]:
    """What this machine is.

    It computes on `device` with `threads` of its cores, by libraries of these `versions`.
    """
    return {
        "device": device,
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "architecture": platform.machine(),
        "cores": _cores(),
        "threads": threads,
        "gpus": [_gpu(gpu) for gpu in nvml.gpus()],
        "driver": nvml.driver(),
        "versions": dict(versions),
    }


def check_same_machine(now: Mapping[str, Any], then: Mapping[str, Any], what: str) -> None:
    """Raise SpecError unless timings of `then`, named by `what`, may be compared with those now."""
    differences = list(_differences(now, then))
    if differences:
        raise SpecError(
            f"{what} has timings of another machine, which mean nothing here: "
            f"{'; '.join(differences)}"
        )


def _differences(now: Any, then: Any, name: str = "") -> Iterator[str]:
    """`NAME is VALUE here and VALUE there` for each field in which the two differ."""
    if isinstance(now, list) and isinstance(then, list) and len(now) == len(then):
        now, then = (dict(enumerate(side)) for side in (now, then))
    if isinstance(now, Mapping) and isinstance(then, Mapping):
        for field in sorted({*now, *then}):
            inner = f"{name}.{field}" if name else str(field)
            yield from _differences(now.get(field), then.get(field), inner)
    elif now != then:
        yield f"{name} is {_told(now)} here and {_told(then)} there"


def _told(value: Any) -> str:
    """A value of a fingerprint for a person; GPUs by their names."""
    if isinstance(value, list):
        return ", ".join(str(gpu.get("name")) for gpu in value) or "none"
    return "unknown" if value is None else str(value)


def _processor() -> str | None:
    """The processor's model, as the system names it."""
    if CPUINFO.exists():
        lines = (line.partition(":") for line in CPUINFO.read_text().splitlines())
        names = {field.strip(): value.strip() for field, _, value in lines}
        if name := names.get("model name") or names.get("Model"):
            return name
    if sys.platform == "darwin":
        asked = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"],
            capture_output=True,
            text=True,
            check=False,
        )
        return asked.stdout.strip() or None
    return platform.processor() or None


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _gpu(gpu: nvml.Gpu) -> dict[str, Any]:
    """What decides how fast a GPU is, as far as it says."""
    facts: dict[str, Any] = {}
    with suppress(OSError):
        facts["name"] = gpu.name
        facts["power_limit_watts"] = gpu.power_limit
        facts["max_clock_mhz"], facts["max_memory_clock_mhz"] = gpu.max_clocks
    return facts
