"""A gain compares compressed with dense, with its interval, so that more is better."""

import math

import pytest

from unicomp.desk import Desk
from unicomp.efficiency.gain import Gain, gain_of_bench, gain_of_figures, gain_of_rounds
from unicomp.efficiency.rounds import Rounds
from unicomp.engines import Benched, Timing
from unicomp.errors import ScoringError, SpecError
from unicomp.framework import PAPER_PROFILE
from unicomp.policy import Policy
from unicomp.spec import CheckpointId, Load, Probe

LOAD = Load(prompt_tokens=60, new_tokens=40, concurrency=2)
NOISE = (1.0, 1.01, 0.99, 1.02, 0.98, 1.0, 1.03, 0.97, 1.01, 0.99)


def probe(quantity, load=LOAD):
    counted = quantity in ("model_size", "compression_time")
    return Probe(
        name=quantity,
        metric="inference_efficiency",
        quantity=quantity,
        load=None if counted else load,
    )


def timing(seconds, first=0.1, gap=0.01):
    return Timing(seconds, (first, first), (gap,) * 3)


def rounds(dense, compressed, **joules):
    return Rounds(load=LOAD, dense=tuple(dense), compressed=tuple(compressed), **joules)


def twice_as_fast(**joules):
    """Rounds in which the compressed one needs half of every time."""
    return rounds(
        [timing(2 * noise, 0.2 * noise, 0.02 * noise) for noise in NOISE],
        [timing(noise, 0.1 * noise, 0.01 * noise) for noise in NOISE[::-1]],
        **joules,
    )


@pytest.mark.parametrize(
    ("quantity", "score", "dense"),
    [
        ("throughput", 200.0, 100.0),
        ("latency", 1.0, 2.0),
        ("time_to_first_token", 0.1, 0.2),
        ("inter_token_latency", 0.01, 0.02),
    ],
)
def test_half_of_the_time_is_twice_the_gain(quantity, score, dense):
    gain = gain_of_rounds(probe(quantity), twice_as_fast())
    assert gain.score == pytest.approx(score, rel=0.01)
    assert gain.dense == pytest.approx(dense, rel=0.01)
    assert gain.value == pytest.approx(200, abs=2)
    assert 190 < gain.low < gain.value < gain.high < 210
    assert gain.n == 10


@pytest.mark.parametrize("quantity", ["throughput", "latency"])
def test_two_loadings_of_one_checkpoint_are_not_told_apart_by_less_than_one_per_cent(quantity):
    gain = gain_of_rounds(probe(quantity), rounds([timing(1.005)] * 50, [timing(1.0)] * 50))
    assert gain.value == pytest.approx(100.5)
    assert gain.low == pytest.approx(99.5, abs=0.05)
    assert gain.high == pytest.approx(101.5, abs=0.05)


def test_throughput_is_all_tokens_over_all_seconds():
    gain = gain_of_rounds(
        probe("throughput"),
        rounds([timing(1.0), timing(3.0)], [timing(1.0), timing(1.0)]),
    )
    assert gain.dense == pytest.approx(2 * 2 * 100 / 4)
    assert gain.score == pytest.approx(2 * 2 * 100 / 2)
    assert gain.value == pytest.approx(200)


def test_counted_figures_are_exact():
    gain = gain_of_figures(probe("model_size"), 3.76e6, 8.42e6)
    assert gain.value == gain.low == gain.high == pytest.approx(100 * 8.42 / 3.76)
    assert gain.n == 0


@pytest.mark.parametrize("figure", [0.0, -1.0, math.nan, math.inf])
def test_there_is_no_ratio_with_nothing(figure):
    for pair in ((figure, 1.0), (1.0, figure)):
        with pytest.raises(ScoringError, match="no ratio can be taken"):
            gain_of_figures(probe("model_size"), *pair)


def test_the_dense_checkpoint_keeps_all_of_itself():
    timings = tuple(timing(noise) for noise in NOISE)
    gain = gain_of_rounds(probe("latency"), Rounds(load=LOAD, dense=timings, compressed=timings))
    assert (gain.value, gain.low, gain.high) == (100.0, 100.0, 100.0)
    assert gain.score == gain.dense


def test_what_is_counted_has_no_rounds():
    with pytest.raises(SpecError, match="counted, not timed"):
        gain_of_rounds(probe("model_size"), twice_as_fast())


@pytest.mark.parametrize(
    ("quantity", "broken"),
    [
        ("inter_token_latency", Timing(1.0, (0.1,), ())),
        ("time_to_first_token", Timing(1.0, (), ())),
        ("latency", timing(0.0)),
        ("latency", timing(math.nan)),
        ("throughput", timing(math.inf)),
    ],
)
def test_impossible_times_are_refused(quantity, broken):
    with pytest.raises(ScoringError, match=quantity):
        gain_of_rounds(probe(quantity), rounds([timing(1.0)] * 2, [timing(1.0), broken]))


# -- the value itself, which a limit judges ------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "value"),
    [
        ("throughput", 200.0),
        ("latency", 1.0),
        ("time_to_first_token", 0.1),
        ("inter_token_latency", 0.01),
    ],
)
def test_the_median_round_has_an_interval_of_its_own(quantity, value):
    gain = gain_of_rounds(probe(quantity), twice_as_fast())
    assert gain.absolute == pytest.approx(value, rel=0.01)
    assert 0.94 * value < gain.absolute_low < gain.absolute < gain.absolute_high < 1.06 * value


def test_one_slow_round_moves_the_total_and_not_what_a_limit_judges():
    seconds = [*NOISE, 20.0]
    gain = gain_of_rounds(
        probe("throughput"), rounds([timing(1.0)] * 11, [timing(one) for one in seconds])
    )
    assert gain.score < 80
    assert 190 < gain.absolute_low < gain.absolute < gain.absolute_high < 210


@pytest.mark.parametrize("quantity", ["latency", "throughput"])
def test_two_rounds_have_no_interval_that_meets_a_limit(quantity):
    gain = gain_of_rounds(probe(quantity), rounds([timing(1.0)] * 2, [timing(1.0)] * 2))
    assert (gain.absolute_low, gain.absolute_high) == (0.0, math.inf)


def test_the_dense_checkpoint_has_a_value_of_its_own():
    timings = tuple(timing(noise) for noise in NOISE)
    gain = gain_of_rounds(probe("latency"), Rounds(load=LOAD, dense=timings, compressed=timings))
    assert gain.absolute_low < gain.absolute == gain.score < gain.absolute_high


def test_a_count_is_exact_but_for_its_own_error():
    exact = gain_of_figures(probe("model_size"), 3.76e6, 8.42e6, error=0.001)
    assert exact.absolute_low == exact.absolute == exact.absolute_high == 3.76e6
    memory = gain_of_figures(probe("model_size"), 2e6, 4e6, error=0.01, own_error=0.01)
    assert (memory.absolute_low, memory.absolute_high) == pytest.approx((1.98e6, 2.02e6))


def test_a_benchmark_of_vllm_has_values_of_its_own_too():
    gain = gain_of_bench(benched("latency"), Benched(NOISE, 100), Benched(NOISE, 100))
    assert 0.95 < gain.absolute_low < gain.absolute < gain.absolute_high < 1.05
    one = gain_of_bench(benched("throughput"), Benched((1.0,), 1010), Benched((4.0,), 2020))
    assert one.absolute == pytest.approx(1010)
    assert (one.absolute_low, one.absolute_high) == (0.0, math.inf)


# -- details ------------------------------------------------------------------------------------


def test_tails_of_both_sides_are_reported():
    gain = gain_of_rounds(probe("latency"), twice_as_fast())
    assert gain.details["median"] == gain.score
    assert gain.details["dense.median"] == gain.dense
    assert 1.0 < gain.details["p95"] < gain.details["p99"] <= 1.03
    assert 2.0 < gain.details["dense.p95"] < gain.details["dense.p99"] <= 2.06
    assert gain.details["generated_tokens_per_second"] == pytest.approx(2 * 40)
    assert gain.details["dense.generated_tokens_per_second"] == pytest.approx(40)


def test_the_tail_of_throughput_is_the_slow_one():
    details = gain_of_rounds(probe("throughput"), twice_as_fast()).details
    assert details["p1"] < details["p5"] < details["median"]
    assert "p95" not in details


def test_energy_is_reported_where_it_is_known():
    known = gain_of_rounds(probe("latency"), twice_as_fast(compressed_joules=80.0))
    assert known.details["joules_per_token"] == pytest.approx(80 / (10 * 2 * 40))
    assert "dense.joules_per_token" not in known.details


# -- how sure -----------------------------------------------------------------------------------


def test_a_difference_within_the_noise_is_left_open():
    noisy = rounds(
        [timing(noise) for noise in NOISE], [timing(1.01 * noise) for noise in NOISE[::-1]]
    )
    gain = gain_of_rounds(probe("latency"), noisy)
    assert gain.low < 100 < gain.high


def test_a_gain_explains_itself():
    gain = Gain(
        probe="latency",
        unit="s",
        score=0.779,
        dense=0.812,
        value=104.2,
        low=101.0,
        high=107.9,
        n=12,
    )
    assert repr(gain) == (
        "<latency: 104.2 % [101.0, 107.9] of dense 812 ms (measured 779 ms), 12 rounds>"
    )
    assert repr(gain_of_figures(probe("model_size"), 3.76e6, 8.42e6)) == (
        "<model_size: 223.9 % of dense 8.42 MB (measured 3.76 MB)>"
    )


def benched(quantity):
    return Probe(
        name=f"vllm_bench_{quantity}",
        metric="runtime_acceleration",
        quantity=quantity,
        load=LOAD,
        bench=True,
    )


def test_latencies_of_a_benchmark_have_an_interval():
    dense = Benched(tuple(2 * noise for noise in NOISE), 100)
    gain = gain_of_bench(benched("latency"), Benched(NOISE, 100), dense)
    assert gain.value == pytest.approx(200, abs=1)
    assert 190 < gain.low < gain.value < gain.high < 210
    assert (gain.score, gain.dense, gain.n) == (pytest.approx(1.0), pytest.approx(2.0), 10)
    assert {"p95", "dense.p95"} <= gain.details.keys()
    assert gain.expected_gain is None


def verdict_of(gain, floor):
    desk = Desk(CheckpointId("m", "wanda_50", "generic"), Policy(), PAPER_PROFILE)
    bool(desk.gain(benched("throughput"), lambda: gain) >= floor)
    return desk.rows["vllm_bench_throughput"].verdict


def test_one_throughput_of_a_benchmark_has_no_interval_and_meets_no_floor():
    gain = gain_of_bench(benched("throughput"), Benched((1.0,), 1010), Benched((4.0,), 2020))
    assert (gain.score, gain.dense) == (pytest.approx(1010), pytest.approx(505))
    assert (gain.value, gain.low, gain.high) == (pytest.approx(200), 0.0, math.inf)
    verdicts = {floor: verdict_of(gain, floor) for floor in (0.0, 1.5, 1e9)}
    assert verdicts == {0.0: "pass", 1.5: "undecided", 1e9: "undecided"}
    assert "no interval" in repr(gain)
    assert "inf" not in repr(gain)


def test_the_dense_checkpoint_gains_nothing_over_itself_in_a_benchmark():
    dense = Benched((1.0,), 100)
    gain = gain_of_bench(benched("throughput"), dense, dense)
    assert gain.value == gain.low == gain.high == 100.0


@pytest.mark.parametrize(
    ("seconds", "tokens"), [((), 1), ((0.0,), 1), ((math.nan,), 1), ((1.0,), 0)]
)
def test_figures_that_no_benchmark_can_have_measured_are_refused(seconds, tokens):
    with pytest.raises(ValueError, match=r"not a number of tokens|not durations"):
        Benched(seconds, tokens)


def test_only_what_a_benchmark_takes_has_its_name():
    with pytest.raises(SpecError, match="begins with vllm_bench_"):
        Probe(name="latency", metric="m", quantity="latency", load=LOAD, bench=True)
    with pytest.raises(SpecError, match="begins with vllm_bench_"):
        Probe(name="vllm_bench_latency", metric="m", quantity="latency", load=LOAD)
    with pytest.raises(SpecError, match="measures throughput and latency only"):
        Probe(name="vllm_bench_x", metric="m", quantity="flops", load=LOAD, bench=True)
