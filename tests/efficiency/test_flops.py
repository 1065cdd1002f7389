"""Operations as torch counts them are those of the configuration, and the paper's follow."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unicomp.data.model_folder import read_config
from unicomp.efficiency.flops import counted_flops, linear_flops
from unicomp.errors import EngineError, SpecError
from unicomp.spec import Load

EMBEDDED = Path(__file__).parents[2] / "fixtures" / "embedded" / "model"


def configuration(kind, hidden, intermediate, layers, heads, pairs, vocabulary, **others):
    return {
        "model_type": kind,
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": pairs,
        "vocab_size": vocabulary,
        **others,
    }


LLAMA = configuration("llama", 4096, 14336, 32, 32, 8, 128256)
WIDTH = configuration("llama", 3072, 9216, 32, 32, 8, 128256, head_dim=128)
DEPTH = configuration("llama", 4096, 14336, 16, 32, 8, 128256)
REAL = {
    "Llama-3.1-8B": LLAMA,
    "Minitron-4B-Width": WIDTH,
    "Minitron-4B-Depth": DEPTH,
    "Qwen2.5-7B": configuration("qwen2", 3584, 18944, 28, 28, 4, 152064),
    "Qwen3-8B": configuration("qwen3", 4096, 12288, 36, 32, 8, 151936, head_dim=128),
    "Mistral-7B-v0.3": configuration("mistral", 4096, 14336, 32, 32, 8, 32768),
    "Qwen3-30B-A3B": configuration(
        *("qwen3_moe", 2048, 6144, 48, 32, 4, 151936),
        head_dim=128,
        num_experts=128,
        num_experts_per_tok=8,
        moe_intermediate_size=768,
    ),
}


def analytic_flops(config, load):
    """The linear layers, both products of attention, and the angles of the rotary embedding."""
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    default = 128 if config["model_type"] == "qwen3" else hidden // heads
    head_dim = config.get("head_dim") or default
    length, prompts = load.prompt_tokens, load.concurrency
    products = 2 * heads * head_dim * length**2 * config["num_hidden_layers"] * prompts
    angles = head_dim // 2 * length  # one product for the whole pass
    return linear_flops(config, length * prompts) + 2 * (products + angles)


def written(config, folder):
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("name", REAL)
def test_counted_and_analytic_agree_for_real_models(name, tmp_path):
    load = Load(prompt_tokens=1024, new_tokens=1)
    assert counted_flops(written(REAL[name], tmp_path), load) == analytic_flops(REAL[name], load)


@pytest.mark.parametrize(
    ("config", "published"),
    [(LLAMA, 1.92), (DEPTH, 1.03), (WIDTH, 1.05)],
    ids=["8B", "depth", "width"],
)
def test_linear_layers_at_128_tokens_give_the_published_figures(config, published):
    assert round(linear_flops(config, 128) / 1e12, 2) == published


SIZES = st.integers(1, 3)


@st.composite
def configurations(draw):
    """Small decoders of every known architecture."""
    kind = draw(st.sampled_from(["llama", "mistral", "qwen2", "qwen3", "qwen3_moe"]))
    pairs, head_dim = draw(SIZES), 2 * draw(SIZES)
    heads = pairs * draw(SIZES)
    config = configuration(
        kind, heads * 8 * draw(SIZES), 8 * draw(SIZES), draw(SIZES), heads, pairs, 40
    )
    if draw(st.booleans()):
        config["head_dim"] = head_dim
    config["tie_word_embeddings"] = draw(st.booleans())
    if kind == "qwen3_moe":
        experts = draw(st.integers(1, 5))
        config |= {
            "num_experts": experts,
            "num_experts_per_tok": draw(st.integers(1, experts)),
            "moe_intermediate_size": 8 * draw(SIZES),
            "decoder_sparse_step": draw(st.integers(1, 2)),
            "mlp_only_layers": draw(st.sampled_from([[], [0]])),
        }
    return config


@given(configurations(), st.integers(1, 9), st.integers(1, 3))
@settings(max_examples=25)
def test_counted_and_analytic_agree_for_any_shape(tmp_path_factory, config, length, prompts):
    load = Load(prompt_tokens=length, new_tokens=1, concurrency=prompts)
    folder = written(config, tmp_path_factory.mktemp("model"))
    assert counted_flops(folder, load) == analytic_flops(config, load)


def test_the_tokens_that_are_generated_do_not_count():
    short, long = (Load(prompt_tokens=8, new_tokens=n) for n in (1, 99))
    assert analytic_flops(LLAMA, short) == analytic_flops(LLAMA, long)


@given(st.integers(1, 4096), st.integers(1, 64))
def test_attention_is_what_prompts_of_equal_tokens_differ_by(length, prompts):
    """Longer prompts cost more than as many tokens in several."""
    one = Load(prompt_tokens=length * prompts, new_tokens=1)
    several = Load(prompt_tokens=length, new_tokens=1, concurrency=prompts)
    assert analytic_flops(LLAMA, one) >= analytic_flops(LLAMA, several)
    assert analytic_flops(LLAMA, several) > linear_flops(LLAMA, length * prompts)


def test_only_the_experts_that_a_token_is_routed_to_count():
    config = REAL["Qwen3-30B-A3B"]
    more = config | {"num_experts": 256}
    router = 48 * 2048 * 128
    assert linear_flops(more, 1) - linear_flops(config, 1) == 2 * router
    assert linear_flops(config, 1) < 2 * 3.4e9  # of 30.5e9 weights


def test_an_unknown_architecture_is_only_counted(tmp_path):
    config = {"model_type": "gpt2", "n_embd": 32, "n_layer": 2, "n_head": 2, "vocab_size": 64}
    load = Load(prompt_tokens=4, new_tokens=1)
    # its twelve matrices of 32 × 32 a layer, the head, and attention
    products = 2 * (2 * 12 * 32**2 + 64 * 32) * 4 + 2 * 2 * 2 * 32 * 4**2
    assert counted_flops(written(config, tmp_path), load) == products
    with pytest.raises(SpecError, match="gpt2"):
        linear_flops(config, 1)


@pytest.mark.parametrize("name", ["wanda_50", "gptq_w4a16"])
def test_zeros_and_packed_weights_are_multiplied_like_others(build, name):
    load = Load(prompt_tokens=64, new_tokens=1)
    assert counted_flops(build(name).path, load) == counted_flops(EMBEDDED, load)


def test_the_embedded_model_takes_as_many_as_its_configuration_says():
    load = Load(prompt_tokens=4096, new_tokens=1)
    assert counted_flops(EMBEDDED, load) == analytic_flops(read_config(EMBEDDED), load)


def test_a_folder_without_a_configuration_is_refused(tmp_path):
    shutil.copy(EMBEDDED / "tokenizer.json", tmp_path)
    with pytest.raises(EngineError, match="cannot be counted"):
        counted_flops(tmp_path, Load(prompt_tokens=1, new_tokens=1))
