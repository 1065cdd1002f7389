"""Nodes of a Ray cluster, simulated on this machine."""

import contextlib
import os

import psutil

from unicomp.cluster.ray_cluster import QUIET

STORE = 100 << 20
"""Bytes of a node's object store."""


@contextlib.contextmanager
def machines(*cpus, **first):
    """A cluster of nodes on this machine; yields it, and all its processes have ended after.

    `first` has settings of Ray's for its first node.
    """
    os.environ.update(QUIET)
    from ray.cluster_utils import Cluster

    before = {process.pid for process in psutil.process_iter()}
    cluster = Cluster()
    try:
        for index, count in enumerate(cpus):
            settings = {"include_dashboard": False, **first} if not index else {}
            cluster.add_node(num_cpus=count, object_store_memory=STORE, **settings)
        yield cluster
    finally:
        cluster.shutdown()
    left = [process for process in psutil.process_iter() if process.pid not in before]
    # Ray's agents look for their node only now and then
    _, left = psutil.wait_procs([one for one in left if is_of_ray(one)], timeout=90)
    assert not left, [one.cmdline() for one in left]


def is_of_ray(process):
    with contextlib.suppress(psutil.Error):
        return any("ray" in part for part in process.cmdline()[:3])
    return False
