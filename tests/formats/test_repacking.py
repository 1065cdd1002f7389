"""Weights that others packed mean the same after they are repacked for transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from tests.formats.packing import awq, gptq, modelopt_fp8, modelopt_nvfp4, write_packed
from unicomp.data.model_folder import check_folder, read_config
from unicomp.errors import SpecError
from unicomp.formats.repacking import repack
from unicomp.methods.unpacking import unpack

pytestmark = pytest.mark.filterwarnings("ignore")

IDS = torch.tensor([[5, 90, 300, 41, 7, 512]])
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 64, "desc_act": False, "sym": True}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 64, "zero_point": True, "version": "gemm"}
ROUND = {"quant_method": "auto-round", "bits": 4, "packing_format": "auto_round:auto_gptq"}
FP8 = {"quant_method": "modelopt", "quant_algo": "FP8", "ignore": ["lm_head"]}


def read(folder: Path, target: Path) -> Any:
    """The repacked model in float32, with its weights unpacked."""
    target.mkdir()
    repack({"beside": str(folder), "target": str(target)}, lambda text: None)
    check_folder(target)
    model, report = AutoModelForCausalLM.from_pretrained(
        target, dtype=torch.float32, output_loading_info=True
    )
    assert not any(report.values()), report
    unpack(model)
    with torch.no_grad():
        assert model(IDS).logits.isfinite().all()
    return model


FORMATS = {
    "gptq": (gptq(zeros=8), GPTQ),
    "gptq asymmetric": (gptq(), {**GPTQ, "sym": False}),
    "gptq second version": (gptq(second=True), {**GPTQ, "checkpoint_format": "gptq_v2"}),
    "gptq reordered": (gptq(reordered=True), {**GPTQ, "desc_act": True}),
    "gptq 8 bits": (gptq(8, 32, zeros=128), {**GPTQ, "bits": 8, "group_size": 32}),
    "gptq 3 bits": (gptq(3, 32), {**GPTQ, "bits": 3, "group_size": 32}),
    "gptq 2 bits": (gptq(2, 64, zeros=2), {**GPTQ, "bits": 2}),
    "awq": (awq(), AWQ),
    "awq symmetric": (awq(32, zeros=8), {**AWQ, "group_size": 32, "zero_point": False}),
    "auto-round": (gptq(zeros=8), ROUND),
    "auto-round as awq": (awq(zeros=8), {**ROUND, "packing_format": "auto_round:auto_awq"}),
}


@pytest.mark.parametrize("name", FORMATS)
def test_integers_mean_the_same(llama: Path, tmp_path: Path, name: str) -> None:
    pack, quantization = FORMATS[name]
    wanted = write_packed(llama, tmp_path / "packed", lambda module: pack, quantization)
    model = read(tmp_path / "packed", tmp_path / "read")
    for module, weight in wanted.items():
        found = model.get_submodule(module).weight.double()
        # a product of float16 is rounded once
        assert torch.allclose(found, weight, rtol=1e-3, atol=1e-6), module
    dense = AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32)
    for module, weight in wanted.items():
        dense.get_submodule(module).weight.data = weight.float()
    with torch.no_grad():
        assert torch.allclose(model(IDS).logits, dense(IDS).logits, rtol=0.02, atol=0.02)


def test_bits_that_differ_from_layer_to_layer_are_read_from_the_tensors(
    llama: Path, tmp_path: Path
) -> None:
    def packs(module: str) -> Any:
        return None if "q_proj" in module else gptq(8 if "down" in module else 4, 32)

    wanted = write_packed(llama, tmp_path / "packed", packs, GPTQ)
    model = read(tmp_path / "packed", tmp_path / "read")
    for module, weight in wanted.items():
        assert torch.allclose(model.get_submodule(module).weight.double(), weight, rtol=1e-3), (
            module
        )
    groups = read_config(tmp_path / "read")["quantization_config"]["config_groups"].values()
    assert sorted(group["weights"]["num_bits"] for group in groups) == [4, 8]
    assert not any("q_proj" in name for group in groups for name in group["targets"])


@pytest.mark.parametrize("own_file", [True, False])
def test_modelopt_means_the_same(llama: Path, tmp_path: Path, own_file: bool) -> None:
    def packs(module: str) -> Any:
        return modelopt_fp8 if "self_attn" in module else modelopt_nvfp4

    settings = None if own_file else {**FP8, "quant_algo": "MIXED_PRECISION"}
    wanted = write_packed(llama, tmp_path / "packed", packs, settings)
    content = {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "MIXED_PRECISION"}}
    if own_file:
        (tmp_path / "packed/hf_quant_config.json").write_text(json.dumps(content))
    model = read(tmp_path / "packed", tmp_path / "read")
    for module, weight in wanted.items():
        found = model.get_submodule(module).weight.double()
        assert torch.allclose(found, weight, rtol=1e-5, atol=1e-9), module
    quantization = read_config(tmp_path / "read")["quantization_config"]
    assert quantization["format"] == "mixed-precision"
    kinds = {
        group["format"]: group["input_activations"]
        for group in quantization["config_groups"].values()
    }
    assert kinds["float-quantized"]["strategy"] == "tensor"
    assert kinds["nvfp4-pack-quantized"]["dynamic"] == "local"
    assert not (tmp_path / "read/hf_quant_config.json").exists()


def test_the_scales_of_the_cache_are_kept(llama: Path, tmp_path: Path) -> None:
    write_packed(llama, tmp_path / "packed", lambda module: modelopt_fp8, FP8)
    path = tmp_path / "packed/model.safetensors"
    tensors = load_file(path)
    for layer in range(2):
        for kind in "kv":
            name = f"model.layers.{layer}.self_attn.{kind}_proj.{kind}_scale"
            tensors[name] = torch.tensor(0.25)
    save_file(tensors, path, metadata={"format": "pt"})
    model = read(tmp_path / "packed", tmp_path / "read")
    assert float(model.model.layers[1].self_attn.k_scale) == 0.25
    assert read_config(tmp_path / "read")["quantization_config"]["kv_cache_scheme"]["num_bits"] == 8


def test_tensors_that_do_not_belong_together_are_refused(llama: Path, tmp_path: Path) -> None:
    write_packed(llama, tmp_path / "packed", lambda module: gptq(), GPTQ)
    path = tmp_path / "packed/model.safetensors"
    tensors = load_file(path)
    name = "model.layers.1.mlp.up_proj.scales"
    for change in (tensors[name][:, :3].clone(), None):
        changed = tensors | ({name: change} if change is not None else {})
        if change is None:
            del changed[name]
        save_file(changed, path, metadata={"format": "pt"})
        target = tmp_path / f"read-{change is None}"
        target.mkdir()
        with pytest.raises(SpecError, match=r"tensors of model.layers.1.mlp.up_proj do not belong"):
            repack({"beside": str(path.parent), "target": str(target)}, lambda text: None)


def test_a_folder_without_packed_weights_is_refused(llama: Path, tmp_path: Path) -> None:
    write_packed(llama, tmp_path / "packed", lambda module: None, GPTQ)
    (tmp_path / "read").mkdir()
    with pytest.raises(SpecError, match="says that it is quantized, and holds no packed weights"):
        repack({"beside": str(tmp_path / "packed"), "target": str(tmp_path / "read")}, print)
