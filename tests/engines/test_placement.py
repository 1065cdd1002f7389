"""A checkpoint gets as many GPUs as it needs, and what fits nowhere is refused with arithmetic."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.gpus import (
    BYTES_8B,
    BYTES_70B,
    H100,
    L40S,
    LLAMA_8B,
    LLAMA_70B,
    gpus,
    vllm,
)
from unicomp.engines import EngineSettings
from unicomp.engines.placement import (
    BOTH,
    HALF,
    WHOLE,
    WORKSPACE,
    cache_bytes,
    described,
    gpus_for,
    need,
    placed,
    placed_for,
    served_bytes,
    splits,
)
from unicomp.engines.vllm import command, environment, load_options
from unicomp.errors import SpecError, UnmeasuredError
from unicomp.spec import Model

MODEL = Model(name="m", source="org/m")
VLLM = EngineSettings(name="vllm")
HF = EngineSettings(name="hf")
MIXTURE = LLAMA_8B | {"num_local_experts": 8}


def placement(settings, weights, config, there, workers=1):
    return placed(settings, "m", weights, config, there, workers).placement


def refusal(*given):
    with pytest.raises(SpecError) as refused:
        placement(*given)
    assert "\n" not in str(refused.value)
    return str(refused.value)


# -- how many -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "config", "memory", "expected"),
    [
        (BYTES_8B, LLAMA_8B, H100, 1),
        (BYTES_70B, LLAMA_70B, H100, 2),
        (BYTES_70B, LLAMA_70B, L40S, 4),
        (BYTES_70B // 4, LLAMA_70B, H100, 1),
    ],
)
def test_a_checkpoint_is_split_over_the_fewest_gpus_that_it_fits_on(
    weights, config, memory, expected
):
    assert gpus_for(weights, config, VLLM, memory) == expected


CONFIGS = st.builds(
    lambda layers, pairs, times, width, inner: {
        "model_type": "llama",
        "num_hidden_layers": layers,
        "num_attention_heads": pairs * times,
        "num_key_value_heads": pairs,
        "hidden_size": pairs * times * width,
        "intermediate_size": inner,
    },
    st.integers(1, 126),
    st.integers(1, 16),
    st.integers(1, 8),
    st.sampled_from([32, 64, 128]),
    st.integers(1, 300).map(lambda parts: 64 * parts),
)
WEIGHTS = st.integers(1, 10**12)
MEMORY = st.integers(2**33, 2**38)


@given(CONFIGS, WEIGHTS, MEMORY, st.sampled_from(["hf", "vllm"]), st.integers(1, 16))
def test_the_fewest_gpus_fit_and_fewer_do_not(config, weights, memory, name, most):
    settings = EngineSettings(name=name)
    possible = splits(config, name, most)
    fitting = [n for n in possible if need(weights, config, n).each <= WHOLE * memory]
    if fitting:
        assert gpus_for(weights, config, settings, memory, most) == fitting[0]
    else:
        with pytest.raises(SpecError, match="of weights"):
            gpus_for(weights, config, settings, memory, most)


@given(CONFIGS, st.integers(1, 64))
def test_vllm_gets_whole_heads_and_equal_widths(config, most):
    heads, pairs = config["num_attention_heads"], config["num_key_value_heads"]
    found = splits(config, "vllm", most)
    assert found[0] == 1
    for number in found:
        assert heads % number == config["intermediate_size"] % number == 0
        assert pairs % number == 0 or number % pairs == 0


def test_packed_weights_keep_whole_groups_of_columns():
    qwen_14b = LLAMA_8B | {"num_attention_heads": 40, "hidden_size": 5120}
    assert splits(qwen_14b | {"intermediate_size": 13824}, "vllm", 8) == [1, 2, 4]
    assert splits(qwen_14b | {"intermediate_size": 14336}, "vllm", 8) == [1, 2, 4, 8]


def test_transformers_spreads_whole_layers():
    assert splits({"num_hidden_layers": 3}, "hf", 8) == [1, 2, 3]
    assert splits({"text_config": {"num_hidden_layers": 5}}, "hf", 4) == [1, 2, 3, 4]


@given(CONFIGS, st.integers(1, 10**6), st.integers(1, 8))
def test_each_gpu_holds_its_part_of_the_keys_and_values(config, tokens, split):
    pairs, width = (
        config["num_key_value_heads"],
        config["hidden_size"] // config["num_attention_heads"],
    )
    whole = cache_bytes(config, tokens, 2)
    assert whole == 2 * config["num_hidden_layers"] * pairs * width * tokens * 2
    part = cache_bytes(config, tokens, 2, split)
    assert part == whole * max(pairs // split, 1) // pairs
    assert cache_bytes({"text_config": config}, tokens, 2) == whole


def test_an_architecture_with_other_names_has_no_known_cache():
    assert cache_bytes({"n_head": 4, "n_layer": 2}, 100, 2) == 0


@given(CONFIGS, WEIGHTS, st.integers(1, 8))
def test_the_need_shrinks_with_the_gpus_and_grows_with_the_weights(config, weights, split):
    here = need(weights, config, split).each
    assert need(weights, config, split + 1).each <= here
    assert need(weights + 8, config, split).each > here
    assert here > WORKSPACE


def test_weights_count_in_the_precision_that_they_are_served_in(tmp_path):
    def folder(name, **changed):
        path = tmp_path / name
        path.mkdir()
        (path / "config.json").write_text(json.dumps(LLAMA_8B | changed))
        (path / "model.safetensors").write_bytes(bytes(1000))
        return path

    plain, packed = folder("plain"), folder("packed", quantization_config={"bits": 4})
    assert [served_bytes(plain, d) for d in ("auto", "bfloat16", "float32")] == [1000, 1000, 2000]
    assert served_bytes(packed, "float32") == 1000
    found = placed_for(VLLM, "m", [packed, plain], gpus(1), dtype="float32").placement
    assert found.largest.weights == 2000


# -- what is refused ------------------------------------------------------------------------------


def test_a_model_that_fits_nowhere_is_refused_with_the_arithmetic():
    assert refusal(VLLM, BYTES_70B, LLAMA_70B, gpus(2, L40S, "L40S")) == (
        "m fits nowhere on 2 × L40S (48.3 GB): it needs 141 GB of weights / 2 GPUs + 1.34 GB of "
        "keys and values + 2.15 GB of workspace = 74 GB on each, and 0.9 of the 48.3 GB of a GPU "
        "are 43.5 GB: use more or larger GPUs, or a smaller precision"
    )


@pytest.mark.parametrize(
    ("changed", "config", "there", "why"),
    [
        ({"tensor_parallel": 3}, LLAMA_70B, 8, "choose one of 1, 2, 4, 8"),
        ({"tensor_parallel": 8}, LLAMA_70B, 4, "choose one of 1, 2, 4"),
        ({"tensor_parallel": 1}, LLAMA_70B, 4, "m does not fit: it needs 141 GB of weights + "),
        ({"replicas": 3}, LLAMA_70B, 4, "needs 3 × 2 GPUs, and there are 4: set replicas = 2"),
        ({"memory": 0.5}, LLAMA_70B, 2, "0.5 of the 85.5 GB of a GPU are 42.8 GB"),
        ({"replicas": 2, "tensor_parallel": 2}, MIXTURE, 4, "answers would depend on their number"),
    ],
)
def test_numbers_that_are_not_possible_are_refused(changed, config, there, why):
    assert why in refusal(replace(VLLM, **changed), BYTES_70B, config, gpus(there))


def test_more_workers_than_groups_of_gpus_are_refused():
    assert refusal(VLLM, BYTES_70B, LLAMA_70B, gpus(8), 5) == (
        "-n 5: m needs 2 GPUs for each worker, and there are 8 × NVIDIA H100 80GB HBM3 (85.5 GB): "
        "give -n 4 at most"
    )
    assert "leave out -n" in refusal(VLLM, BYTES_70B, LLAMA_70B, gpus(2), 2)
    assert placement(VLLM, BYTES_70B, LLAMA_70B, gpus(8), 4).gpus == gpus(8)[:2]


@pytest.mark.parametrize("name", ["tensor_parallel", "replicas"])
@pytest.mark.parametrize("value", [0, -1, "two", 1.5])
def test_a_number_is_from_one_or_auto(name, value):
    with pytest.raises(SpecError, match=f'{name} must be a number from 1, or "auto"'):
        EngineSettings(**{name: value})


def test_on_a_cpu_nothing_is_split_and_only_vllm_has_replicas(tmp_path):
    with pytest.raises(SpecError, match=r"tensor_parallel = 4 needs 4 GPUs.* runs on cpu"):
        EngineSettings(device="cpu", tensor_parallel=4).check()
    with pytest.raises(SpecError, match="only vLLM serves replicas"):
        EngineSettings(device="cuda", replicas=2).check()
    vllm(tmp_path, tensor_parallel=4, replicas=2).check()
    EngineSettings(device="cpu", replicas="auto").check()


def test_without_gpus_an_engine_finds_its_device_by_itself():
    assert placed(VLLM, "m", BYTES_70B, LLAMA_70B, ()) is VLLM


# -- which ones, and how much of them -------------------------------------------------------------


def test_replicas_fill_the_gpus_but_those_of_a_mixture():
    auto = replace(VLLM, replicas="auto")
    assert placement(auto, BYTES_8B, LLAMA_8B, gpus(4)).replicas == 4
    assert placement(auto, BYTES_70B, LLAMA_70B, gpus(5)).replicas == 2
    assert placement(auto, BYTES_8B, LLAMA_8B, gpus(8), 4).replicas == 2
    assert placement(auto, BYTES_8B, MIXTURE, gpus(4)).replicas == 1
    assert placement(replace(auto, name="hf"), BYTES_8B, LLAMA_8B, gpus(4)).replicas == 1


def test_a_small_model_and_its_checkpoints_share_a_gpu():
    found = placement(VLLM, BYTES_8B, LLAMA_8B, gpus(4))
    assert (found.first.memory, found.second(BYTES_8B).memory) == (HALF, HALF)
    assert found.first.gpus == found.second(BYTES_8B).gpus == gpus(1)
    assert found.alone.memory == WHOLE


def test_a_large_model_leaves_room_for_a_small_checkpoint_only():
    found = placement(VLLM, BYTES_70B, LLAMA_70B, gpus(4, L40S))
    dense, packed = found.first, found.second(BYTES_70B // 40)
    assert dense.gpus == packed.gpus == gpus(4, L40S)
    assert dense.memory * L40S >= found.largest.each
    assert dense.memory + packed.memory == pytest.approx(WHOLE)
    with pytest.raises(UnmeasuredError, match="both must be loaded to be timed in turns") as why:
        found.second(BYTES_70B)
    assert "\n" not in str(why.value)
    assert "Use 8 GPUs of one kind" in str(why.value)


def test_two_that_do_not_fit_together_have_gpus_of_their_own_of_one_kind():
    found = placement(VLLM, BYTES_70B, LLAMA_70B, gpus(4))
    other = found.second(BYTES_70B)
    assert (found.first.gpus, other.gpus) == (gpus(4)[:2], gpus(4)[2:])
    assert found.first.memory == other.memory
    mixed = gpus(2) + gpus(4, name="another")[2:]
    with pytest.raises(UnmeasuredError, match="of one kind"):
        placement(VLLM, BYTES_70B, LLAMA_70B, mixed).second(BYTES_70B)


@given(
    CONFIGS,
    WEIGHTS,
    st.integers(1, 10**12),
    MEMORY,
    st.integers(1, 16),
    st.one_of(st.just("auto"), st.floats(0.01, 0.99)),
    st.sampled_from(["auto", 1, 2]),
)
def test_no_two_checkpoints_take_more_than_a_gpu_has(
    config, weights, others, memory, there, share, copies
):
    settings = replace(VLLM, memory=share, replicas=copies)
    try:
        found = placement(settings, weights, config, gpus(there, memory))
    except SpecError:
        return
    assert len(found.alone.gpus) == found.size <= there
    assert found.largest.each <= found.alone.memory * memory
    try:
        second = found.second(others)
    except UnmeasuredError:
        return
    taken = Counter()
    for seat in (found.first, second):
        taken.update(dict.fromkeys(seat.gpus, seat.memory))
    for gpu, part in taken.items():
        shared = gpu in found.first.gpus and gpu in second.gpus
        assert part <= (BOTH if shared else found.whole) + 1e-9
    assert found.first.leaves_room_for(second)


def test_the_line_of_a_placement_shows_the_arithmetic():
    assert str(placement(VLLM, BYTES_70B, LLAMA_70B, gpus(4))) == (
        "2 of 4 × NVIDIA H100 80GB HBM3 (85.5 GB): 141 GB of weights / 2 GPUs + 1.34 GB of keys "
        "and values + 2.15 GB of workspace = 74 GB on each, of 77 GB (0.9 of a GPU)"
    )
    assert described(gpus(1) + gpus(2, L40S, "L40S")) == (
        "1 × NVIDIA H100 80GB HBM3 (85.5 GB), 2 × L40S (48.3 GB)"
    )


# -- what the engines get -------------------------------------------------------------------------


def test_vllm_gets_its_gpus_its_share_and_how_to_split(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_70B))
    auto = vllm(tmp_path, replicas="auto")
    large = placed(auto, "m", BYTES_70B, LLAMA_70B, gpus(4, L40S))
    line = " ".join(command(tmp_path, MODEL, large.seated(large.placement.alone), 2048))
    assert "--gpu-memory-utilization 0.9 --tensor-parallel-size 4" in line
    assert "--data-parallel-size" not in line
    small = placed(auto, "m", BYTES_8B, LLAMA_8B, gpus(4))
    line = " ".join(command(tmp_path, MODEL, small, 2048))
    assert "--gpu-memory-utilization 0.45 --" in line
    assert "--data-parallel-size 4" in line
    assert "--tensor-parallel-size" not in line
    assert "--data-parallel-size" not in load_options(tmp_path, MODEL, small, 2048)


def test_a_server_sees_the_gpus_of_its_seat_only(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b,GPU-c,GPU-d")
    there = tuple(
        replace(gpu, id=f"GPU-{letter}") for gpu, letter in zip(gpus(4), "abcd", strict=True)
    )
    settings = placed(vllm(tmp_path), "m", BYTES_70B, LLAMA_70B, there)
    assert environment(settings, beyond=False)["CUDA_VISIBLE_DEVICES"] == "GPU-a,GPU-b"
    other = settings.seated(settings.placement.second(BYTES_70B))
    assert environment(other, beyond=False)["CUDA_VISIBLE_DEVICES"] == "GPU-c,GPU-d"
    assert "CUDA_DEVICE_ORDER" in environment(other, beyond=False)


def test_transformers_spreads_layers_only_where_one_gpu_is_too_small():
    small = placement(HF, BYTES_8B, LLAMA_8B, gpus(4))
    assert small.device_map == {}
    large = placement(HF, BYTES_70B, LLAMA_70B, gpus(4))
    room = int(large.dense * H100)
    assert large.device_map == {"device_map": "auto", "max_memory": {0: room, 1: room}}
    tight = placement(HF, BYTES_8B, LLAMA_8B, gpus(2, 24_000_000_000))
    assert tight.at(tight.second(BYTES_8B)).device_map == {"device_map": {"": 1}}


def test_the_split_is_part_of_what_decides_responses_and_replicas_are_not(tmp_path):
    def identities(**changed):
        settings = replace(vllm(tmp_path), **changed)
        found = placed(settings, "m", BYTES_70B, LLAMA_70B, gpus(8))
        return found.identity(MODEL), found.timing_identity(MODEL)

    base, timed = identities()
    assert base["tensor_parallel"] == timed["tensor_parallel"] == 2
    assert identities(tensor_parallel=4)[0] != base
    copies, timed_copies = identities(replicas=4)
    assert copies == base
    assert timed_copies == timed | {"replicas": 4}
    assert identities(memory=0.87)[0] == base
    assert identities(memory=0.89)[1] != timed
    whole = placed(vllm(tmp_path), "m", BYTES_8B, LLAMA_8B, gpus(1))
    assert whole.identity(MODEL) == vllm(tmp_path).identity(MODEL)
    assert whole.timing_identity(MODEL) == vllm(tmp_path).timing_identity(MODEL)


def test_layers_on_several_gpus_answer_the_same_and_are_timed_apart():
    one = EngineSettings(device="cuda")
    many = placed(one, "m", BYTES_70B, LLAMA_70B, gpus(2))
    assert many.identity(MODEL) == one.identity(MODEL)
    assert many.timing_identity(MODEL) == one.timing_identity(MODEL) | {"gpus": 2}


def test_the_embedded_model_needs_one_gpu():
    folder = Path(__file__).parents[2] / "fixtures" / "embedded" / "model"
    config = json.loads((folder / "config.json").read_text())
    assert gpus_for(served_bytes(folder, "auto"), config, HF, 2**33) == 1
