"""The GPUs that this process may use, as values: counted without torch, and without starting CUDA.

What computes on them (a server, a process of this session) is told which are its own by
CUDA_VISIBLE_DEVICES.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unicomp.machine import nvml

VISIBLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"
BY_SLOT = "PCI_BUS_ID"
"""The order of the driver's indices; CUDA's own default puts the fastest first."""


@dataclass(frozen=True)
class Gpu:
    """One GPU."""

    id: str
    """Its index or UUID, as CUDA_VISIBLE_DEVICES has it."""
    name: str
    """Its product name."""
    memory: int
    """All of its memory, in bytes."""


def visible() -> tuple[Gpu, ...]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves to this process, all if it is not set.

    Empty without NVIDIA's driver, and where the driver does not report the memory.
    """
    try:
        return tuple(Gpu(found.id, found.name, found.memory) for found in nvml.gpus())
    except OSError:
        return ()


def environment(gpus: Sequence[Gpu]) -> dict[str, str]:
    """The variables that leave only `gpus` to a process, if set before it starts CUDA."""
    return {VISIBLE: ",".join(gpu.id for gpu in gpus), ORDER: BY_SLOT}
