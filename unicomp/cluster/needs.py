"""What a unit takes of its node, from what is known before anything is loaded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from unicomp.cluster.unit import Needs, Node
from unicomp.data.model_folder import read_config
from unicomp.data.model_source import locate
from unicomp.engines import EngineSettings
from unicomp.engines.placement import served_bytes
from unicomp.errors import UnmeasuredError
from unicomp.methods.footprint import algorithms_of, memory_to_build, stored_weights
from unicomp.spec import Calibration, Method, Model, Sample

BESIDES = 1.25
"""The memory of a loaded checkpoint on CPU, as a multiple of its weights: a lower bound."""
GRAIN = 10**9
"""Bytes of memory that workers take more or less of each other."""


def on_nodes(engine: EngineSettings, nodes: Sequence[Node]) -> EngineSettings:
    """The settings of an engine for a cluster: on GPUs where there are any, and in one replica.

    The device decides the identity of responses, and the process that starts a run may have
    another one. Replicas are workers.
    """
    engine = replace(engine, replicas=1) if engine.replicas == "auto" else engine
    if engine.serves or engine.device != "auto":
        return engine
    return replace(engine, device="cuda" if any(node.gpus for node in nodes) else "cpu")


def travelling(engine: EngineSettings) -> EngineSettings:
    """The settings as a node gets them: split as here, over the GPUs that it has there."""
    if engine.placement is None:
        return engine
    return replace(engine, placement=None, tensor_parallel=engine.split)


def needs_of(model: Model, engine: EngineSettings, beside: int | None = None) -> Needs:
    """What a unit on a checkpoint of a model takes: threads, GPUs, or on CPU memory.

    A compressed checkpoint counts as the dense one, since weights are unpacked. `beside` are the
    bytes of a checkpoint that is loaded beside the dense one. The engine is placed on the GPUs of a
    node, if these have any.
    """
    placement = engine.placement
    if placement is not None:
        taken = {*placement.first.gpus}
        if beside is not None:
            with suppress(UnmeasuredError):  # which the node says
                taken |= {*placement.second(beside).gpus}
        return Needs(cpus=engine.threads, gpus=len(taken))
    if engine.resolved_device() == "cuda":
        return Needs(cpus=engine.threads, gpus=1)
    weights = served_bytes(locate(model), engine.dtype(model))
    loaded = 1 if beside is None else 2
    return Needs(cpus=engine.threads, memory=_whole(BESIDES * weights * loaded))


def needs_of_build(
    model: Model,
    method: Method,
    calibration: Calibration | None,
    engine: EngineSettings,
    nodes: Sequence[Node],
) -> Needs:
    """What a build takes: threads, memory of the host, and one GPU where the run is on GPUs.

    The weights lie on the disk if no node has the memory for them. Without the arithmetic of a
    method, a build counts as a unit on the dense checkpoint.
    """
    running = needs_of(model, engine)
    folder = locate(model)
    weights = stored_weights(folder) if algorithms_of(method) else None
    if weights is None or not nodes:
        return running
    tokens = 0
    if calibration is not None and method.calibrated:  # a token has a character at least
        lengths = map(_characters, calibration.samples)
        tokens = sum(min(length, calibration.tokens) for length in lengths)
    largest = max(node.memory for node in nodes)
    gpu = max(node.gpu_memory for node in nodes) if running.gpus else None
    host = memory_to_build(read_config(folder), weights, method, tokens, largest, gpu)[0]
    return Needs(cpus=engine.threads, gpus=min(running.gpus, 1), memory=_whole(host.bytes))


def _characters(sample: Sample) -> int:
    return len(sample) if isinstance(sample, str) else sum(len(one["content"]) for one in sample)


def _whole(size: float) -> int:
    """Bytes in whole GB, so that one worker builds and answers what is small."""
    return math.ceil(size / GRAIN) * GRAIN
