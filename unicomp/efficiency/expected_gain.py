"""The gain that a compressed format would have if an engine made use of all of it.

Nothing here is measured on a machine: expected gains follow from the checkpoint's facts and its
method's guarantees. Whether an engine realises them is measured elsewhere.

- Size: dense bytes / `ideal_bytes`, the size in a format that stores no zeros and wastes no bits.
- Inference memory: the same, for the weights' part of it only. Activations, logits and the cache
  are not compressed.
- FLOPs: zeros need not be multiplied: 1 / (1 - sparsity) of the compressed matrices. Fewer bits
  save none, since weights are multiplied as real numbers. A student's shape saves FLOPs in every
  engine.
- Reading the prompt is bound by arithmetic: the gain of FLOPs. Generating is bound by reading the
  weights: the gain of size. A request does both, and so does a full server: its latency gains as
  generating does, its throughput at most the larger of the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unicomp.spec import Guarantees, Quantity


def expected_gains(
    guarantees: Guarantees,
    facts: Mapping[str, Any],
    dense: Mapping[str, Any],
    *,
    flops: float = 1.0,
    weights: float = 1.0,
) -> dict[Quantity, float]:
    """Expected gains of a checkpoint with these facts, in percent of the dense model, by quantity.

    More is better; a quantity without an expected gain is left out. `dense` are the facts of the
    dense model. `flops` is the ratio of executed operations, dense / checkpoint; it differs from 1
    for a student. `weights` is the weights' share of the dense model's inference memory.
    """
    smaller = dense["bytes"] / facts["ideal_bytes"]
    fewer = flops / (1 - _sparsity(guarantees, facts))
    ratios: dict[Quantity, float] = {
        "model_size": smaller,
        "inference_memory": 1 / (1 - weights + weights / smaller),
        "flops": fewer,
        "throughput": max(smaller, fewer),
        "latency": smaller,
        "time_to_first_token": fewer,
        "inter_token_latency": smaller,
    }
    return {quantity: 100 * ratio for quantity, ratio in ratios.items() if ratio > 1}


def _sparsity(guarantees: Guarantees, facts: Mapping[str, Any]) -> float:
    """The share of zeros that is guaranteed; rounding to few bits makes other zeros."""
    if guarantees.sparsity is None:
        return 0.0
    share: float = facts["sparsity"]
    return min(share, guarantees.sparsity) if guarantees.bits is not None else share
