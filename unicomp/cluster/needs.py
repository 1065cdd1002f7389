"""What a unit takes of its node, from what is known before anything is loaded."""

from __future__ import annotations

from unicomp.cluster.unit import Needs
from unicomp.engines import EngineSettings
from unicomp.spec import Model


def needs_of(model: Model, engine: EngineSettings) -> Needs:
    """What a unit on a checkpoint of this model takes: the threads and the GPUs of its engine."""
    gpus = 0 if engine.resolved_device() == "cpu" else 1
    return Needs(cpus=engine.threads, gpus=gpus)
