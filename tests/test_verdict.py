"""How a row ends: measured and judged, or neither; the rules need no pytest to be applied."""

import math
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from unicomp import Benchmark, Load, Mean, Probe, TaskMetric
from unicomp.confidence import PairedShares, PartialShares, PartTable, to_json
from unicomp.desk import Desk
from unicomp.efficiency.cost import Cost
from unicomp.efficiency.gain import Gain
from unicomp.errors import (
    BuildError,
    EngineError,
    NotFiniteError,
    ScoringError,
    SpecError,
    UnmeasuredError,
    UnsupportedError,
)
from unicomp.framework import PAPER_PROFILE
from unicomp.policy import Policy
from unicomp.policy_entry import Entry
from unicomp.retention import Retention
from unicomp.spec import LEVEL, CheckpointId
from unicomp.verdict import (
    Row,
    asking,
    demand_of,
    expected,
    failed_with_test,
    judged,
    recorded_once,
)

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


def desk(family=1, **policy):
    return Desk(NAME, Policy(**policy), PAPER_PROFILE, family)


def answered(table, *, higher_is_better=True, **asked):
    """A row of independent items with (both, gained, lost, neither) right answers."""
    both, gained, lost, _ = table
    n, shares = sum(table), PairedShares((tuple(map(float, table)),))
    limits = shares.limits()
    found = {"kept": shares, "drop": PairedShares(shares.tables, absolute=True)}
    if not higher_is_better:
        found["raw"] = shares.turned()
    now, before = 100 * (both + gained) / n, 100 * (both + lost) / n
    return Row(
        **NAME._asdict(),
        benchmark="gsm8k",
        metric="reasoning",
        higher_is_better=higher_is_better,
        score=now if higher_is_better else 100 - now,
        dense=before if higher_is_better else 100 - before,
        retention=100 * limits.estimate,
        low=100 * limits.low,
        high=100 * limits.high,
        evidence={name: to_json(one) for name, one in found.items()},
        **asked,
    )


def fails(error):
    def measure():
        raise error

    return measure


# -- retention ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("floor", "verdict"), [(74.9, "pass"), (75.1, "undecided"), (85.1, "fail")]
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
    assert not kept >= 86
    assert one.rows["gsm8k"].verdict == "fail"


def test_a_comparison_is_false_only_if_the_row_fails():
    """An undecided guard does not matter where its metric passes; the session settles it."""
    one = desk()
    kept = one.retention(BENCH, lambda: KEPT)
    assert kept >= 80
    assert one.rows["gsm8k"].verdict == "undecided"


def test_a_comparison_of_an_advisory_row_is_always_true():
    one = desk(entries={"gsm8k": Entry(tier="advisory")})
    assert one.retention(BENCH, lambda: KEPT) >= 99
    assert (one.rows["gsm8k"].verdict, one.rows["gsm8k"].tier) == ("fail", "advisory")


def test_a_guard_fails_at_2_5_percent_over_the_number_that_is_planned():
    """4 points above the upper limit of 2.5 %; at 2.5 % / 200 that limit is 89.8."""
    for family, verdict in ((1, "fail"), (200, "undecided")):
        one = desk(family)
        assert (one.retention(BENCH, lambda: KEPT) >= 89.0) == (verdict == "undecided")
        assert one.rows["gsm8k"].verdict == verdict


def test_passing_needs_no_correction_for_the_number_that_is_planned():
    for family in (1, 200):
        one = desk(family, general={"gsm8k": 74.9})
        one.retention(BENCH, lambda: KEPT)
        assert one.rows["gsm8k"].verdict == "pass"


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
    row = one.rows["gsm8k"]
    assert (row.verdict, row.p_pass, row.p_fail) == ("undecided", 1.0, 1.0)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (UnsupportedError("a width of 64"), "unsupported"),
        (UnmeasuredError("no judge"), "not_measured"),
        (BuildError("it crashed"), "missing"),
        (EngineError("it does not load"), "missing"),
        (SpecError("no such rows"), "missing"),
        (NotFiniteError(), "fail"),
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


def test_a_timing_without_a_floor_is_advisory_and_passes():
    one = desk()
    one.gain(LATENCY, lambda: replace(FASTER, value=10.0, low=9.0, high=11.0))
    row = one.rows["latency"]
    assert (row.verdict, row.floor, row.tier) == ("pass", None, "advisory")


@pytest.mark.parametrize(("floor", "verdict"), [(189, "pass"), (200, "undecided"), (220, "fail")])
def test_a_timing_with_a_floor_is_critical(floor, verdict):
    one = desk(general={"latency": floor})
    one.gain(LATENCY, lambda: FASTER)
    assert (one.rows["latency"].verdict, one.rows["latency"].tier) == (verdict, "critical")


def test_a_gain_is_compared_like_a_retention():
    one = desk(general={"latency": 150.0})
    gain = one.gain(LATENCY, lambda: FASTER)
    assert gain >= 189
    assert gain >= 200
    row = one.rows["latency"]
    assert (row.verdict, row.unit, row.retention) == ("undecided", "s", 200.0)
    assert row.higher_is_better is False
    assert not gain >= 220


@pytest.mark.parametrize(("budget", "verdict"), [(60.0, "pass"), (59.9, "fail"), (None, "pass")])
def test_a_cost_passes_within_its_budget(budget, verdict):
    one = desk(budgets={} if budget is None else {"compression_time": budget})
    cost = one.cost(TIME, lambda: Cost(60.0))
    row = one.rows["compression_time"]
    assert (row.verdict, row.budget, row.score) == (verdict, budget, 60.0)
    assert row.decided
    assert not cost <= 10
    assert (one.rows["compression_time"].verdict, one.rows["compression_time"].budget) == (
        "fail",
        10.0,
    )


@pytest.mark.parametrize(
    ("budget", "verdict"), [(60.0, "pass"), (59.9, "undecided"), (None, "pass")]
)
def test_a_time_taken_beside_other_work_passes_its_budget_or_decides_nothing(budget, verdict):
    one = desk(budgets={} if budget is None else {"compression_time": budget})
    cost = one.cost(TIME, lambda: Cost(60.0, 0.4))
    row = one.rows["compression_time"]
    assert (row.verdict, row.score, row.details) == (verdict, 60.0, {"other_load": 0.4})
    assert cost <= 10, "an undecided comparison is settled at the end of the session"
    assert one.rows["compression_time"].verdict == "undecided"


# -- the rest -------------------------------------------------------------------------------------


def test_before_it_is_measured_a_row_is_missing():
    row = expected(NAME, BENCH)
    assert (row.verdict, row.checkpoint, row.metric) == ("missing", NAME, "reasoning")
    assert not row.decided


@pytest.mark.parametrize("verdict", ["pass", "undecided", "fail", "missing", "unsupported"])
def test_a_row_that_did_not_fail_fails_with_its_test(verdict):
    row = replace(expected(NAME, BENCH), verdict=verdict, reason="why")
    after = failed_with_test(row)
    changed = verdict in ("pass", "undecided")
    assert after == (replace(row, verdict="fail", reason="the test failed") if changed else row)


# -- what is asked --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "tier"), [("gsm8k", "guard"), ("mine", "critical"), ("bertscore", "critical")]
)
def test_a_benchmark_of_no_metric_is_critical_and_one_of_a_metric_a_guard(name, tier):
    bench = replace(BENCH, name=name)
    assert demand_of(Policy(), PAPER_PROFILE, NAME, bench).tier == tier
    named = Policy(entries={name: Entry(tier="advisory")})
    assert demand_of(named, PAPER_PROFILE, NAME, bench).tier == "advisory"


def test_a_benchmark_that_can_decide_nothing_is_advisory_whatever_the_policy_says():
    bench = replace(BENCH, advisory="an association has no limits that hold")
    strict = Policy(entries={"gsm8k": Entry(tier="critical")})
    assert demand_of(strict, PAPER_PROFILE, NAME, bench).tier == "advisory"


IDENTICAL = (600, 0, 0, 400)
ONE_PERCENT = (600, 0, 20, 380)
"""A drop of 2 points of 62, which is a retention of 96.8."""
WORSE = (450, 0, 150, 400)


@pytest.mark.parametrize(
    ("table", "floor", "verdict"),
    [
        (IDENTICAL, 99, "pass"),
        (IDENTICAL, 99.5, "undecided"),
        (ONE_PERCENT, 95, "pass"),
        (ONE_PERCENT, 96, "undecided"),
        (ONE_PERCENT, 99, "fail"),
        (WORSE, 90, "fail"),
    ],
)
def test_a_row_passes_or_fails_by_the_limits_of_its_evidence(table, floor, verdict):
    row = judged(answered(table, floor=floor))
    assert row.verdict == verdict
    assert (row.p_pass < 0.025) == (verdict == "pass")
    assert (row.p_fail < 0.025) == (verdict == "fail")


@pytest.mark.parametrize(
    ("table", "drop", "verdict"),
    [
        (IDENTICAL, 1.0, "pass"),
        (ONE_PERCENT, 1.0, "fail"),
        (ONE_PERCENT, 2.0, "undecided"),
        (ONE_PERCENT, 3.2, "pass"),
    ],
)
def test_a_drop_is_a_difference_in_points(table, drop, verdict):
    assert judged(answered(table, max_drop=drop)).verdict == verdict


def test_a_floor_and_a_drop_must_both_be_met():
    assert judged(answered(ONE_PERCENT, floor=90, max_drop=3.5)).verdict == "pass"
    assert judged(answered(ONE_PERCENT, floor=90, max_drop=0.5)).verdict == "fail"
    assert judged(answered(ONE_PERCENT, floor=99.9, max_drop=3.5)).verdict == "fail"
    assert judged(answered(ONE_PERCENT, floor=96.5, max_drop=3.5)).verdict == "undecided"


@pytest.mark.parametrize(("dense", "floor", "drop"), [(15.0, 90.0, None), (60.0, None, 1.0)])
def test_below_a_score_of_the_baseline_a_floor_replaces_the_drop(dense, floor, drop):
    entry = Entry(max_drop=1.0, relative_below=20.0)
    demand = demand_of(Policy(entries={"gsm8k": entry}), PAPER_PROFILE, NAME, BENCH)
    row = asking(replace(expected(NAME, BENCH), dense=dense), demand)
    assert (row.floor, row.max_drop) == (floor, drop)


@pytest.mark.parametrize(
    ("refused_before", "refused_now", "verdict"),
    [(200, 210, "pass"), (200, 221, "undecided"), (200, 300, "fail")],
)
def test_what_must_not_rise_has_a_ceiling_of_the_raw_score(refused_before, refused_now, verdict):
    """Over-refusal: less is better, and 110 % of the baseline's share is the most."""
    risen = refused_now - refused_before
    table = (1000 - refused_now, 0, risen, refused_before)
    row = answered(table, higher_is_better=False, ceiling=110)
    assert (row.dense, row.score) == pytest.approx((refused_before / 10, refused_now / 10))
    assert judged(row).verdict == verdict


def test_a_row_of_which_nothing_is_asked_passes():
    row = judged(answered(WORSE))
    assert (row.verdict, row.p_pass, row.p_fail) == ("pass", None, None)


def test_the_dense_model_keeps_all_that_can_be_asked_of_it():
    whole = replace(KEPT, value=100.0, low=100.0, high=100.0)
    for entry in (Entry(floor=100.0), Entry(max_drop=0.0), Entry(ceiling=100.0)):
        one = desk(entries={"gsm8k": entry})
        one.retention(BENCH, lambda: whole)
        row = one.rows["gsm8k"]
        assert (row.verdict, row.p_pass, row.p_fail) == ("pass", 0.0, 1.0)


VERDICTS = ["fail", "undecided", "pass"]


@given(st.tuples(*[st.integers(0, 80)] * 4), st.floats(0, 150), st.floats(0, 20))
@settings(deadline=None)
def test_a_higher_floor_never_helps(table, floor, more):
    assume(table[0] + table[2] > 0)
    before, after = (judged(answered(table, floor=one)).verdict for one in (floor, floor + more))
    assert VERDICTS.index(after) <= VERDICTS.index(before)


@given(st.tuples(*[st.integers(1, 80)] * 4), st.floats(1, 150), st.integers(1, 200))
@settings(deadline=None)
def test_a_larger_family_only_turns_failures_into_undecided_rows(table, floor, family):
    row = answered(table, floor=floor)
    alone, among = judged(row), judged(row, family=family)
    assert among.verdict in {alone.verdict, "undecided" if alone.verdict == "fail" else "pass"} - (
        {"pass"} if alone.verdict == "undecided" else set()
    )
    assert (alone.p_pass, alone.p_fail) == (among.p_pass, among.p_fail)


@given(st.tuples(*[st.integers(1, 80)] * 4), st.floats(1, 150), st.floats(1e-4, 0.025))
@settings(deadline=None)
def test_a_stricter_level_only_turns_passes_into_undecided_rows(table, floor, level):
    row = answered(table, floor=floor)
    usual, strict = judged(row).verdict, judged(row, level=level).verdict
    assert strict == usual or (usual, strict) == ("pass", "undecided")


@pytest.mark.parametrize("floor", [100.0, 90.0])
def test_a_row_fails_by_its_p_value_exactly_where_it_fails_by_its_limits(floor):
    for lost in range(40):
        shares = PairedShares(((300.0 - lost, 3.0, float(lost), 200.0),))
        limits = shares.limits()
        row = Row(
            **NAME._asdict(),
            benchmark="b",
            retention=100.0 * limits.estimate,
            low=100.0 * limits.low,
            high=100.0 * limits.high,
            floor=floor,
            evidence={"kept": to_json(shares)},
        )
        found = judged(row)
        assert (found.verdict == "fail") == (found.p_fail <= LEVEL), lost


def compared(**values):
    """A row of the benchmark whose answers were compared."""
    shares = PairedShares(((300.0, 3.0, 3.0, 200.0),))
    divergence = {"figures": {"top1": [97.0, 95.5, 98.2]}}
    kept = {"retention": 100.0, "low": 98.0, "high": 102.0, "evidence": {"kept": to_json(shares)}}
    return Row(**NAME._asdict(), benchmark="gsm8k", **{**kept, "divergence": divergence, **values})


@pytest.mark.parametrize(("floor", "verdict"), [(95, "pass"), (97, "undecided"), (99, "fail")])
def test_a_figure_of_the_answers_may_have_a_floor(floor, verdict):
    policy = Policy(general={"gsm8k.top1": floor, "gsm8k": 50.0})
    row = asking(compared(), policy.demand(NAME, BENCH, tier="guard"))
    assert judged(row).verdict == verdict


def test_a_floor_of_a_figure_that_was_not_measured_is_no_pass():
    policy = Policy(general={"gsm8k.identical": 90.0})
    row = asking(compared(), policy.demand(NAME, BENCH, tier="guard"))
    assert (row.verdict, row.reason) == (
        "not_measured",
        "there is no figure identical of its answers",
    )


def test_a_ceiling_of_a_score_whose_baseline_is_zero_is_no_pass():
    demand = Policy(entries={"gsm8k": Entry(ceiling=110.0)}).demand(NAME, BENCH, tier="guard")
    row = asking(compared(higher_is_better=False), demand)
    assert row.verdict == "not_measured"


@pytest.mark.parametrize("worse", ["fail", "missing", "undecided"])
def test_what_is_measured_twice_is_recorded_once_with_the_worst_verdict(worse):
    rows = [
        Row(**NAME._asdict(), benchmark=name, verdict=verdict, floor=floor)
        for name, verdict, floor in [
            ("gsm8k", "pass", 50.0), ("arc_easy", "pass", 50.0), ("gsm8k", worse, 90.0),
            ("arc_easy", "pass", 60.0), ("arc_easy", "pass", 40.0),
        ]
    ]  # fmt: skip
    found = [(row.benchmark, row.verdict, row.floor) for row in recorded_once(rows)]
    assert found == [("gsm8k", worse, 90.0), ("arc_easy", "pass", 60.0)]


# -- items that were asked in part ---------------------------------------------------------------


def early_and_whole(lost=0):
    """A retention of 300 of 1,000 items, of which the candidate lost some, and that of all."""
    part = PartialShares((PartTable(900.0, 100.0, 270.0, float(lost), 30.0, 0.0),))
    full = PairedShares(((900.0 - 3 * lost, 0.0, 3.0 * lost, 100.0),))
    evidence = [{"kept": to_json(one)} for one in (part, full)]
    known = {"benchmark": "gsm8k", "dense": 90.0, "low": 90.0, "high": 100.0}
    return (
        Retention(**known, score=89.0, n=300, value=99.0, full_n=1000, early_error=0.001,
                  evidence=evidence[0]),
        Retention(**known, score=88.0, n=1000, value=98.0, evidence=evidence[1]),
    )  # fmt: skip


def held(lost=0):
    """What a test holds, its desk, and how often all items were measured."""
    early, whole = early_and_whole(lost)
    calls: list[int] = []
    measured = desk(entries={"gsm8k": Entry(floor=80.0)})
    found = measured.retention(BENCH, lambda: early, lambda: (calls.append(1), whole)[1])
    return found, measured, calls


def test_a_floor_whose_verdict_is_known_needs_no_more_items():
    found, measured, calls = held()
    assert found >= 80.0
    assert found >= 60.0
    assert (found.benchmark, found.dense) == ("gsm8k", 90.0)
    assert "300 of 1000, stopped early" in repr(found)
    assert calls == []
    assert measured.rows["gsm8k"].full_n == 1000


def test_another_floor_whose_verdict_is_open_is_judged_with_all_items():
    found, measured, calls = held(lost=5)
    assert found >= 98.0
    assert calls == [1]
    row = measured.rows["gsm8k"]
    assert (row.full_n, row.n, row.floor, row.verdict) == (None, 1000, 98.0, "undecided")


def test_a_figure_is_that_of_all_items_which_are_asked_once():
    found, measured, calls = held(lost=5)
    assert (found.value, found.score, found.n, found.full_n) == (98.0, 88.0, 1000, None)
    assert calls == [1]
    assert measured.rows["gsm8k"].full_n is None
    assert found >= 80.0
    assert measured.rows["gsm8k"].full_n is None
