"""Standard errors, sums of intervals and flips: against closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unicomp import statistics
from unicomp.statistics import Interval, combine

intervals = st.tuples(*[st.floats(0, 100)] * 3).map(
    lambda v: Interval(v[0], v[0] - v[1], v[0] + v[2])
)


def share(correct):
    """The statistic of a plain share, of 0/1 records."""
    values = np.asarray(correct, dtype=float)
    return lambda weights: weights @ values / weights.sum(axis=1)


def one_by_one(n):
    return np.arange(n, dtype=np.int64)


# -- leaving out --------------------------------------------------------------------------------


def test_the_jackknife_leaves_out_one_cluster_at_a_time():
    correct = [1, 1, 0, 1, 0, 0]
    left = statistics.jackknife([share(correct)], np.array([0, 0, 1, 1, 2, 2]))
    assert left[0] == pytest.approx([1 / 4, 2 / 4, 3 / 4])


def test_the_jackknife_counts_items_by_their_weight():
    left = statistics.jackknife([share([1, 0, 0])], one_by_one(3), base=np.array([1.0, 3.0, 1.0]))
    assert left[0] == pytest.approx([0, 1 / 2, 1 / 4])


def test_several_statistics_leave_out_the_same_clusters():
    right = np.random.default_rng(1).random(30) < 0.8
    top, bottom = statistics.jackknife([share(right)] * 2, np.arange(30) // 3)
    assert np.array_equal(top, bottom)


def test_many_clusters_are_left_out_in_a_thousand_groups():
    half = share(np.random.default_rng(4).random(2500) < 0.5)
    assert statistics.jackknife([half], one_by_one(2500)).shape == (1, 1000)
    error = statistics.standard_error(half, one_by_one(2500))
    assert error == pytest.approx(0.5 / math.sqrt(2500), rel=0.1)


def test_copies_of_the_items_of_each_cluster_do_not_narrow_the_error():
    right, ids = np.random.default_rng(1).random(60) < 0.8, np.arange(60) // 3
    once = statistics.standard_error(share(right), ids)
    twice = statistics.standard_error(share(np.repeat(right, 2)), np.repeat(ids, 2))
    assert twice == pytest.approx(once, rel=1e-12)


@given(st.permutations(range(24)))
@settings(deadline=None, max_examples=15)
def test_the_order_of_the_items_does_not_matter(order):
    right, ids, order = np.random.default_rng(5).random(24) < 0.8, np.arange(24) // 2, list(order)
    one = statistics.standard_error(share(right), ids)
    other = statistics.standard_error(share(right[order]), ids[order])
    assert other == pytest.approx(one, rel=1e-12)


def test_the_groups_do_not_depend_on_how_many_are_held_in_memory(monkeypatch):
    right = np.random.default_rng(9).random(90) < 0.5
    at_once = statistics.jackknife([share(right)], one_by_one(90))
    monkeypatch.setattr(statistics, "_CHUNK", 7)
    assert np.array_equal(at_once, statistics.jackknife([share(right)], one_by_one(90)))


def test_a_single_cluster_has_no_error():
    assert statistics.standard_error(share([1, 0, 1]), np.zeros(3, dtype=np.int64)) == 0


def test_the_standard_error_of_a_share_is_the_textbook_one():
    correct = [1] * 70 + [0] * 30
    found = statistics.standard_error(share(correct), one_by_one(100))
    assert found == pytest.approx(math.sqrt(0.7 * 0.3 / 99))


def test_clusters_are_numbered_by_first_appearance():
    assert statistics.cluster_ids(["b", "a", "b", "c", "a"]).tolist() == [0, 1, 0, 2, 1]


# -- adding up ------------------------------------------------------------------------------------


@given(intervals)
@settings(deadline=None)
def test_one_part_combines_to_itself(part):
    total = combine([part], [1.0])
    assert (total.estimate, total.low, total.high) == pytest.approx(
        (part.estimate, part.low, part.high)
    )


parts_and_weights = st.lists(st.tuples(intervals, st.floats(0.01, 1)), min_size=1, max_size=6)


@given(parts_and_weights, st.randoms())
@settings(deadline=None)
def test_the_order_of_the_parts_does_not_matter(parts, random):
    shuffled = list(parts)
    random.shuffle(shuffled)
    one, other = combine(*zip(*parts, strict=True)), combine(*zip(*shuffled, strict=True))
    assert (one.estimate, one.low, one.high) == pytest.approx(
        (other.estimate, other.low, other.high)
    )


@given(parts_and_weights)
@settings(deadline=None)
def test_a_sum_is_as_wide_as_its_widest_part_and_narrower_than_all_together(parts):
    total = combine(*zip(*parts, strict=True))
    down = [weight * (part.estimate - part.low) for part, weight in parts]
    up = [weight * (part.high - part.estimate) for part, weight in parts]
    for found, sides in ((total.estimate - total.low, down), (total.high - total.estimate, up)):
        assert max(sides) - 1e-6 <= found <= sum(sides) + 1e-6


def test_equal_parts_shrink_with_the_root_of_their_number():
    total = combine([Interval(90, 80, 95)] * 4, [0.25] * 4)
    assert (total.estimate, total.low, total.high) == (90, 85, 92.5)


def test_weights_and_parts_must_match():
    with pytest.raises(ValueError):
        combine([Interval(1, 0, 2)], [0.5, 0.5])


# -- flips ----------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=50))
@settings(deadline=None)
def test_flips_account_for_the_difference_of_the_scores(pairs):
    dense = np.array([one for one, _ in pairs], dtype=float)
    compressed = np.array([other for _, other in pairs], dtype=float)
    lost, gained = statistics.flips(dense, compressed)
    assert gained - lost == compressed.sum() - dense.sum()
    assert lost + gained == (dense != compressed).sum()
    assert statistics.flips(compressed, dense) == (gained, lost)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=20), st.integers(-300, 300))
def test_the_effective_number_has_no_unit(values, exponent):
    deviations = np.array([value if abs(value) > 1e-3 else 0.0 for value in values])
    number = statistics.effective_number(deviations)
    assert number == pytest.approx(statistics.effective_number(np.ldexp(deviations, exponent)))
    changed = np.count_nonzero(deviations)
    assert number == 0 if not changed else 1 - 1e-9 <= number <= changed + 1e-9
