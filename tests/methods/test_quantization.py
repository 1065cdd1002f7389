"""Schemes, algorithms and what is stored: built on tiny models, held to the guarantees."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.families import EMBEDDED, write_model
from unicomp.errors import BuildError
from unicomp.methods.combination import combined
from unicomp.methods.fidelity import EXPECTED
from unicomp.methods.inspection import inspect_checkpoint
from unicomp.methods.quantization import quantized
from unicomp.methods.schemes import SCHEMES, Scheme
from unicomp.methods.unpacking import unpack_exactly
from unicomp.spec import Calibration, Guarantees, Method, Rounding

TEXT = Calibration(name="few", samples=("A lamp stands on the table by the window.",), tokens=16)
PROBES = [[1, 2, 3]]
BUILT: dict[str, tuple[str, int, float]] = {
    "W4A16": ("pack-quantized", 4, 4),
    "W4A16_ASYM": ("pack-quantized", 4, 4),
    "W4A8": ("int-quantized", 4, 8),
    "W8A8": ("int-quantized", 8, 8),
    "FP8": ("float-quantized", 8, 8),
    "FP8_DYNAMIC": ("float-quantized", 8, 8),
    "FP8_BLOCK": ("float-quantized", 8, 8),
    "NVFP4A16": ("nvfp4-pack-quantized", 4, 4),
    "NVFP4": ("nvfp4-pack-quantized", 4, 4),
    "MXFP4": ("mxfp4-pack-quantized", 4, 4),
    "MXFP8": ("mxfp8-quantized", 8, 8),
}
"""Scheme → stored format, bits that it promises, and bits that a stored weight takes."""

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"), "llama", num_hidden_layers=1)


def built(method: Method, source: Path, folder: Path) -> Path:
    assert method.compress is not None
    method.compress(source, folder / "model", TEXT)
    return folder / "model"


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=lambda scheme: scheme.name)
def test_the_table_of_schemes_says_what_the_library_does(scheme: Scheme) -> None:
    preset = scheme.preset
    weights, inputs = preset.weights, preset.input_activations
    assert (weights.num_bits, weights.type) == (scheme.bits, scheme.type)
    assert (weights.group_size, weights.symmetric) == (scheme.group_size, scheme.symmetric)
    assert tuple(weights.block_structure or ()) == (scheme.block or ())
    rounded = inputs and Rounding(bits=inputs.num_bits, type=inputs.type, dynamic=inputs.dynamic)
    assert rounded == scheme.activations


@pytest.mark.parametrize("scheme", BUILT)
def test_a_build_is_what_its_scheme_promises_and_what_was_in_memory(
    scheme: str, source: Path, tmp_path: Path
) -> None:
    method = quantized("method", scheme=scheme)
    folder = built(method, source, tmp_path)
    facts = inspect_checkpoint(source, folder, method.guarantees, PROBES)
    stored_format, bits, stored_bits = BUILT[scheme]
    assert method.guarantees.format == stored_format
    assert (facts["bits"], facts["stored_bits"], facts["matrices"]) == (bits, stored_bits, 7)
    assert facts["weight_error"] == facts["logit_error"] == 0
    wasted = facts["bytes"] - facts["ideal_bytes"]
    weights = 2 * 128 * 128 + 2 * 64 * 128 + 3 * 128 * 256
    assert wasted == (stored_bits - bits) * weights / 8, "of a scheme that is stored larger"
    assert not (tmp_path / EXPECTED).exists()


def test_a_rounded_cache_is_a_guarantee_too(source: Path, tmp_path: Path) -> None:
    method = quantized("method", scheme="FP8_DYNAMIC", cache="fp8")
    folder = built(method, source, tmp_path)
    inspect_checkpoint(source, folder, method.guarantees, PROBES)
    without = quantized("method", scheme="FP8_DYNAMIC").guarantees
    with pytest.raises(BuildError, match=r"says 8-bit float \(static\) for the cache, not full"):
        inspect_checkpoint(source, folder, without, PROBES)


@pytest.mark.parametrize(
    ("guaranteed", "message"),
    [
        ("FP8_BLOCK", r"has scales of shape \[128, 1\], not \[1, 2\]"),
        ("W8A8", "format float-quantized, not int-quantized"),
        ("FP8", r"says 8-bit float \(dynamic\) for the inputs of .*, not 8-bit float \(static\)"),
    ],
)
def test_another_scheme_than_the_guaranteed_one_is_found(
    guaranteed: str, message: str, source: Path, tmp_path: Path
) -> None:
    folder = built(quantized("method", scheme="FP8_DYNAMIC"), source, tmp_path)
    guarantees = quantized("method", scheme=guaranteed).guarantees
    with pytest.raises(BuildError, match=message):
        inspect_checkpoint(source, folder, guarantees, PROBES)


@pytest.mark.parametrize(
    ("tensor", "change", "message"),
    [
        ("self_attn.q_proj.weight_packed", lambda t: t ^ 1, "q_proj.weight is not what was"),
        ("mlp.up_proj.weight_scale", lambda t: t * 1.01, "up_proj.weight is not what was"),
        ("input_layernorm.weight", lambda t: t * 1.01, "input_layernorm.weight is not what was"),
    ],
    ids=["packed", "scale", "norm"],
)
def test_one_tensor_that_is_altered_after_the_build_is_named(
    tensor: str, change: Any, message: str, source: Path, tmp_path: Path
) -> None:
    method = quantized("method", scheme="W4A16")
    folder = built(method, source, tmp_path)
    path, name = folder / "model.safetensors", f"model.layers.0.{tensor}"
    weights = load_file(path)
    save_file(weights | {name: change(weights[name])}, path, metadata={"format": "pt"})
    with pytest.raises(BuildError, match=message):
        inspect_checkpoint(source, folder, method.guarantees, PROBES)


def test_one_altered_weight_of_thousands_is_found(source: Path, tmp_path: Path) -> None:
    method = quantized("method", scheme="FP8_DYNAMIC")
    folder = built(method, source, tmp_path)
    path, name = folder / "model.safetensors", "model.layers.0.mlp.down_proj.weight"
    weights = load_file(path)
    altered = weights[name].float()
    altered[5, 7] = -altered[5, 7]
    save_file(weights | {name: altered.to(weights[name].dtype)}, path, metadata={"format": "pt"})
    with pytest.raises(BuildError, match=r"down_proj\.weight is not what was compressed"):
        inspect_checkpoint(source, folder, method.guarantees, PROBES)


def test_a_lost_scale_of_activations_changes_the_answers(source: Path, tmp_path: Path) -> None:
    method = quantized("method", scheme="FP8")
    folder = built(method, source, tmp_path)
    path, name = folder / "model.safetensors", "model.layers.0.mlp.down_proj.input_scale"
    weights = load_file(path)
    save_file(weights | {name: weights[name] * 0.01}, path, metadata={"format": "pt"})
    with pytest.raises(BuildError, match="does not answer like the compressed model in memory"):
        inspect_checkpoint(source, folder, method.guarantees, PROBES)


@pytest.mark.parametrize("scheme", ["MXFP4", "NVFP4A16"])
def test_four_bit_floats_are_unpacked_in_the_precision_of_the_model(
    scheme: str, source: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    folder = built(quantized("method", scheme=scheme), source, tmp_path)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    unpack_exactly(model)
    with torch.no_grad():
        assert model(torch.tensor(PROBES)).logits.isfinite().all()
    assert model.model.layers[0].mlp.up_proj.weight.dtype == torch.float32


def test_a_head_of_another_name_has_the_precision_of_its_model(tmp_path: Path) -> None:
    """Transformers renames the head of GPT-NeoX, and leaves it in the stored precision."""
    import transformers

    source = tmp_path / "source"
    config = transformers.GPTNeoXConfig(
        vocab_size=1024,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=1,
        num_attention_heads=4,
    )
    transformers.GPTNeoXForCausalLM(config).bfloat16().save_pretrained(source)
    for path in EMBEDDED.glob("tokenizer*"):
        shutil.copy(path, source)
    method = quantized("method", scheme="W4A16", algorithm="gptq")
    folder = built(method, source, tmp_path)
    inspect_checkpoint(source, folder, method.guarantees, PROBES)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    unpack_exactly(model)
    with torch.no_grad():
        assert model(torch.tensor(PROBES)).logits.dtype == torch.float32


def test_a_student_is_quantized_after_it_was_trained(source: Path, tmp_path: Path) -> None:
    """The first method gets the workshop; the second one compresses what it left."""
    given: list[Any] = []

    def train(source: Path, target: Path, calibration: Calibration, workshop: Any) -> Any:
        given.append(workshop)
        shutil.copytree(source, target)
        (target.parent / "loss.jsonl").write_text("{}\n")
        return {"tokens": 7}

    student = Method(
        name="student",
        family="distillation",
        compress=train,
        corpus="generic",
        guarantees=Guarantees(shape={"layers": 1}),
    )
    both = combined("both", student, quantized("fp8", scheme="FP8_DYNAMIC"))
    assert (both.corpus, both.family, both.also) == ("generic", "distillation", "quantization")
    assert both.compress is not None
    facts = both.compress(source, tmp_path / "model", TEXT, "the workshop")
    assert (given, facts) == (["the workshop"], {"tokens": 7})
    assert (tmp_path / "loss.jsonl").exists()
    found = inspect_checkpoint(source, tmp_path / "model", both.guarantees, PROBES)
    whole = sum(weight.numel() for weight in load_file(source / "model.safetensors").values())
    assert (found["parameters"], found["bits"]) == (whole, 8)


def test_a_student_of_widths_that_do_not_fit_is_refused_before_it_is_trained() -> None:
    config = json.loads(
        (Path(__file__).parents[2] / "fixtures/embedded/model/config.json").read_text()
    )
    student = Method(
        name="student",
        family="distillation",
        compress=lambda *_: None,
        corpus="generic",
        guarantees=Guarantees(shape={"hidden": 96, "multiple": 1}),
    )
    both = combined("both", student, quantized("rtn", scheme="W4A16"))
    assert str(both.why_unsupported(config)).startswith("of its student, hidden_size 96 is not")
