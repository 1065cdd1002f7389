"""What calibrations gain and cost against the first of them, and how far their seeds differ."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_scorecard import card_of, ended, measured
from unicomp.findings.calibrations import calibration_effects, calibrations_of, seed_spreads
from unicomp.framework import Profile
from unicomp.statistics import Interval, difference

PROFILE = Profile("two", {"knowledge": ("arc_easy",), "reasoning": ("gsm8k",)})


def card_over(kept, metric="reasoning", **floors):
    """A card of one method; `kept` is draw → retention, each with an interval of ± 2 points."""
    benchmark = PROFILE.benchmarks(metric)[0]
    rows = [
        measured("gsm8k", "reasoning", method="dense", calibration="none"),
        *(
            ended(benchmark, metric, "missing", calibration=draw)
            if value is None
            else measured(benchmark, metric, value, calibration=draw)
            for draw, value in kept.items()
        ),
    ]
    return card_of(*rows, profile=PROFILE, **floors)


# -- gains and costs ------------------------------------------------------------------------------


def test_the_first_calibration_is_the_control():
    card = card_over({"facts": 50.0, "reasoning": 80.0, "mixed": 70.0})
    assert calibrations_of(card) == ("facts", "reasoning", "mixed")
    effects = calibration_effects(card)
    assert [(one.calibration, one.control) for one in effects] == [
        ("reasoning", "facts"),
        ("mixed", "facts"),
    ]
    assert [one.points for one in effects] == pytest.approx([30, 20])


def test_the_interval_of_an_effect_is_that_of_independent_scores():
    (one,) = calibration_effects(card_over({"generic": 50.0, "reasoning": 80.0}))
    assert one.points - one.low == pytest.approx(math.hypot(2, 2))
    assert one.high - one.points == pytest.approx(math.hypot(2, 2))


def test_an_effect_with_several_seeds_is_that_of_their_means_and_spans_them_all():
    (one,) = calibration_effects(
        card_over({"generic": 50.0, "generic@43": 56.0, "reasoning": 80.0, "reasoning@43": 80.0})
    )
    assert one.points == pytest.approx(80 - 53)
    assert one.low == pytest.approx(27 - math.hypot(2, 5))


def test_one_calibration_has_no_effect_to_tell():
    assert calibration_effects(card_over({"reasoning": 80.0})) == []
    assert calibration_effects(card_of()) == []


def test_what_was_not_measured_has_no_effect():
    assert calibration_effects(card_over({"generic": 50.0, "reasoning": None})) == []
    assert calibration_effects(card_over({"generic": None, "reasoning": 50.0})) == []
    assert calibration_effects(card_over({"generic": 5.0, "facts": 5.0, "facts@43": None})) == []


intervals = st.tuples(st.floats(0, 200), st.floats(0, 50), st.floats(0, 50)).map(
    lambda found: Interval(found[0], found[0] - found[1], found[0] + found[2])
)


@given(intervals, intervals)
def test_a_difference_is_wider_than_each_and_narrower_than_both(first, second):
    found = difference(first, second)
    back = difference(second, first)
    assert found.estimate == pytest.approx(first.estimate - second.estimate)
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))
    width = found.high - found.low
    widths = (first.high - first.low, second.high - second.low)
    assert max(widths) / math.sqrt(2) - 1e-9 <= width <= sum(widths) + 1e-9


# -- seeds ----------------------------------------------------------------------------------------


def test_the_spread_over_seeds_stands_beside_the_interval_over_items():
    (one,) = seed_spreads(
        card_over({"reasoning": 70.0, "reasoning@43": 76.0, "reasoning@44": 79.0})
    )
    assert one.calibration == "reasoning"
    assert one.values == pytest.approx({"reasoning": 70, "reasoning@43": 76, "reasoning@44": 79})
    assert (one.mean, one.low, one.high) == pytest.approx((75, 70, 79))
    assert one.standard_deviation == pytest.approx(math.sqrt((25 + 1 + 16) / 2))
    assert (one.item_low, one.item_high) == pytest.approx((73, 77))


def test_one_seed_has_no_spread():
    assert seed_spreads(card_over({"reasoning": 70.0, "generic": 60.0})) == []


def test_a_seed_without_a_value_takes_the_mean_with_it():
    (one,) = seed_spreads(card_over({"reasoning": 70.0, "reasoning@43": None}))
    assert (one.mean, one.standard_deviation, one.item_low) == (None, None, None)
    assert one.values == {"reasoning": pytest.approx(70), "reasoning@43": None}
    assert one.verdicts == {"reasoning": "fail", "reasoning@43": "missing"}
    assert one.agree is False


@pytest.mark.parametrize(("floor", "agree"), [(60.0, True), (75.0, False), (90.0, True)])
def test_seeds_agree_where_all_of_them_lead_to_one_verdict(floor, agree):
    kept = {"reasoning": 70.0, "reasoning@43": 80.0}
    (one,) = seed_spreads(card_over(kept, general={"reasoning": floor}))
    assert one.agree is agree


@given(st.lists(st.floats(1, 150), min_size=2, max_size=6))
def test_the_mean_lies_within_the_spread(values):
    card = card_over({f"facts@{42 + number}": value for number, value in enumerate(values)})
    (one,) = seed_spreads(card)
    assert one.low - 1e-9 <= one.mean <= one.high + 1e-9
    assert 0 <= one.standard_deviation <= (one.high - one.low) + 1e-9
