"""A folder is accepted only if every weight of its model is stored, read, and a number."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.families import write_model
from tests.folder_fuzz import into_fp8, into_shards
from unicomp.admission.weights import (
    changed_settings,
    check_finite,
    check_weights,
    is_identical,
)
from unicomp.admission.worker import outcome
from unicomp.data.model_folder import check_folder
from unicomp.data.weight_files import INDEX, SINGLE, beside, headers, parameters, size
from unicomp.errors import SpecError

DOWN = "model.layers.1.mlp.down_proj.weight"
NORM = "model.layers.0.input_layernorm.weight"
HEAD, EMBEDDINGS = "lm_head.weight", "model.embed_tokens.weight"
NARROW = {"hidden_size": 32, "intermediate_size": 48, "head_dim": 8}

Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder for each family, written once."""
    place = tmp_path_factory.mktemp("families")

    def source(family: str) -> Path:
        folder = place / family
        return folder if folder.exists() else write_model(folder, family, **NARROW)

    return source


@pytest.fixture
def copy(sources: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a family's folder, to damage."""
    return lambda family: Path(shutil.copytree(sources(family), tmp_path / family))


@pytest.fixture
def folder(copy: Callable[[str], Path]) -> Path:
    return copy("llama")


def change(folder: Path, edit: Callable[[Weights], Weights | None]) -> None:
    """Rewrite the weights of a folder."""
    weights = load_file(folder / SINGLE)
    changed = edit(weights) or weights
    whole = {name: weight.clone().contiguous() for name, weight in changed.items()}
    save_file(whole, folder / SINGLE, metadata={"format": "pt"})


def configure(folder: Path, **settings: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def check(folder: Path) -> list[str]:
    """Both checks, the one without torch first."""
    check_folder(folder)
    return check_weights(folder)


@pytest.mark.parametrize("family", ["llama", "llama_tied", "qwen2", "qwen3", "qwen3_moe"])
def test_a_sound_folder_is_accepted(copy: Callable[[str], Path], family: str) -> None:
    folder = copy(family)
    assert check(folder) == []
    into_shards(folder, 3)
    assert check(folder) == []
    assert beside(folder) == []


# -- what the loading report says ---------------------------------------------------------------


def without(*names: str) -> Callable[[Weights], Weights]:
    return lambda weights: {
        name: weight for name, weight in weights.items() if not any(n in name for n in names)
    }


def with_value(name: str, value: float) -> Callable[[Weights], None]:
    def edit(weights: Weights) -> None:
        weights[name].view(-1)[-1] = value

    return edit


def replaced(name: str, make: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Weights], None]:
    def edit(weights: Weights) -> None:
        weights[name] = make(weights[name])

    return edit


def prefixed(prefix: str) -> Callable[[Weights], Weights]:
    return lambda weights: {prefix + name: weight for name, weight in weights.items()}


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (without(DOWN), rf"lacks {DOWN}, and transformers would draw random weights"),
        (without("model.norm"), "lacks model.norm.weight"),
        (without(HEAD), "lacks lm_head.weight, .*set tie_word_embeddings to true"),
        (without("layers.1."), r"lacks model.layers.1.\S+ and 8 more tensors"),
        (replaced(DOWN, lambda w: w.T), r"with the shape \[48, 32\], .* makes it \[32, 48\]"),
        (replaced(DOWN, lambda w: w[:-1]), r"with the shape \[31, 48\]"),
        (replaced(DOWN, lambda w: w[:0]), r"with the shape \[0, 48\]"),
        (replaced(NORM, lambda w: w[None]), r"with the shape \[1, 32\]"),
        (lambda w: w | {"model.layers.1.mlp.bias": w[NORM]}, "stores model.layers.1.mlp.bias, wh"),
        (with_value(NORM, float("inf")), f"{NORM} with NaN or infinity in 1 of 32"),
        (with_value(DOWN, float("nan")), f"{DOWN} with NaN or infinity in 1 of 1536"),
        (with_value(EMBEDDINGS, float("-inf")), "NaN or infinity"),
        (replaced(DOWN, lambda w: w.view(torch.uint8)), "as U8, and its config.json has no quanti"),
        (replaced(DOWN, lambda w: w.to(torch.float8_e4m3fn)), "as F8_E4M3, and its config.json"),
        (replaced(DOWN, lambda w: w.view(torch.float16)), "as F16 and .* as BF16"),
        (prefixed("base_model.model."), "the prefix 'base_model.model.' comes from PEFT"),
        (prefixed("module."), "the prefix 'module.' comes from DataParallel"),
        (prefixed("_orig_mod."), "the prefix '_orig_mod.' comes from torch.compile"),
        (prefixed("student."), "with the prefix student."),
        (lambda w: w | {"a.lora_A.weight": w[NORM]}, "part of an adapter"),
        (lambda w: w | {"a.weight_packed": w[NORM]}, "a.weight_packed of a quantized model"),
        (lambda w: w | {"a.qweight": w[NORM]}, "its config.json has no quantization_config"),
    ],
)
def test_weights_that_are_not_those_of_the_model_are_refused(
    folder: Path, edit: Callable[[Weights], Weights | None], reason: str
) -> None:
    change(folder, edit)
    with pytest.raises(SpecError, match=reason) as caught:
        check(folder)
    assert str(caught.value).isprintable()
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"num_hidden_layers": 1}, r"stores model.layers.1.\S+ and 8 more tensors, which Llama"),
        ({"num_hidden_layers": 3}, r"lacks model.layers.2.\S+ and 8 more tensors"),
        ({"num_hidden_layers": 5000}, "stores 21 tensors, and its config.json says 5000 layers"),
        ({"vocab_size": 1040}, r"shape \[1024, 32\], and its config.json makes it \[1040, 32\]"),
        ({"hidden_size": 2**30}, "with the shape"),
        ({"num_key_value_heads": 4}, "k_proj.weight with the shape"),
        ({"attention_bias": True}, r"lacks model.layers.0.self_attn.k_proj.bias and"),
        ({"tie_word_embeddings": True}, "with different values, .*tie_word_embeddings to false"),
        ({"model_type": "no_such_type"}, "cannot be loaded by transformers"),
        ({"model_type": "bert", "architectures": ["BertModel"]}, "lacks |stores |cannot be loaded"),
        ({"compression_config": {"format": "dense"}}, "has a compression_config of an old release"),
        ({"auto_map": {"AutoConfig": "own.Config"}, "model_type": "own"}, "needs code of its own"),
        ({"pad_token_id": 5000}, "cannot be loaded"),
        ({"transformers_weights": "consolidated.safetensors"}, "rename that file"),
        ({"rope_parameters": {"rope_type": "nonsense"}}, "cannot be loaded"),
    ],
)
def test_settings_that_do_not_fit_the_weights_are_refused(
    folder: Path, settings: dict[str, Any], reason: str
) -> None:
    configure(folder, **settings)
    with pytest.raises(SpecError, match=reason) as caught:
        check(folder)
    assert str(caught.value).isprintable()


def test_a_prefix_that_transformers_takes_off_itself_is_accepted(folder: Path) -> None:
    change(folder, prefixed("model."))
    assert check(folder) == []


def test_a_mixture_that_lacks_one_expert_is_refused(copy: Callable[[str], Path]) -> None:
    folder = copy("qwen3_moe")
    change(folder, without("layers.1.mlp.experts.2."))
    with pytest.raises(SpecError, match=r"layers\.1\.mlp\.experts|cannot be loaded"):
        check(folder)


def test_a_tied_head_is_not_missing_and_may_be_stored_again(copy: Callable[[str], Path]) -> None:
    folder = copy("llama_tied")
    assert HEAD not in headers(folder)
    change(folder, lambda weights: weights | {HEAD: weights[EMBEDDINGS]})
    assert check(folder) == []
    change(folder, with_value(HEAD, 3.0))
    with pytest.raises(SpecError, match=r"lm_head\.weight and model\.embed_tokens\.weight with di"):
        check(folder)


@pytest.mark.parametrize(
    ("name", "settings", "what"),
    [
        ("mtp.layers.0.mlp.up_proj.weight", {}, "further prediction heads"),
        (
            "model.layers.2.eh_proj.weight",
            {"num_nextn_predict_layers": 1},
            "further prediction heads",
        ),
        ("visual.blocks.0.attn.qkv.weight", {}, "a vision tower"),
        ("model.vision_tower.encoder.weight", {}, "a vision tower"),
    ],
)
def test_a_known_extra_is_named_and_not_refused(
    folder: Path, name: str, settings: dict[str, Any], what: str
) -> None:
    change(folder, lambda weights: weights | {name: weights[DOWN]})
    configure(folder, **settings)
    (note,) = check(folder)
    assert note == f"stores tensors that are not used: {what} (1)"


def test_weights_of_every_type_are_read(folder: Path, tmp_path: Path) -> None:
    """A scalar, an empty tensor and types of eight bits are compared and searched for NaN."""
    narrow = {
        "scalar": torch.tensor(1.0),
        "empty": torch.zeros(0, 4),
        "e4m3": torch.ones(4).to(torch.float8_e4m3fn),
        "e8m0": torch.ones(4).to(torch.float8_e8m0fnu),
        "packed": torch.ones(4, dtype=torch.uint8),
    }
    change(folder, lambda weights: narrow)
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    check_finite(folder)
    assert is_identical(folder, other)
    change(other, lambda weights: weights | {"packed": torch.zeros(4, dtype=torch.uint8)})
    assert not is_identical(folder, other)
    change(other, with_value("e4m3", float("nan")))
    with pytest.raises(SpecError, match="e4m3 with NaN"):
        check_finite(other)


def test_null_as_quantization_is_a_model_in_full_precision(folder: Path) -> None:
    configure(folder, quantization_config=None)
    assert check(folder) == []


# -- quantized ----------------------------------------------------------------------------------


@pytest.fixture
def quantized(folder: Path) -> Path:
    into_fp8(folder)
    return folder


def test_a_quantized_folder_is_accepted(quantized: Path) -> None:
    assert check(quantized) == []


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (without(f"{DOWN}_scale"), rf"lacks {DOWN}_scale, the scale of {DOWN}"),
        (without(DOWN), "lacks model.layers.1.mlp.down_proj"),
        (replaced(f"{DOWN}_scale", lambda w: w[:-1]), r"with the shape \[31, 1\]"),
        (replaced(DOWN, lambda w: w[:-1]), r"with the shape \[31, 48\]"),
        (replaced(EMBEDDINGS, lambda w: w[:-1]), r"with the shape \[1023, 32\]"),
        (replaced(NORM, lambda w: w[:-1]), r"with the shape \[31\]"),
        (with_value(f"{DOWN}_scale", float("nan")), "NaN or infinity"),
        (replaced(DOWN, lambda w: w.view(torch.uint8)), "as U8, which is no type of weights"),
        (
            replaced(EMBEDDINGS, lambda w: w.view(torch.int16)),
            "as I16, which is no type of weights",
        ),
        (replaced(f"{DOWN}_scale", lambda w: w.view(torch.int16)), "which is no type of scales"),
        (replaced(f"{DOWN}_scale", lambda w: w.view(torch.float16)), "as F16 and .* as BF16"),
        (lambda w: w | {f"{DOWN}_shift": w[NORM]}, f"stores {DOWN}_shift"),
    ],
)
def test_a_damaged_quantized_folder_is_refused(
    quantized: Path, edit: Callable[[Weights], Weights | None], reason: str
) -> None:
    change(quantized, edit)
    with pytest.raises(SpecError, match=reason):
        check(quantized)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (without(f"{DOWN}_scale_inv"), rf"lacks {DOWN}_scale, the scale of {DOWN}"),
        (
            replaced(f"{DOWN}_scale_inv", lambda w: w[:, :1]),
            r"blocks of \[16, 16\] make it \[2, 3\]",
        ),
        (lambda w: None, None),
    ],
)
def test_blocks_of_fp8_need_their_scales(
    folder: Path, edit: Callable[[Weights], Weights | None], reason: str | None
) -> None:
    def quantize(weights: Weights) -> None:
        for name in [name for name in weights if "_proj" in name]:
            rows, columns = weights[name].shape
            weights[name] = weights[name].to(torch.float8_e4m3fn)
            weights[f"{name}_scale_inv"] = torch.ones(-(-rows // 16), -(-columns // 16))

    change(folder, quantize)
    change(folder, edit)
    method = {"quant_method": "fp8", "weight_block_size": [16, 16], "activation_scheme": "dynamic"}
    configure(folder, quantization_config=method)
    if reason is None:
        assert check(folder) == []
    else:
        with pytest.raises(SpecError, match=reason):
            check(folder)


def test_a_scale_of_eight_bits_that_is_no_number_is_refused(folder: Path) -> None:
    scale = torch.tensor([[7, 255]], dtype=torch.uint8)
    change(folder, lambda weights: weights | {"model.layers.0.mlp.down_proj.weight_scale": scale})
    configure(folder, quantization_config={"quant_method": "compressed-tensors"})
    with pytest.raises(SpecError, match="weight_scale with NaN"):
        check(folder)


def test_a_lost_quantization_config_is_refused(quantized: Path) -> None:
    configure(quantized, quantization_config=None)
    with pytest.raises(SpecError, match=r"its config.json has no quantization_config: restore it"):
        check(quantized)


def test_a_format_that_only_a_server_can_load_is_a_note_for_a_server(quantized: Path) -> None:
    configure(quantized, quantization_config={"quant_method": "awq", "bits": 4})
    with pytest.raises(SpecError, match=r"cannot be loaded by transformers here .*--engine vllm"):
        check_weights(quantized)
    (note,) = check_weights(quantized, serves=True)
    assert "were not compared with its architecture" in note


# -- one set of weights -------------------------------------------------------------------------


def test_a_second_set_is_named_and_not_counted(folder: Path) -> None:
    before = (size(folder), parameters(folder))
    shutil.copyfile(folder / SINGLE, folder / "consolidated.safetensors")
    shutil.copyfile(folder / SINGLE, folder / "pytorch_model.bin")
    (folder / "training_args.bin").write_bytes(b"settings of a training")
    assert (size(folder), parameters(folder)) == before
    assert beside(folder) == ["consolidated.safetensors", "pytorch_model.bin"]
    assert check(folder) == []


def test_a_single_file_counts_before_an_index_as_in_transformers(folder: Path) -> None:
    single = (folder / SINGLE).read_bytes()
    into_shards(folder, 2)
    before = parameters(folder)
    (folder / SINGLE).write_bytes(single)
    assert parameters(folder) == before
    assert size(folder) == len(single)
    assert len(beside(folder)) == 3


def shard(folder: Path, number: int) -> Path:
    return folder / f"model-0000{number}-of-00003.safetensors"


def test_a_lost_shard_in_the_middle_is_refused(folder: Path) -> None:
    into_shards(folder, 3)
    shard(folder, 2).unlink()
    with pytest.raises(SpecError, match=r"lacks model-00002-of-00003.safetensors, which its index"):
        check(folder)


def test_an_index_that_names_a_tensor_which_its_shard_lacks_is_refused(folder: Path) -> None:
    into_shards(folder, 3)
    weights = load_file(shard(folder, 2))
    gone = sorted(weights)[0]
    del weights[gone]
    save_file(weights, shard(folder, 2), metadata={"format": "pt"})
    with pytest.raises(SpecError, match=f"puts {gone} into .*, which does not hold it"):
        check(folder)


def test_a_tensor_in_two_shards_is_refused(folder: Path) -> None:
    into_shards(folder, 3)
    twice = load_file(shard(folder, 1)) | load_file(shard(folder, 2))
    save_file(twice, shard(folder, 2), metadata={"format": "pt"})
    with pytest.raises(SpecError, match=r"twice, in model-00001.* and model-00002"):
        check(folder)


def test_a_shard_with_a_tensor_that_no_model_needs_is_refused(folder: Path) -> None:
    into_shards(folder, 3)
    more = load_file(shard(folder, 3)) | {"model.layers.0.mlp.old.weight": torch.zeros(2, 2)}
    save_file(more, shard(folder, 3), metadata={"format": "pt"})
    with pytest.raises(SpecError, match=r"stores model\.layers\.0\.mlp\.old\.weight"):
        check(folder)


def test_an_index_that_leaves_out_a_shard_is_refused(folder: Path) -> None:
    into_shards(folder, 3)
    index = json.loads((folder / INDEX).read_text())
    where = index["weight_map"].items()
    index["weight_map"] = {name: one for name, one in where if one != shard(folder, 2).name}
    (folder / INDEX).write_text(json.dumps(index))
    with pytest.raises(SpecError, match=r"lacks .* more tensors"):
        check(folder)
    assert shard(folder, 2).name in beside(folder)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("consolidated.safetensors", "a name that transformers does not look for"),
        ("adapter.safetensors", "a name that transformers does not look for"),
        ("model-00001-of-00002.safetensors", "but no model.safetensors.index.json"),
        ("pytorch_model.bin", "only as pytorch_model.bin, a pickle"),
        ("model.gguf", "only as model.gguf"),
    ],
)
def test_weights_under_a_name_that_nobody_looks_for_are_refused(
    folder: Path, name: str, reason: str
) -> None:
    (folder / SINGLE).rename(folder / name)
    with pytest.raises(SpecError, match=reason):
        check(folder)


# -- the outcome --------------------------------------------------------------------------------


def test_a_setting_that_the_baseline_has_otherwise_is_named(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    configure(copy, rms_norm_eps=0.5)
    assert changed_settings(copy, folder) == ["rms_norm_eps = 0.5 (baseline: 1e-06)"]
    assert changed_settings(folder, folder) == []


def test_an_uncompressed_copy_is_said_to_be_identical(folder: Path, tmp_path: Path) -> None:
    baseline = Path(shutil.copytree(folder, tmp_path / "baseline"))
    into_shards(folder, 2)
    assert outcome(folder, baseline) == {
        "notes": ["its tensors are identical to the baseline's: nothing was compressed"]
    }
    into_shards(baseline, 1)
    change_one = shard_of_one(baseline)
    weights = load_file(change_one)
    weights[NORM][0] += 1
    save_file(weights, change_one, metadata={"format": "pt"})
    assert outcome(folder, baseline) == {"notes": []}


def shard_of_one(folder: Path) -> Path:
    return folder / "model-00001-of-00001.safetensors"


def test_whatever_happens_in_a_check_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Panic(BaseException):
        """Not an Exception, as a panic of a library in Rust."""

    def panic(*arguments: object, **settings: object) -> None:
        raise Panic("index out of bounds\nat line 3")

    monkeypatch.setattr("unicomp.admission.worker.check_weights", panic)
    refused = outcome(folder)["refused"]
    assert refused == (
        f"{folder} cannot be read (Panic: index out of bounds): save it again with save_pretrained"
    )
