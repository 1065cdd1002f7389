"""Check before a build whether a method supports a model, from the model's `config.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CAUSAL_LM = ("ForCausalLM", "LMHeadModel")
"""The names of transformers' classes that predict the next token end like this."""

CONV1D = ("gpt2", "openai-gpt")
"""Architectures whose matrices are transposed `Conv1D` modules, which llmcompressor skips."""

STATE_SPACE = ("mamba", "mamba2", "falcon_mamba")
"""Architectures that read some matrices without calling their module."""

UNREADABLE = frozenset({"gpt_oss", "granitemoe", "mixtral"})
"""Architectures whose weights transformers 5.17 does not find again after llmcompressor 0.14."""


UNREADABLE_PACKED = UNREADABLE | {"falcon"}
"""Architectures whose quantized weights transformers 5.17 does not find again."""

UNSCALED = {
    "awq": frozenset(
        {
            *("bloom", "deepseek_v3", "glm4", "gptj", "gpt_neox", "lfm2", "olmo2", "opt", "phi"),
            "starcoder2",
        }
    ),
    "smoothquant": frozenset(
        {"glm4", "gptj", "gpt_neox", "lfm2", "olmo2", "opt", "qwen3_next", "starcoder2"}
    ),
}
"""Algorithm → architectures in which llmcompressor 0.14 does not find the layers to scale."""

UNCACHED = frozenset({"bloom", "gpt_neox"})
"""Architectures whose attention llmcompressor 0.14 does not find, so that no cache is rounded."""


def failing(algorithm: str, *, smooth: bool = False, cache: bool = False) -> frozenset[str]:
    """The architectures on which a quantization fails."""
    found = UNREADABLE_PACKED | UNSCALED.get(algorithm, frozenset())
    if smooth:
        found |= UNSCALED["smoothquant"]
    return found | UNCACHED if cache else found


def why_unsupported(
    config: Mapping[str, Any], *, divisor: int = 1, not_for: frozenset[str] = frozenset()
) -> str | None:
    """Why a matrix-wise method does not support a model with this configuration, or None.

    `divisor` must divide the input width of every matrix: the length of a quantization group, or m
    of an n:m pattern. `not_for` are architectures (`model_type`) that the method fails on.
    """
    architecture = config.get("model_type")
    classes = config.get("architectures") or []
    if classes and not any(name.endswith(CAUSAL_LM) for name in classes):
        return f"{classes[0]} is not a causal language model"
    if quantization := config.get("quantization_config"):
        technique = quantization.get("quant_method", "unknown method")
        return f"its weights are already quantized ({technique}); give the full-precision model"
    if architecture in CONV1D:
        return f"the matrices of {architecture} are Conv1D modules, not Linear"
    if architecture in STATE_SPACE:
        return f"{architecture} uses some of its matrices in a way that cannot be observed"
    if architecture in not_for:
        return f"it was found to fail on {architecture} models"
    for name, width in input_widths(config).items():
        if width % divisor:
            return f"{name} {width} is not divisible by groups of {divisor}"
    return None


def input_widths(config: Mapping[str, Any]) -> dict[str, int]:
    """The input widths of a decoder's matrices, in weights: name of the setting → width."""
    widths: dict[str, int] = {}
    for names in (
        ("hidden_size", "n_embd", "d_model"),
        ("intermediate_size", "ffn_dim", "n_inner"),
        ("moe_intermediate_size",),
        ("shared_expert_intermediate_size",),
    ):
        for name in names:
            if isinstance(config.get(name), int) and config[name] > 0:
                widths[name] = config[name]
                break
    heads = config.get("num_attention_heads")
    if isinstance(heads, int) and isinstance(config.get("head_dim"), int):
        widths["num_attention_heads * head_dim"] = heads * config["head_dim"]
    return widths
