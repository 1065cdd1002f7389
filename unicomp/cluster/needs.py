"""What a unit takes of its node, from what is known before anything is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from unicomp.cluster.unit import Needs, Node
from unicomp.engines import EngineSettings
from unicomp.spec import Model


def on_nodes(engine: EngineSettings, nodes: Sequence[Node]) -> EngineSettings:
    """The settings of an engine with the device of the nodes: GPUs where there are any.

    The device decides the identity of responses, and the process that starts a run may have
    another one.
    """
    if engine.serves or engine.device != "auto":
        return engine
    return replace(engine, device="cuda" if any(node.gpus for node in nodes) else "cpu")


def needs_of(model: Model, engine: EngineSettings) -> Needs:
    """What a unit on a checkpoint of a model takes: the threads and the GPUs of its engine."""
    gpus = 0 if engine.resolved_device() == "cpu" else 1
    return Needs(cpus=engine.threads, gpus=gpus)
