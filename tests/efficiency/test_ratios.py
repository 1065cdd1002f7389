"""Ratios of paired timings: properties of their intervals for all timings."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, wilcoxon

from unicomp.statistics import (
    Interval,
    blurred,
    median_in_order,
    ratio_of_pairs,
    ratio_of_samples,
    ratio_of_totals,
)

RATIOS = (ratio_of_pairs, ratio_of_totals, ratio_of_samples)
SECONDS = st.floats(1e-6, 1e6)
PAIRS = st.lists(st.tuples(SECONDS, SECONDS), min_size=2, max_size=30).map(
    lambda pairs: tuple(np.array(side) for side in zip(*pairs, strict=True))
)

each = pytest.mark.parametrize("ratio", RATIOS)


def close(first, second):
    return math.isclose(first, second, rel_tol=1e-9) or first == second


@each
@given(pairs=PAIRS)
@example(pairs=(np.array([1e-6, 1e6]), np.array([1e6, 1e-6])))
def test_the_limits_are_numbers_around_the_estimate(ratio, pairs):
    found = ratio(*pairs)
    assert 0.0 <= found.low <= found.estimate <= found.high
    assert 0.0 < found.estimate < math.inf


@each
@given(pairs=PAIRS)
def test_swapping_the_sides_inverts_the_ratio(ratio, pairs):
    one, other = ratio(*pairs), ratio(*pairs[::-1])
    assert close(one.estimate * other.estimate, 1.0)
    with np.errstate(divide="ignore", over="ignore"):
        assert close(float(np.float64(1.0) / one.low), other.high)
        assert close(float(np.float64(1.0) / one.high), other.low)


@each
@given(pairs=PAIRS, factor=st.floats(1e-3, 1e3))
def test_the_unit_of_time_does_not_matter(ratio, pairs, factor):
    one, other = ratio(*pairs), ratio(*(factor * side for side in pairs))
    for name in ("estimate", "low", "high"):
        assert close(getattr(one, name), getattr(other, name))


@each
@given(pairs=PAIRS, factor=st.floats(0.1, 10.0))
def test_a_side_that_is_slower_by_a_factor_moves_the_interval_by_it(ratio, pairs, factor):
    one, other = ratio(*pairs), ratio(factor * pairs[0], pairs[1])
    for name in ("estimate", "low", "high"):
        assert close(factor * getattr(one, name), getattr(other, name))


@each
@given(first=SECONDS, second=SECONDS, n=st.integers(2, 40))
def test_constant_timings_leave_nothing_open(ratio, first, second, n):
    n += 2 if ratio is ratio_of_samples else 0  # which says nothing of less than four
    found = ratio(np.full(n, first), np.full(n, second))
    assert close(found.estimate, first / second)
    assert math.isclose(found.low, found.high, rel_tol=1e-9)


@each
def test_the_same_timings_have_the_same_interval_every_time(ratio):
    rng = np.random.default_rng(0)
    pairs = rng.exponential(size=(2, 25)) + 1
    assert ratio(*pairs) == ratio(*pairs)


@pytest.mark.parametrize("n", range(6, 26))
def test_limits_of_pairs_are_where_the_test_of_signed_ranks_decides(n):
    """The interval holds the very factors that scipy's exact test does not reject at 5 %."""
    rng = np.random.default_rng(n)
    first, second = np.exp(0.1 * rng.standard_normal((2, n)))
    found = ratio_of_pairs(first, second)
    logs = np.log(first / second)
    for limit, inward in ((found.low, 1e-9), (found.high, -1e-9)):
        inside = wilcoxon(logs - math.log(limit) - inward, method="exact").pvalue
        outside = wilcoxon(logs - math.log(limit) + inward, method="exact").pvalue
        assert outside <= 0.05 < inside


SAMPLES = st.lists(SECONDS, min_size=1, max_size=15).map(np.array)


@given(first=SAMPLES, second=SAMPLES, data=st.data())
def test_samples_of_unequal_size_are_not_paired(first, second, data):
    found = ratio_of_samples(first, second)
    assert 0.0 <= found.low <= found.estimate <= found.high
    shuffled = np.array(data.draw(st.permutations(list(first))))
    assert ratio_of_samples(shuffled, second) == found
    inverse = ratio_of_samples(second, first)
    assert close(found.estimate * inverse.estimate, 1.0)
    with np.errstate(divide="ignore"):
        assert close(float(np.float64(1.0) / found.low), inverse.high)


@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 30), (2, 6), (3, 3)])
def test_too_few_values_for_95_per_cent_have_an_interval_without_end(m, n):
    assert ratio_of_samples(np.full(m, 2.0), np.full(n, 1.0)) == Interval(2.0, 0.0, math.inf)


@pytest.mark.parametrize(("m", "n"), [(4, 4), (3, 9), (10, 10), (7, 30), (30, 30)])
def test_limits_of_samples_are_where_the_test_of_rank_sums_decides(m, n):
    """The interval holds the very factors that scipy's exact test does not reject at 5 %."""
    rng = np.random.default_rng(m)
    first, second = (np.exp(0.1 * rng.standard_normal(size)) for size in (m, n))
    found = ratio_of_samples(first, second)
    for limit, inward in ((found.low, 1 + 1e-9), (found.high, 1 - 1e-9)):
        inside = mannwhitneyu(first, limit * inward * second, method="exact").pvalue
        outside = mannwhitneyu(first, limit / inward * second, method="exact").pvalue
        assert outside <= 0.05 < inside


def test_the_ratio_of_totals_is_that_of_the_sums():
    assert ratio_of_totals(np.array([1.0, 5.0]), np.array([2.0, 1.0])).estimate == pytest.approx(
        2.0
    )


def test_one_round_far_off_does_not_move_the_ratio_of_pairs():
    first = 1.0 + 0.02 * np.sin(np.arange(20))
    first[7] = 90.0
    found = ratio_of_pairs(first, np.ones(20))
    assert 0.98 < found.low < found.estimate < found.high < 1.02


def test_an_error_of_its_own_makes_an_interval_wider_and_never_narrower():
    found = blurred(Interval(2.0, 1.9, 2.1), 0.01)
    assert found.estimate == 2.0
    assert found.low == pytest.approx(2 * math.exp(-math.hypot(math.log(2 / 1.9), 0.0196)), 1e-5)
    assert found.high == pytest.approx(2 * math.exp(math.hypot(math.log(2.1 / 2), 0.0196)), 1e-5)
    same = blurred(found, 0.0)
    assert (same.low, same.high) == (pytest.approx(found.low), pytest.approx(found.high))


def test_an_interval_without_end_stays_so():
    assert blurred(Interval(2.0, 0.0, math.inf), 0.01) == Interval(2.0, 0.0, math.inf)


def drawn(kind, rng, shape):
    """Timings as they come: nearly normal, with a long tail, or with some far off."""
    if kind == "normal":
        return np.exp(0.05 * rng.standard_normal(shape))
    if kind == "tail":
        return 1.0 + 0.05 * rng.pareto(1.5, shape)
    return 1.0 + 0.02 * rng.exponential(size=shape) + (rng.random(shape) < 0.1) * 2.0


@each
@pytest.mark.parametrize("n", [5, 6, 10, 20])
@pytest.mark.parametrize("kind", ["normal", "tail", "far off"])
def test_equal_sides_are_found_equal_nineteen_times_of_twenty(ratio, kind, n):
    rng = np.random.default_rng(n)
    timings = drawn(kind, rng, (500, 2, n))
    covered = np.mean([found.low <= 1.0 <= found.high for found in (ratio(*t) for t in timings)])
    assert covered >= 0.92  # 95 % less three standard errors of 500 trials


# -- one side alone -------------------------------------------------------------------------------

TIMES = st.lists(SECONDS, min_size=3, max_size=40).map(np.array)


@given(times=TIMES)
def test_the_limits_of_a_median_are_around_it_and_do_not_depend_on_the_unit(times):
    found = median_in_order(times)
    assert found.low <= found.estimate <= found.high
    assert found.estimate == float(np.median(times))
    other = median_in_order(1000.0 * times)
    for name in ("estimate", "low", "high"):
        one, scaled = getattr(found, name), getattr(other, name)
        assert math.isclose(1000.0 * one, scaled, rel_tol=1e-6, abs_tol=1e-300)


@given(times=TIMES)
def test_a_median_read_backwards_has_the_same_limits(times):
    found, backwards = median_in_order(times), median_in_order(times[::-1])
    assert math.isclose(found.low, backwards.low, rel_tol=1e-9)
    assert math.isclose(found.high, backwards.high, rel_tol=1e-9)


@given(value=SECONDS, n=st.integers(3, 40))
def test_constant_timings_have_a_median_without_doubt(value, n):
    found = median_in_order(np.full(n, value))
    assert found.low == found.estimate == found.high == value


@pytest.mark.parametrize("n", [1, 2])
def test_two_rounds_say_nothing_of_the_median(n):
    assert median_in_order(np.full(n, 2.0)) == Interval(2.0, 0.0, math.inf)


def test_rounds_that_drift_have_a_wider_median_than_the_same_in_disorder():
    drifting = 1.0 + 0.01 * np.arange(40)
    wide, narrow = median_in_order(drifting), median_in_order(drifting[ORDER])
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


ORDER = np.random.default_rng(0).permutation(40)


def autoregression(rng, alike, n):
    """Standard normal values with a correlation of neighbours."""
    values = [rng.standard_normal()]
    while len(values) < n:
        step = math.sqrt(1 - alike**2) * rng.standard_normal()
        values.append(alike * values[-1] + step)
    return np.array(values)


@pytest.mark.parametrize("n", [4, 6, 10, 30])
@pytest.mark.parametrize("alike", [0.0, 0.3])
@pytest.mark.parametrize("tail", [0.05, 1.0])
def test_the_median_is_inside_its_limits_also_where_neighbours_are_alike(n, alike, tail):
    """`tail` is the spread of a lognormal excess over the fastest time: 1.0 has a long tail."""
    rng = np.random.default_rng(n)
    times = [1.0 + 0.05 * np.exp(tail * autoregression(rng, alike, n)) for _ in range(500)]
    found = [median_in_order(one) for one in times]
    assert np.mean([one.low > 1.05 for one in found]) <= 0.025 + 0.02
    assert np.mean([one.high < 1.05 for one in found]) <= 0.025 + 0.02
