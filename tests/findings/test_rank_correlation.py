"""A rank correlation of few values has a p-value, of more an interval that is never a point."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from unicomp.findings import rank_correlation as module
from unicomp.findings.rank_correlation import rank_correlation

values = st.floats(0, 200).map(lambda value: round(value, 1))
pairs = st.integers(3, 14).flatmap(
    lambda n: st.tuples(*[st.lists(values, min_size=n, max_size=n)] * 2)
)


@given(pairs)
@settings(deadline=None)
def test_the_estimate_is_spearmans_and_has_either_a_p_value_or_an_interval(sides):
    first, second = sides
    found = rank_correlation(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert found is None
        return
    assert found.estimate == pytest.approx(float(spearmanr(first, second).statistic), abs=1e-12)
    if len(first) < 10:
        assert 0 < found.p_value <= 1
        assert (found.low, found.high) == (None, None)
    else:
        assert found.p_value is None
        assert -1 <= found.low <= found.estimate <= found.high <= 1
        assert found.low < found.high


@given(pairs)
@settings(deadline=None, max_examples=50)
def test_either_side_may_come_first_or_be_turned_around(sides):
    one, other = rank_correlation(*sides), rank_correlation(*reversed(sides))
    turned = rank_correlation(sides[0], [-value for value in sides[1]])
    if one is None:
        assert other is turned is None
        return
    assert turned.estimate == pytest.approx(-one.estimate)
    if one.p_value is None:
        assert (other.low, other.high) == pytest.approx((one.low, one.high))
        assert (turned.low, turned.high) == pytest.approx((-one.high, -one.low))
    else:
        # drawn orders differ between the two sides
        assert other.p_value == pytest.approx(one.p_value, abs=0.02)
        assert turned.p_value == pytest.approx(one.p_value)


@pytest.mark.parametrize("n", [3, 4, 5, 6, 7])
def test_the_p_value_of_perfect_agreement_is_that_of_one_order_in_two_directions(n):
    assert rank_correlation(range(n), range(n)).p_value == pytest.approx(2 / math.factorial(n))


@pytest.mark.parametrize("n", [4, 5])
def test_the_p_value_holds_under_every_order(n):
    """Of all orders at most a share of p has a p-value of p or less."""
    found = [rank_correlation(range(n), order).p_value for order in permutations(range(n))]
    for limit in set(found):
        assert np.mean([value <= limit for value in found]) == pytest.approx(limit)


def test_drawn_orders_give_about_the_exact_p_value(monkeypatch):
    first, second = range(7), (1, 0, 3, 2, 6, 4, 5)
    exact = rank_correlation(first, second).p_value
    monkeypatch.setattr(module, "MOST_EXACT", 3)
    drawn = rank_correlation(first, second).p_value
    assert drawn == pytest.approx(exact, abs=0.005)
    assert drawn == rank_correlation(first, second).p_value


@pytest.mark.parametrize("n", [10, 30, 200])
def test_perfect_agreement_has_an_interval_with_a_width(n):
    found = rank_correlation(range(n), range(n))
    assert found.low < 1 - 12 / (n**3 - n)
    assert found.estimate == found.high == 1


@pytest.mark.parametrize("truth", [0.0, 0.6, 0.95])
def test_the_interval_of_ten_pairs_covers_the_truth(truth):
    """Of normal pairs with Pearson's r Spearman's correlation is 6 / pi asin(r / 2)."""
    rng = np.random.default_rng(11)
    spearman = 6 / math.pi * math.asin(truth / 2)
    draws = rng.multivariate_normal([0, 0], [[1, truth], [truth, 1]], size=(400, 10))
    found = [rank_correlation(*draw.T) for draw in draws]
    covered = np.mean([one.low <= spearman <= one.high for one in found])
    assert covered >= 0.93


@pytest.mark.parametrize("sides", [([1, 2], [1, 2]), ([], []), ([1, 1, 1], [1, 2, 3])])
def test_too_few_or_equal_values_have_no_correlation(sides):
    assert rank_correlation(*sides) is None
