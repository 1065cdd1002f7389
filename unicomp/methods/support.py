"""What a method needs of a model's architecture, read from its `config.json` before a build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CAUSAL_LM = ("ForCausalLM", "LMHeadModel")
"""How the classes that predict the next token are called in transformers."""

CONV1D = ("gpt2", "openai-gpt")
"""Architectures whose matrices are transposed `Conv1D` modules, which llmcompressor skips."""

STATE_SPACE = ("mamba", "mamba2", "falcon_mamba")
"""Architectures some of whose matrices are read without calling their module."""


@dataclass(frozen=True)
class MatrixWise:
    """Refuses models that a matrix-wise method cannot take; call it with the configuration.

    `divisor` is what the input width of every matrix must be a multiple of: the length of a
    quantization group, or m of an n:m pattern.
    """

    divisor: int = 1
    not_for: frozenset[str] = frozenset()
    """Architectures (`model_type`) that the method was found to fail on."""

    def __call__(self, config: Mapping[str, Any]) -> str | None:
        """The reason why such a model cannot be compressed, or None."""
        return (
            _not_causal(config)
            or _already_quantized(config)
            or _not_linear(config)
            or self._known_failure(config)
            or self._indivisible(config)
        )

    def _known_failure(self, config: Mapping[str, Any]) -> str | None:
        kind = config.get("model_type")
        return f"it was found to fail on {kind} models" if kind in self.not_for else None

    def _indivisible(self, config: Mapping[str, Any]) -> str | None:
        for name, width in input_widths(config).items():
            if width % self.divisor:
                return f"{name} {width} is not divisible by groups of {self.divisor}"
        return None


def input_widths(config: Mapping[str, Any]) -> dict[str, int]:
    """The input widths, in weights, of the matrices of a decoder: the setting's name → width."""
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


def _not_causal(config: Mapping[str, Any]) -> str | None:
    architectures = config.get("architectures") or []
    if architectures and not any(name.endswith(CAUSAL_LM) for name in architectures):
        return f"{architectures[0]} is not a causal language model"
    return None


def _already_quantized(config: Mapping[str, Any]) -> str | None:
    quantization = config.get("quantization_config")
    if quantization:
        kind = quantization.get("quant_method", "unknown method")
        return f"its weights are already quantized ({kind}); give the full-precision model"
    return None


def _not_linear(config: Mapping[str, Any]) -> str | None:
    kind = config.get("model_type")
    if kind in CONV1D:
        return f"the matrices of {kind} are Conv1D modules, not Linear"
    if kind in STATE_SPACE:
        return f"{kind} uses some of its matrices in a way that cannot be observed"
    return None
