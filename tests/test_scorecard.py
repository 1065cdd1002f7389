"""What shuts the gate, what it waits for, what is allowed; a metric needs all of its parts."""

import math
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unicomp.findings.decoupling import decoupling, knowledge_bias
from unicomp.framework import DIMENSIONS, EMBEDDED_PROFILE, PAPER_PROFILE, Profile, SubScore
from unicomp.policy import Policy
from unicomp.policy_entry import Entry, Tier
from unicomp.scorecard import scorecard
from unicomp.verdict import DECIDED, TEST_FAILED, Row, Verdict

UNMEASURED = [verdict for verdict in get_args(Verdict) if verdict not in DECIDED]
KEPT_OF = {"pass": 100.0, "undecided": 91.0, "fail": 60.0}
"""Verdict by the floor of 90 and an interval of ± 2 → a retention that has it."""

SAFETY = Profile("safety", {"safety": ("misuse", "xstest")})


def measured(benchmark, metric, kept=100.0, **about):
    """A row that was measured, with an interval of ± 2 points."""
    row = {
        "model": "m",
        "method": "wanda_50",
        "calibration": "generic",
        "score": 0.8 * kept,
        "dense": 80.0,
        "retention": kept,
        "low": kept - 2.0,
        "high": kept + 2.0,
        "n": 1000,
        "floor": 90.0,
        "verdict": "pass",
    }
    row = {**row, **about}
    if "score" not in about and row["retention"] is not None:  # the score that was so retained
        dense, up = row["dense"], row.get("higher_is_better", True)
        kept_of = (dense if up else 100.0 - dense) * row["retention"] / 100.0
        row["score"] = kept_of if up else 100.0 - kept_of
    return Row(benchmark=benchmark, metric=metric, **row)


def ended(benchmark, metric, verdict, **about):
    """A row that ended without a retention."""
    row = {"model": "m", "method": "wanda_50", "calibration": "generic", "floor": 90.0, **about}
    return Row(benchmark=benchmark, metric=metric, verdict=verdict, reason="why", **row)


def with_verdict(benchmark, metric, verdict, **about):
    """A row that will have a verdict."""
    if verdict in KEPT_OF:
        return measured(benchmark, metric, KEPT_OF[verdict], **about)
    return ended(benchmark, metric, verdict, **about)


def card_of(*rows, profile=SAFETY, **policy):
    return scorecard(rows, {"m": profile}, Policy(**policy))


def only_metric(card):
    (metric,) = card.metrics
    return metric


# -- the gate -------------------------------------------------------------------------------------


def test_the_gate_opens_when_everything_passed():
    card = card_of(measured("misuse", "safety"), measured("xstest", "safety"))
    assert card.decision == "open"
    assert card.gaps == ()
    assert only_metric(card).verdict == "pass"


GUARD = {
    "fail": "shut",
    "missing": "shut",
    "unsupported": "shut",
    "not_measured": "shut",
    "undecided": "open",  # its metric decides
    "not_comparable": "open",  # it has left its metric
}


@pytest.mark.parametrize("verdict", GUARD)
def test_a_guard_shuts_the_gate_only_if_it_fails_or_was_not_measured(verdict):
    gap = with_verdict("xstest", "safety", verdict)
    assert card_of(measured("misuse", "safety"), gap).decision == GUARD[verdict]


CRITICAL = {**GUARD, "undecided": "undecided", "not_comparable": "shut"}


@pytest.mark.parametrize("verdict", CRITICAL)
def test_a_critical_benchmark_must_pass(verdict):
    good = (measured("misuse", "safety"), measured("xstest", "safety"))
    mine = with_verdict("mine", None, verdict, tier="critical")
    assert card_of(*good, mine).decision == CRITICAL[verdict]


@pytest.mark.parametrize("verdict", CRITICAL)
def test_an_advisory_benchmark_never_blocks(verdict):
    good = (measured("misuse", "safety"), measured("xstest", "safety"))
    mine = with_verdict("mine", None, verdict, tier="advisory")
    assert card_of(*good, mine).decision == "open"


@pytest.mark.parametrize("tier", get_args(Tier))
def test_a_metric_that_is_undecided_leaves_the_gate_undecided_only_if_it_is_critical(tier):
    rows = (measured("misuse", "safety", 91.0), measured("xstest", "safety", 91.0))
    card = card_of(*rows, entries={"safety": Entry(tier=tier)})
    assert only_metric(card).verdict == "undecided"
    assert card.decision == ("undecided" if tier == "critical" else "open")


def test_an_undecided_guard_does_not_matter_where_its_metric_passes():
    card = card_of(measured("misuse", "safety", 91.0), measured("xstest", "safety", 98.0))
    assert [row.verdict for row in card.rows] == ["undecided", "pass"]
    assert only_metric(card).verdict == "pass"
    assert card.decision == "open"


def test_a_failure_outweighs_what_is_undecided():
    rows = (measured("misuse", "safety", 91.0), measured("xstest", "safety", 91.0))
    mine = with_verdict("mine", None, "fail", tier="critical")
    assert card_of(*rows, mine).decision == "shut"


def test_nothing_at_all_does_not_open_the_gate():
    assert card_of().decision == "shut"


@pytest.mark.parametrize("verdict", UNMEASURED)
@pytest.mark.parametrize("allow", [{}, {"reliability": "known"}])
def test_a_run_that_measured_nothing_does_not_open_the_gate_whatever_is_allowed(verdict, allow):
    rows = [ended(name, "safety", verdict) for name in ("misuse", "xstest")]
    assert card_of(*rows, allow=allow).decision == "shut"


@pytest.mark.parametrize("verdict", [one for one in UNMEASURED if one != "not_comparable"])
def test_an_allowed_gap_opens_the_gate_and_shows_its_reason(verdict):
    card = card_of(
        measured("misuse", "safety"),
        ended("xstest", "safety", verdict),
        allow={"xstest@wanda_50": "no groups of 128"},
    )
    assert card.decision == "open"
    assert [gap.allowed for gap in card.gaps] == ["no groups of 128"] * 2
    assert only_metric(card).verdict == verdict


def test_what_is_allowed_of_another_method_or_benchmark_opens_nothing():
    gap = ended("xstest", "safety", "unsupported")
    for name in ("xstest@gptq_w4a16", "misuse", "performance"):
        card = card_of(measured("misuse", "safety"), gap, allow={name: "known"})
        assert card.decision == "shut"


def test_a_pass_needs_no_excuse():
    card = card_of(
        measured("misuse", "safety"), measured("xstest", "safety"), allow={"safety": "known"}
    )
    assert [row.allowed for row in (*card.rows, *card.metrics)] == [None] * 3


# -- the metrics ----------------------------------------------------------------------------------


def test_a_metric_is_the_mean_of_its_retentions_with_its_own_floor():
    rows = (measured("misuse", "safety", 96.0), measured("xstest", "safety", 100.0))
    metric = only_metric(card_of(*rows, general={"safety": 95.0}))
    assert metric.value == pytest.approx(98)
    assert metric.high - metric.value == pytest.approx(math.hypot(1, 1))
    assert metric.verdict == "pass"
    assert only_metric(card_of(*rows, general={"safety": 98.0})).verdict == "undecided"
    assert only_metric(card_of(*rows, general={"safety": 101.0})).verdict == "fail"


def test_a_sub_score_weighs_its_benchmarks_by_their_dense_scores():
    tree = Profile("tree", {"ethics": (SubScore("explicit", ("low", "high")),)})
    rows = (
        measured("low", "ethics", 50.0, dense=20.0),
        measured("high", "ethics", 100.0, dense=60.0),
    )
    metric = only_metric(card_of(*rows, profile=tree))
    assert metric.value == pytest.approx(100 * (0.5 * 20 + 1.0 * 60) / (20 + 60))


def test_less_is_better_is_turned_before_it_weighs():
    tree = Profile("tree", {"fairness": (SubScore("stereotype", ("stereoset", "crows_pairs")),)})
    rows = (
        measured("stereoset", "fairness", 100.0, dense=60.0),
        measured("crows_pairs", "fairness", 50.0, dense=80.0, higher_is_better=False),
    )
    metric = only_metric(card_of(*rows, profile=tree))
    assert metric.value == pytest.approx(100 * (60 + 0.5 * 20) / (60 + 20))


@pytest.mark.parametrize("absent", EMBEDDED_PROFILE.benchmarks("safety"))
def test_a_metric_without_one_of_its_benchmarks_is_missing_and_not_smaller(absent):
    (name,) = set(EMBEDDED_PROFILE.benchmarks("safety")) - {absent}
    metric = only_metric(card_of(measured(name, "safety"), profile=EMBEDDED_PROFILE))
    assert (metric.verdict, metric.value, metric.low) == ("missing", None, None)
    assert metric.reason == f"{absent} was not run"


@pytest.mark.parametrize("verdict", [one for one in UNMEASURED if one != "not_comparable"])
def test_a_metric_with_an_unmeasured_benchmark_has_its_verdict(verdict):
    metric = only_metric(card_of(measured("misuse", "safety"), ended("xstest", "safety", verdict)))
    assert (metric.verdict, metric.value) == (verdict, None)
    assert metric.reason == f"xstest is {verdict}"


def test_a_benchmark_that_is_absent_can_be_allowed():
    card = card_of(measured("misuse", "safety"), allow={"xstest": "its rows are licensed"})
    assert card.decision == "open"
    assert only_metric(card).allowed == "its rows are licensed"


def test_a_metric_is_excused_when_all_that_keeps_it_down_is():
    rows = (measured("misuse", "safety", 60.0), measured("xstest", "safety", 100.0))
    card = card_of(*rows, allow={"misuse": "known to be hard"})
    assert only_metric(card).verdict == "fail"
    assert only_metric(card).allowed == "known to be hard"
    assert card.decision == "open"


def test_a_metric_is_not_excused_by_half_of_what_keeps_it_down():
    rows = (measured("misuse", "safety", 60.0), measured("xstest", "safety", 70.0))
    card = card_of(*rows, allow={"misuse": "known"})
    assert only_metric(card).allowed is None
    assert card.decision == "shut"


def test_a_metric_that_falls_by_itself_must_be_named_itself():
    rows = [measured(name, "safety", 96.0, floor=80.0) for name in ("misuse", "xstest")]
    floors = {"safety": 99.0}
    by_parts = card_of(*rows, general=floors, allow={"misuse": "a", "xstest": "b"})
    assert by_parts.decision == "shut"
    for name, decision in (
        ("safety", "open"),
        ("safety@wanda_50", "open"),
        ("safety@wanda_2_4", "shut"),
    ):
        card = card_of(*rows, general=floors, allow={name: "known"})
        assert card.decision == decision


def test_a_benchmark_of_the_user_is_reported_and_never_joins_a_metric():
    rows = (measured("misuse", "safety", 96.0), measured("xstest", "safety", 100.0))
    alone = card_of(*rows)
    beside = card_of(*rows, measured("mine", "safety", 10.0, tier="critical"))
    assert beside.metrics == alone.metrics
    assert [row.benchmark for row in beside.rows] == ["misuse", "xstest", "mine"]
    assert beside.decision == "shut"


def test_a_metric_that_nothing_was_run_of_is_not_on_the_card():
    assert [
        m.metric for m in card_of(measured("gsm8k", "reasoning"), profile=EMBEDDED_PROFILE).metrics
    ] == ["reasoning"]
    assert card_of(measured("mine", "reasoning"), profile=EMBEDDED_PROFILE).metrics == ()


def test_checkpoints_do_not_mix():
    rows = [
        measured("misuse", "safety", kept, method=method, calibration=calibration)
        for method, calibration, kept in (
            ("wanda_50", "generic", 91.0),
            ("wanda_50", "reasoning", 92.0),
            ("dense", "none", 100.0),
        )
    ]
    card = card_of(*rows, profile=Profile("one", {"safety": ("misuse",)}))
    assert [metric.value for metric in card.metrics] == pytest.approx([91, 92, 100])
    assert [metric.checkpoint for metric in card.metrics] == list(card.checkpoints)


@given(st.permutations(PAPER_PROFILE.benchmarks("truthfulness")), st.floats(50, 150))
@settings(deadline=None)
def test_the_order_of_the_rows_does_not_matter(names, kept):
    dense = {name: 40.0 + i for i, name in enumerate(sorted(names))}
    rows = [measured(name, "truthfulness", kept, dense=dense[name]) for name in names]
    metric = only_metric(card_of(*rows, profile=PAPER_PROFILE))
    assert metric.value == pytest.approx(kept)


def test_nan_never_passes():
    nan = {"retention": math.nan, "low": math.nan, "high": math.nan}
    card = card_of(measured("misuse", "safety", **nan), measured("xstest", "safety"))
    assert card.rows[0].verdict == only_metric(card).verdict == "undecided"
    assert card.decision == "undecided"


# -- knowledge bias -------------------------------------------------------------------------------


BENCHMARKS = {
    metric: EMBEDDED_PROFILE.benchmarks(metric)[0] for metric in DIMENSIONS["performance"]
}


def kept_of(method, knowledge, **others):
    """Rows of knowledge and of other metrics, each with an interval of ± 2 points."""
    kept = {"knowledge": knowledge, **others}
    return [measured(BENCHMARKS[name], name, value, method=method) for name, value in kept.items()]


def test_the_knowledge_bias_is_how_much_further_another_metric_fell():
    card = card_of(
        *kept_of("wanda_50", 95.0, reasoning=70.0, multilingual=90.0),
        *kept_of("gptq", 99.0, instruction_following=99.5),
        profile=EMBEDDED_PROFILE,
    )
    found = knowledge_bias(card)
    assert [(one.method, one.metric, one.points) for one in found] == [
        ("wanda_50", "reasoning", pytest.approx(25)),
        ("wanda_50", "multilingual", pytest.approx(5)),
        ("gptq", "instruction_following", pytest.approx(-0.5)),
    ]
    for one in found:
        assert one.high - one.points == pytest.approx(math.hypot(2, 2))
        assert one.points - one.low == pytest.approx(math.hypot(2, 2))


@pytest.mark.parametrize("metric", ["reasoning", "multilingual", "instruction_following"])
@pytest.mark.parametrize(
    ("knowledge", "other", "biased"),
    [
        (95.0, 90.0, False),  # exactly twice as far
        (95.0, 86.0, False),  # 4 points further than that, in noise of sqrt(2² + 4²) = 4.47
        (95.0, 85.0, True),
        (95.0, 97.0, False),
        (101.0, 99.0, False),  # it may not have fallen
        (102.0, 97.9, True),
        (110.0, 105.0, False),  # neither fell
    ],
)
def test_a_fall_that_is_significantly_more_than_twice_as_far_is_a_bias(
    metric, knowledge, other, biased
):
    rows = kept_of("wanda_50", knowledge, **{metric: other})
    (one,) = knowledge_bias(card_of(*rows, profile=EMBEDDED_PROFILE))
    assert (one.metric, one.biased) == (metric, biased)


@given(st.floats(1, 120), st.floats(1, 120))
@settings(deadline=None)
def test_a_bias_that_is_named_is_one_of_the_estimates_too(knowledge, other):
    rows = kept_of("wanda_50", knowledge, reasoning=other)
    (one,) = knowledge_bias(card_of(*rows, profile=EMBEDDED_PROFILE))
    assert one.low < one.points < one.high
    if one.biased:
        assert other < 100
        assert 100 - other > 2 * (100 - knowledge)


def test_there_is_no_bias_of_the_dense_model_nor_without_both_metrics():
    dense = kept_of("dense", 100.0, reasoning=100.0)
    rows = [*dense, measured("gsm8k", "reasoning", method="awq")]
    assert knowledge_bias(card_of(*rows, profile=EMBEDDED_PROFILE)) == []


def test_there_is_no_bias_without_a_number():
    rows = kept_of("wanda_50", 95.0, reasoning=math.nan)
    assert knowledge_bias(card_of(*rows, profile=EMBEDDED_PROFILE)) == []


def test_a_row_is_never_changed_but_for_its_verdict_and_its_excuse():
    row = measured("misuse", "safety", 60.0)
    (found, _) = card_of(row, measured("xstest", "safety"), allow={"misuse": "known"}).rows
    judged = {"verdict": "fail", "p_pass": 1.0, "p_fail": found.p_fail}
    assert found == replace(row, allowed="known", **judged)
    assert found.p_fail < 1e-6


# -- decoupling -----------------------------------------------------------------------------------


def both_of(**kept):
    """A card of checkpoints with (performance, reliability) retentions."""
    profile = Profile("two", {"reasoning": ("gsm8k",), "safety": ("misuse",)})
    rows = [
        measured(name, metric, value, method=method)
        for method, pair in kept.items()
        for (name, metric), value in zip(
            (("gsm8k", "reasoning"), ("misuse", "safety")), pair, strict=True
        )
    ]
    return card_of(*rows, profile=profile)


def test_reliability_that_moves_on_its_own_shows_in_the_rank_correlation():
    together = both_of(a=(90, 95), b=(80, 85), c=(70, 75), d=(60, 65), e=(50, 55))
    (one,) = decoupling(together)
    assert one.checkpoints["a"] == (pytest.approx(90), pytest.approx(95))
    assert one.correlation == pytest.approx(1)
    assert one.p_value == pytest.approx(2 / 120)
    (other,) = decoupling(both_of(a=(90, 55), b=(80, 95), c=(70, 65), d=(60, 75), e=(50, 85)))
    assert other.correlation == pytest.approx(-0.4)
    assert other.p_value > 0.5


@pytest.mark.parametrize("count", [9, 10])
def test_ten_checkpoints_have_an_interval_and_fewer_a_p_value(count):
    kept = {f"m{number}": (90 - number, 95 - number) for number in range(count)}
    (one,) = decoupling(both_of(**kept))
    assert (one.p_value is None) == (count == 10)
    assert (one.low is None) == (one.high is None) == (count < 10)


def test_too_few_checkpoints_have_no_correlation():
    (one,) = decoupling(both_of(a=(90, 95), b=(80, 85)))
    assert (one.correlation, one.p_value, one.low, one.high) == (None, None, None, None)


def test_another_seed_is_no_further_checkpoint_to_correlate():
    profile = Profile("two", {"reasoning": ("gsm8k",), "safety": ("misuse",)})
    rows = [
        measured(name, metric, calibration=draw)
        for draw in ("generic", "generic@43", "facts")
        for name, metric in (("gsm8k", "reasoning"), ("misuse", "safety"))
    ]
    (one,) = decoupling(card_of(*rows, profile=profile))
    assert list(one.checkpoints) == ["wanda_50 (generic)", "wanda_50 (facts)"]


def test_the_dense_model_is_no_checkpoint_to_compare():
    assert decoupling(both_of(dense=(100, 100))) == []


def test_a_checkpoint_does_not_gain_by_a_metric_that_it_has_no_value_for():
    """A collapsed checkpoint has few values, and those few may be its best."""
    profile = Profile(
        "three", {"reasoning": ("gsm8k",), "safety": ("misuse",), "fairness": ("stereoset",)}
    )
    rows = [
        *(measured("gsm8k", "reasoning", 90.0, method=method) for method in ("a", "collapsed")),
        *(measured("misuse", "safety", 80.0, method=method) for method in ("a", "collapsed")),
        measured("stereoset", "fairness", 40.0, method="a"),
        ended("stereoset", "fairness", "fail", method="collapsed"),
    ]
    (one,) = decoupling(card_of(*rows, profile=profile))
    assert one.metrics == ("reasoning", "safety")
    assert one.left_out == ("fairness",)
    assert one.checkpoints["a"] == one.checkpoints["collapsed"] == pytest.approx((90, 80))


def test_without_a_metric_in_common_nothing_is_compared():
    profile = Profile(
        "three", {"reasoning": ("gsm8k",), "safety": ("misuse",), "fairness": ("stereoset",)}
    )
    rows = [
        *(measured("gsm8k", "reasoning", 90.0, method=method) for method in ("a", "b")),
        measured("misuse", "safety", 80.0, method="a"),
        measured("stereoset", "fairness", 40.0, method="b"),
    ]
    assert decoupling(card_of(*rows, profile=profile)) == []


# -- degenerate and incomparable parts ------------------------------------------------------------


def test_a_degenerate_benchmark_fails_its_metric():
    row = ended("misuse", "safety", "fail")
    metric = only_metric(card_of(row, measured("xstest", "safety")))
    assert metric.verdict == "fail"
    assert "misuse is degenerate" in metric.reason
    assert metric.value is None


def test_a_benchmark_at_chance_leaves_its_metric_by_name():
    """It says nothing about the candidate; the metric is that of the others."""
    profile = Profile("p", {"fairness": (SubScore("preference", ("plain", "force")),)})
    plain = measured("plain", "fairness", 50.0)
    force = ended("force", "fairness", "not_comparable", score=20.0, dense=30.0)
    metric = only_metric(card_of(plain, force, profile=profile))
    assert metric.left_out == {"force": "why"}
    assert metric.value == pytest.approx(50)
    assert metric.published == pytest.approx(100 * (40 + 20) / (80 + 30))


def test_a_benchmark_at_chance_leaves_a_mean_of_retentions_too():
    force = ended("misuse", "safety", "not_comparable", score=20.0, dense=0.0)
    metric = only_metric(card_of(force, measured("xstest", "safety", 96.0)))
    assert (metric.verdict, metric.value) == ("pass", pytest.approx(96))
    assert metric.left_out == {"misuse": "why"}
    assert metric.published is None  # the profile's mean has no ratio to zero


@pytest.mark.parametrize(("allow", "decision"), [({}, "shut"), ({"ethics": "small"}, "open")])
def test_a_metric_of_which_nothing_is_comparable_blocks_unless_it_is_allowed(allow, decision):
    profile = Profile("p", {"ethics": (SubScore("explicit", ("low", "high")),), **SAFETY.parts})
    at_chance = [ended(name, "ethics", "not_comparable", dense=50.0) for name in ("low", "high")]
    good = (measured("misuse", "safety"), measured("xstest", "safety"))
    card = card_of(*at_chance, *good, profile=profile, allow=allow)
    metric = card.metrics[-1]
    assert (metric.metric, metric.verdict, metric.value) == ("ethics", "not_comparable", None)
    assert metric.reason == "low: why; high: why"
    assert card.decision == decision


def test_a_sub_score_of_which_nothing_is_comparable_leaves_its_metric():
    profile = Profile(
        "p", {"ethics": (SubScore("explicit", ("low", "high")), SubScore("implicit", ("social",)))}
    )
    rows = [ended(name, "ethics", "not_comparable", dense=50.0) for name in ("low", "high")]
    metric = only_metric(card_of(*rows, measured("social", "ethics", 100.0), profile=profile))
    assert (metric.verdict, metric.value) == ("pass", pytest.approx(100))
    assert set(metric.left_out) == {"low", "high"}


def test_an_advisory_benchmark_leaves_its_metric_whatever_it_measured():
    gone = ended("misuse", "safety", "missing", tier="advisory")
    card = card_of(gone, measured("xstest", "safety", 96.0))
    assert only_metric(card).left_out == {"misuse": "advisory"}
    assert only_metric(card).value == pytest.approx(96)
    assert card.decision == "open"


# -- responses that are shared --------------------------------------------------------------------


@pytest.mark.parametrize("first", ["misuse", "xstest"])
def test_parts_that_share_their_responses_have_a_wider_interval(first):
    """Either of the two rows may know of the other one."""

    def width(correlation):
        other = "xstest" if first == "misuse" else "misuse"
        known = measured(first, "safety", 96.0, shared={other: correlation})
        metric = only_metric(card_of(known, measured(other, "safety", 96.0)))
        return metric.high - metric.low

    assert width(0.0) == pytest.approx(4 / math.sqrt(2))
    assert width(0.5) == pytest.approx(4 * math.sqrt(0.75))
    assert width(1.0) == pytest.approx(4)


# -- levels ---------------------------------------------------------------------------------------


def of_method(method, kept=92.5):
    return [measured(name, "safety", kept, method=method) for name in ("misuse", "xstest")]


def test_picking_one_of_several_checkpoints_divides_the_level_by_their_number():
    """One passes at 2.5 % of 91.4 .. 93.6; among forty it must pass at 0.06 %."""
    rows = [row for number in range(40) for row in of_method(f"m{number}", 91.8)]
    plain = scorecard(rows, {"m": SAFETY}, Policy())
    picked = scorecard(rows, {"m": SAFETY}, Policy(), pick=True)
    assert {metric.verdict for metric in plain.metrics} == {"pass"}
    assert {metric.verdict for metric in picked.metrics} == {"undecided"}
    assert set(picked.levels.values()) == {0.025 / 40}


def test_the_dense_model_is_no_rival_of_its_candidates():
    rows = [*of_method("dense"), *of_method("a"), *of_method("b")]
    picked = scorecard(rows, {"m": SAFETY}, Policy(), pick=True)
    assert set(picked.levels.values()) == {0.0125}


def test_a_second_look_must_pass_at_half_the_level():
    rows = of_method("a")
    checkpoint = rows[0].checkpoint
    card = scorecard(rows, {"m": SAFETY}, Policy(), looks={checkpoint: 2})
    assert card.levels == {checkpoint: 0.0125}
    assert not card.bound.holds


def test_what_was_planned_and_did_not_come_counts_in_the_family():
    """A guard fails at 2.5 % over the number planned, however few were measured."""
    rows = [measured("misuse", "safety", 87.5), measured("xstest", "safety", 100.0)]
    checkpoint = rows[0].checkpoint
    few, many = (
        scorecard(rows, {"m": SAFETY}, Policy(), planned={checkpoint: number})
        for number in (3, 200)
    )
    assert (few.rows[0].verdict, many.rows[0].verdict) == ("fail", "undecided")


def test_a_row_that_failed_with_its_test_stays_failed():
    row = replace(measured("misuse", "safety"), verdict="fail", reason=TEST_FAILED)
    card = card_of(row, measured("xstest", "safety"))
    assert card.rows[0].verdict == "fail"
    assert card.decision == "shut"
