"""Around llmcompressor: batches without padding, and weights stored as the model stores them."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from unicomp.methods.oneshot import (
    _heads,
    _loader,
    copy_companions,
    store_in,
    stored_dtype,
)
from unicomp.methods.tokenization import TOKENS_AT_ONCE

SAMPLES = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=40), min_size=1)


@settings(deadline=None)
@given(SAMPLES)
def test_every_sample_is_in_one_batch_neither_padded_nor_cut(samples: list[list[int]]) -> None:
    batches = list(_loader(samples))
    rows = [row for batch in batches for row in batch["input_ids"].tolist()]
    assert sorted(rows) == sorted(samples)
    for batch in batches:
        assert batch["attention_mask"].shape == batch["input_ids"].shape
        assert batch["attention_mask"].all()
        assert batch["input_ids"].numel() <= TOKENS_AT_ONCE


def test_a_sample_longer_than_a_batch_is_a_batch_of_its_own() -> None:
    long = [1] * (TOKENS_AT_ONCE + 1)
    assert [batch["input_ids"].shape[0] for batch in _loader([long, long])] == [1, 1]


def test_the_head_is_ignored_under_any_name() -> None:
    head = torch.nn.Linear(1, 1)
    named = [("model.norm", torch.nn.Identity()), ("embed_out", head)]
    model = SimpleNamespace(get_output_embeddings=lambda: head, named_modules=lambda: named)
    assert _heads(model) == [r"re:embed_out\.?$", r"re:lm_head\.?$"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_the_precision_of_most_weights_is_that_of_the_model(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    weights = {
        "big": torch.zeros(9, 9, dtype=dtype),
        "small": torch.zeros(2),
        "ids": torch.ones(99),
    }
    weights["ids"] = weights["ids"].long()
    save_file(weights, tmp_path / "model.safetensors")
    assert stored_dtype(tmp_path, {"dtype": "float64"}) == dtype


def test_shards_are_stored_in_another_precision_with_zeros_and_integers_kept(
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    sparse = torch.randn(8, 8) * (torch.rand(8, 8) > 0.5)
    shards = {
        "model-1.safetensors": {"a.weight": sparse, "a.scale": torch.tensor([0.1])},
        "model-2.safetensors": {"b.weight_packed": torch.tensor([-7, 2**31 - 1]).int()},
    }
    for name, tensors in shards.items():
        save_file(tensors, tmp_path / name)
    index = {"metadata": {"total_size": 0}, "weight_map": {}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    (tmp_path / "config.json").write_text(json.dumps({"torch_dtype": "float32", "x": 1}))

    store_in(tmp_path, torch.bfloat16)

    first, second = (load_file(tmp_path / name) for name in shards)
    assert first["a.weight"].dtype == first["a.scale"].dtype == torch.bfloat16
    assert torch.equal(first["a.weight"] == 0, sparse == 0)
    assert torch.equal(second["b.weight_packed"], shards["model-2.safetensors"]["b.weight_packed"])
    assert json.loads((tmp_path / "config.json").read_text()) == {"dtype": "bfloat16", "x": 1}
    written = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert written["metadata"]["total_size"] == 2 * 64 + 2 + 2 * 4


def test_the_tokenizer_goes_along_and_the_weights_and_configuration_do_not(
    tmp_path: Path,
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    taken = {"tokenizer.json", "chat_template.jinja", "merges.txt", "generation_config.json"}
    left = {"config.json", "model.safetensors", "model.safetensors.index.json", "README.md"}
    for name in taken | left:
        (source / name).write_text(name)
    copy_companions(source, target)
    assert {path.name for path in target.iterdir()} == taken
