"""A checkpoint is described by what is stored, with what is declared beside it."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.formats.gguf_writer import write_gguf
from tests.formats.packing import awq, gptq, modelopt_fp8, modelopt_nvfp4, write_packed
from unicomp.data.model_folder import read_config
from unicomp.errors import SpecError
from unicomp.formats.description import Description, describe, describe_gguf, kind_of_module
from unicomp.formats.gguf_file import read_header
from unicomp.formats.method import quantization_of


def described(folder: Path) -> Description:
    config = read_config(folder)
    return describe(folder, config, quantization_of(folder, config))


def write(folder: Path, tensors: dict[str, torch.Tensor], quantization: dict[str, Any]) -> Path:
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    config = {"model_type": "llama", "quantization_config": quantization}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_floats_are_dense(llama: Path) -> None:
    found = described(llama)
    assert str(found) == "dense, 16-bit weights, 412 kB"
    assert found.quantized == found.ignored == ()
    weights = load_file(llama / "model.safetensors")
    assert found.kinds["head"].weights == weights["lm_head.weight"].numel()
    assert found.kinds["head"].bytes == 2 * found.kinds["head"].weights


PACKED = {
    "gptq": (gptq(zeros=8), {"quant_method": "gptq", "bits": 4}, 4, ("weights",)),
    "gptq 8": (gptq(8, 32, zeros=9), {"quant_method": "gptq", "bits": 8}, 8, ("weights",)),
    "gptq 3": (gptq(3, 32), {"quant_method": "gptq", "bits": 3}, 3, ("weights",)),
    "awq": (awq(), {"quant_method": "awq", "bits": 4}, 4, ("weights",)),
    "fp8": (
        modelopt_fp8,
        {"quant_method": "modelopt", "quant_algo": "FP8"},
        8,
        ("weights", "activations"),
    ),
    "nvfp4": (
        modelopt_nvfp4,
        {"quant_method": "modelopt", "quant_algo": "NVFP4"},
        4,
        ("weights", "activations"),
    ),
}


@pytest.mark.parametrize("name", PACKED)
def test_bits_are_counted_in_the_tensors(llama: Path, tmp_path: Path, name: str) -> None:
    pack, quantization, bits, quantized = PACKED[name]
    wanted = write_packed(llama, tmp_path / "packed", lambda module: pack, quantization)
    found = described(tmp_path / "packed")
    for kind in ("attention", "mlp"):
        of_kind = [weight for module, weight in wanted.items() if kind_of_module(module) == kind]
        assert found.kinds[kind].bits == (bits,)
        assert found.kinds[kind].declared == (bits,)
        assert found.kinds[kind].weights == sum(weight.numel() for weight in of_kind)
    assert found.kinds["head"].bits == found.kinds["embeddings"].bits == (16,)
    assert found.ignored == ("lm_head", "model.embed_tokens")
    assert found.quantized == quantized
    assert found.bytes == (tmp_path / "packed/model.safetensors").stat().st_size


def test_a_configuration_that_promises_less_is_seen(llama: Path, tmp_path: Path) -> None:
    wrong = {"quant_method": "gptq", "bits": 4}
    write_packed(llama, tmp_path / "packed", lambda module: gptq(8, 32, zeros=9), wrong)
    assert "8-bit weights (4 declared)" in str(described(tmp_path / "packed"))


def test_w4a8_is_stored_in_eight_bits(tmp_path: Path) -> None:
    group = {
        "targets": ["Linear"],
        "weights": {"num_bits": 4, "type": "int"},
        "input_activations": {"num_bits": 8, "type": "int"},
    }
    settings = {
        "quant_method": "compressed-tensors",
        "format": "int-quantized",
        "config_groups": {"group_0": group},
        "kv_cache_scheme": {"num_bits": 8, "type": "float"},
    }
    tensors = {
        "model.layers.0.self_attn.q_proj.weight": torch.zeros(8, 64, dtype=torch.int8),
        "model.layers.0.self_attn.q_proj.weight_scale": torch.zeros(8, 1, dtype=torch.bfloat16),
        "model.layers.0.mlp.gate.weight": torch.zeros(4, 64, dtype=torch.bfloat16),
        "lm_head.weight": torch.zeros(16, 64, dtype=torch.bfloat16),
    }
    found = described(write(tmp_path / "w4a8", tensors, settings))
    assert str(found).startswith(
        "int-quantized, 8-bit weights and activations (4 declared), 8-bit cache, head 16 bit, "
    )
    assert found.quantized == ("weights", "activations", "cache")
    assert found.ignored == ("lm_head", "model.layers.*.mlp.gate")
    assert found.kinds["attention"].declared == (4,)
    assert found.kinds["attention"].bytes == 8 * 64 + 8 * 2


def test_packed_integers_of_compressed_tensors_have_their_own_shape(tmp_path: Path) -> None:
    groups = {
        "group_0": {"targets": ["Linear"], "weights": {"num_bits": 4}},
        "group_1": {"targets": ["re:.*down_proj"], "weights": {"num_bits": 3}},
    }
    settings = {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "config_groups": groups,
    }
    name = "model.layers.3.mlp"
    tensors = {
        f"{name}.up_proj.weight_packed": torch.zeros(8, 64 // 8, dtype=torch.int32),
        f"{name}.up_proj.weight_shape": torch.tensor([8, 64]),
        f"{name}.down_proj.weight_packed": torch.zeros(8, 64 * 3 // 32, dtype=torch.int32),
        f"{name}.down_proj.weight_shape": torch.tensor([8, 64]),
    }
    found = described(write(tmp_path / "packed", tensors, settings))
    assert found.kinds["mlp"].bits == found.kinds["mlp"].declared == (3, 4)
    assert str(found).startswith("pack-quantized, 3 and 4-bit weights, ")


def test_the_experts_of_a_mixture_are_a_kind_of_their_own(tmp_path: Path) -> None:
    tensors = {
        "model.layers.0.mlp.experts.down_proj_blocks": torch.zeros(4, 64, 2, 16, dtype=torch.uint8),
        "model.layers.0.mlp.experts.down_proj_scales": torch.zeros(4, 64, 2, dtype=torch.uint8),
        "model.layers.0.mlp.router.weight": torch.zeros(4, 64, dtype=torch.bfloat16),
        "model.layers.0.self_attn.q_proj.weight": torch.zeros(64, 64, dtype=torch.bfloat16),
    }
    found = described(write(tmp_path / "mxfp4", tensors, {"quant_method": "mxfp4"}))
    assert found.kinds["experts"].bits == (4,)
    assert found.kinds["experts"].weights == 4 * 64 * 64
    assert found.kinds["other"].bits == (16,)
    assert str(found).startswith("mxfp4, 16-bit attention, 4-bit experts, ")


def test_four_bits_of_bitsandbytes_are_two_in_a_byte(tmp_path: Path) -> None:
    name = "model.layers.0.mlp.up_proj.weight"
    tensors = {
        name: torch.zeros(64 * 64 // 2, 1, dtype=torch.uint8),
        f"{name}.absmax": torch.zeros(64, dtype=torch.uint8),
        f"{name}.quant_state.bitsandbytes__nf4": torch.zeros(80, dtype=torch.uint8),
    }
    settings = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
    found = described(write(tmp_path / "bnb", tensors, settings))
    assert (found.format, found.kinds["mlp"].bits) == ("bitsandbytes:nf4", (4,))
    assert found.kinds["mlp"].weights == 64 * 64


def test_a_gguf_file_is_described_as_it_is(llama: Path, tmp_path: Path) -> None:
    path = write_gguf(llama, tmp_path / "tiny.gguf", kind="Q4_0")
    found = describe_gguf(read_header(path), "gguf:Q4_0")
    assert set(found.kinds) == {"attention", "mlp", "head", "embeddings"}
    assert found.kinds["mlp"].bits == (4.5,)
    assert found.bytes < path.stat().st_size


def test_no_damaged_setting_ends_in_a_traceback(llama: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(llama, tmp_path / "odd"))
    config = json.loads((folder / "config.json").read_text())
    odd: list[Any] = [3, "x", [], ["a"], {"a": 1}, None, {"group_0": None}, {"group_0": {}}]
    names = ("config_groups", "bits", "format", "kv_cache_scheme", "quant_algo", "quant_method")
    for name in (*names, "ignore", "producer", "quantization"):
        for value in odd:
            settings = {"quant_method": "compressed-tensors", name: value}
            changed = config | {"quantization_config": settings}
            (folder / "config.json").write_text(json.dumps(changed))
            with suppress(SpecError):  # a setting that cannot be meant is refused
                assert str(described(folder))
