"""What a compressed format promises, whether or not an engine redeems it.

Nothing here is measured on a machine. What a checkpoint would take in a format that stores no zeros
(its `ideal_bytes`), and the multiplications that its zeros would spare, are what its method is
chosen for; what of it an engine gives is for the measurements to say. Promises follow from the
checkpoint's facts and its method's claims, whichever method that is:

- size: as many times less as the weights take ideally.
- inference memory: the same of the weights' part in it. Activations, logits and the cache are not
  compressed.
- FLOPs: zeros need not be multiplied, 1 / (1 - sparsity) of the compressed matrices. Fewer bits
  promise none: weights are multiplied as real numbers. A student's shape is a promise too, one that
  every engine keeps.
- reading the prompt, which arithmetic bounds: as the FLOPs. Generating, which reading the weights
  bounds: as the bytes. A request does both, and so does a server that is full: its latency is that
  of generating, and its throughput gains at most the larger of the two.
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
    """What a checkpoint with these facts promises, in percent of the dense model.

    Oriented so that more is better; a quantity that no gain is promised for is left out. `dense`
    are the facts of the dense model, `flops` how many times more operations than the checkpoint it
    executes, which for a student is what its shape promises, and `weights` the share of its
    inference memory that its weights take.
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
    """The share of zeros that is there on purpose; rounding to few bits makes zeros as well."""
    if guarantees.sparsity is None:
        return 0.0
    share: float = facts["sparsity"]
    return min(share, guarantees.sparsity) if guarantees.bits is not None else share
