"""Quality against size, memory and speed: what lies on the front, and what is dominated."""

import math
from statistics import fmean

from hypothesis import given
from hypothesis import strategies as st

from unicomp.findings.pareto import front, qualities, trade_offs
from unicomp.framework import EMBEDDED_PROFILE
from unicomp.policy import Policy
from unicomp.scorecard import scorecard
from unicomp.verdict import Row

PERFORMANCE = {
    "arc_easy": "knowledge",
    "global_mmlu_lite": "multilingual",
    "gsm8k": "reasoning",
    "ifbench": "instruction_following",
}
finite = st.floats(-1e6, 1e6)
points = st.dictionaries(st.integers(), st.tuples(finite, finite), max_size=12)


def rows(method, kept, **gains):
    """The rows of a method: each performance benchmark keeps so much, each probe gains so much."""
    about = {"model": "m", "method": method, "verdict": "pass"}
    about["calibration"] = "none" if method == "dense" else "generic"
    for (name, metric), value in zip(PERFORMANCE.items(), kept, strict=True):
        if value is None:
            yield Row(benchmark=name, metric=metric, **about | {"verdict": "fail"})
            continue
        low, high = (value, value) if method == "dense" else (value - 2.0, value + 2.0)
        score = {"score": 0.8 * value, "dense": 80.0, "n": 1000, "clusters": 1000}
        yield Row(
            benchmark=name, metric=metric, retention=value, low=low, high=high, **score, **about
        )
    for name, (value, slack) in gains.items():
        timing = {"low": value - slack, "high": value + slack, "n": 4, "unit": "s"}
        yield Row(
            benchmark=name, score=100.0 / value, dense=1.0, retention=value, **timing, **about
        )


def card_of(*groups):
    flat = [row for group in groups for row in group]
    return scorecard(flat, {"m": EMBEDDED_PROFILE}, Policy())


DENSE = ("dense", (100.0, 100.0, 100.0, 100.0))


def on_front(card, axis):
    return {one.method for one in trade_offs(card) if one.axis == axis and one.on_front}


def test_quality_is_the_mean_retention_of_the_performance_metrics():
    found = qualities(card_of(rows(*DENSE), rows("awq", (99.0, 97.0, 95.0, 93.0))))
    assert [one.value for one in found] == [100.0, fmean((99.0, 97.0, 95.0, 93.0))]
    dense, awq = found
    assert (dense.low, dense.high) == (100.0, 100.0)
    # four independent intervals of about ± 2
    assert awq.low < 96.0 - 0.9
    assert awq.high > 96.0 + 0.9


def test_a_checkpoint_that_lacks_a_metric_has_no_quality_and_is_on_no_front():
    broken = rows("wanda", (99.0, 98.0, None, 97.0), model_size=(200.0, 1.0))
    card = card_of(rows(*DENSE, model_size=(100.0, 0.0)), broken)
    assert [(one.value, one.lacking) for one in qualities(card)][1] == (None, ("reasoning",))
    (one,) = [one for one in trade_offs(card) if one.method == "wanda"]
    assert (one.quality, one.relative, one.on_front) == (None, 200.0, False)
    assert on_front(card, "model_size") == {"dense"}


def test_a_smaller_checkpoint_is_on_the_front_and_a_dominated_one_is_not():
    card = card_of(
        rows(*DENSE, model_size=(100.0, 0.0)),
        rows("awq", (99.0,) * 4, model_size=(250.0, 0.2)),
        rows("gptq", (98.0,) * 4, model_size=(250.0, 0.2)),
        rows("wanda", (80.0,) * 4, model_size=(100.0, 0.1)),
    )
    assert on_front(card, "model_size") == {"dense", "awq"}


def test_a_speed_that_the_rounds_do_not_show_does_not_put_a_checkpoint_on_the_front():
    def card(slack):
        noisy = rows("wanda", (80.0,) * 4, throughput=(104.0, slack))
        return card_of(rows(*DENSE, throughput=(100.0, 0.0)), noisy)

    assert on_front(card(5.0), "throughput") == {"dense"}
    assert on_front(card(1.0), "throughput") == {"dense", "wanda"}


def test_a_cost_of_compression_is_weighed_among_compressed_checkpoints():
    cost = {"metric": "compute_cost", "unit": "s", "n": 1, "verdict": "pass", "model": "m"}
    cost |= {"calibration": "generic", "benchmark": "compression_time"}
    card = card_of(
        rows(*DENSE),
        [*rows("slow", (90.0,) * 4), Row(method="slow", score=30.0, **cost)],
        [*rows("fast", (90.0,) * 4), Row(method="fast", score=3.0, **cost)],
    )
    assert on_front(card, "compression_time") == {"fast"}
    assert {one.relative for one in trade_offs(card)} == {None}


def test_a_gain_that_is_no_number_is_left_out():
    odd = rows("odd", (90.0,) * 4, latency=(math.inf, 1.0))
    card = card_of(rows(*DENSE, latency=(100.0, 0.0)), odd)
    assert [one.method for one in trade_offs(card)] == ["dense"]


@given(points)
def test_each_point_off_the_front_is_dominated_by_one_on_it(points):
    best = front(points)
    assert bool(best) == bool(points)
    for key, (x, y) in points.items():
        better = {
            other for other, (u, v) in points.items() if u >= x and v >= y and (u, v) != (x, y)
        }
        assert (key in best) != bool(better)
        assert key in best or better & best


@given(points, st.sampled_from([math.nan, math.inf, -math.inf]))
def test_a_point_that_is_not_finite_changes_nothing(points, number):
    assert front({**points, "odd": (number, 1e9)}) == front(points)
