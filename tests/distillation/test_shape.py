"""The shape of a student is arithmetic on a configuration, and the count of its weights exact."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.distillation.decoders import DECODERS, decoder
from unicomp.distillation.shape import ARCHITECTURES, Shape, student_config, why_unsupported
from unicomp.errors import SpecError

LLAMA_8B = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "num_hidden_layers": 32,
    "vocab_size": 128256,
}
QWEN_7B = {
    "model_type": "qwen2",
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "num_hidden_layers": 28,
    "vocab_size": 152064,
    "max_window_layers": 28,
    "use_sliding_window": False,
}
QWEN3_8B = {
    "model_type": "qwen3",
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "num_hidden_layers": 36,
    "vocab_size": 151936,
}


@pytest.mark.parametrize("name", DECODERS)
def test_the_count_of_weights_is_that_of_the_model(name):
    model = decoder(name)
    assert Shape.of(model.config.to_dict()).parameters() == model.num_parameters()


@pytest.mark.parametrize(
    ("config", "published"),
    [(LLAMA_8B, 8_030_261_248), (QWEN_7B, 7_615_616_512), (QWEN3_8B, 8_190_735_360)],
    ids=["Llama-3.1-8B", "Qwen2.5-7B", "Qwen3-8B"],
)
def test_the_counts_of_released_models_come_out(config, published):
    assert Shape.of(config).parameters() == published


def test_the_published_student_of_llama_comes_out():
    student = Shape.of(LLAMA_8B).scaled(hidden=0.75, intermediate=9216)
    assert (student.hidden, student.intermediate, student.heads) == (3072, 9216, 32)
    assert student.head_dim == 128
    assert student.parameters() == 4_512_746_496  # "4.5B"


def test_settings_that_are_left_out_have_the_defaults_of_transformers():
    import transformers

    for kind, name in zip(
        ARCHITECTURES, ("LlamaConfig", "Qwen2Config", "Qwen3Config"), strict=True
    ):
        said = {key: value for key, value in LLAMA_8B.items() if key != "num_key_value_heads"}
        said |= {"model_type": kind, "num_attention_heads": 32}
        config = getattr(transformers, name)(**said)
        assert Shape.of(said) == Shape.of(config.to_dict())


shares = st.floats(min_value=0.01, max_value=1.0)
multiples = st.sampled_from([1, 8, 32, 64, 128])


@given(share=shares, multiple=multiples, config=st.sampled_from([LLAMA_8B, QWEN_7B, QWEN3_8B]))
def test_a_share_gives_the_nearest_multiple_and_never_more_than_there_is(share, multiple, config):
    own = Shape.of(config)
    student = own.scaled(intermediate=share, hidden=share, multiple=multiple)
    for name in ("intermediate", "hidden"):
        width, had = getattr(student, name), getattr(own, name)
        step = multiple
        if name == "hidden" and own.kind == "llama":
            step = math.lcm(multiple, own.heads)
        assert 0 < width <= had
        assert width % step == 0 or width == had
        assert abs(width - share * had) <= step / 2 or width in (step, had)


@given(share=shares, config=st.sampled_from([LLAMA_8B, QWEN_7B, QWEN3_8B]))
def test_every_key_value_head_keeps_as_many_heads(share, config):
    student = Shape.of(config).scaled(hidden=0.5, heads=share)
    assert student.heads % student.key_value_heads == 0
    assert student.key_value_heads == config["num_key_value_heads"]


@given(hidden=st.integers(1, 112), intermediate=st.integers(1, 18944), layers=st.integers(1, 28))
def test_a_number_is_not_rounded_and_never_makes_the_model_larger(hidden, intermediate, layers):
    own = Shape.of(QWEN_7B)
    student = own.scaled(hidden=32 * hidden, intermediate=intermediate, layers=layers)
    assert (student.hidden, student.intermediate) == (32 * hidden, intermediate)
    assert student.parameters() <= own.parameters()


def test_nothing_taken_away_is_the_teacher():
    own = Shape.of(LLAMA_8B)
    assert own.scaled() == own.scaled(hidden=1.0, intermediate=1.0, heads=1.0, multiple=100) == own


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"hidden": 8192}, "cannot be cut from a teacher of 4096"),
        ({"intermediate": 0}, "cannot be cut"),
        ({"hidden": 1.5}, "not in"),
        ({"hidden": 3000}, "multiple of its 32 heads"),
        ({"heads": 12}, "evenly"),
        ({"multiple": 0}, "multiple of 0"),
    ],
)
def test_a_student_that_cannot_be_is_refused(wanted, reason):
    with pytest.raises(SpecError, match=reason):
        Shape.of(LLAMA_8B).scaled(**wanted)


def test_the_head_dimension_is_written_out_since_it_no_longer_follows():
    own = Shape.of(LLAMA_8B)
    config = student_config(LLAMA_8B, own.scaled(hidden=0.75))
    assert config["head_dim"] == 128 != config["hidden_size"] // config["num_attention_heads"]
    assert Shape.of(config) == own.scaled(hidden=0.75)


def test_lists_with_an_entry_for_each_layer_are_cut_with_the_layers():
    types = ["full_attention"] * 14 + ["sliding_attention"] * 14
    config = QWEN_7B | {"layer_types": types}
    student = student_config(config, Shape.of(config).scaled(layers=3), [0, 13, 27])
    assert student["layer_types"] == ["full_attention", "full_attention", "sliding_attention"]


def test_windows_stay_with_the_layers_that_had_them():
    config = QWEN_7B | {"use_sliding_window": True, "max_window_layers": 2}
    student = student_config(config, Shape.of(config).scaled(layers=3), [1, 2, 27])
    assert student["layer_types"] == ["full_attention", "sliding_attention", "sliding_attention"]
    assert student["max_window_layers"] == 1


def test_the_teachers_configuration_is_left_alone():
    before = dict(LLAMA_8B)
    student_config(LLAMA_8B, Shape.of(LLAMA_8B).scaled(layers=2))
    assert before == LLAMA_8B


@pytest.mark.parametrize("kept", [[0], [0, 40]])
def test_layers_that_are_not_there_cannot_be_kept(kept):
    with pytest.raises(SpecError, match="layers are kept"):
        student_config(LLAMA_8B, Shape.of(LLAMA_8B).scaled(layers=2), kept)


@pytest.mark.parametrize("config", [LLAMA_8B, QWEN_7B, QWEN3_8B])
def test_dense_decoders_are_taken(config):
    assert why_unsupported(config) is None


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"model_type": "qwen3_moe", "num_experts": 128}, "mixtures of experts"),
        ({"model_type": "mixtral", "num_local_experts": 8}, "mixtures of experts"),
        ({"model_type": "gemma3"}, "gemma3 cannot be cut"),
        ({}, "None cannot be cut"),
        ({"model_type": "llama"}, "has no hidden_size"),
        (LLAMA_8B | {"num_key_value_heads": 5}, "evenly"),
    ],
)
def test_what_cannot_be_cut_is_refused_with_the_reason(config, reason):
    assert reason in why_unsupported(config)
