"""A method says before a build which models it does not support."""

from typing import Any

import pytest

from unicomp.errors import SpecError
from unicomp.methods.pruning import sparsegpt, wanda
from unicomp.methods.quantization import awq, gptq, quantized
from unicomp.methods.support import input_widths, why_unsupported

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 256,
    "intermediate_size": 768,
    "num_attention_heads": 4,
    "head_dim": 64,
}
METHODS = [
    wanda("wanda_50", sparsity=0.5),
    wanda("wanda_2_4", sparsity=0.5, pattern=(2, 4)),
    sparsegpt("sparsegpt_50", sparsity=0.5),
    sparsegpt("sparsegpt_2_4", sparsity=0.5, pattern=(2, 4)),
    gptq("gptq_w4a16"),
    awq("awq_w4a16"),
]


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_a_model_of_fitting_widths_is_taken(method: Any) -> None:
    assert method.why_unsupported(LLAMA) is None


@pytest.mark.parametrize("method", METHODS[4:], ids=str)
@pytest.mark.parametrize(
    ("width", "reason"),
    [
        ({"hidden_size": 64}, "hidden_size 64 is not divisible by groups of 128"),
        ({"intermediate_size": 320}, "intermediate_size 320 is not divisible by groups of 128"),
        ({"head_dim": 48}, "num_attention_heads * head_dim 192 is not divisible by groups of 128"),
        ({"moe_intermediate_size": 96}, "moe_intermediate_size 96 is not divisible by groups"),
    ],
    ids=lambda value: None if isinstance(value, dict) else "",
)
def test_groups_need_widths_that_they_divide(
    method: Any, width: dict[str, int], reason: str
) -> None:
    assert method.why_unsupported(LLAMA | width).startswith(reason)


@pytest.mark.parametrize("method", [METHODS[1], METHODS[3]], ids=str)
def test_a_pattern_needs_widths_that_it_divides(method: Any) -> None:
    assert method.why_unsupported(LLAMA | {"hidden_size": 64}) is None
    assert method.why_unsupported(LLAMA | {"intermediate_size": 770}) == (
        "intermediate_size 770 is not divisible by groups of 4"
    )


@pytest.mark.parametrize("method", [METHODS[0], METHODS[2]], ids=str)
def test_unstructured_pruning_takes_any_width(method: Any) -> None:
    assert method.why_unsupported(LLAMA | {"hidden_size": 66, "intermediate_size": 99}) is None


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"architectures": ["BertForMaskedLM"]}, "not a causal language model"),
        ({"architectures": ["T5ForConditionalGeneration"]}, "not a causal language model"),
        ({"quantization_config": {"quant_method": "fp8"}}, "already quantized (fp8)"),
        ({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}, "Conv1D"),
        ({"model_type": "mamba", "architectures": ["MambaForCausalLM"]}, "mamba"),
        ({"model_type": "mixtral"}, "found to fail on mixtral"),
    ],
    ids=lambda value: None if isinstance(value, dict) else "",
)
def test_what_llmcompressor_cannot_do_is_not_supported(
    method: Any, change: dict[str, Any], reason: str
) -> None:
    assert reason in method.why_unsupported(LLAMA | change)


def test_awq_knows_fewer_architectures_than_gptq() -> None:
    opt = {"model_type": "opt", "architectures": ["OPTForCausalLM"], "hidden_size": 128}
    assert METHODS[4].why_unsupported(opt) is None
    assert METHODS[5].why_unsupported(opt) == "it was found to fail on opt models"


@pytest.mark.parametrize(
    ("settings", "config", "reason"),
    [
        ({"scheme": "NVFP4"}, {"intermediate_size": 776}, "776 is not divisible by groups of 16"),
        ({"scheme": "MXFP4"}, {"hidden_size": 240}, "240 is not divisible by groups of 32"),
        ({"scheme": "W4A16", "group_size": 64}, {"hidden_size": 160}, "by groups of 64"),
        ({"scheme": "FP8_BLOCK"}, {"hidden_size": 240, "intermediate_size": 776}, None),
        ({"scheme": "FP8_DYNAMIC"}, {"hidden_size": 241}, None),
        ({"scheme": "W4A16"}, {"hidden_size": 576}, "576 is not divisible by groups of 128"),
        ({"scheme": "W4A16", "group_size": 64}, {"hidden_size": 576}, None),
        ({"scheme": "W4A16", "algorithm": "awq"}, {"model_type": "lfm2"}, "to fail on lfm2"),
        ({"scheme": "W8A8", "smooth": 0.8}, {"model_type": "opt"}, "to fail on opt"),
        ({"scheme": "W8A8"}, {"model_type": "opt"}, None),
        ({"scheme": "FP8", "cache": "fp8"}, {"model_type": "gpt_neox"}, "to fail on gpt_neox"),
        ({"scheme": "NVFP4A16"}, {"num_experts": 4}, "does not compute experts in NVFP4A16"),
        ({"scheme": "W4A16_ASYM"}, {"num_experts": 4}, "does not compute experts in W4A16_ASYM"),
        ({"scheme": "W4A16"}, {"num_experts": 4}, None),
        (
            {"scheme": "W4A16", "exceptions": {"down_proj": 8}},
            {"num_experts": 4},
            "does not compute experts in mixed precision",
        ),
    ],
)
def test_each_scheme_has_its_own_reasons(
    settings: dict[str, Any], config: dict[str, Any], reason: str | None
) -> None:
    found = quantized("method", **settings).why_unsupported(LLAMA | config)
    assert (found is None) if reason is None else (reason in str(found))


def test_widths_are_found_under_the_names_of_each_architecture() -> None:
    assert input_widths({"n_embd": 8}) == {"n_embd": 8}
    assert input_widths({"hidden_size": 8, "ffn_dim": 32}) == {"hidden_size": 8, "ffn_dim": 32}
    assert why_unsupported({"n_embd": 8}, divisor=3) == "n_embd 8 is not divisible by groups of 3"


@pytest.mark.parametrize(
    "make",
    [
        lambda: wanda("bad", sparsity=50),
        lambda: wanda("bad", sparsity=0),
        lambda: sparsegpt("bad", sparsity=0.3, pattern=(2, 4)),
        lambda: gptq("bad", bits=16),
        lambda: awq("bad", group_size=0),
        lambda: quantized("bad", scheme="FP8_DYNAMC"),
        lambda: quantized("bad", scheme="W4A16", algorithm="gtpq"),
        lambda: quantized("bad", scheme="W8A8", smooth=2.0),
        lambda: quantized("bad", scheme="W8A8", group_size=64),
        lambda: quantized("bad", scheme="NVFP4", exceptions={"down_proj": 8}),
        lambda: quantized("bad", scheme="FP8", cache="fp9"),
        lambda: quantized("bad", scheme="FP8", algorithm="awq"),
    ],
)
def test_impossible_parameters_are_named(make: Any) -> None:
    with pytest.raises(SpecError, match="method bad: "):
        make()
