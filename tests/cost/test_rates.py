"""Rates: recorded ones before published ones, and each says which it is."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from unicomp import catalogue
from unicomp.cost.figures import BASES, Figure
from unicomp.cost.published import PublishedRates
from unicomp.cost.rates import Measured
from unicomp.cost.recorded import Pace, Recorded, pace_of
from unicomp.cost.weights import sizes_of
from unicomp.cost.workloads import Workload, known_workloads
from unicomp.errors import SpecError
from unicomp.framework import EMBEDDED_SHIPPING_PROFILE, SHIPPING_PROFILE
from unicomp.hardware import PUBLISHED
from unicomp.measuring import CheckpointRecords
from unicomp.responses import Spent
from unicomp.spec import CheckpointId
from unicomp.store import Store

ROOTS = catalogue.roots(catalogue.shipped_fixtures().parent)
METHODS = {
    name: catalogue.load_method(name, ROOTS)
    for name in ("dense", "wanda_50", "wanda_2_4", "gptq_w4a16", "fp8_dynamic")
}
SECONDS = st.floats(0.0, 1e6)
FIGURES = st.builds(Figure, st.dictionaries(st.sampled_from(BASES), SECONDS))
EACH = Workload(requests=1, read=400, written=40)


def recorded(tmp_path):
    return Recorded(store=Store(tmp_path), engine="hf", hardware="a processor, 1 thread")


def measured(found, otherwise=None):
    return Measured(
        model="embedded",
        recorded=found,
        methods=METHODS,
        benchmarks=("arc_easy", "gsm8k"),
        otherwise=otherwise,
        hint="run it",
    )


def note(found, method, **spent):
    """Record what a run of a checkpoint took, without time beside its items."""
    records = CheckpointRecords(
        records={},
        asked=sum(one.items for one in spent.values()),
        seconds=2.0 + sum(one.seconds for one in spent.values()),
        loading=2.0,
        spent=spent,
    )
    found.remember_answers(CheckpointId("embedded", method, "none"), records, records.seconds)


def on_h100(model="llama_3_1_8b", gpus=1):
    sizes = sizes_of(catalogue.load_model(model, ROOTS))
    return PublishedRates(gpu=PUBLISHED["H100"], sizes=sizes, gpus=gpus, batch=64)


@given(FIGURES, FIGURES)
def test_figures_add_up_by_their_origin(one, other):
    both = one + other
    assert both.seconds == pytest.approx(one.seconds + other.seconds)
    for basis in BASES:
        expected = one.parts.get(basis, 0.0) + other.parts.get(basis, 0.0)
        assert both.parts.get(basis, 0.0) == pytest.approx(expected)


def test_a_checkpoints_own_record_comes_first(tmp_path):
    found = recorded(tmp_path)
    note(found, "dense", arc_easy=Spent(items=100, seconds=10.0, read=40_000))
    note(found, "wanda_50", arc_easy=Spent(items=100, seconds=20.0, read=40_000))
    rates = measured(found)
    assert rates.item(METHODS["dense"], "arc_easy", EACH).seconds == pytest.approx(0.1)
    assert rates.item(METHODS["wanda_50"], "arc_easy", EACH).seconds == pytest.approx(0.2)
    assert rates.item(METHODS["wanda_50"], "arc_easy", EACH).parts.keys() == {"measured"}
    # the family, then the dense model
    assert rates.item(METHODS["wanda_2_4"], "arc_easy", EACH).seconds == pytest.approx(0.2)
    assert rates.item(METHODS["gptq_w4a16"], "arc_easy", EACH).seconds == pytest.approx(0.1)
    assert rates.loading(METHODS["gptq_w4a16"]).seconds == 2.0


def test_a_benchmark_that_was_never_run_follows_from_what_others_read_and_write(tmp_path):
    found = recorded(tmp_path)
    note(
        found,
        "dense",
        arc_easy=Spent(items=100, seconds=10.0, read=40_000),
        gsm8k=Spent(items=100, seconds=50.0, read=40_000, written=4_000),
    )
    # 0.25 ms a character read, 10 ms a character written
    item = measured(found).item(METHODS["dense"], "ifbench", EACH)
    assert item.seconds == pytest.approx(400 * 0.25e-3 + 40 * 10e-3)


def test_a_build_stands_for_those_of_its_algorithm_only(tmp_path):
    found = recorded(tmp_path)
    found.remember_seconds(CheckpointId("embedded", "wanda_50", "generic"), "build", 7.0)
    rates = measured(found)
    assert rates.build(METHODS["wanda_2_4"]).seconds == 7.0
    with pytest.raises(SpecError, match=r"gptq_w4a16 was never built here.*run it"):
        rates.build(METHODS["gptq_w4a16"])


def test_without_any_rate_the_command_that_measures_it_is_named(tmp_path):
    with pytest.raises(SpecError, match=r"no recorded times of embedded on a processor.*run it"):
        measured(recorded(tmp_path)).item(METHODS["dense"], "arc_easy", EACH)


def test_a_few_items_do_not_replace_a_rate(tmp_path):
    found = recorded(tmp_path)
    note(found, "dense", arc_easy=Spent(items=100, seconds=10.0, read=1))
    note(found, "dense", arc_easy=Spent(items=3, seconds=3.0, read=1))
    assert measured(found).item(METHODS["dense"], "arc_easy", None).seconds == pytest.approx(0.1)
    note(found, "dense", arc_easy=Spent(items=50, seconds=10.0, read=1))
    assert measured(found).item(METHODS["dense"], "arc_easy", None).seconds == pytest.approx(0.2)


def test_time_beside_the_items_is_spread_over_them(tmp_path):
    found = recorded(tmp_path)
    spent = {"arc_easy": Spent(items=50, seconds=10.0), "gsm8k": Spent(items=50, seconds=20.0)}
    records = CheckpointRecords(records={}, asked=100, seconds=31.0, loading=1.0, spent=spent)
    found.remember_answers(CheckpointId("embedded", "dense", "none"), records, seconds=41.0)
    assert found.items("embedded", "dense", "arc_easy").seconds == pytest.approx(15.0)
    assert found.items("embedded", "dense", "gsm8k").seconds == pytest.approx(25.0)


PACES = st.builds(Pace, read=st.floats(1e-5, 1e-2), written=st.floats(1e-4, 1.0))
AMOUNTS = st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 10**5)), min_size=2, max_size=6)


@given(PACES, AMOUNTS)
def test_a_pace_is_found_again_from_what_it_took(pace, amounts):
    shares = [written / read for read, written in amounts]
    assume(max(shares) - min(shares) > 0.01)
    spent = [
        Spent(items=1, seconds=r * pace.read + w * pace.written, read=r, written=w)
        for r, w in amounts
    ]
    found = pace_of(spent)
    for one in spent:
        each = Workload(requests=1, read=one.read, written=one.written)
        assert found.item(each).seconds == pytest.approx(one.seconds, rel=0.02)


@given(AMOUNTS, st.lists(st.floats(0.1, 1e4), min_size=6, max_size=6))
def test_no_pace_is_negative(amounts, seconds):
    spent = [
        Spent(items=1, seconds=took, read=r, written=w)
        for (r, w), took in zip(amounts, seconds, strict=False)
    ]
    found = pace_of(spent)
    assert found.read >= 0
    assert found.written >= 0


def test_published_throughput_is_reached_again():
    """The paper's load, 1024 tokens read and 16 written, is mostly reading."""
    rates = on_h100()
    item = rates.item(Workload(requests=1, read=4 * 1024, written=0), 16 * 10**9)
    assert 1024 / item.seconds == pytest.approx(41_498, rel=0.01)
    assert item.parts.keys() == {"published"}


def test_published_times_of_compression_are_those_of_the_paper():
    build = on_h100().build(METHODS["gptq_w4a16"], 5 * 10**9)
    assert build.parts["published"] == pytest.approx(600, rel=0.001)
    # reading and writing the weights
    assert build.parts["assumed"] == pytest.approx(21, rel=0.01)


def test_a_larger_model_takes_longer_and_more_gpus_less():
    small, large = on_h100("llama_3_1_8b"), on_h100("llama_3_1_70b")
    split = on_h100("llama_3_1_70b", gpus=4)
    assert large.item(EACH, 140 * 10**9).seconds > small.item(EACH, 16 * 10**9).seconds
    assert split.item(EACH, 140 * 10**9).seconds == pytest.approx(
        large.item(EACH, 140 * 10**9).seconds / 4
    )


@pytest.mark.parametrize(
    ("model", "billions"),
    [("llama_2_13b", 13.016), ("llama_3_1_70b", 70.554), ("qwen2_5_7b", 7.616),
     ("qwen3_32b", 32.762), ("qwen3_30b_a3b", 30.532), ("qwen3_1_7b", 1.721)],
)  # fmt: skip
def test_the_weights_of_a_published_model_are_known_without_the_hub(model, billions):
    sizes = sizes_of(catalogue.load_model(model, ROOTS))
    assert sizes.weights.all / 1e9 == pytest.approx(billions, abs=0.001)


def test_a_mixture_computes_with_some_of_its_experts():
    sizes = sizes_of(catalogue.load_model("qwen3_30b_a3b", ROOTS))
    assert sizes.active / 1e9 == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize(
    ("rows", "profile"), [("paper", SHIPPING_PROFILE), ("embedded", EMBEDDED_SHIPPING_PROFILE)]
)
def test_the_workload_of_every_benchmark_of_a_profile_is_known(rows, profile):
    assert profile.names <= known_workloads(rows).keys()
