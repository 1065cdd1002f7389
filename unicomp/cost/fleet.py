"""The machines that a plan is made for, as `--cluster` describes them: `8xH100`, `2 x 16 CPU`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from unicomp.cluster.unit import Node
from unicomp.errors import SpecError
from unicomp.hardware import GpuKind, find_gpu

TOGETHER = 8
"""The GPUs of a node at most, where one number is given for all."""
CPUS_FOR_EACH = 8
"""The CPUs that a node is taken to have for each of its GPUs: more than its units need."""
_FORM = re.compile(
    r"\s*(?:(?P<nodes>\d+)\s*[x×]\s*)?(?P<number>\d+)\s*(?P<sign>[x×]\s*|\s)(?P<name>[A-Za-z][\w.-]*)\s*"
)


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Machines of one kind."""

    nodes: tuple[Node, ...]
    gpu: GpuKind | None
    """The kind of all GPUs; None for machines without."""

    @classmethod
    def parse(cls, text: str, own: Mapping[str, GpuKind]) -> Fleet:
        """The machines of `[NODES x] NUMBER x GPU`, or `[NODES x] NUMBER CPU`. Raises SpecError.

        More than eight GPUs without a number of nodes are nodes of eight. `own` are the GPUs of
        `unicomp.toml`.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise SpecError(
                f"--cluster {text!r} is no cluster: give a number and a GPU, such as 8xH100, also "
                'on several nodes, "2 x 8xH100", or CPUs, "16 CPU"'
            )
        number, name = int(found["number"]), found["name"]
        nodes = int(found["nodes"] or 1)
        if not number or not nodes:
            raise SpecError(f"--cluster {text!r} has no machine: give numbers of 1 or more")
        if name.lower() in ("cpu", "cpus"):
            each = [Node(name=f"node {one}", cpus=number) for one in range(1, nodes + 1)]
            return cls(nodes=tuple(each), gpu=None)
        gpu = find_gpu(name, own)
        sizes = [number] * nodes
        if found["nodes"] is None and number > TOGETHER:
            full, rest = divmod(number, TOGETHER)
            sizes = [TOGETHER] * full + ([rest] if rest else [])
        return cls(
            nodes=tuple(
                Node(
                    name=f"node {place}",
                    cpus=size * CPUS_FOR_EACH,
                    gpus=size,
                    gpu_memory=gpu.memory,
                )
                for place, size in enumerate(sizes, 1)
            ),
            gpu=gpu,
        )

    @property
    def gpus(self) -> int:
        """The GPUs of all nodes."""
        return sum(node.gpus for node in self.nodes)

    @property
    def cpus(self) -> int:
        """The CPUs of all nodes."""
        return sum(node.cpus for node in self.nodes)

    def __str__(self) -> str:
        sizes = [(node.gpus if self.gpu else node.cpus) for node in self.nodes]
        name = f"× {self.gpu.name}" if self.gpu else "CPUs" if sizes[0] > 1 else "CPU"
        if len(sizes) == 1:
            return f"{sizes[0]} {name}"
        if len(set(sizes)) == 1:
            return f"{len(sizes)} nodes of {sizes[0]} {name}"
        return f"{len(sizes)} nodes, {sum(sizes)} {name} in all"
