"""What a format promises follows from what it stores and claims, not from its method's name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp.efficiency.promise import promises
from unicomp.spec import DENSE, TIMINGS, UNITS, Claims

DENSE_FACTS = {"bytes": 1600, "ideal_bytes": 1600, "parameters": 800, "bits": None}

SPARSE = Claims(sparsity=0.5)
QUANTIZED = Claims(bits=4, group_size=128)
STUDENT = Claims(shape={"layers": 0.5})
BOTH = Claims(sparsity=0.5, pattern=(2, 4), bits=4, group_size=128)


def facts(ideal, sparsity=0.0, stored=None):
    return {"bytes": stored or ideal, "ideal_bytes": ideal, "sparsity": sparsity}


def test_the_dense_model_promises_nothing():
    assert promises(DENSE.claims, DENSE_FACTS, DENSE_FACTS) == {}


def test_zeros_promise_bytes_and_operations():
    promised = promises(SPARSE, facts(900, sparsity=0.5, stored=1600), DENSE_FACTS)
    assert promised["model_size"] == promised["inference_memory"] == pytest.approx(177.8, abs=0.1)
    assert promised["flops"] == promised["time_to_first_token"] == 200
    assert promised["latency"] == promised["inter_token_latency"] == promised["model_size"]
    assert promised["throughput"] == 200


def test_fewer_bits_promise_bytes_and_no_operations():
    # rounding makes zeros that nobody promised
    promised = promises(QUANTIZED, facts(500, sparsity=0.12), DENSE_FACTS)
    assert promised["model_size"] == promised["latency"] == promised["throughput"] == 320
    assert "flops" not in promised
    assert "time_to_first_token" not in promised


def test_a_student_promises_what_its_shape_executes():
    promised = promises(STUDENT, facts(800), DENSE_FACTS, flops=1.83)
    assert promised["flops"] == pytest.approx(183)
    assert promised["model_size"] == 200


@pytest.mark.parametrize(
    ("size", "memory"),
    [(5.40, 10.53), (8.46, 13.73), (8.50, 13.67)],
    ids=["4bit", "depth", "width"],
)
def test_the_published_inference_memory_is_what_sizes_promise(size, memory):
    """GiB of Llama-3.1-8B in the paper: 14.96 on disk, 20.39 in use."""
    dense = {"bytes": 14.96, "ideal_bytes": 14.96}
    promised = promises(Claims(), facts(size), dense, weights=14.96 / 20.39)
    assert promised["inference_memory"] == pytest.approx(100 * 20.39 / memory, rel=0.04)


def test_of_zeros_among_few_bits_only_those_that_were_claimed_are_promised():
    promised = promises(BOTH, facts(400, sparsity=0.56), DENSE_FACTS)
    assert promised["flops"] == 200


def test_a_larger_format_promises_no_smaller_one():
    promised = promises(SPARSE, facts(1700, sparsity=0.05, stored=1600), DENSE_FACTS)
    assert promised.keys() == {"flops", "time_to_first_token", "throughput"}


@given(
    st.sampled_from([SPARSE, QUANTIZED, STUDENT, BOTH, Claims()]),
    st.integers(1, 3200),
    st.floats(0, 0.99),
    st.floats(0.5, 4),
    st.floats(0, 1),
)
def test_only_gains_are_promised_and_none_of_building(claims, ideal, sparsity, executed, share):
    promised = promises(
        claims, facts(ideal, sparsity=sparsity), DENSE_FACTS, flops=executed, weights=share
    )
    assert promised.get("inference_memory", 100) <= promised.get("model_size", 100) * (1 + 1e-9)
    assert promised.keys() <= UNITS.keys() - {"compression_time", "compression_memory"}
    assert all(value > 100 for value in promised.values())
    for timing in TIMINGS:
        if timing in promised:
            assert promised[timing] in (promised.get("model_size"), promised.get("flops"))


@pytest.mark.parametrize("name", ["wanda_50", "gptq_w4a16"])
def test_real_checkpoints_promise_what_their_families_are_for(build, name):
    made = build(name)
    dense = {"bytes": 3_089_616, "ideal_bytes": 3_089_616}
    promised = promises(made.method.claims, made.facts, dense)
    assert promised["model_size"] > 150
    assert ("flops" in promised) == (made.method.family == "pruning")
