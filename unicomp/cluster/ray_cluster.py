"""A Ray cluster: connected to, or started on this machine, and looked at node by node.

Ray is imported inside functions: a run without a cluster does not need it.
"""

from __future__ import annotations

import logging
import os
import socket
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unicomp.cluster.ray_actor import Sight, look, versions
from unicomp.cluster.unit import Node
from unicomp.errors import SpecError, first_line

AUTO = "auto"
LOCAL = "local"
CONNECT_SECONDS = 30.0
"""How long a cluster may take to answer; its nodes get as long again."""
STORE_BYTES = 200 << 20
"""The object store of a cluster that is started here: results are small."""
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # what Ray writes of its processes would stand in the middle of a report
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Environment variables that are set before Ray is imported."""


@dataclass
class RayCluster:
    """A connection to a cluster; one for each process."""

    address: str
    home: Path | None = None
    nodes: dict[str, Node] = field(default_factory=dict)
    """Ray's name of a node → the node."""

    @classmethod
    def connect(cls, address: str = AUTO, home: Path | None = None) -> RayCluster:
        """Connect to a cluster and look at its nodes.

        `address` is HOST:PORT from a machine of the cluster, ray://HOST:PORT from any other,
        "auto" for RAY_ADDRESS, a cluster that runs on this machine, or else a new one, or "local"
        for a new one. `home` is the folder of the store on nodes without a UNICOMP_HOME. Raises
        SpecError.
        """
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        try:
            import ray
        except ImportError:
            raise SpecError(
                "--cluster needs Ray, which is not installed: pip install 'unicomp[ray]'"
            ) from None
        if ray.is_initialized():
            raise SpecError("this process is connected to a Ray cluster already; end that first")
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        if address == AUTO:
            address = os.environ.get("RAY_ADDRESS") or AUTO
        cluster = cls(address, home)
        cluster._init()
        try:
            cluster.nodes = cluster._look_at_all(cluster.alive())
        except BaseException:
            cluster.close()
            raise
        return cluster

    def _init(self) -> None:
        address = self.address
        if address not in (AUTO, LOCAL):
            _answers(address)
        try:
            if address != LOCAL:
                _init(address=address)
        except ConnectionError as error:
            if address != AUTO:
                raise SpecError(_silent(address, _one_line(error))) from None
            address = LOCAL
        except (RuntimeError, ValueError) as error:  # another Python or Ray
            raise SpecError(f"the cluster at {address}: {_one_line(error)}") from None
        if address == LOCAL:
            _init(address=LOCAL, include_dashboard=False, object_store_memory=STORE_BYTES)

    def alive(self) -> dict[str, Mapping[str, Any]]:
        """The nodes that Ray takes for alive, as it describes them, by its names."""
        import ray

        return {one["NodeID"]: one for one in ray.nodes() if one["Alive"]}

    def sight(self, ray_name: str) -> Any:
        """Begin to look at a node; returns Ray's reference to the `Sight`."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        pinned = NodeAffinitySchedulingStrategy(ray_name, soft=False)
        remote = ray.remote(look).options(num_cpus=0, scheduling_strategy=pinned, max_retries=0)
        return remote.remote(self.home)

    def node_of(self, described: Mapping[str, Any], sight: Sight) -> Node:
        """A node, named by its host, or also by Ray if that name is taken.

        Raises SpecError if its software differs from that of this process.
        """
        here = versions()
        for name, version in here.items():
            if (there := sight.versions[name]) != version:
                raise SpecError(
                    f"the node {sight.host} has {name} {there or '(none)'}, and this process "
                    f"{version or '(none)'}; install the same version on both"
                )
        taken = {node.name for node in self.nodes.values()}
        resources = described["Resources"]
        ray_name = described["NodeID"]
        return Node(
            name=sight.host if sight.host not in taken else f"{sight.host} ({ray_name[:6]})",
            cpus=int(resources.get("CPU", 0)),
            gpus=int(resources.get("GPU", 0)),
            memory=int(resources.get("memory", 0)),
            gpu_memory=sight.gpu_memory,
            store=sight.store,
            checkpoints=sight.checkpoints,
        )

    def close(self) -> None:
        """Disconnect; a cluster that this process started ends."""
        import ray

        ray.shutdown()

    def _look_at_all(self, alive: Mapping[str, Mapping[str, Any]]) -> dict[str, Node]:
        import ray

        sights = {name: self.sight(name) for name in alive}
        until = time.monotonic() + CONNECT_SECONDS
        for name, reference in sights.items():
            address = alive[name]["NodeManagerHostname"]
            try:
                sight = ray.get(reference, timeout=max(until - time.monotonic(), 0.1))
            except ray.exceptions.GetTimeoutError:
                raise SpecError(
                    f"the node {address} did not start a process within {CONNECT_SECONDS:.0f} s; "
                    "see `ray status`"
                ) from None
            except ray.exceptions.RayTaskError as error:
                raise SpecError(
                    f"the node {address} cannot run UniComp: {_one_line(error)}; "
                    "install the same version there"
                ) from None
            except ray.exceptions.RayError:  # it was lost, and Ray does not know that yet
                continue
            self.nodes[name] = self.node_of(alive[name], sight)
        return self.nodes


def _init(**options: Any) -> None:
    import ray

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.init(
            log_to_driver=False, configure_logging=False, logging_level=logging.CRITICAL, **options
        )


def _answers(address: str) -> None:
    """Raise SpecError unless a server answers there: Ray itself waits for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise SpecError(
            f'"{address}" is no cluster: give "auto", "local", ray://HOST:PORT or HOST:PORT, '
            "such as ray://head:10001"
        )
    try:
        with socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS):
            pass
    except OSError as error:
        raise SpecError(_silent(address, first_line(error))) from None
    import grpc

    channel = grpc.insecure_channel(f"{host}:{port}")
    try:
        grpc.channel_ready_future(channel).result(timeout=CONNECT_SECONDS)
    except grpc.FutureTimeoutError:
        raise SpecError(_silent(address, "no Ray server speaks there")) from None
    finally:
        channel.close()


def _silent(address: str, why: str) -> str:
    return f"no cluster answers at {address} ({why}); start one with `ray start --head`"


def _one_line(error: BaseException) -> str:
    """The text of one of Ray's errors, whose first line is often a heading."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines)[:400]
