"""What a build needs is known before it starts, and one that cannot fit is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp import catalogue
from unicomp.errors import SpecError
from unicomp.methods import footprint as module
from unicomp.methods.footprint import (
    MOST_TOKENS,
    Footprint,
    Weights,
    algorithms_of,
    check_fits,
    footprint,
    stored_weights,
)
from unicomp.spec import Method

ROOTS = catalogue.roots(Path(__file__).parents[2])
LLAMA_70B = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "dtype": "bfloat16",
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
}
LAYER = 2 * 8192 * 8192 + 2 * 8192 * 1024 + 3 * 8192 * 28672 + 2 * 8192
ALL = 80 * LAYER + 2 * 128256 * 8192 + 8192
GB = 10**9


def method(name: str) -> Method:
    return catalogue.load_method(name, ROOTS)


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_70B))
    return tmp_path


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pretend that this machine has so much memory, disk, and memory of an accelerator."""

    def pretend(memory: int, disk: int, accelerator: int | None = None) -> None:
        monkeypatch.setattr(module, "installed", lambda: memory)
        monkeypatch.setattr(module, "accelerator_memory", lambda: accelerator)
        usage = SimpleNamespace(free=disk)
        monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage)

    return pretend


def planned(folder: Path, name: str) -> Footprint:
    return footprint(folder, method(name), folder, None)


def test_70b_is_built_in_its_own_precision_and_a_layer_in_float32(
    llama: Path, machine: Any
) -> None:
    machine(200 * GB, 400 * GB, 80 * GB)
    found = planned(llama, "gptq_w4a16")
    assert found.parameters == ALL == 70_553_706_496
    host, disk, card = found.of_building
    assert host.parts["weights"] == 2 * ALL
    assert host.parts["activations"] == 4 * MOST_TOKENS * (2 * 8192 + 1024)
    assert card.parts["a layer in float32"] == 4 * LAYER
    squares = 4 * (6 * 8192**2 + 28672**2)
    assert card.parts["Hessians"] == squares + 3 * 4 * 28672**2
    assert disk.bytes == pytest.approx(2 * 2.1e9 + LAYER * 80 * (1 / 2 + 2 / 128), rel=0.01)
    assert all(need.fits for need in found.of_building)
    assert "Hessians" not in planned(llama, "wanda_50").of_building[2].parts


def test_weights_that_memory_cannot_hold_go_to_the_disk(llama: Path, machine: Any) -> None:
    machine(64 * GB, 400 * GB, 80 * GB)
    host, disk, _ = planned(llama, "wanda_2_4").of_building
    assert "weights" not in host.parts
    assert host.fits
    assert disk.parts["weights that memory cannot hold"] == 2 * ALL == disk.parts["checkpoint"]
    machine(64 * GB, 200 * GB, 80 * GB)
    with pytest.raises(SpecError) as refused:
        check_fits("wanda_2_4 of llama", planned(llama, "wanda_2_4").of_building)
    assert str(refused.value) == (
        "wanda_2_4 of llama cannot be built here: disk: 141 GB of checkpoint + 141 GB of weights "
        "that memory cannot hold = 282 GB, and there are 200 GB; build it where there is more"
    )


def test_a_layer_that_no_accelerator_holds_is_refused(llama: Path, machine: Any) -> None:
    machine(1000 * GB, 1000 * GB, 16 * GB)
    needs = planned(llama, "sparsegpt_50").of_building
    assert [need.purpose for need in needs if not need.fits] == ["accelerator memory to build"]


def test_a_combination_needs_room_for_both(llama: Path, machine: Any) -> None:
    machine(200 * GB, 1000 * GB)
    (_, disk) = planned(llama, "wanda_2_4_awq").of_building
    assert disk.parts["what the first method leaves"] == 2 * ALL
    assert algorithms_of(method("wanda_2_4_awq")) == ("WandaPruningModifier", "awq")
    assert algorithms_of(method("minitron_depth_fp8")) == (), "a training has its own estimate"


def test_the_headers_of_stored_weights_say_the_same_as_the_configuration(tmp_path: Path) -> None:
    source = ROOTS[-1] / "embedded/model"
    shutil.copy(source / "config.json", tmp_path)
    assert stored_weights(source) == module.weights_of(tmp_path)
    assert stored_weights(tmp_path) is None


@given(
    st.lists(st.tuples(st.integers(1, 64), st.integers(1, 64)), min_size=1, max_size=5),
    st.integers(1, 9),
)
def test_every_weight_is_counted_once(matrices: list[tuple[int, int]], layers: int) -> None:
    shapes: dict[str, tuple[int, ...]] = {"model.embed.weight": (7, 3), "model.norm.weight": (3,)}
    for layer in range(layers):
        for number, shape in enumerate(matrices):
            shapes[f"model.layers.{layer}.m{number}.weight"] = shape
    found = Weights.of(shapes)
    inside = sum(outputs * inputs for outputs, inputs in matrices)
    assert (found.layer, found.layers, found.matrices) == (inside, layers, layers * inside)
    assert found.all == layers * inside + 24
    assert found.shapes == tuple(sorted(matrices))
    assert found.operations(("gptq",), 10) > found.operations(("rtn",), 10) > 0


def test_experts_in_three_dimensions_count_as_matrices() -> None:
    found = Weights.of({"model.layers.0.experts.up": (4, 6, 5)})
    assert found.shapes == ((6, 5),) * 4
    assert found.matrices == 120
