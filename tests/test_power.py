"""How likely a lossless candidate passes: the printed chance is the rate that is then observed."""

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unicomp import Benchmark, Mean, TaskMetric
from unicomp.churn import Churn, observed, recall, remember
from unicomp.confidence import Jackknifed, Joint, PairedShares, Part
from unicomp.framework import PAPER_PROFILE, Profile
from unicomp.policy import Policy
from unicomp.power import (
    ENOUGH,
    Outline,
    Remedy,
    Unit,
    chance,
    reachable_floor,
    remedy,
    remedy_seen,
)
from unicomp.retention import retention
from unicomp.scores import Records
from unicomp.spec import CheckpointId
from unicomp.store import Store
from unicomp.verdict import Row, asking, expected, judged, measured, metric_row

NAME = CheckpointId("m", "gptq_w4a16", "none")
PROFILE = Profile("one", {"reasoning": ("gsm8k",)})
THREE = Profile("three", {"reasoning": ("gsm8k", "math_500", "gpqa_diamond")})


def bench(name="gsm8k", **changes):
    return Benchmark(
        name=name,
        metric="reasoning",
        task="gsm8k/gsm8k-cot.yaml",
        scorer=TaskMetric("exact_match,strict-match"),
        aggregate=Mean("correct", **changes),
    )


def outline(name="gsm8k", items=500, **known):
    return Outline(name=name, items=items, **{"clusters": items, **known})


def unit(*parts, floor=95.0, profile=PROFILE, **known):
    return Unit.of_metric("reasoning", profile, parts, floor, **known)


def records(name, right, clusters):
    n = len(right)
    return Records(
        benchmark=name,
        items=[str(i) for i in range(n)],
        clusters=list(clusters),
        fields={"correct": [float(one) for one in right]},
        parsed=[True] * n,
        gaps=[None] * n,
    )


@cache
def judged_row(name, floor, dense, now, clusters):
    """A row as the gate gets it, from the answers of both models, right ones first."""
    kept = retention(bench(name), records(name, now, clusters), records(name, dense, clusters))
    demand = Policy().demand(NAME, bench(name), tier="guard")
    return judged(asking(measured(expected(NAME, bench(name)), kept), demand))


def opens(floor, profile, pairs):
    """Whether the metric passes, for (name, dense, candidate, clusters) as the gate judges them."""
    policy = Policy(command_line={"reasoning": floor})
    rows = {name: judged_row(name, floor, *map(tuple, pair)) for name, *pair in pairs}
    return metric_row(NAME, "reasoning", rows, profile, policy).verdict == "pass"


def answers(n, right, churn, random):
    """The answers of a baseline, and of a lossless candidate; equal ones stand together."""
    x = round(n * right)
    lost, gained = (
        random.binomial(x, churn / 2 / right),
        random.binomial(n - x, churn / 2 / (1 - right)),
    )
    dense, now = np.arange(n) < x, np.arange(n) < x + gained
    now[:lost] = False
    return dense, now


# -- the chance --------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize(
    ("floor", "churn", "parts"),
    [
        (95, 0.02, {"gsm8k": 300}),
        (97, 0.02, {"gsm8k": 700}),
        (90, 0.10, {"gsm8k": 250}),
        (94.5, 0.04, {"gsm8k": 500, "math_500": 300, "gpqa_diamond": 198}),
    ],
)
def test_the_observed_rate_is_within_five_points_of_the_chance(floor, churn, parts):
    profile = PROFILE if len(parts) == 1 else THREE
    planned = unit(
        *(outline(name, n, churn=churn) for name, n in parts.items()), floor=floor, profile=profile
    )
    random = np.random.default_rng(7)
    seen = []
    for _ in range(300 if len(parts) == 1 else 120):
        pairs = [
            (name, *answers(n, 0.6, churn, random), [str(i) for i in range(n)])
            for name, n in parts.items()
        ]
        seen.append(opens(floor, profile, pairs))
    # 300 runs alone have a standard error of up to 2.9 points
    assert chance(planned) == pytest.approx(np.mean(seen), abs=0.05)
    assert 0.02 < chance(planned) < 0.999


@pytest.mark.long
def test_the_observed_rate_of_clusters_is_within_five_points_of_the_chance():
    m, size, churn, floor = 150, 5, 0.06, 90
    # a cluster of five is right or wrong as a whole, and flips as a whole
    planned = unit(outline(items=m * size, clusters=m, churn=churn, correlation=1), floor=floor)
    random = np.random.default_rng(7)
    names = [str(i // size) for i in range(m * size)]
    seen = []
    for _ in range(300):
        both = (np.repeat(one, size) for one in answers(m, 0.6, churn, random))
        seen.append(opens(floor, PROFILE, [("gsm8k", *both, names)]))
    assert chance(planned) == pytest.approx(np.mean(seen), abs=0.05)
    assert 0.02 < chance(planned) < 0.98


@given(right=st.integers(300, 500), wrong=st.integers(0, 400), floor=st.floats(95, 99.9))
@settings(max_examples=30, deadline=None)
def test_identical_answers_can_be_decided_exactly_where_they_open_the_gate(right, wrong, floor):
    n = right + wrong
    planned = unit(outline(items=n, right=right / n, churn=0.0), floor=floor)
    table = PairedShares(((float(right), 0.0, 0.0, float(wrong)),))
    opened = Joint((Part(table, 1.0),), {}).limits().low >= floor / 100
    assert chance(planned) == float(opened)


def test_a_floor_of_99_can_be_decided_from_as_many_right_items_as_the_gate_needs():
    opened = [
        x for x in range(370, 395) if PairedShares(((x, 0.0, 0.0, 200.0),)).limits().low >= 0.99
    ]
    planned = [
        x
        for x in range(370, 395)
        if chance(unit(outline(items=x + 200, right=x / (x + 200), churn=0.0), floor=99))
    ]
    assert planned == opened
    assert 375 < planned[0] < 390


@given(m=st.integers(10, 400), right=st.floats(0.2, 1.0), floor=st.floats(80, 99.5))
@settings(max_examples=30, deadline=None)
def test_identical_answers_of_clusters_are_decided_where_they_open_the_gate(m, right, floor):
    planned = unit(
        outline(items=3 * m, clusters=m, right=right, churn=0.0), floor=floor
    )  # fmt: skip
    weighted = ((1.0, 0.0, 0.0), (1.0, 0.0, 0.0))
    seen = Jackknifed(weighted, m, m * min(max(right, 1 / m), 1.0))
    opened = Joint((Part(seen, 1.0),), {}).limits().low >= floor / 100
    assert chance(planned) == float(opened)


@given(
    items=st.integers(30, 2000),
    churn=st.floats(0, 0.3),
    right=st.floats(0.05, 1.0),
    low=st.floats(50, 100),
    high=st.floats(50, 100),
)
@settings(max_examples=40, deadline=None)
def test_a_higher_floor_is_never_likelier_to_be_passed(items, churn, right, low, high):
    planned = unit(outline(items=items, churn=churn, right=right))
    low, high = sorted((low, high))
    assert 0 <= chance(planned, high) <= chance(planned, low) <= 1


def test_the_chance_is_the_same_each_time():
    planned = unit(outline(items=321))
    assert chance(planned) == chance(unit(outline(items=321)))


def test_picking_one_of_several_makes_passing_less_likely():
    assert chance(unit(outline(), level=0.025 / 6)) < chance(unit(outline()))


def test_groups_that_weigh_the_same_need_more_items_than_one_share():
    assert chance(unit(outline(items=400, groups=8))) < chance(unit(outline(items=400)))


def test_correlated_changes_in_clusters_make_passing_less_likely():
    loose, tight = (
        unit(outline(items=800, clusters=100, churn=0.04, correlation=one), floor=90)
        for one in (0.01, 0.9)
    )
    assert chance(tight) < chance(loose)


def test_very_large_clusters_have_a_chance():
    assert 0 < chance(unit(outline(items=400_000, clusters=200, correlation=0.001), floor=97)) <= 1


def test_fewer_than_twenty_clusters_never_pass():
    few = unit(outline(items=5000, clusters=19), floor=10)
    assert chance(few) == 0
    assert reachable_floor(few) == 0


def test_identical_scores_of_the_same_rows_count_as_one():
    def two(rows):
        parts = (
            outline(name, 380, churn=0.0, right=1.0, rows=rows) for name in ("gsm8k", "math_500")
        )
        return unit(*parts, floor=99.1, profile=Profile("p", {"reasoning": ("gsm8k", "math_500")}))

    assert (chance(two("")), chance(two("same"))) == (1, 0)


def test_a_baseline_without_a_right_answer_has_no_chance():
    assert chance(Unit(name="g", floor=1, parts=(outline(right=0.0),), weights=(1.0,))) == 0


# -- what would decide --------------------------------------------------------------------------


def test_the_reachable_floor_is_passed_in_four_of_five_runs():
    planned = unit(outline())
    floor = reachable_floor(planned)
    assert chance(planned, floor) >= ENOUGH > chance(planned, floor + 0.3)


def test_enough_items_are_named():
    planned = unit(outline(items=300), floor=97)
    found = remedy(planned, {"gsm8k": 5000})
    extra = found.items["gsm8k"]
    assert chance(planned.with_items({"gsm8k": 300 + extra})) >= ENOUGH
    assert chance(planned.with_items({"gsm8k": 300 + round(0.8 * extra)})) < ENOUGH
    assert str(found) == f"about {extra:,} more items of gsm8k; or a floor of {found.floor:g}"


def test_what_has_no_more_rows_cannot_decide_alone():
    parts = (outline("gsm8k", 60), outline("math_500", 500), outline("gpqa_diamond", 198))
    planned = unit(*parts, floor=96, profile=PAPER_PROFILE)
    found = remedy(planned, {"gsm8k": 1319, "math_500": 500, "gpqa_diamond": 198})
    assert set(found.items) == {"gsm8k"}
    assert found.alone["gpqa_diamond"] == 198
    assert chance(planned) < ENOUGH
    assert "gpqa_diamond alone cannot (198 items)" in str(found)


def test_nothing_is_needed_where_a_lossless_candidate_passes():
    assert remedy(unit(outline(items=3000), floor=90), {}).items == {}


def seen(table=(280.0, 3.0, 8.0, 209.0), bound=0.97, rows=None):
    joint = Joint((Part(PairedShares((table,)), 1.0),), {})
    n = int(sum(table))
    return joint, remedy_seen(joint, {"gsm8k": n}, rows or {}, bound, level=0.025, strictest=0.001)


def test_the_items_that_an_undecided_score_needs_decide_it():
    joint, found = seen()
    assert joint.limits().low < 0.97 < joint.estimate
    factor = 1 + found.items["gsm8k"] / 500
    longer = PairedShares((tuple(factor * one for one in (280.0, 3.0, 8.0, 209.0)),))
    assert longer.limits().low == pytest.approx(0.97, abs=0.001)
    assert found.floor == math.floor(1000 * joint.limits().low) / 10


def test_a_metric_of_clusters_and_items_says_what_each_lacks():
    clusters = Jackknifed(((1.0, 0.02, 9.0),), 60, 40.0)
    items = PairedShares(((200.0, 2.0, 2.0, 100.0),))
    joint = Joint((Part(clusters, 0.5), Part(items, 0.5)), {})
    found = remedy_seen(
        joint, {"bbq": 600, "gsm8k": 304}, {"gsm8k": 320}, 0.96, level=0.025, strictest=0.001
    )
    assert set(found.items) == {"bbq"}
    assert found.alone == {"gsm8k": 320}


def test_a_score_that_would_fail_needs_items_for_that():
    joint, found = seen(bound=0.985)
    assert joint.estimate < 0.985
    assert found.items["gsm8k"] > 500


def test_a_score_whose_rows_are_all_used_cannot_decide():
    _, found = seen(rows={"gsm8k": 500})
    assert found == Remedy(floor=found.floor, alone={"gsm8k": 500})


# -- the churn of recorded runs -------------------------------------------------------------------


def row(**values):
    known = {"model": "m", "method": "gptq_w4a16", "calibration": "none", "benchmark": "gsm8k"}
    return Row(**{**known, "n": 400, "clusters": 400, "dense": 60.0, **values})


def test_twice_the_gained_items_are_the_churn_of_a_lossless_candidate():
    found = observed(row(lost=30, gained=4, evidence={"kept": {"kind": "paired_shares"}}))
    assert found == Churn(right=0.6, churn=2 * 4.5 / 401)


def test_what_never_changed_may_still_change():
    never = {"lost": 0, "gained": 0, "evidence": {"kept": {"kind": "paired_shares"}}}
    assert observed(row(n=60, **never)).churn > observed(row(n=600, **never)).churn > 0


def test_the_correlation_within_clusters_is_that_of_the_limits():
    # ten of a hundred clusters changed as a whole
    error = math.sqrt(10 * 16) / (400 * 0.6)
    kept = {"kind": "jackknifed", "weighted": [[1.0, error, 10.0]]}
    found = observed(row(lost=20, gained=20, clusters=100, evidence={"kept": kept}))
    assert found.correlation == pytest.approx(1.0)


def test_a_score_that_is_no_share_has_the_churn_that_explains_its_limits():
    kept = {"kind": "jackknifed", "weighted": [[1.0, 0.01, 30.0]]}
    found = observed(row(evidence={"kept": kept}))
    assert found.churn == pytest.approx(0.01**2 * 0.6**2 * 400)


@pytest.mark.parametrize("values", [{"dense": None}, {"in_points": False}, {"dense": 0.0}])
def test_what_has_no_score_in_points_leaves_nothing(values):
    assert observed(row(**values)) is None


def test_the_next_plan_reads_what_a_run_left(tmp_path):
    store = Store(tmp_path)
    gained = [row(method=f"m{g}", lost=9, gained=g, evidence={"kept": {}}) for g in (2, 4, 40)]
    remember(store, [row(method="dense"), *gained])
    found = recall(store, "m", "gsm8k", ["m2", "m4", "m40"])
    assert found == Churn(right=0.6, churn=2 * 4.5 / 401)
    assert recall(store, "m", "math_500", ["m2"]) == Churn()
