"""The fingerprint of a machine: what decides how fast it is, as JSON values.

Timings are compared only with timings of an equal fingerprint. It contains nothing that differs
between two machines of one kind, such as the name of the machine or of its user.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from unicomp.engines import EngineSettings
from unicomp.errors import SpecError
from unicomp.machine import nvml

CPUINFO = Path("/proc/cpuinfo")
MEASURED_LIBRARIES = ("torch", "transformers", "compressed-tensors")
"""The libraries that compute in our own processes; compressed-tensors unpacks packed weights."""


def fingerprint_of(engine: EngineSettings) -> dict[str, Any]:
    """The fingerprint of this machine, as far as timings of an engine depend on it.

    A server's identity has its version already, so no library stands here for it. The GPUs are
    those that one checkpoint runs on, as far as they were counted.
    """
    used = engine.placement.size if engine.placement is not None else None
    return {
        "device": engine.resolved_device(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "architecture": platform.machine(),
        "cores": _cores(),
        "threads": engine.threads,
        "gpus": [_gpu(gpu) for gpu in nvml.gpus()[:used]],
        "driver": nvml.driver(),
        "versions": {} if engine.serves else library_versions(),
    }


def machine_name(fingerprint: Mapping[str, Any]) -> str | None:
    """The name of a machine by what computes: its GPUs, or else its processor; None if unknown."""
    if fingerprint.get("device") == "cuda":
        names = Counter(str(gpu.get("name")) for gpu in fingerprint.get("gpus", ()))
        if names:
            return ", ".join(f"{n} × {name}" if n > 1 else name for name, n in names.items())
    return fingerprint.get("processor")


def library_versions() -> dict[str, str]:
    """The versions of `MEASURED_LIBRARIES`, by name."""
    return {name: version(name) for name in MEASURED_LIBRARIES}


def check_same_machine(now: Mapping[str, Any], then: Mapping[str, Any], what: str) -> None:
    """Raise SpecError unless the two fingerprints are equal; `what` names the timings of `then`."""
    differences = list(_differences(now, then))
    if differences:
        raise SpecError(
            f"{what} has timings of another machine, which are not valid here: "
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
        yield f"{name} is {_shown(now)} here and {_shown(then)} there"


def _shown(value: Any) -> str:
    """A value of a fingerprint for a message; GPUs by their names."""
    if isinstance(value, list):
        return ", ".join(str(gpu.get("name")) for gpu in value) or "none"
    return "unknown" if value is None else str(value)


def _processor() -> str | None:
    """The processor's model, as the system names it."""
    if CPUINFO.exists():
        lines = (line.partition(":") for line in CPUINFO.read_text(encoding="utf-8").splitlines())
        names = {field.strip(): value.strip() for field, _, value in lines}
        if name := names.get("model name") or names.get("Model"):
            return name
    if sys.platform == "darwin":
        asked = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"],
            capture_output=True,
            encoding="utf-8",
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
    """A GPU's name and speed limits, up to the first that its driver does not report."""
    facts: dict[str, Any] = {}
    with suppress(OSError):
        facts["name"] = gpu.name
        facts["power_limit_watts"] = gpu.power_limit
        facts["max_clock_mhz"], facts["max_memory_clock_mhz"] = gpu.max_clocks
    return facts
