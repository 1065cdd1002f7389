"""Intervals and flips: exact where a closed form exists, against a numeric reference elsewhere."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import norm

from unicomp import statistics
from unicomp.statistics import Interval, combine, paired_score_interval, ratio_interval

Z = float(norm.ppf(0.975))

counts = st.integers(min_value=0, max_value=60)
positive_counts = st.integers(min_value=1, max_value=60)
intervals = st.tuples(*[st.floats(0, 100)] * 3).map(
    lambda v: Interval(v[0], v[0] - v[1], v[0] + v[2])
)


def share(correct):
    """The statistic of a plain share, of 0/1 records."""
    values = np.asarray(correct, dtype=float)
    return lambda weights: weights @ values / weights.sum(axis=1)


def one_by_one(n):
    return np.arange(n, dtype=np.int64)


# -- the paired score interval --------------------------------------------------------------------


def reference_score(ratio, both, only_compressed, only_dense, neither):
    """The score statistic, from the likelihood maximised numerically under p1 = ratio * p0."""
    table = np.array([both, only_compressed, only_dense, neither], dtype=float)
    n = table.sum()
    constraints = [
        {"type": "eq", "fun": lambda p: p.sum() - 1, "jac": lambda p: np.ones(4)},
        {
            "type": "eq",
            "fun": lambda p: p[0] + p[1] - ratio * (p[0] + p[2]),
            "jac": lambda p: np.array([1 - ratio, 1, -ratio, 0]),
        },
    ]
    fit = minimize(
        lambda p: -(table / n) @ np.log(p),
        np.full(4, 0.25),
        jac=lambda p: -(table / n) / p,
        bounds=[(1e-10, 1)] * 4,
        constraints=constraints,
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 500},
    )
    difference = np.array([1 - ratio, 1, -ratio, 0])
    return float(table @ difference / math.sqrt(n * (fit.x @ difference**2)))


@pytest.mark.parametrize(
    "table",
    [(40, 5, 12, 23), (10, 10, 10, 10), (70, 1, 9, 20), (3, 2, 6, 9), (150, 30, 8, 12)],
    ids=str,
)
def test_the_limits_are_where_the_constrained_likelihood_rejects(table):
    interval = paired_score_interval(*table)
    assert reference_score(interval.low, *table) == pytest.approx(Z, abs=2e-3)
    assert reference_score(interval.high, *table) == pytest.approx(-Z, abs=2e-3)


@given(counts, counts, counts, counts)
@settings(deadline=None)
def test_the_interval_contains_its_estimate(both, only_compressed, only_dense, neither):
    if both + only_dense == 0:
        with pytest.raises(ValueError, match="proportion of zero"):
            paired_score_interval(both, only_compressed, only_dense, neither)
        return
    interval = paired_score_interval(both, only_compressed, only_dense, neither)
    assert 0 <= interval.low <= interval.estimate <= interval.high < math.inf
    assert interval.low < interval.high
    assert interval.estimate == (both + only_compressed) / (both + only_dense)


@given(positive_counts, counts, counts, positive_counts)
@settings(deadline=None)
def test_the_interval_moves_with_the_counts(both, only_compressed, only_dense, neither):
    before = paired_score_interval(both, only_compressed, only_dense, neither)
    better = paired_score_interval(both, only_compressed + 1, only_dense, neither - 1)
    worse = paired_score_interval(both - 1, only_compressed, only_dense + 1, neither)
    tolerance = 1e-9
    assert better.low >= before.low - tolerance
    assert better.high >= before.high - tolerance
    assert worse.low <= before.low + tolerance
    assert worse.high <= before.high + tolerance


@given(positive_counts, counts, counts, counts)
@settings(deadline=None)
def test_exchanging_the_models_inverts_the_ratio(both, only_compressed, only_dense, neither):
    one = paired_score_interval(both, only_compressed, only_dense, neither)
    other = paired_score_interval(both, only_dense, only_compressed, neither)
    assert other.low == pytest.approx(1 / one.high, rel=1e-6)
    assert other.high == pytest.approx(1 / one.low, rel=1e-6)


@pytest.mark.parametrize("n", [10, 200, 1319])
def test_all_right_twice_has_the_closed_form(n):
    interval = paired_score_interval(n, 0, 0, 0)
    assert interval.estimate == 1
    assert interval.low == pytest.approx(1 / (1 + Z**2 / n))
    assert interval.high == pytest.approx(1 + Z**2 / n)


def test_nothing_right_keeps_an_upper_limit():
    interval = paired_score_interval(0, 0, 80, 20)
    assert interval.low == interval.estimate == 0
    assert 0.01 < interval.high < 0.1


def test_no_discordant_pair_still_leaves_doubt():
    interval = paired_score_interval(60, 0, 0, 40)
    assert interval.low < 1 < interval.high
    assert interval.high - interval.low < 0.2


def test_more_items_make_it_narrower():
    small, large = paired_score_interval(8, 1, 2, 4), paired_score_interval(80, 10, 20, 40)
    assert small.low < large.low < large.high < small.high


def test_the_score_interval_covers_the_truth_19_times_in_20():
    rng = np.random.default_rng(7)
    shares = np.array([0.55, 0.05, 0.15, 0.25])
    truth = (shares[0] + shares[1]) / (shares[0] + shares[2])
    tables = rng.multinomial(80, shares, size=600)
    covered = 0
    for table in tables:
        interval = paired_score_interval(*map(float, table))
        covered += interval.low <= truth <= interval.high
    assert 0.925 <= covered / len(tables) <= 0.975


# -- resampling -----------------------------------------------------------------------------------


def test_the_bootstrap_covers_the_truth_19_times_in_20():
    rng = np.random.default_rng(3)
    shares = np.array([0.55, 0.05, 0.15, 0.25])
    truth = (shares[0] + shares[1]) / (shares[0] + shares[2])
    covered = 0
    for _ in range(200):
        cells = rng.choice(4, size=120, p=shares)
        found = ratio_interval(
            share(cells <= 1), share((cells == 0) | (cells == 2)), one_by_one(120)
        )
        covered += found.low <= truth <= found.high
    assert 0.90 <= covered / 200 <= 0.99


@given(st.lists(st.booleans(), min_size=2, max_size=40).filter(any))
@settings(deadline=None, max_examples=20)
def test_identical_models_have_a_ratio_of_exactly_one_in_every_draw(correct):
    top, bottom = statistics.resample([share(correct)] * 2, one_by_one(len(correct)), draws=200)
    assert np.array_equal(top, bottom)
    assert ratio_interval(share(correct), share(correct), one_by_one(len(correct))) is None


def test_a_draw_without_a_ratio_does_not_hide_that_resampling_collapsed():
    """Two of twenty right: some draws hold neither, and the others all say the same."""
    few = share([1, 1] + [0] * 18)
    assert ratio_interval(few, few, one_by_one(20)) is None
    assert ratio_interval(share([0] * 20), few, one_by_one(20)) is None


@pytest.mark.parametrize("compressed", [0, 1])
def test_resampling_collapses_at_none_and_all(compressed):
    right = share([1] * 30)
    assert ratio_interval(share([compressed] * 30), right, one_by_one(30)) is None


def test_the_draws_are_joint():
    """Were the two models resampled apart, one wrong item would widen the ratio both ways."""
    correct = [1] * 50 + [0] * 50
    found = ratio_interval(share([0, *correct[1:]]), share(correct), one_by_one(100))
    assert found.high == 1
    assert found.estimate == pytest.approx(0.98)


def test_duplicating_the_items_of_each_cluster_changes_nothing():
    rng = np.random.default_rng(1)
    dense, compressed = rng.random(60) < 0.8, rng.random(60) < 0.7
    ids = np.arange(60) // 3
    once = ratio_interval(share(compressed), share(dense), ids)
    twice = ratio_interval(
        share(np.repeat(compressed, 2)), share(np.repeat(dense, 2)), np.repeat(ids, 2)
    )
    assert (twice.estimate, twice.low, twice.high) == pytest.approx(
        (once.estimate, once.low, once.high), rel=1e-12
    )


def test_items_that_repeat_each_other_widen_the_interval_only_as_clusters():
    rng = np.random.default_rng(2)
    dense = np.repeat(rng.random(40) < 0.8, 5)
    compressed = np.repeat(rng.random(40) < 0.7, 5)
    clustered = ratio_interval(share(compressed), share(dense), np.repeat(np.arange(40), 5))
    naive = ratio_interval(share(compressed), share(dense), one_by_one(200))
    assert clustered.high - clustered.low > 1.5 * (naive.high - naive.low)


@given(st.permutations(range(24)))
@settings(deadline=None, max_examples=15)
def test_the_order_of_the_items_does_not_matter(order):
    rng = np.random.default_rng(5)
    dense, compressed = rng.random(24) < 0.8, rng.random(24) < 0.6
    ids, order = np.arange(24) // 2, np.array(order)
    one = ratio_interval(share(compressed), share(dense), ids)
    other = ratio_interval(share(compressed[order]), share(dense[order]), ids[order])
    assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-12)


def test_the_same_seed_gives_the_same_digits():
    rng = np.random.default_rng(9)
    statistic, ids = share(rng.random(50) < 0.5), one_by_one(50)
    assert statistics.standard_error(statistic, ids) == statistics.standard_error(statistic, ids)


def test_the_draws_do_not_depend_on_how_many_are_held_in_memory(monkeypatch):
    rng = np.random.default_rng(9)
    statistic, ids = share(rng.random(20) < 0.5), one_by_one(20)
    at_once = statistics.resample([statistic], ids, draws=1000)
    monkeypatch.setattr(statistics, "_CHUNK", 250)
    statistics._cluster_counts.cache_clear()
    assert np.array_equal(at_once, statistics.resample([statistic], ids, draws=1000))


def test_the_standard_error_of_a_share_is_the_textbook_one():
    correct = [1] * 70 + [0] * 30
    found = statistics.standard_error(share(correct), one_by_one(100))
    assert found == pytest.approx(math.sqrt(0.7 * 0.3 / 100), rel=0.05)


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


def test_where_nothing_varied_a_case_in_every_n_third_is_still_possible():
    found = statistics.rule_of_three(1.0, dense_points=50.0, clusters=300)
    assert (found.low, found.estimate, found.high) == pytest.approx((0.98, 1.0, 1.02))


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
