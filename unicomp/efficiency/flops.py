"""Floating-point operations of one forward pass.

`counted_flops` runs the architecture without weights and lets torch count the products; it needs no
knowledge of the architecture. `linear_flops` adds up the linear layers of a known architecture. A
multiplication with its addition is two operations. Only matrix products count, as is usual: no
norms, activations or softmax.

These are the operations that are executed. No engine here skips the zeros of a pruned matrix, and
quantized weights are unpacked and multiplied as real numbers; `unicomp.efficiency.expected_gain`
has what either could save. Masked scores of attention count, since an implementation that writes
its scores computes them, too.

The paper leaves the products of attention out: `linear_flops` of 128 tokens gives its 1.92 TFLOPs
of Llama-3.1-8B, and 1.03 (depth) and 1.05 (width) of its Minitron students.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unicomp.errors import EngineError, SpecError, first_line
from unicomp.spec import Load

ARCHITECTURES = ("llama", "mistral", "qwen2", "qwen3", "qwen3_moe")
"""The architectures (`model_type`) whose products are known."""


def counted_flops(folder: Path, load: Load, *, trust_remote_code: bool = False) -> int:
    """Count the operations in which the checkpoint in `folder` reads the prompts of `load` once.

    Only the configuration is read; torch counts on its device without memory. Raises EngineError
    if the architecture cannot be run without weights.

    Two settings replace kernels that the counter cannot follow, without changing how many products
    there are. Attention is the eager one, since fused kernels are not counted. Experts are
    multiplied token by token, since the usual code looks up which experts were hit, which needs
    real numbers.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
        if hasattr(config, "quantization_config"):
            del config.quantization_config
        with torch.device("meta"):
            network = AutoModelForCausalLM.from_config(
                config,
                attn_implementation="eager",
                experts_implementation="batched_mm",
                trust_remote_code=trust_remote_code,
            )
            prompts = torch.zeros(load.concurrency, load.prompt_tokens, dtype=torch.long)
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            # without the mask, transformers would look for it in the numbers
            network(input_ids=prompts, attention_mask=torch.ones_like(prompts), use_cache=False)
    except (OSError, ValueError, RuntimeError, ImportError, TypeError) as error:
        raise EngineError(f"the FLOPs of {folder} cannot be counted: {first_line(error)}") from None
    return int(counter.get_total_flops())


def linear_flops(config: Mapping[str, Any], tokens: int) -> int:
    """The operations of the linear layers of a `config.json`, the head included, for some tokens.

    A token takes two for each weight that it meets; it meets only the experts that it is routed to.
    Absent settings have the defaults of transformers. Raises SpecError for an unknown architecture
    or a missing size.
    """
    kind = config.get("model_type")
    if kind not in ARCHITECTURES:
        raise SpecError(f"the matrix products of {kind} models are unknown")
    try:
        hidden, heads = config["hidden_size"], config["num_attention_heads"]
        layers, vocabulary = config["num_hidden_layers"], config["vocab_size"]
        dense = 3 * hidden * config["intermediate_size"]
        mixture = mixtures = 0
        if kind == "qwen3_moe":
            routed = config["num_experts_per_tok"] * 3 * config["moe_intermediate_size"]
            mixture = hidden * (routed + config["num_experts"])
            mixtures = sum(_has_experts(config, layer) for layer in range(layers))
    except KeyError as error:
        raise SpecError(f"the configuration has no {error.args[0]}") from None
    key_value_heads = config.get("num_key_value_heads") or heads
    head_dim = config.get("head_dim") or (128 if kind == "qwen3" else hidden // heads)
    attention = layers * 2 * hidden * head_dim * (heads + key_value_heads)
    feed_forward = mixtures * mixture + (layers - mixtures) * dense
    weights: int = attention + feed_forward + hidden * vocabulary
    return 2 * weights * tokens


def _has_experts(config: Mapping[str, Any], layer: int) -> bool:
    """Whether the feed-forward layer of this number is a mixture of experts."""
    dense = config.get("mlp_only_layers") or ()
    step = config.get("decoder_sparse_step") or 1
    return layer not in dense and (layer + 1) % step == 0
