"""Write a small Llama folder as a GGUF file, as llama.cpp's converter does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors.torch import load_file

NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def gguf_name(name: str) -> str:
    """The name of a tensor in a GGUF file."""
    module = name.removesuffix(".weight")
    if module in NAMES:
        return f"{NAMES[module]}.weight"
    _, _, layer, rest = module.split(".", 3)
    return f"blk.{layer}.{NAMES[rest]}.weight"


def interleaved(weight: np.ndarray, heads: int) -> np.ndarray:
    """Queries and keys in the order of llama.cpp's rotary positions."""
    shape = weight.shape
    halves = weight.reshape(heads, 2, shape[0] // heads // 2, *shape[1:])
    return halves.swapaxes(1, 2).reshape(shape)


def rounded(weight: np.ndarray, kind: str) -> np.ndarray:
    """What a matrix becomes by being stored in a type."""
    number = gguf.GGMLQuantizationType[kind]
    return gguf.quants.dequantize(gguf.quants.quantize(weight, number), number)


def tensors_of(folder: Path) -> dict[str, np.ndarray]:
    """The tensors of a folder, in float32."""
    return {
        name: one.float().numpy() for name, one in load_file(folder / "model.safetensors").items()
    }


def write_gguf(
    folder: Path,
    path: Path,
    *,
    kind: str = "Q8_0",
    tokenizer: bool = True,
    architecture: str = "llama",
    extra: dict[str, np.ndarray] | None = None,
    settings: dict[str, Any] | None = None,
    only: slice = slice(None),
    split: tuple[int, int] | None = None,
) -> Path:
    """Write the Llama in `folder` to `path`, its matrices as `kind`; return `path`.

    `only` are the tensors of one file of a split model, `split` its number and the count.
    """
    config = json.loads((folder / "config.json").read_text())
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    writer = gguf.GGUFWriter(path, architecture)
    if split is None or split[0] == 0:
        writer.add_name("Tiny")
        writer.add_context_length(config["max_position_embeddings"])
        writer.add_embedding_length(config["hidden_size"])
        writer.add_block_count(config["num_hidden_layers"])
        writer.add_feed_forward_length(config["intermediate_size"])
        writer.add_head_count(heads)
        writer.add_head_count_kv(kv_heads)
        writer.add_key_length(config["head_dim"])
        writer.add_rope_dimension_count(config["head_dim"])
        writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
        writer.add_vocab_size(config["vocab_size"])
        for name, value in (settings or {}).items():
            writer.add_string(name, value)
        if tokenizer:
            _add_tokenizer(writer, folder)
    if split is not None:
        writer.add_uint16("split.no", split[0])
        writer.add_uint16("split.count", split[1])
    everything = list(tensors_of(folder).items())
    for name, weight in everything[only]:
        if "q_proj" in name or "k_proj" in name:
            weight = interleaved(weight, heads if "q_proj" in name else kv_heads)
        number = gguf.GGMLQuantizationType[kind if weight.ndim > 1 else "F32"]
        stored = gguf.quants.quantize(np.ascontiguousarray(weight), number)
        writer.add_tensor(gguf_name(name), stored, raw_dtype=number)
    for name, weight in (extra or {}).items():
        writer.add_tensor(name, weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(writer: gguf.GGUFWriter, folder: Path) -> None:
    content = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"] | {
        token["content"]: token["id"] for token in content["added_tokens"]
    }
    special = {token["content"] for token in content["added_tokens"]}
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    merges = [
        pair if isinstance(pair, str) else " ".join(pair) for pair in content["model"]["merges"]
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in special else 1 for token in tokens])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(vocabulary[settings["bos_token"]])
    writer.add_eos_token_id(vocabulary[settings["eos_token"]])
    writer.add_pad_token_id(vocabulary[settings["pad_token"]])
    writer.add_chat_template((folder / "chat_template.jinja").read_text())
