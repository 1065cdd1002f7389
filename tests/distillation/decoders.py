"""Small random decoders of the architectures that can be distilled, in float32."""

from __future__ import annotations

from typing import Any

SHAPE = {
    "vocab_size": 96,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "initializer_range": 0.1,
}

DECODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaForCausalLM", {}),
    "llama_biases": (
        "LlamaForCausalLM",
        {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True, "head_dim": 12},
    ),
    "qwen2": ("Qwen2ForCausalLM", {}),
    "qwen2_tied": ("Qwen2ForCausalLM", {"tie_word_embeddings": True}),
    "qwen3_tied": ("Qwen3ForCausalLM", {"tie_word_embeddings": True, "head_dim": 16}),
    "qwen3_windows": (
        "Qwen3ForCausalLM",
        {
            "head_dim": 16,
            "use_sliding_window": True,
            "sliding_window": 4,
            "max_window_layers": 2,
            "attention_bias": True,
        },
    ),
}
"""Name → the class in transformers, and how its settings differ from `SHAPE`."""


def decoder(name: str, seed: int = 0, **settings: Any) -> Any:
    """An untrained model whose biases and norms are random as well, in evaluation mode."""
    import torch
    import transformers

    architecture, changes = DECODERS[name]
    made = getattr(transformers, architecture)
    torch.manual_seed(seed)
    model = made(made.config_class(**(SHAPE | changes | settings)))
    with torch.no_grad():
        for part, weight in model.named_parameters():
            if weight.ndim == 1:
                weight.normal_(mean=0.0 if part.endswith("bias") else 1.0, std=0.2)
    return model.eval()


def token_ids(sequences: int, length: int, seed: int = 0) -> Any:
    import torch

    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, SHAPE["vocab_size"], (sequences, length), generator=generator)


def logits(model: Any, ids: Any) -> Any:
    import torch

    with torch.no_grad():
        return model(ids).logits
