"""Expected gains follow from facts and guarantees, not from the method's name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp.efficiency.expected_gain import expected_gains
from unicomp.spec import DENSE, TIMINGS, UNITS, Guarantees

DENSE_FACTS = {"bytes": 1600, "ideal_bytes": 1600, "parameters": 800, "bits": None}

SPARSE = Guarantees(sparsity=0.5)
QUANTIZED = Guarantees(bits=4, group_size=128)
STUDENT = Guarantees(shape={"layers": 0.5})
BOTH = Guarantees(sparsity=0.5, pattern=(2, 4), bits=4, group_size=128)


def facts(ideal, sparsity=0.0, stored=None):
    return {"bytes": stored or ideal, "ideal_bytes": ideal, "sparsity": sparsity}


def test_the_dense_model_has_no_expected_gain():
    assert expected_gains(DENSE.guarantees, DENSE_FACTS, DENSE_FACTS) == {}


def test_zeros_save_bytes_and_operations():
    gains = expected_gains(SPARSE, facts(900, sparsity=0.5, stored=1600), DENSE_FACTS)
    assert gains["model_size"] == gains["inference_memory"] == pytest.approx(177.8, abs=0.1)
    assert gains["flops"] == gains["time_to_first_token"] == 200
    assert gains["latency"] == gains["inter_token_latency"] == gains["model_size"]
    assert gains["throughput"] == 200


def test_fewer_bits_save_bytes_and_no_operations():
    # rounding makes zeros that are not guaranteed
    gains = expected_gains(QUANTIZED, facts(500, sparsity=0.12), DENSE_FACTS)
    assert gains["model_size"] == gains["latency"] == gains["throughput"] == 320
    assert "flops" not in gains
    assert "time_to_first_token" not in gains


def test_a_student_saves_what_its_shape_does_not_execute():
    gains = expected_gains(STUDENT, facts(800), DENSE_FACTS, flops=1.83)
    assert gains["flops"] == pytest.approx(183)
    assert gains["model_size"] == 200


@pytest.mark.parametrize(
    ("size", "memory"),
    [(5.40, 10.53), (8.46, 13.73), (8.50, 13.67)],
    ids=["4bit", "depth", "width"],
)
def test_the_published_inference_memory_follows_from_sizes(size, memory):
    """GiB of Llama-3.1-8B in the paper: 14.96 on disk, 20.39 in use."""
    dense = {"bytes": 14.96, "ideal_bytes": 14.96}
    gains = expected_gains(Guarantees(), facts(size), dense, weights=14.96 / 20.39)
    assert gains["inference_memory"] == pytest.approx(100 * 20.39 / memory, rel=0.04)


def test_among_few_bits_only_guaranteed_zeros_count():
    gains = expected_gains(BOTH, facts(400, sparsity=0.56), DENSE_FACTS)
    assert gains["flops"] == 200


def test_a_larger_format_saves_no_bytes():
    gains = expected_gains(SPARSE, facts(1700, sparsity=0.05, stored=1600), DENSE_FACTS)
    assert gains.keys() == {"flops", "time_to_first_token", "throughput"}


@given(
    st.sampled_from([SPARSE, QUANTIZED, STUDENT, BOTH, Guarantees()]),
    st.integers(1, 3200),
    st.floats(0, 0.99),
    st.floats(0.5, 4),
    st.floats(0, 1),
)
def test_only_gains_are_expected_and_none_in_building(guarantees, ideal, sparsity, executed, share):
    gains = expected_gains(
        guarantees, facts(ideal, sparsity=sparsity), DENSE_FACTS, flops=executed, weights=share
    )
    assert gains.get("inference_memory", 100) <= gains.get("model_size", 100) * (1 + 1e-9)
    assert gains.keys() <= UNITS.keys() - {"compression_time", "compression_memory"}
    assert all(value > 100 for value in gains.values())
    for timing in TIMINGS:
        if timing in gains:
            assert gains[timing] in (
                gains.get("model_size"),
                gains.get("flops"),
            )


@pytest.mark.parametrize("name", ["wanda_50", "gptq_w4a16"])
def test_real_checkpoints_save_what_their_families_are_for(build, name):
    made = build(name)
    dense = {"bytes": 3_089_616, "ideal_bytes": 3_089_616}
    gains = expected_gains(made.method.guarantees, made.facts, dense)
    assert gains["model_size"] > 150
    assert ("flops" in gains) == (made.method.family == "pruning")
