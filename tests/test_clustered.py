"""Intervals of clustered means and shares: they cover the truth, and never collapse."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from unicomp.clustered import mcnemar, mean_of_positive, mean_of_shares, ratio_of_means, share

flags = st.lists(st.booleans(), min_size=1, max_size=60).map(np.array)


def alone(n):
    return np.arange(n)


@given(flags, st.integers(1, 5), st.booleans())
def test_a_share_always_has_a_width(marked, size, alike):
    found = share(marked, alone(len(marked)) // size, alike=alike)
    assert found.estimate == pytest.approx(marked.mean())
    assert 0.0 <= found.low <= found.estimate <= found.high <= 1.0
    assert found.low < found.high


@given(st.integers(2, 60), st.data())
def test_limits_of_a_share_move_with_every_marked_item(n, data):
    k = data.draw(st.integers(0, n - 1))
    fewer, more = (share(np.arange(n) < count, alone(n)) for count in (k, k + 1))
    assert fewer.low <= more.low
    assert fewer.high <= more.high


@pytest.mark.parametrize("truth", [0.5, 0.9, 0.99])
def test_a_share_of_single_items_errs_at_most_as_stated(truth):
    n = 100
    found = [share(np.arange(n) < k, alone(n)) for k in range(n + 1)]
    chances = binom.pmf(range(n + 1), n, truth)
    below = sum(p for p, one in zip(chances, found, strict=True) if one.high < truth)
    above = sum(p for p, one in zip(chances, found, strict=True) if one.low > truth)
    assert max(below, above) <= 0.025


def test_items_of_a_cluster_count_as_one():
    """Ten copies of each item say no more than the items."""
    marked = np.arange(40) < 30
    once, often = share(marked, alone(40)), share(np.repeat(marked, 10), np.repeat(alone(40), 10))
    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_a_share_of_identical_tokens_is_not_certain():
    found = share(np.ones(6400, bool), np.repeat(np.arange(64), 100), alike=False)
    assert found.low == pytest.approx(0.025 ** (1 / 64))


def clusters(rng, m, largest, spread):
    sizes = rng.integers(1, largest, m)
    ids = np.repeat(np.arange(m), sizes)
    return ids, spread * rng.normal(size=m)[ids]


def coverage(draw, truth, runs=400):
    found = [draw(np.random.default_rng(seed)) for seed in range(runs)]
    return sum(one.low <= truth <= one.high for one in found) / runs


def test_the_mean_of_a_skewed_divergence_is_covered():
    def draw(rng):
        ids, shift = clusters(rng, 100, 10, 0.5)
        return mean_of_positive(np.exp(shift + rng.normal(size=len(ids))), ids)

    assert coverage(draw, math.exp(0.125 + 0.5)) >= 0.93


def test_a_ratio_of_probabilities_is_covered():
    def draw(rng):
        ids, shift = clusters(rng, 100, 10, 1.0)
        base = 1 / (1 + np.exp(-shift - rng.normal(size=len(ids))))
        kept = base * rng.beta(9, 1, len(ids))
        return ratio_of_means(kept, base, ids)

    assert coverage(draw, 0.9) >= 0.93


@pytest.mark.parametrize("n", [50, 300, 1319])
def test_a_few_lost_items_do_not_make_the_lower_limit_too_high(n):
    """One item in a hundred loses nearly all its probability: often none of them is seen."""

    def draw(rng):
        base = rng.beta(3, 0.5, n)
        return ratio_of_means(np.where(rng.random(n) < 0.01, 0.05 * base, base), base, alone(n))

    truth = 1 - 0.01 * 0.95
    found = [draw(np.random.default_rng(seed)) for seed in range(1000)]
    assert sum(one.low > truth for one in found) <= 35


@given(st.lists(st.floats(0.01, 1.0), min_size=2, max_size=40).map(np.array))
def test_equal_probabilities_do_not_make_the_ratio_certain(base):
    found = ratio_of_means(base, base, alone(len(base)))
    assert found.estimate == 1.0
    assert found.low < 1.0 < found.high


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40).map(np.array))
def test_a_mean_of_shares_stays_within_its_interval(values):
    found = mean_of_shares(values, alone(len(values)))
    assert 0.0 <= found.low <= found.estimate + 1e-12
    assert found.estimate <= found.high + 1e-12


@pytest.mark.parametrize("values", [np.zeros(5), np.array([0.3])])
def test_nothing_or_one_value_leaves_a_mean_open(values):
    found = mean_of_positive(values, alone(len(values)))
    assert (found.low, found.high) == (0.0, math.inf)


def test_a_ratio_to_nothing_is_an_error():
    with pytest.raises(ValueError, match="zero"):
        ratio_of_means(np.ones(3), np.zeros(3), alone(3))


def test_mcnemar_by_hand():
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 0) == pytest.approx(2 / 2**5)
    assert mcnemar(1, 4) == pytest.approx(2 * (1 + 5) / 2**5)
    assert mcnemar(3, 3) == pytest.approx(1.0)


@given(st.integers(0, 200), st.integers(0, 200))
def test_mcnemar_is_fair_to_both(lost, gained):
    assert mcnemar(lost, gained) == pytest.approx(mcnemar(gained, lost))
    assert 0.0 <= mcnemar(lost, gained) <= 1.0
