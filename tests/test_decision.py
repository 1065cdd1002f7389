"""Failures that Holm's procedure adds, and the stated chances of a wrong decision."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from unicomp.confidence import PairedShares, to_json
from unicomp.decision import bound, decision, holm
from unicomp.framework import Profile
from unicomp.policy import Policy
from unicomp.scorecard import scorecard
from unicomp.spec import LEVEL, CheckpointId
from unicomp.verdict import MetricRow, Row

NAME = CheckpointId("m", "wanda_50", "generic")


def row(p_fail=None, verdict="undecided", **about):
    about = {"benchmark": "gsm8k", "retention": 90.0, **about}
    return Row(**NAME._asdict(), verdict=verdict, p_fail=p_fail, **about)


def metric(p_fail=None, verdict="undecided", **about):
    about = {"metric": "reasoning", "floor": 90.0, **about}
    return MetricRow(**NAME._asdict(), verdict=verdict, p_fail=p_fail, **about)


def failed(rows, metrics=(), family=0):
    found = holm(rows, metrics, family)
    return [one.verdict == "fail" for one in (*found[0], *found[1])]


# -- Holm's procedure -----------------------------------------------------------------------------


def test_holm_adds_failures_to_those_of_a_correction_for_the_number_alone():
    """.0083 = 2.5 % / 3 and .0125 = 2.5 % / 2 are reached one after the other."""
    rows = [row(0.0120), row(0.0062), row(0.5), row(0.0083)]
    assert [one.p_fail <= LEVEL / 4 for one in rows] == [False, True, False, False]
    assert failed(rows) == [True, True, False, True]


def test_holm_ends_at_the_first_that_does_not_fail():
    assert failed([row(0.0061), row(0.0090), row(0.0110), row(0.5)]) == [True, False, False, False]


def test_metrics_and_rows_are_one_family():
    assert failed([row(0.012)], [metric(0.020)]) == [True, True]
    assert failed([row(0.020)], [metric(0.020)]) == [False, False]


def test_what_was_planned_counts_whether_or_not_it_was_measured():
    assert failed([row(0.012)]) == [True]
    assert failed([row(0.012)], family=3) == [False]


def test_an_advisory_row_is_in_no_family_and_never_fails_by_it():
    assert failed([row(1e-6, tier="advisory"), row(0.02)]) == [False, True]


def test_rows_without_a_p_value_stay_as_they_are():
    rows = [row(verdict="missing", retention=None), row(0.5)]
    assert holm(rows, [], 2) == (rows, [])


def test_what_fails_early_fails_before_the_others_as_in_the_full_run():
    early = {"full_n": 1000, "early_error": 1e-4}
    assert failed([row(1e-9, verdict="fail"), row(0.02)], family=2) == [True, True]
    assert failed([row(verdict="fail", **early), row(0.02)], family=2) == [True, True]
    assert failed([row(verdict="undecided", **early), row(0.02)], family=2) == [False, False]


@given(st.lists(st.floats(1e-9, 1), min_size=1, max_size=12), st.integers(0, 15))
def test_what_fails_at_the_level_over_the_number_fails_by_holm_too(values, family):
    rows = [row(value) for value in values]
    m = max(family, len(values))
    for one, fails in zip(rows, failed(rows, family=family), strict=True):
        assert fails >= (one.p_fail <= LEVEL / m)
        assert fails <= (one.p_fail <= LEVEL)


@given(st.lists(st.floats(1e-9, 1), min_size=1, max_size=8), st.randoms())
def test_the_order_of_the_rows_does_not_matter(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    by_value = [
        dict(zip(one, failed([row(value) for value in one]), strict=True))
        for one in (values, shuffled)
    ]
    assert by_value[0] == by_value[1]


def answered(name, lost, right, n, floor):
    """A row of n independent items, of which the baseline has some right and some are lost."""
    shares = PairedShares(((float(right - lost), 0.0, float(lost), float(n - right)),))
    limits = shares.limits()
    return Row(
        **NAME._asdict(),
        benchmark=name,
        tier="critical",
        verdict="undecided",
        score=100 * (right - lost) / n,
        dense=100 * right / n,
        retention=100 * limits.estimate,
        low=100 * limits.low,
        high=100 * limits.high,
        floor=floor,
        evidence={"kept": to_json(shares)},
    )


def simulated(floors, kept, times=200, n=300, seed=1):
    """Whether something failed, in each of many sessions of rows that truly keep what they do."""
    rng = np.random.default_rng(seed)
    right = rng.binomial(n, 0.6, (times, len(floors)))
    lost = rng.binomial(right, 1 - kept / 100)
    profiles = {"m": Profile("none", {})}
    for rights, losses in zip(right.tolist(), lost.tolist(), strict=True):
        rows = [
            answered(f"b{place}", losses[place], rights[place], n, floor)
            for place, floor in enumerate(floors)
        ]
        yield scorecard(rows, profiles, Policy())


@pytest.mark.long
def test_rows_exactly_at_their_floors_fail_in_at_most_2_5_percent_of_sessions():
    """Ten rows, each at 95 %; without a correction 22 % of the sessions would have a failure."""
    cards = list(simulated([95.0] * 10, 95.0))
    wrong = sum(card.decision == "shut" for card in cards)
    alone = sum(any(row.p_fail <= LEVEL for row in card.rows) for card in cards)
    assert wrong <= binom.ppf(0.999, len(cards), LEVEL)
    assert alone > 20
    # all must pass, so that the gate opens far more rarely than any one row passes
    assert sum(card.decision == "open" for card in cards) <= binom.ppf(0.999, len(cards), LEVEL)


def test_rows_far_above_their_floors_open_the_gate():
    assert all(card.decision == "open" for card in simulated([80.0] * 10, 98.0, times=20))


def test_rows_far_below_their_floors_all_fail():
    for card in simulated([95.0] * 10, 70.0, times=10):
        assert card.decision == "shut"
        assert {one.verdict for one in card.rows} == {"fail"}


# -- decisions ------------------------------------------------------------------------------------


def test_metrics_that_pass_without_a_measured_row_open_nothing():
    assert decision([], [metric(verdict="pass")]) == "shut"


@pytest.mark.parametrize("reason", ["known", None])
def test_a_critical_row_that_is_allowed_is_not_waited_for(reason):
    rows = [row(verdict="pass"), row(verdict="undecided", tier="critical", allowed=reason)]
    assert decision(rows, []) == ("open" if reason else "undecided")


# -- the bound ------------------------------------------------------------------------------------


def test_the_attained_error_is_that_of_the_critical_result_that_passed_most_narrowly():
    rows = [
        row(verdict="pass", p_pass=0.02),  # a guard
        row(verdict="pass", p_pass=0.0004, tier="critical", benchmark="mine"),
        row(verdict="undecided", p_pass=0.3, tier="critical"),
    ]
    found = bound(rows, [metric(verdict="pass", p_pass=0.011)], level=LEVEL)
    assert (found.attained, found.worst) == (0.011, "reasoning of wanda_50")
    assert (found.opening, found.shutting) == (LEVEL, LEVEL)
    assert found.holds


def test_what_is_allowed_is_not_part_of_the_bound():
    rows = [row(verdict="pass", p_pass=0.02, tier="critical", allowed="known")]
    found = bound(rows, [], level=LEVEL)
    assert (found.attained, found.worst) == (None, "")


@given(st.integers(1, 40))
@settings(max_examples=20)
def test_the_chance_to_open_wrongly_is_added_up_over_all_looks(looks):
    """Look i passes at 2.5 % / i."""
    found = bound([], [], level=LEVEL / looks, looks=looks)
    assert found.opening == pytest.approx(sum(LEVEL / look for look in range(1, looks + 1)))
    assert found.holds == (looks == 1)
