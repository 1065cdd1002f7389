"""Models of other shapes: compressed by every method, or told why not, method by method."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from unicomp.sources import shipped_fixtures

EMBEDDED = shipped_fixtures() / "embedded" / "model"
SIX = ("wanda_50", "wanda_2_4", "sparsegpt_50", "sparsegpt_2_4", "gptq_w4a16", "awq_w4a16")


def _llama(folder: Path, hidden: int, intermediate: int) -> Path:
    """A small random Llama with the embedded model's tokenizer."""
    import torch
    from transformers import AutoConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.from_pretrained(EMBEDDED)
    config.hidden_size, config.intermediate_size = hidden, intermediate
    config.num_hidden_layers, config.num_attention_heads = 2, 4
    config.num_key_value_heads, config.head_dim = 2, hidden // 4
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    for path in EMBEDDED.glob("*token*"):
        shutil.copy(path, folder)
    shutil.copy(EMBEDDED / "chat_template.jinja", folder)
    return folder


@pytest.mark.parametrize(("hidden", "intermediate"), [(64, 192), (256, 512)])
def test_a_llama_of_other_shape_is_compressed_or_told_why_not(
    new_gate, tmp_path, hidden, intermediate
):
    model = _llama(tmp_path / f"llama-{hidden}", hidden, intermediate)
    gate = new_gate(tmp_path / "home")
    run = gate.run(
        "-m", "safety", "--samples=8", f"--model={model}", "--dataset-root=embedded",
        "--floor=safety=0", *(f"--method={name}" for name in SIX),
    )  # fmt: skip
    ended = {name: run.score(name, "misuse") for name in SIX}
    refused = {name for name, row in ended.items() if row["verdict"] == "unsupported"}
    assert refused == ({"gptq_w4a16", "awq_w4a16"} if hidden == 64 else set())
    for name in refused:
        assert "128" in ended[name]["reason"]
    built = {p["subject"] for p in run.card["work"] if p["stage"] == "build" and not p["cached"]}
    assert built == {f"llama-{hidden}/{name}" for name in SIX if name not in refused}
    # a random model answers nothing that could be kept: no retention is claimed
    assert all(row["retention"] is None for row in ended.values())
    assert run.status == 1
