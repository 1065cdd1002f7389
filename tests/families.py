"""Small random models of the architectures that users compress."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from unicomp.data.sources import shipped_fixtures

EMBEDDED = shipped_fixtures() / "embedded" / "model"

SHAPE = {
    "vocab_size": 1024,
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 4096,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "initializer_range": 0.1,
    "tie_word_embeddings": False,
}

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaForCausalLM", {}),
    "llama_tied": ("LlamaForCausalLM", {"tie_word_embeddings": True}),
    "qwen2": ("Qwen2ForCausalLM", {}),
    "qwen3": ("Qwen3ForCausalLM", {}),
    "qwen3_moe": (
        "Qwen3MoeForCausalLM",
        {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 128},
    ),
}
"""Family → its class in transformers and its differences from `SHAPE`."""


def write_model(folder: Path, family: str, **settings: Any) -> Path:
    """Write an untrained bfloat16 model of a family, with the embedded model's tokenizer."""
    import torch
    import transformers

    name, changes = FAMILIES[family]
    architecture = getattr(transformers, name)
    torch.manual_seed(0)
    config = architecture.config_class(**(SHAPE | changes | settings))
    architecture(config).bfloat16().save_pretrained(folder)
    for path in (*EMBEDDED.glob("tokenizer*"), EMBEDDED / "chat_template.jinja"):
        shutil.copy(path, folder)
    return folder
