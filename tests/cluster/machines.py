"""Nodes of a Ray cluster, simulated on this machine."""

import contextlib
import os

import psutil

from unicomp.cluster.ray_cluster import QUIET

STORE = 100 << 20
"""Bytes of a node's object store."""


@contextlib.contextmanager
def machines(*cpus):
    """A cluster of nodes on this machine; yields it, and all its processes have ended after."""
    os.environ.update(QUIET)
    from ray.cluster_utils import Cluster

    before = {process.pid for process in psutil.process_iter()}
    cluster = Cluster()
    try:
        for count in cpus:
            cluster.add_node(num_cpus=count, object_store_memory=STORE, include_dashboard=False)
        yield cluster
    finally:
        cluster.shutdown()
    left = [process for process in psutil.process_iter() if process.pid not in before]
    _, left = psutil.wait_procs([one for one in left if is_of_ray(one)], timeout=20)
    assert not left


def is_of_ray(process):
    with contextlib.suppress(psutil.Error):
        return any("ray" in part for part in process.cmdline()[:3])
    return False
