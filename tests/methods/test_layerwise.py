"""One layer in float32 at a time: the result is that of a build in float32, in less memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.compression_memory_table import Whole
from tests.families import write_model
from unicomp.data.weight_files import tensors
from unicomp.methods import oneshot
from unicomp.methods.inspection import inspect_checkpoint
from unicomp.methods.layerwise import LayerByLayer
from unicomp.methods.pruning import sparsegpt, wanda
from unicomp.methods.quantization import awq, gptq, quantized
from unicomp.spec import Calibration, Method

TEXT = Calibration(
    name="few", samples=("A lamp stands on the table.", "What is 7 plus 5? It is 12."), tokens=16
)
METHODS = {
    "wanda": wanda("wanda", sparsity=0.5, pattern=(2, 4)),
    "sparsegpt": sparsegpt("sparsegpt", sparsity=0.5),
    "gptq": gptq("gptq"),
    "awq": awq("awq"),
    "fp8": quantized("fp8", scheme="FP8_DYNAMIC"),
}

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"), "llama", num_hidden_layers=2)


def built(method: Method, source: Path, folder: Path) -> dict[str, torch.Tensor]:
    """The stored tensors of a build in `folder`, which is as the method guarantees."""
    assert method.compress is not None
    method.compress(source, folder / "model", TEXT)
    found = {name: entry[:].clone() for name, entry in tensors(folder / "model")}
    facts = inspect_checkpoint(source, folder / "model", method.guarantees, [[1, 2, 3]])
    assert facts["weight_error"] == facts["logit_error"] == 0
    return found


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    assert one.keys() == other.keys()
    return all(
        one[name].dtype == other[name].dtype and torch.equal(one[name].float(), value.float())
        for name, value in other.items()
    )


@pytest.mark.parametrize("name", METHODS)
def test_a_build_layer_by_layer_is_that_of_all_layers_in_float32(
    name: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = built(METHODS[name], source, tmp_path / "ours")
    monkeypatch.setattr(oneshot, "LayerByLayer", Whole)
    assert same(ours, built(METHODS[name], source, tmp_path / "whole"))


def test_a_model_that_memory_cannot_hold_is_built_from_the_disk(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from compressed_tensors.offload import load

    usual = [built(METHODS[name], source, tmp_path / name) for name in ("wanda", "gptq")]
    used: list[Path] = []
    unlink = oneshot.shutil.rmtree

    def seen(folder: Path, **settings: Any) -> None:
        used.extend(folder.glob("*.safetensors"))
        unlink(folder, **settings)

    monkeypatch.setattr(oneshot, "free", lambda: 0)
    monkeypatch.setattr(load, "_get_cpu_memory", lambda *_: {"cpu": 700_000})
    monkeypatch.setattr(oneshot.shutil, "rmtree", seen)
    for name, wanted in zip(("wanda", "gptq"), usual, strict=True):
        assert same(wanted, built(METHODS[name], source, tmp_path / "disk" / name))
        assert used
        used.clear()
        assert not (tmp_path / "disk" / name / oneshot.SPILLED).exists()


@pytest.fixture
def model(source: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(source, dtype=torch.bfloat16).eval()


def wide(model: Any) -> set[str]:
    """The matrices that are in float32."""
    return {
        name
        for name, value in model.named_parameters()
        if value.dim() > 1 and value.dtype == torch.float32
    }


def test_one_layer_is_in_float32_and_the_answers_are_those_of_float32(
    model: Any, source: Path
) -> None:
    from transformers import AutoModelForCausalLM

    ids = torch.tensor([[1, 2, 3, 4]])
    seen = []
    hidden: list[torch.Tensor] = []
    for layer in model.model.layers:
        layer.register_forward_hook(lambda *_: seen.append(wide(model)))
    model.model.norm.register_forward_hook(lambda _, __, output: hidden.append(output))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with LayerByLayer(model, torch.bfloat16), torch.no_grad():
        model(ids)
    assert [{name.split(".")[2] for name in one} for one in seen] == [{"0"}, {"1"}]
    assert all(len(one) == 7 for one in seen)
    assert not wide(model)
    after = model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    whole = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).eval()
    with torch.no_grad():
        assert torch.equal(hidden[0], whole.model(ids).last_hidden_state)


@given(st.integers(-128, 127), st.floats(1e-6, 1e3))
def test_an_integer_of_eight_bits_is_found_again_behind_bfloat16(
    integer: int, scale: float
) -> None:
    step = torch.tensor(scale).bfloat16().float()
    weight = (integer * step).bfloat16().float()
    assert int((weight / step).round()) == integer
