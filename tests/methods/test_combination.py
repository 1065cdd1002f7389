"""Methods beyond the six: other bits, mixed ones, and pruning with quantization after it.

The builds are real, on the embedded model with little calibration text.
"""

import gc
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.families import write_model
from unicomp import catalogue
from unicomp.data.model_folder import read_config
from unicomp.errors import BuildError, SpecError, UnsupportedError
from unicomp.methods import combination
from unicomp.methods.combination import combined
from unicomp.methods.inspection import inspect_checkpoint
from unicomp.methods.pruning import sparsegpt, wanda
from unicomp.methods.quantization import awq, gptq
from unicomp.methods.stored_weights import headers, size
from unicomp.spec import DENSE, Calibration, Guarantees, Method

REPOSITORY = Path(__file__).parents[2]
EMBEDDED = REPOSITORY / "fixtures/embedded/model"
LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 128,
    "intermediate_size": 384,
}
PROBES = [[1, 2, 3]]

pytestmark = pytest.mark.filterwarnings("ignore")


def pruned(**changes: Any) -> Method:
    return wanda("wanda_2_4", sparsity=0.5, pattern=(2, 4), **changes)


def copy(name: str, **settings: Any) -> Method:
    """A method that leaves the model as it is."""
    import shutil

    def compress(source: Path, target: Path, calibration: Calibration) -> None:
        shutil.copytree(source, target)

    return Method(name=name, family="distillation", compress=compress, **settings)


# -- what is declared ---------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [3, 4, 8])
@pytest.mark.parametrize(
    "first", [pruned(), sparsegpt("sparsegpt_40", sparsity=0.4)], ids=["2:4", "40 %"]
)
def test_gptq_after_pruning_is_an_error_with_the_reason(first: Method, bits: int) -> None:
    with pytest.raises(SpecError) as caught:
        combined("both", first, gptq("gptq", bits=bits))
    assert str(caught.value) == (
        f"method both: gptq would undo {first}: GPTQ adds the error of each rounded column to the "
        "columns after it, including pruned ones; AWQ keeps them"
    )


@pytest.mark.parametrize("first", [pruned(), wanda("wanda_30", sparsity=0.3)], ids=str)
def test_a_combination_has_the_guarantees_of_both_methods(first: Method) -> None:
    both = combined("both", first, awq("awq", bits=8, exceptions={"v_proj": 4}))
    assert both.guarantees == Guarantees(
        sparsity=first.guarantees.sparsity,
        pattern=first.guarantees.pattern,
        bits=8,
        group_size=128,
        exceptions={"v_proj": 4},
        format="pack-quantized",
    )
    assert (both.family, both.also) == ("pruning", "quantization")


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (awq("awq"), pruned(), "wanda_2_4 cannot follow awq, whose weights are packed integers"),
        (awq("awq"), gptq("gptq"), "gptq cannot follow awq, whose weights are packed integers"),
        (pruned(), wanda("w", sparsity=0.7), "wanda_2_4 and w both set the sparsity"),
        (DENSE, awq("awq"), "dense does not compress"),
    ],
    ids=["prune last", "quantize twice", "prune twice", "dense"],
)
def test_what_cannot_be_combined_is_an_error(first: Method, second: Method, message: str) -> None:
    with pytest.raises(SpecError, match=f"method both: {message}"):
        combined("both", first, second)


def test_a_combination_takes_the_models_that_both_of_its_methods_take() -> None:
    both = combined("both", pruned(), awq("awq"))
    assert both.why_unsupported(LLAMA) is None
    assert "groups of 128" in str(both.why_unsupported(LLAMA | {"hidden_size": 64}))
    assert "found to fail" in str(both.why_unsupported(LLAMA | {"model_type": "deepseek_v2"}))


def test_a_student_is_quantized_if_its_own_shape_allows_it(tmp_path: Path) -> None:
    both = combined("both", copy("student"), awq("awq", group_size=256))
    assert both.why_unsupported(LLAMA) is None, "the teacher's shape does not count"
    seen = Calibration(name="c", samples=("one",))
    assert both.compress is not None
    with pytest.raises(UnsupportedError, match="awq cannot compress what student leaves: hidden"):
        both.compress(EMBEDDED, tmp_path / "target", seen)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("exceptions", "message"),
    [
        ({"down_proj": 16}, "16 bits are not between 2 and 8"),
        ({"re:.*down": 8}, "'re:.*down' is not a module's name"),
        ({"": 8}, "'' is not a module's name"),
    ],
)
def test_exceptions_are_checked_when_they_are_declared(
    exceptions: dict[str, int], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        gptq("mixed", exceptions=exceptions)


def test_exceptions_are_named_by_whole_parts_and_the_first_that_fits_counts() -> None:
    guarantees = Guarantees(bits=4, exceptions={"layers.1": 6, "down_proj": 8})
    bits = {
        "model.layers.1.mlp.down_proj": 6,
        "model.layers.11.mlp.down_proj": 8,
        "model.layers.11.mlp.up_proj": 4,
        "model.layers.11.mlp.shutdown_proj": 4,
    }
    assert {name: guarantees.bits_of(name) for name in bits} == bits


# -- what is built ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seen() -> Calibration:
    rows = (REPOSITORY / "fixtures/embedded/rows/allenai/c4/en/train.jsonl").read_text()
    samples = [json.loads(row)["text"] for row in rows.splitlines()[:4]]
    return Calibration(name="few", samples=tuple(samples), tokens=64)


def shipped(name: str) -> Method:
    return catalogue.load_method(name, catalogue.roots(REPOSITORY))


def built(method: Method, folder: Path, seen: Calibration) -> Path:
    assert method.compress is not None
    method.compress(EMBEDDED, folder / "model", seen)
    return folder / "model"


def alive() -> int:
    gc.collect()
    return sum(isinstance(thing, torch.nn.Linear) for thing in gc.get_objects())


@pytest.mark.long
def test_pruned_and_then_scaled_and_rounded_keeps_the_pattern(
    tmp_path: Path, seen: Calibration
) -> None:
    method, before = shipped("sparsegpt_2_4_awq"), alive()
    folder = built(method, tmp_path, seen)
    assert alive() == before, "the model between the methods is not kept in memory"
    facts = inspect_checkpoint(EMBEDDED, folder, method.guarantees, PROBES)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert facts["sparsity_least"] >= 0.5
    assert (facts["bits"], facts["group_size"], facts["matrices"]) == (4, 128, 42)
    values = sum(
        entry["shape"][0] * entry["shape"][1] * 8
        for name, entry in headers(folder).items()
        if name.endswith("weight_packed")
    )
    # of each four weights two are left, of 4 bits and 2 that say where: 12 bits instead of 16
    assert facts["bytes"] - facts["ideal_bytes"] == pytest.approx(values * 4 / 32, rel=0.01)


def test_gptq_after_two_of_four_does_fill_the_zeros_again(
    tmp_path: Path, seen: Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason for the error; when this fails, the error can go."""
    monkeypatch.setattr(combination, "FILLS_ZEROS", {})
    method = combined("both", pruned(), gptq("gptq"))
    folder = built(method, tmp_path, seen)
    with pytest.raises(BuildError, match=r"has [34]\d\.\d\d% zeros, not 50\.00%"):
        inspect_checkpoint(EMBEDDED, folder, method.guarantees, PROBES)
    with pytest.raises(BuildError, match=r"breaks the 2:4 pattern in \d{3,} of \d+ groups"):
        inspect_checkpoint(EMBEDDED, folder, Guarantees(pattern=(2, 4)), PROBES)


def test_named_layers_have_their_own_bits_and_the_others_theirs(
    tmp_path: Path, seen: Calibration
) -> None:
    method = shipped("gptq_w4_w8")
    folder = built(method, tmp_path, seen)
    facts = inspect_checkpoint(EMBEDDED, folder, method.guarantees, PROBES)
    # of a layer's 4 * 128 * 128 + 3 * 128 * 384 weights, 128 * 384 have 8 bits
    assert (facts["bits"], facts["mean_bits"]) == (4, pytest.approx(4 + 4 * 3 / 13))
    lies = {
        r"down_proj packs 384 inputs in 96 words, which are not 4 bits each": {},
        r"down_proj packs 384 inputs in 96 words, which are not 6 bits each": {"down_proj": 6},
        r"gate_proj packs 128 inputs in 16 words, which are not 8 bits each": {"mlp": 8},
        r"no matrix is called dwon_proj, so its exception has no effect": {
            "down_proj": 8,
            "dwon_proj": 8,
        },
    }
    for message, exceptions in lies.items():
        guarantees = Guarantees(bits=4, group_size=128, exceptions=exceptions)
        with pytest.raises(BuildError, match=message):
            inspect_checkpoint(EMBEDDED, folder, guarantees, PROBES)


def test_three_bits_take_three_bits_on_disk(tmp_path: Path, seen: Calibration) -> None:
    method = shipped("gptq_w3a16")
    folder = built(method, tmp_path, seen)
    facts = inspect_checkpoint(EMBEDDED, folder, method.guarantees, PROBES)
    assert facts["bits"] == 3
    weights = 6 * (4 * 128 * 128 + 3 * 128 * 384)
    stored = sum(
        entry["data_offsets"][1] - entry["data_offsets"][0]
        for name, entry in headers(folder).items()
        if name.endswith((".weight_packed", ".weight_scale"))
    )
    assert stored == weights * (3 / 8 + 2 / 128), "the scales are bfloat16, one for 128 weights"
    assert facts["bytes"] == size(folder)


def test_experts_of_mixed_bits_are_read_wrongly_and_that_is_found(
    tmp_path: Path, seen: Calibration
) -> None:
    """The reason why they are not supported; when this fails, they can be."""
    source = write_model(tmp_path / "source", "qwen3_moe")
    method = gptq("gptq", exceptions={"down_proj": 8})
    assert "mixed precision" in str(method.why_unsupported(read_config(source)))
    assert method.compress is not None
    method.compress(source, tmp_path / "model", seen)
    with pytest.raises(BuildError, match="does not answer like the compressed model in memory"):
        inspect_checkpoint(source, tmp_path / "model", method.guarantees, PROBES)


def test_experts_are_held_to_the_guarantees_like_all_matrices(
    tmp_path: Path, seen: Calibration
) -> None:
    """Transformers fuses them, so that they are unpacked by themselves."""
    source = write_model(tmp_path / "source", "qwen3_moe")
    method = combined("both", pruned(), awq("awq"))
    assert method.compress is not None
    method.compress(source, tmp_path / "model", seen)
    facts = inspect_checkpoint(source, tmp_path / "model", method.guarantees, PROBES)
    assert facts["matrices"] == 2 * (4 + 4 * 3)
    assert facts["sparsity_least"] >= 0.5
    assert facts["mean_bits"] == facts["stored_bits"] == 4
    with pytest.raises(BuildError, match=r"experts\.0\.\w+\.weight breaks the 3:4 pattern"):
        inspect_checkpoint(
            source, tmp_path / "model", replace(method.guarantees, pattern=(3, 4)), PROBES
        )
