"""Limits err as rarely as they say, by exact sums where there are any, and never contradict
themselves at another level, another count, or after a way through JSON."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import binom, multinomial, norm

from unicomp.confidence import (
    FEWEST_CLUSTERS,
    FEWEST_RIGHT,
    Jackknifed,
    Joint,
    PairedShares,
    Part,
    Stated,
    difference_limits,
    from_json,
    jackknifed,
    p_above,
    p_below,
    ratio_limits,
    to_json,
)
from unicomp.spec import LEVEL
from unicomp.statistics import Interval

Z = float(norm.ppf(0.975))
UNCLUSTERED, CLUSTERED = 0.035, 0.045
"""The promised errors of a limit whose nominal one is 2.5 %."""

counts = st.integers(min_value=0, max_value=60)
tables = st.tuples(counts, counts, counts, counts)
levels = st.floats(1e-6, 0.4)


@st.composite
def shares(draw):
    """Evidence from one table or from several groups, of which the baseline has some right."""
    found = draw(st.lists(tables, min_size=1, max_size=3))
    assume(all(sum(table) > 0 for table in found))
    assume(sum(both + lost for both, _, lost, _ in found) > 0)
    return PairedShares(tuple(found), absolute=draw(st.booleans()), f1=draw(st.booleans()))


@st.composite
def jackknives(draw):
    """Evidence about clusters, of which any number moved it."""
    m = draw(st.integers(2, 400))
    weighted = []
    for _ in range(draw(st.integers(1, 2))):
        error = draw(st.one_of(st.just(0.0), st.floats(1e-4, 0.5)))
        effective = draw(st.floats(1.0, m)) if error else 0.0
        weighted.append((draw(st.floats(0.2, 1.5)), error, effective))
    return Jackknifed(tuple(weighted), m, draw(st.sampled_from([0.0, 1.0, m / 2, float(m)])))


stated = st.tuples(*[st.floats(0.01, 3)] * 3).map(
    lambda three: Stated(*(sorted(three)[place] for place in (1, 0, 2)))
)


@st.composite
def sums(draw):
    """Evidence about a metric of one to three parts, of which any two may share their items."""
    parts = draw(st.lists(st.one_of(shares(), jackknives()), min_size=1, max_size=3))
    weights = [draw(st.floats(0.05, 1)) for _ in parts]
    pairs = [(i, j) for j in range(len(parts)) for i in range(j)]
    correlations = {pair: draw(st.floats(-1, 1)) for pair in pairs}
    drift = draw(st.floats(0, 0.05))
    return Joint(
        tuple(Part(one, weight, drift) for one, weight in zip(parts, weights, strict=True)),
        correlations,
    )


evidence = st.one_of(shares(), jackknives(), stated, sums())


# -- the score tests ------------------------------------------------------------------------------


def ratio_of(*table):
    low, high = ratio_limits(np.array([table], dtype=float))
    return float(low[0]), float(high[0])


def difference_of(*table):
    low, high = difference_limits(np.array([table], dtype=float))
    return float(low[0]), float(high[0])


def reference_score(contrast, table):
    """The score statistic of contrast @ p = 0, from the likelihood maximised numerically.

    `contrast` is of a ratio; a difference of d is the contrast (0, 1, -1, 0) - d.
    """
    table, contrast = np.array(table, dtype=float), np.array(contrast, dtype=float)
    n = table.sum()
    fit = minimize(
        lambda p: -(table / n) @ np.log(p),
        np.full(4, 0.25),
        jac=lambda p: -(table / n) / p,
        bounds=[(1e-10, 1)] * 4,
        constraints=[
            {"type": "eq", "fun": lambda p: p.sum() - 1, "jac": lambda p: np.ones(4)},
            {"type": "eq", "fun": lambda p: p @ contrast, "jac": lambda p: contrast},
        ],
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 500},
    )
    return float(table @ contrast / math.sqrt(n * (fit.x @ contrast**2)))


TABLES = [(40, 5, 12, 23), (10, 10, 10, 10), (70, 3, 9, 20), (3, 2, 6, 9), (150, 12, 20, 12)]
"""Each has 1, or a difference of 0, inside its limits, so that nothing is corrected."""


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_the_limits_of_a_ratio_are_where_the_constrained_likelihood_rejects(table):
    for limit, expected in zip(ratio_of(*table), (Z, -Z), strict=True):
        contrast = (1 - limit, 1, -limit, 0)
        assert reference_score(contrast, table) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_the_limits_of_a_difference_are_where_the_constrained_likelihood_rejects(table):
    for limit, expected in zip(difference_of(*table), (Z, -Z), strict=True):
        contrast = np.array([0, 1, -1, 0]) - limit
        assert reference_score(contrast, table) == pytest.approx(expected, abs=2e-3)


@given(tables)
@settings(deadline=None)
def test_exchanging_the_models_inverts_the_ratio_and_turns_the_difference(table):
    both, gained, lost, neither = table
    assume(both > 0)
    one, other = ratio_of(*table), ratio_of(both, lost, gained, neither)
    if one[0] < 1 < one[1]:  # else half an item of the candidate is not half an item of the dense
        assert other == pytest.approx((1 / one[1], 1 / one[0]), rel=1e-6)
    one, other = difference_of(*table), difference_of(both, lost, gained, neither)
    assert other == pytest.approx((-one[1], -one[0]), abs=1e-9)


@pytest.mark.parametrize("n", [10, 200, 1319])
def test_all_right_twice_has_the_closed_form(n):
    low, high = ratio_of(n, 0, 0, 0)
    assert low == pytest.approx(1 / (1 + Z**2 / n))
    assert high == pytest.approx(1 + Z**2 / n)


def test_nothing_right_keeps_an_upper_limit():
    low, high = ratio_of(0, 0, 80, 20)
    assert low == 0
    assert 0.01 < high < 0.1


def test_a_baseline_without_a_right_answer_has_no_limits():
    assert ratio_of(0, 4, 0, 6) == (0, math.inf)


@given(st.integers(1, 60), counts, counts, st.integers(1, 60), st.booleans(), st.booleans())
@settings(deadline=None)
def test_a_further_loss_never_helps_and_a_further_gain_never_harms(
    both, gained, lost, neither, absolute, f1
):
    def limits(*table):
        return PairedShares((table,), absolute=absolute, f1=f1).limits()

    before = limits(both, gained, lost, neither)
    better, worse = (
        limits(both, gained + 1, lost, neither - 1),
        limits(both - 1, gained, lost + 1, neither),
    )
    for name in ("low", "high"):
        assert getattr(better, name) >= getattr(before, name) - 1e-9
        assert getattr(worse, name) <= getattr(before, name) + 1e-9


@pytest.mark.parametrize(("right", "reaches"), [(380, False), (381, True), (384, True)])
@pytest.mark.parametrize("wrong", [0, 60, 2000])
def test_identical_answers_reach_a_floor_of_99_with_381_right_items(right, wrong, reaches):
    """That is 99 z² items, whatever number of others both models have wrong."""
    found = PairedShares(((right, 0, 0, wrong),))
    assert (found.limits().low >= 0.99) == reaches
    assert found.estimate == 1


@pytest.mark.parametrize("right", [FEWEST_RIGHT - 1, FEWEST_RIGHT])
def test_few_right_answers_of_the_baseline_have_no_lower_limit(right):
    low = PairedShares(((right, 0, 0, 90),)).limits().low
    assert (low > 0) == (right == FEWEST_RIGHT)


def test_the_share_of_wrong_answers_is_the_turned_table():
    assert PairedShares(((40, 5, 12, 23),)).turned().estimate == pytest.approx(35 / 28)


def test_the_f1_of_a_share_follows_it():
    """2p / (1 + p) of the shares 45 and 52 of 80."""
    plain, f1 = PairedShares(((40, 5, 12, 23),)), PairedShares(((40, 5, 12, 23),), f1=True)
    now, before = (2 * p / (1 + p) for p in (45 / 80, 52 / 80))
    assert f1.estimate == pytest.approx(now / before)
    # the limits lie between those of the shares, since F1 is concave
    assert plain.limits().low < f1.limits().low < f1.estimate < f1.limits().high
    assert f1.limits().high < plain.limits().high


def test_groups_weigh_the_same_whatever_their_size():
    found = PairedShares(((80, 0, 0, 20), (0, 0, 5, 5)))
    assert found.estimate == pytest.approx((0.8 + 0.0) / (0.8 + 0.5))
    assert PairedShares(found.tables, absolute=True).estimate == pytest.approx((0 - 0.5) / 2)


# -- exact errors at the bound --------------------------------------------------------------------


def table_of(*cells):
    return PairedShares((tuple(map(float, cells)),)).limits()


def errors_of(ratio, weighed):
    """The chances of a low limit at or above the true ratio, and of a high one below it.

    `weighed` has the likely tables with their chances; what it leaves out counts as an error.
    """
    above = below = seen = 0.0
    for table, chance in weighed:
        found = table_of(*table)
        seen += chance
        above += chance * (found.low >= ratio)
        below += chance * (found.high < ratio)
    return above + (1 - seen), below + (1 - seen)


def likely_tables(n, cells, least=1e-7):
    """The tables of n items that are likelier than `least`, with their chances."""
    spread = [np.arange(n + 1)] * 3
    both, gained, lost = (axis.ravel() for axis in np.meshgrid(*spread, indexing="ij"))
    found = np.stack([both, gained, lost, n - both - gained - lost], axis=1)
    found = found[found[:, 3] >= 0]
    chances = multinomial.pmf(found, n, cells)
    kept = chances > least
    return zip(found[kept].tolist(), chances[kept].tolist(), strict=True)


@pytest.mark.parametrize("ratio", [0.8, 0.9, 0.95, 0.99, 1.0, 1.05])
@pytest.mark.parametrize(("right", "gains"), [(0.3, 0.1), (0.6, 0.04), (0.9, 0.05)])
def test_fifty_items_err_in_at_most_3_5_percent_at_the_bound(ratio, right, gains):
    losses = gains + (1 - ratio) * right
    weighed = likely_tables(50, (right - losses, gains, losses, 1 - right - gains))
    assert max(errors_of(ratio, weighed)) <= UNCLUSTERED


def one_way_tables(n, right, changed, *, gains):
    """Tables in which all changes are losses, or all are gains, with their chances."""
    for count in range(n + 1):
        if (chance := binom.pmf(count, n, right)) < 1e-6:
            continue
        room = n - count if gains else count
        share = changed * right / (1 - right) if gains else changed
        for moved, other in enumerate(binom.pmf(np.arange(room + 1), room, share).tolist()):
            if chance * other > 1e-8:
                table = (count, moved, 0, n - count - moved)
                yield table if gains else (count - moved, 0, moved, n - count), chance * other


@pytest.mark.parametrize("n", [100, 400])
@pytest.mark.parametrize("ratio", [0.9, 0.99, 1.01, 1.1])
@pytest.mark.parametrize("right", [0.3, 0.8])
def test_changes_in_one_direction_err_in_at_most_3_5_percent(n, ratio, right):
    weighed = one_way_tables(n, right, abs(1 - ratio), gains=ratio > 1)
    assert max(errors_of(ratio, weighed)) <= UNCLUSTERED


def all_or_nothing(lost, m, size=3):
    """Evidence of m clusters of equal size that the baseline has right, of which some are lost."""
    ids = np.repeat(np.arange(m), size)
    right = np.ones(m * size)
    kept = (ids >= lost).astype(float)
    return jackknifed(
        lambda two: two[0] / two[1],
        [lambda weights: weights @ kept, lambda weights: weights @ right],
        ids,
        share=1.0,
    )


@pytest.mark.parametrize("m", [FEWEST_CLUSTERS, 30, 100])
@pytest.mark.parametrize("ratio", [0.8, 0.9, 0.95, 0.99])
def test_clusters_that_are_lost_as_a_whole_err_in_at_most_4_5_percent(m, ratio):
    """The number of lost clusters is binomial, so the errors are exact sums."""
    found = [all_or_nothing(lost, m).limits() for lost in range(m)]
    chances = binom.pmf(np.arange(m), m, 1 - ratio)
    above = float(sum(chances[k] for k, one in enumerate(found) if one.low >= ratio - 1e-12))
    below = float(sum(chances[k] for k, one in enumerate(found) if one.high < ratio - 1e-12))
    assert max(above, below) <= CLUSTERED


# -- clusters -------------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [FEWEST_CLUSTERS, 25, 47, 200])
def test_a_further_lost_cluster_never_raises_a_limit(m):
    """From 25 clusters on; with 20, the first lost one raises the upper limit by 0.0014."""
    found = [all_or_nothing(lost, m).limits() for lost in range(m // 2)]
    for before, after in pairwise(found):
        assert after.low < before.low
        assert after.high <= before.high + (0.0015 if m < 25 else 1e-12)


@pytest.mark.parametrize("m", [FEWEST_CLUSTERS - 1, FEWEST_CLUSTERS])
def test_fewer_than_20_clusters_decide_nothing(m):
    found = all_or_nothing(1, m).limits()
    assert math.isfinite(found.low) == math.isfinite(found.high) == (m == FEWEST_CLUSTERS)


@pytest.mark.parametrize(("level", "unseen"), [(0.025, 3.689), (0.01, 4.605)])
def test_clusters_that_never_changed_may_hide_a_rate_of_3_69_over_their_number(level, unseen):
    found = all_or_nothing(0, 200).limits(level)
    assert (1 - found.low, found.high - 1) == pytest.approx((unseen / 200, unseen / 200), rel=1e-3)


def test_a_baseline_that_has_half_right_shows_changes_in_half_of_the_clusters():
    ids, half = np.arange(400), np.arange(400) % 2.0
    statistic = [lambda weights: weights @ half / weights.sum(axis=1)] * 2
    found = jackknifed(lambda two: two[0] / two[1], statistic, ids, share=0.5).limits()
    assert found.low == pytest.approx(all_or_nothing(0, 200).limits().low)


def test_copies_of_the_items_of_each_cluster_change_nothing():
    one, other = all_or_nothing(4, 60, size=2).limits(), all_or_nothing(4, 60, size=6).limits()
    assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-12)


def test_a_loss_in_a_large_cluster_shows_whatever_the_items_weigh():
    """By items the large cluster is a third of all, by clusters a thirtieth."""
    ids = np.concatenate([np.zeros(15, dtype=np.int64), np.arange(1, 31)])
    kept, right = (ids != 0).astype(float), np.ones(45)
    found = jackknifed(
        lambda two: two[0] / two[1],
        [lambda weights: weights @ kept, lambda weights: weights @ right],
        ids,
        share=1.0,
    )
    by_item, by_cluster = (estimate for estimate, _, _ in found.weighted)
    assert found.estimate == by_item == pytest.approx(30 / 45)
    assert by_cluster == pytest.approx(30 / 31)
    assert found.limits().high > by_cluster


def test_a_quantity_that_cannot_be_computed_without_a_cluster_has_no_limits():
    right = (np.arange(30) == 0).astype(float)
    top, bottom = (lambda weights: weights @ right), (lambda weights: weights @ right)
    with np.errstate(invalid="ignore"):
        found = jackknifed(lambda two: two[0] / two[1], [top, bottom], np.arange(30), share=0.1)
    assert (found.limits().low, found.limits().high) == (-math.inf, math.inf)
    assert p_above(found, 0.1) == p_below(found, 5.0) == 1.0


# -- all kinds of evidence ------------------------------------------------------------------------


@given(evidence, levels)
@settings(deadline=None)
def test_limits_hold_the_estimate(found, level):
    limits = found.limits(level)
    assert limits.estimate == found.estimate
    assert limits.low - 1e-9 <= found.estimate <= limits.high + 1e-9


@given(evidence, levels, st.floats(1.0, 20.0))
@settings(deadline=None)
def test_a_smaller_error_has_wider_limits(found, level, factor):
    narrow, wide = found.limits(level), found.limits(level / factor)
    assert wide.low <= narrow.low + 1e-9
    assert wide.high >= narrow.high - 1e-9


@given(evidence, st.floats(0.2, 1.5), st.floats(1e-5, 0.3))
@settings(deadline=None)
def test_p_values_say_what_the_limits_say(found, bound, level):
    """Within the precision with which a p-value is searched."""
    above, below = p_above(found, bound), p_below(found, bound)
    assert 1e-9 <= above <= 1
    assert 1e-9 <= below <= 1
    if above < 0.99 * level:
        assert found.limits(level).low >= bound - 1e-9
    if above > 1.01 * level:
        assert found.limits(level).low < bound + 1e-9
    if below < 0.99 * level:
        assert found.limits(level).high <= bound + 1e-9
    if below > 1.01 * level:
        assert found.limits(level).high >= bound - 1e-9
    assert above == 1 or below == 1


@given(evidence, st.floats(0.2, 1.4), st.floats(0.0, 0.3))
@settings(deadline=None)
def test_a_higher_bound_is_harder_to_reach_and_easier_to_miss(found, bound, more):
    assert p_above(found, bound + more) >= 0.99 * p_above(found, bound)
    assert p_below(found, bound + more) <= 1.01 * p_below(found, bound)


def test_an_estimate_at_its_bound_is_not_below_it():
    assert p_below(Stated(1.0, 1.0, 1.0), 1.0) == 1.0
    assert p_above(Stated(1.0, 1.0, 1.0), 1.0) == 1e-9


@given(st.one_of(shares(), jackknives()))
@settings(deadline=None)
def test_evidence_survives_its_way_through_json(found):
    after = from_json(json.loads(json.dumps(to_json(found))))
    assert after == found
    assert after.limits() == found.limits()


# -- stated limits --------------------------------------------------------------------------------


@given(stated)
def test_limits_that_are_stated_are_those_at_2_5_percent(found):
    limits = found.limits(LEVEL)
    assert (limits.low, limits.high) == pytest.approx((found.low, found.high))


def test_stated_limits_widen_in_logarithms_as_a_normal_distribution_does():
    limits = Stated(1.0, 0.5, 2.0).limits(float(norm.sf(2 * Z)))
    assert (limits.low, limits.high) == pytest.approx((0.25, 4.0))


def test_an_unbounded_measurement_decides_nothing():
    """vLLM's own throughput has one value and no interval."""
    found = Stated(2.0, 0.0, math.inf)
    assert p_above(found, 1.5) > LEVEL
    assert p_below(found, 1e9) > LEVEL


# -- sums -----------------------------------------------------------------------------------------

SAME = PairedShares(((60, 5, 10, 25),))


def joint(correlation, parts=(SAME, SAME), drift=0.0):
    return Joint(tuple(Part(one, 0.5, drift) for one in parts), {(0, 1): correlation}).limits()


def test_parts_of_the_same_responses_are_as_uncertain_as_one_of_them():
    single, found = SAME.limits(), joint(1.0)
    assert (found.low, found.high) == pytest.approx((single.low, single.high))


def test_independent_parts_shrink_with_the_root_of_their_number():
    single, found = SAME.limits(), joint(0.0)
    assert found.estimate - found.low == pytest.approx(
        (single.estimate - single.low) / math.sqrt(2)
    )


@given(st.floats(0, 1), st.floats(0, 1))
def test_parts_that_move_together_have_a_wider_interval(one, other):
    less, more = joint(min(one, other)), joint(max(one, other))
    assert more.low <= less.low + 1e-12
    assert more.high >= less.high - 1e-12


def test_parts_that_move_against_each_other_count_as_independent():
    assert joint(-0.8) == joint(0.0)


def test_identical_answers_keep_the_width_of_each_part():
    same = PairedShares(((100, 0, 0, 20),))
    single, found = same.limits(), joint(0.0, (same, same))
    assert found.estimate == 1
    assert 1 - found.low == pytest.approx((1 - single.low) / math.sqrt(2))


def test_an_uncertain_weight_widens_a_sum():
    assert joint(0.0, drift=0.02).low < joint(0.0).low


def test_a_part_without_limits_leaves_its_sum_without_any():
    few = Jackknifed(((1.0, 0.1, 3.0),), FEWEST_CLUSTERS - 1, 0.0)
    assert joint(0.0, (SAME, few)) == Interval(
        joint(0.0, (SAME, few)).estimate, -math.inf, math.inf
    )
