"""The inspection counts zeros, patterns and levels as they are defined."""

import json
import math
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from unicomp.errors import BuildError
from unicomp.methods.inspection import inspect_checkpoint
from unicomp.methods.precision import bits_used, declared_bits, declared_precision, most_levels
from unicomp.methods.stored_weights import headers, parameters
from unicomp.methods.zeros import broken_groups
from unicomp.spec import Guarantees

QKVO = [f"model.layers.0.self_attn.{name}_proj.weight" for name in "qkvo"]
PROBES = [[1, 2, 3]]


@st.composite
def matrices(draw: st.DrawFn) -> torch.Tensor:
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 12))
    values = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 2.0])
    row = st.lists(values, min_size=columns, max_size=columns)
    return torch.tensor(draw(st.lists(row, min_size=rows, max_size=rows)))


@given(matrices(), st.sampled_from([(2, 4), (1, 4), (1, 2), (4, 8), (1, 3)]))
def test_broken_groups_are_those_with_too_many_weights(
    weight: torch.Tensor, pattern: tuple[int, int]
) -> None:
    n, m = pattern
    expected = 0
    for row in weight.tolist():
        groups = [row[start : start + m] for start in range(0, len(row), m)]
        expected += sum(
            len(group) < m or sum(value != 0 for value in group) > m - n for group in groups
        )
    assert broken_groups(weight, n, m) == expected


@given(matrices(), st.integers(1, 4))
def test_levels_are_the_distinct_values_of_a_group(weight: torch.Tensor, group: int) -> None:
    whole = weight.shape[1] - weight.shape[1] % group
    expected = max(
        (
            len(set(row[start : start + group]))
            for row in weight[:, :whole].tolist()
            for start in range(0, whole, group)
        ),
        default=0,
    )
    assert most_levels(weight, group) == expected


@given(st.integers(2, 8), st.integers(0, 2**32 - 1))
def test_rounded_weights_have_at_most_two_to_the_bits_levels(bits: int, seed: int) -> None:
    weight = torch.randn(3, 128, generator=torch.Generator().manual_seed(seed))
    scale = weight.abs().max() / (2 ** (bits - 1) - 0.5)
    rounded = (weight / scale).round().clamp(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) * scale
    assert most_levels(rounded, 64) <= 2**bits


@given(st.integers(2, 8), st.integers(0, 2**32 - 1))
def test_rounded_weights_use_their_bits_and_no_others(bits: int, seed: int) -> None:
    weight = torch.randn(3, 128, generator=torch.Generator().manual_seed(seed))
    weight[:, 0::64] = -9.0  # the least value of each group; the greatest is one step less
    scale = weight.reshape(3, 2, 64).abs().amax(dim=2).bfloat16() / 2 ** (bits - 1)
    steps = (weight.reshape(3, 2, 64) / scale.unsqueeze(-1)).round()
    steps = steps.clamp(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    stored = (steps * scale.unsqueeze(-1)).bfloat16().reshape(3, 128)
    assert bits_used(stored, scale) == bits


def test_a_group_of_zeros_uses_no_bits() -> None:
    weight, scale = torch.zeros(1, 8), torch.tensor([[0.0, 1.0]])
    weight[0, 4] = 3.0
    assert bits_used(weight, scale) == 3


def test_the_bits_of_a_module_are_those_of_its_name_then_a_pattern_then_its_class() -> None:
    def group(bits: int, target: str) -> dict[str, object]:
        return {"targets": [target], "weights": {"num_bits": bits, "group_size": 8}}

    groups = {
        "group_0": group(4, "Linear"),
        "group_1": group(8, r"re:.*down_proj$"),
        "group_2": group(6, "layers.1.down_proj"),
    }
    config = {"quantization_config": {"config_groups": groups}}
    names = ("layers.0.up_proj", "layers.0.down_proj", "layers.1.down_proj")
    assert [declared_bits(config, name) for name in names] == [4, 8, 6]
    assert declared_precision({"quantization_config": {"config_groups": groups}}) == (4, 8)
    reversed_groups = dict(reversed(groups.items()))
    assert declared_precision({"quantization_config": {"config_groups": reversed_groups}}) == (4, 8)
    del groups["group_0"]
    assert declared_bits(config, names[0]) is None


@pytest.mark.parametrize(
    ("quantization", "expected"),
    [
        ({"config_groups": {"group_0": {"weights": {"num_bits": 3, "group_size": 64}}}}, (3, 64)),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, (4, 128)),
        ({"quant_method": "awq", "w_bit": 4, "q_group_size": 32}, (4, 32)),
        (None, (None, None)),
    ],
)
def test_declared_precision_is_read_from_each_format(
    quantization: dict[str, object] | None, expected: tuple[int | None, int | None]
) -> None:
    assert declared_precision({"quantization_config": quantization}) == expected


# -- whole checkpoints --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=32,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
def target(source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(source, tmp_path / "target"))


def edit(folder: Path, **changes: torch.Tensor) -> None:
    path = folder / "model.safetensors"
    save_file(load_file(path) | changes, path, metadata={"format": "pt"})


def halved(folder: Path) -> dict[str, torch.Tensor]:
    """All matrices of the layers with two zeros in each group of four."""
    mask = torch.tensor([0.0, 1.0, 0.0, 1.0])
    return {
        name: weight * mask.repeat(weight.shape[1] // 4)
        for name, weight in load_file(folder / "model.safetensors").items()
        if "_proj" in name
    }


def test_headers_are_read_without_torch(source: Path) -> None:
    weights = load_file(source / "model.safetensors")
    found = headers(source)
    assert {name: entry["shape"] for name, entry in found.items()} == {
        name: list(weight.shape) for name, weight in weights.items()
    }
    assert parameters(source) == sum(math.prod(weight.shape) for weight in weights.values())


def test_a_checkpoint_that_holds_the_guarantees_is_measured(source: Path, target: Path) -> None:
    edit(target, **halved(target))
    facts = inspect_checkpoint(source, target, Guarantees(sparsity=0.5, pattern=(2, 4)), PROBES)
    assert (facts["sparsity"], facts["matrices"], facts["bits"]) == (0.5, 7, None)
    assert facts["ideal_bytes"] < facts["bytes"]


def test_one_broken_group_is_found(source: Path, target: Path) -> None:
    changes = halved(target)
    changes[QKVO[2]][3, 4] = 1.0
    edit(target, **changes)
    with pytest.raises(BuildError, match=r"v_proj.weight breaks the 2:4 pattern in 1 of 64 groups"):
        inspect_checkpoint(source, target, Guarantees(sparsity=0.5, pattern=(2, 4)), PROBES)


@pytest.mark.parametrize("share", [0.3, 0.64])
def test_too_few_and_too_many_zeros_are_found(source: Path, target: Path, share: float) -> None:
    changes = halved(target)
    weight = changes[QKVO[0]].flatten()
    weight[:] = 1.0
    weight[: round(share * weight.numel())] = 0.0
    changes[QKVO[0]] = weight.reshape(16, 16)
    edit(target, **changes)
    with pytest.raises(BuildError, match=rf"q_proj.weight has {100 * share:.0f}\.\d+%"):
        inspect_checkpoint(source, target, Guarantees(sparsity=0.5), PROBES)


def test_zeros_that_the_model_had_before_are_no_fault(source: Path, target: Path) -> None:
    changes = halved(target)
    changes[QKVO[0]][:] = 0.0
    edit(target, **changes)
    inspect_checkpoint(target, target, Guarantees(sparsity=0.5, pattern=(2, 4)), PROBES)
    with pytest.raises(BuildError, match="q_proj"):
        inspect_checkpoint(source, target, Guarantees(sparsity=0.5, pattern=(2, 4)), PROBES)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_no_numbers_are_found(source: Path, target: Path, value: float) -> None:
    edit(target, **{QKVO[1]: torch.full((16, 16), value)})
    with pytest.raises(BuildError, match=r"k_proj.weight with NaN or infinity in 256 of 256"):
        inspect_checkpoint(source, target, Guarantees(), PROBES)


def test_logits_that_are_no_numbers_are_found(source: Path, target: Path) -> None:
    largest = torch.finfo(torch.float32).max
    head = torch.full((32, 16), largest)
    edit(target, **{"lm_head.weight": head, "model.norm.weight": torch.full((16,), largest)})
    with pytest.raises(BuildError, match=r"logits are not finite after reloading"):
        inspect_checkpoint(source, target, Guarantees(), PROBES)


def test_missing_weights_are_found(source: Path, target: Path) -> None:
    weights = load_file(target / "model.safetensors")
    del weights[QKVO[0]]
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BuildError, match=r"lacks .*q_proj.* random weights"):
        inspect_checkpoint(source, target, Guarantees(), PROBES)


def test_a_changed_head_is_found(source: Path, target: Path) -> None:
    head = load_file(target / "model.safetensors")["lm_head.weight"].clone()
    head[0, 0] += 1
    edit(target, **halved(target), **{"lm_head.weight": head})
    with pytest.raises(BuildError, match=r"lm_head\.weight was changed"):
        inspect_checkpoint(source, target, Guarantees(sparsity=0.5), PROBES)


def test_bits_that_are_not_declared_are_not_believed(source: Path, target: Path) -> None:
    with pytest.raises(BuildError, match="no quantization_config"):
        inspect_checkpoint(source, target, Guarantees(bits=4, group_size=8), PROBES)


def test_a_declaration_of_bits_alone_is_not_believed(source: Path, target: Path) -> None:
    config = json.loads((target / "config.json").read_text())
    weights = {
        "num_bits": 4,
        "type": "int",
        "symmetric": True,
        "strategy": "group",
        "group_size": 8,
    }
    config["quantization_config"] = {
        "quant_method": "compressed-tensors",
        "format": "dense",
        "quantization_status": "frozen",
        "config_groups": {"group_0": {"targets": ["NoSuchModule"], "weights": weights}},
        "ignore": ["lm_head"],
    }
    (target / "config.json").write_text(json.dumps(config))
    with pytest.raises(BuildError, match=r"is stored in full precision, not in 4 bits"):
        inspect_checkpoint(source, target, Guarantees(bits=4, group_size=8), PROBES)
    with pytest.raises(BuildError, match=r"says 4 bits, not 8"):
        inspect_checkpoint(source, target, Guarantees(bits=8, group_size=8), PROBES)
    with pytest.raises(BuildError, match=r"says groups of 8, not 16"):
        inspect_checkpoint(source, target, Guarantees(bits=4, group_size=16), PROBES)


def test_the_inspected_tensors_are_consecutive_files(source: Path, target: Path) -> None:
    """A model in shards is inspected like one in a single file."""
    weights = load_file(target / "model.safetensors")
    names = sorted(weights)
    (target / "model.safetensors").unlink()
    cut = [0, len(names) // 2, len(names)]
    where = {}
    for number, (start, end) in enumerate(pairwise(cut), start=1):
        file = f"model-0000{number}-of-00002.safetensors"
        part = {name: weights[name] for name in names[start:end]}
        save_file(part, target / file, metadata={"format": "pt"})
        where |= dict.fromkeys(part, file)
    index = {"metadata": {}, "weight_map": where}
    (target / "model.safetensors.index.json").write_text(json.dumps(index))
    assert parameters(target) == parameters(source)
    with pytest.raises(BuildError, match="zeros"):
        inspect_checkpoint(source, target, Guarantees(sparsity=0.5), PROBES)
