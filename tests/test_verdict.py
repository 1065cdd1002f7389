"""How a row ends: measured, compared, or neither; the rules need no pytest to be applied."""

import math
from dataclasses import replace

import pytest

from unicomp import Benchmark, Load, Mean, Probe, TaskMetric
from unicomp.efficiency.gain import Gain
from unicomp.errors import (
    BuildError,
    EngineError,
    ScoringError,
    SpecError,
    UnmeasuredError,
    UnsupportedError,
)
from unicomp.policy import Policy
from unicomp.retention import Retention
from unicomp.spec import CheckpointId
from unicomp.verdict import Desk, allowed, expected, failed_with_test

NAME = CheckpointId("m", "wanda_50", "generic")
BENCH = Benchmark(
    name="gsm8k",
    metric="reasoning",
    task="gsm8k/gsm8k-cot.yaml",
    scorer=TaskMetric("exact_match,strict-match"),
    aggregate=Mean("correct"),
)
LATENCY = Probe(
    name="latency",
    metric="runtime_acceleration",
    quantity="latency",
    load=Load(prompt_tokens=8, new_tokens=4),
)
TIME = Probe(name="compression_time", metric="compute_cost", quantity="compression_time")
KEPT = Retention(benchmark="gsm8k", score=60.0, dense=75.0, n=400, value=80.0, low=75.0, high=85.0)
FASTER = Gain(
    probe="latency", unit="s", score=1.0, dense=2.0, value=200.0, low=190.0, high=210.0, n=8
)


def desk(**policy):
    return Desk(NAME, Policy(**policy))


def fails(error):
    def measure():
        raise error

    return measure


# -- retention ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("floor", "verdict"), [(75.0, "pass"), (75.1, "inconclusive"), (85.1, "fail")]
)
def test_the_floor_of_the_policy_decides_until_the_test_compares(floor, verdict):
    one = desk(general={"reasoning": floor})
    one.retention(BENCH, lambda: KEPT)
    row = one.rows["gsm8k"]
    assert (row.verdict, row.floor) == (verdict, floor)
    assert (row.retention, row.low, row.high, row.n) == (80.0, 75.0, 85.0, 400)


def test_the_floor_that_a_test_compares_with_decides():
    one = desk()
    kept = one.retention(BENCH, lambda: KEPT)
    assert isinstance(kept, Retention)
    assert one.rows["gsm8k"].verdict == "fail"  # by the default floor of 90
    assert kept >= 70
    assert (one.rows["gsm8k"].verdict, one.rows["gsm8k"].floor) == ("pass", 70.0)
    assert not kept >= 80
    assert one.rows["gsm8k"].verdict == "inconclusive"


@pytest.mark.parametrize(
    ("change", "verdict", "reason"),
    [
        ({"degenerate": "all the same"}, "fail", "degenerate: all the same"),
        (
            {"faults": ("3 of 400 prompts", "no judge")},
            "not_measured",
            "3 of 400 prompts; no judge",
        ),
        (
            {"incomparable": "at chance", "value": None, "low": None, "high": None},
            "not_comparable",
            "at chance",
        ),
    ],
)
def test_a_measurement_without_a_usable_retention_is_not_compared(change, verdict, reason):
    one = desk()
    with pytest.raises(ScoringError, match=r"gsm8k: "):
        one.retention(BENCH, lambda: replace(KEPT, **change))
    row = one.rows["gsm8k"]
    assert (row.verdict, row.reason, row.retention) == (verdict, reason, None)
    assert not row.decided


def test_a_degenerate_checkpoint_reports_no_score_and_a_faulty_measurement_does():
    one = desk()
    for change in ({"degenerate": "all the same"}, {"faults": ("no judge",)}):
        with pytest.raises(ScoringError):
            one.retention(BENCH, lambda change=change: replace(KEPT, **change))
        assert one.rows["gsm8k"].score == (None if "degenerate" in change else 60.0)


def test_nan_is_never_a_pass():
    one = desk(general={"gsm8k": 0.0})
    one.retention(BENCH, lambda: replace(KEPT, value=math.nan, low=math.nan, high=math.nan))
    assert one.rows["gsm8k"].verdict == "fail"


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (UnsupportedError("a width of 64"), "unsupported"),
        (UnmeasuredError("no judge"), "not_measured"),
        (BuildError("it crashed"), "missing"),
        (EngineError("it does not load"), "missing"),
        (SpecError("no such rows"), "missing"),
    ],
)
def test_a_failed_measurement_says_why_and_is_raised_again(error, verdict):
    one = desk()
    with pytest.raises(type(error)) as caught:
        one.retention(BENCH, fails(error))
    assert caught.value is error
    row = one.rows["gsm8k"]
    assert (row.verdict, row.reason, row.score) == (verdict, str(error), None)


# -- gains and costs ------------------------------------------------------------------------------


def test_a_timing_has_no_floor_unless_one_is_set():
    one = desk()
    one.gain(LATENCY, lambda: replace(FASTER, value=10.0, low=9.0, high=11.0))
    assert (one.rows["latency"].verdict, one.rows["latency"].floor) == ("pass", 0.0)
    strict = desk(general={"latency": 220.0})
    strict.gain(LATENCY, lambda: FASTER)
    assert strict.rows["latency"].verdict == "fail"


def test_a_gain_is_compared_like_a_retention():
    one = desk()
    gain = one.gain(LATENCY, lambda: FASTER)
    assert gain >= 190
    assert not gain >= 200
    row = one.rows["latency"]
    assert (row.verdict, row.unit, row.retention) == ("inconclusive", "s", 200.0)
    assert row.higher_is_better is False


@pytest.mark.parametrize(("budget", "verdict"), [(60.0, "pass"), (59.9, "fail"), (None, "pass")])
def test_a_cost_passes_within_its_budget(budget, verdict):
    one = desk(budgets={} if budget is None else {"compression_time": budget})
    cost = one.cost(TIME, lambda: 60.0)
    row = one.rows["compression_time"]
    assert (row.verdict, row.budget, row.score) == (verdict, budget, 60.0)
    assert row.decided
    assert not cost <= 10
    assert (one.rows["compression_time"].verdict, one.rows["compression_time"].budget) == (
        "fail",
        10.0,
    )


# -- the rest -------------------------------------------------------------------------------------


def test_before_it_is_measured_a_row_is_missing():
    row = expected(NAME, BENCH)
    assert (row.verdict, row.checkpoint, row.metric) == ("missing", NAME, "reasoning")
    assert not row.decided


@pytest.mark.parametrize("verdict", ["pass", "fail", "inconclusive", "missing", "unsupported"])
def test_only_a_pass_fails_with_its_test(verdict):
    row = replace(expected(NAME, BENCH), verdict=verdict, reason="why")
    after = failed_with_test(row)
    assert after == (
        replace(row, verdict="fail", reason="the test failed") if verdict == "pass" else row
    )


def test_a_pass_needs_no_excuse_and_a_gap_has_the_reason_of_the_policy():
    policy = Policy(allow={"reasoning@wanda_50": "known"})
    row = expected(NAME, BENCH)
    assert allowed(row, policy) == "known"
    assert allowed(replace(row, verdict="pass"), policy) is None
    assert allowed(replace(row, method="gptq"), policy) is None
