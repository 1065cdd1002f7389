"""A real Ray cluster on this machine: nodes that are processes, each with a store of its own."""

from contextlib import contextmanager

from unicomp.cluster.ray_cluster import QUIET

STORE = 100 << 20
"""Bytes of each node's object store."""


@contextmanager
def simulated(folder, *, nodes=2, cpus=2):
    """A cluster whose head has no CPU; its nodes have the stores `folder/node-0` and so on."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 0,
            "include_dashboard": False,
            "object_store_memory": STORE,
            "env_vars": QUIET,
        },
    )
    try:
        for number in range(nodes):
            add_node(cluster, folder / f"node-{number}", cpus)
        yield cluster
    finally:
        cluster.shutdown()


def add_node(cluster, home, cpus=2):
    """One more node, whose store is `home`."""
    env = {**QUIET, "UNICOMP_HOME": str(home)}
    return cluster.add_node(num_cpus=cpus, object_store_memory=STORE, env_vars=env)
