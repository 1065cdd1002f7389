"""What the full run can still say, from a part of its items: exact on small urns."""

import json
import math
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import gammaln

from unicomp.confidence import (
    Member,
    PairedShares,
    PartialShares,
    PartTable,
    difference_limits,
    from_json,
    ratio_limits,
    summed,
    to_json,
)
from unicomp.confidence.shares import lower_limits, reach, stay_below, upper_limits
from unicomp.confidence.urns import Urn, log_mixed, log_mixture
from unicomp.spec import LEVEL, CheckpointId
from unicomp.verdict import Row, judged

counts = st.integers(0, 40)
tables = st.lists(st.tuples(counts, counts, counts, counts).filter(any), min_size=1, max_size=30)
levels = st.sampled_from([LEVEL, LEVEL / 40, 0.2])
CHECKPOINT = CheckpointId("model", "method", "none")


@st.composite
def parts(draw, most=30, fewest=1):
    """A group of items with the totals of the full run: (table, lost, gained)."""
    right, wrong = draw(st.integers(fewest, most)), draw(st.integers(fewest, most))
    lost, gained = draw(st.integers(0, right)), draw(st.integers(0, wrong))
    seen = [draw(st.integers(0, one)) for one in (right - lost, lost, wrong - gained, gained)]
    kept, seen_lost, stayed, seen_gained = map(float, seen)
    table = PartTable(right, wrong, kept + seen_lost, seen_lost, stayed + seen_gained, seen_gained)
    return table, lost, gained


def whole(table, lost, gained):
    """The table of the full run."""
    return PartTable(table.right, table.wrong, table.right, lost, table.wrong, gained)


def paired(table, lost, gained, **about):
    right, wrong = table.right, table.wrong
    return PairedShares(((right - lost, gained, lost, wrong - gained),), **about)


# -- urns -----------------------------------------------------------------------------------------


def choose(n, k):
    return math.exp(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def ratio(pair, totals, power=1.0):
    """The e-process of a pair of urns under totals of marked balls."""
    known = sum(
        float(one.log_likelihoods()[np.flatnonzero(one.totals == total)[0]])
        for one, total in zip(pair, totals, strict=True)
    )
    return math.exp(log_mixed([(power, log_mixture(*pair))]) - power * known)


@pytest.mark.parametrize("sizes", [(5, 3), (6, 1), (4, 4)])
def test_the_ratio_has_a_mean_of_at_most_1_under_every_pair_of_totals(sizes):
    means = []
    for totals in product(*(range(one + 1) for one in sizes)):
        for drawn in product(*(range(one + 1) for one in sizes)):
            mean = 0.0
            for marked in product(*(range(one + 1) for one in drawn)):
                chance = 1.0
                for size, total, n, k in zip(sizes, totals, drawn, marked, strict=True):
                    inside = k <= total and n - k <= size - total
                    chance *= inside and choose(total, k) * choose(size - total, n - k)
                    chance /= choose(size, n)
                if chance:
                    pair = [Urn(*one) for one in zip(sizes, drawn, marked, strict=True)]
                    mean += chance * ratio(pair, totals)
            means.append(mean)
    assert max(means) <= 1 + 1e-9
    assert max(means) == pytest.approx(1.0)


def test_the_mean_is_exactly_1_where_no_draw_is_impossible():
    size, total, drawn = 12, 5, 4
    mean = sum(
        choose(total, k) * choose(size - total, drawn - k) / choose(size, drawn)
        * ratio([Urn(size, drawn, k), Urn(3, 0, 0)], (total, 1))
        for k in range(drawn + 1)
    )  # fmt: skip
    assert mean == pytest.approx(1.0)


def test_a_geometric_mean_of_the_same_urn_is_its_ratio():
    pair = (Urn(40, 20, 3), Urn(30, 15, 2))
    once = log_mixed([(1.0, log_mixture(*pair))])
    assert log_mixed([(0.25, log_mixture(*pair))] * 4) == pytest.approx(once)


# -- limits of many tables ------------------------------------------------------------------------


@given(tables, levels, st.booleans())
def test_limits_of_many_tables_are_those_of_each(some, level, absolute):
    low, high = (difference_limits if absolute else ratio_limits)(some, level)
    assert lower_limits(some, level, absolute=absolute) == pytest.approx(low, abs=1e-8)
    assert upper_limits(some, level, absolute=absolute) == pytest.approx(high, rel=1e-8, abs=1e-8)


@given(tables, levels, st.booleans(), st.floats(-0.2, 1.3))
def test_a_bound_is_compared_as_with_the_limits(some, level, absolute, bound):
    low, high = (difference_limits if absolute else ratio_limits)(some, level)
    apart = np.abs(low - bound) > 1e-9, np.abs(high - bound) > 1e-9
    assert ((reach(some, level, bound, absolute=absolute) == (low >= bound)) | ~apart[0]).all()
    below = stay_below(some, level, bound, absolute=absolute)
    assert ((below == (high < bound)) | ~apart[1]).all()


@pytest.mark.parametrize("sizes", [(12, 8), (30, 4), (4, 30), (25, 25)])
@pytest.mark.parametrize("absolute", [False, True])
def test_losses_lower_both_limits_and_gains_raise_them(sizes, absolute):
    right, wrong = sizes
    lost, gained = np.meshgrid(np.arange(right + 1), np.arange(wrong + 1), indexing="ij")
    found = np.stack([right - lost, gained, lost, wrong - gained], axis=-1).reshape(-1, 4)
    for level in (LEVEL, LEVEL / 40, 0.2):
        for limits in (lower_limits, upper_limits):
            values = limits(found, level, absolute=absolute).reshape(lost.shape)
            assert np.diff(values, axis=0).max() <= 1e-9
            assert np.diff(values, axis=1).min() >= -1e-9


# -- what the full run can be ---------------------------------------------------------------------


def ends(likely, level):
    return likely.estimates(), likely.lower(level), likely.upper(level)


@given(parts(most=120), levels, st.booleans())
def test_ranges_hold_the_truth_if_it_is_not_excluded(found, level, absolute):
    table = found[0]
    likely = PartialShares((table,), absolute=absolute).likely(1e3)  # nothing is
    true = paired(*found, absolute=absolute).limits(level)
    if table.right >= 10 or absolute:
        for value, (least, most) in zip(
            (true.estimate, true.low, true.high), ends(likely, level), strict=True
        ):
            assert least - 1e-8 <= value <= most + 1e-8


@given(parts(most=60, fewest=10), levels, st.booleans())
def test_ranges_shrink_to_the_truth(found, level, absolute):
    known = PartialShares((whole(*found),), absolute=absolute)
    true = paired(*found, absolute=absolute).limits(level)
    for value, bounds in zip(
        (true.estimate, true.low, true.high), ends(known.likely(5.0), level), strict=True
    ):
        assert bounds == pytest.approx((value, value), abs=1e-8)


@given(parts(most=60, fewest=10), parts(most=60, fewest=10), levels)
def test_a_metric_of_what_was_asked_in_full_has_the_limits_of_the_full_run(one, other, level):
    errors = (0.1, 0.2)

    def metric(evidence):
        members = [Member(found, 0.5, error) for found, error in zip(evidence, errors, strict=True)]
        return summed([[member] for member in members], {})

    true = metric([paired(*one), paired(*other)]).limits(level)
    likely = metric([PartialShares((whole(*found),)) for found in (one, other)]).likely(5.0)
    for value, bounds in zip(
        (true.estimate, true.low, true.high), ends(likely, level), strict=True
    ):
        assert bounds == pytest.approx((value, value), abs=1e-9)


@settings(max_examples=15)
@given(parts(most=12, fewest=6), parts(most=12, fewest=6), st.sampled_from([3.0, 6.0]))
def test_the_ranges_of_a_sum_hold_those_of_a_search(one, other, nats):
    shares = [PartialShares((found[0],)) for found in (one, other)]
    likely = summed([[Member(own, 0.5, 0.1)] for own in shares], {}).likely(nats)
    surprises, values = [], []
    for own in shares:
        table = own.tables[0]
        losses, gains = table.urns
        pairs = list(product(losses.totals, gains.totals))
        surprises.append(
            np.add.outer(-losses.log_likelihoods(), -gains.log_likelihoods()).ravel() / 2
        )
        found = [(table.right - a, b, a, table.wrong - b) for a, b in pairs]
        low, high = ratio_limits(found, LEVEL)
        ratios = np.array([(x + y) / table.right for x, y, *_ in found])
        values.append((ratios / 2, (ratios - low) / 2, (high - ratios) / 2))
    constant = log_mixed([(0.5, log_mixture(*own.tables[0].urns)) for own in shares])
    possible = np.add.outer(*surprises) <= nats - constant
    estimate, *squares = (
        np.add.outer(*[side**power for side in sides])
        for power, sides in zip((1, 2, 2), zip(*values, strict=True), strict=True)
    )
    below, above = map(np.sqrt, squares)
    for true, (least, most) in zip(
        (estimate, estimate - below, estimate + above), ends(likely, LEVEL), strict=True
    ):
        assert least <= true[possible].min() + 1e-9
        assert most >= true[possible].max() - 1e-9


@example((PartTable(10, 88, 0, 0, 0, 0), 0, 4), 100.0, 1)  # the limit is cut off at the floor
@given(parts(most=200, fewest=10), st.sampled_from([80.0, 95.0, 100.0]), st.sampled_from([1, 40]))
def test_the_verdict_on_what_was_asked_in_full_is_that_of_the_full_run(found, floor, family):
    def verdict(evidence, family, **about):
        row = Row(
            **CHECKPOINT._asdict(),
            benchmark="b",
            retention=100 * evidence.estimate,
            floor=floor,
            evidence={"kept": to_json(evidence)},
            **about,
        )
        return judged(row, family=family)

    whole_verdicts = {verdict(paired(*found), one).verdict for one in (family, 1)}
    early = verdict(PartialShares((whole(*found),)), family, early_error=0.01, full_n=500)
    assert {early.verdict} == whole_verdicts or early.reason


@given(st.lists(parts(), min_size=1, max_size=4), st.booleans())
def test_what_was_asked_in_part_survives_json(found, absolute):
    shares = PartialShares(tuple(table for table, *_ in found), absolute=absolute)
    assert from_json(json.loads(json.dumps(to_json(shares)))) == shares


@pytest.mark.parametrize("many", [1, 2, 5])
def test_each_of_k_benchmarks_of_a_metric_counts_with_the_power_of_1_over_k(many):
    table = PartTable(60, 40, 30, 3, 20, 2)
    full = Member(paired(PartTable(60, 40, 60, 3, 40, 2), 3, 2), 0.1, 0.05)
    members = [Member(PartialShares((table,)), 0.1, 0.05) for _ in range(many)]
    found = summed([[one] for one in [*members, full]], {})
    assert [one.power for one in found.terms] == pytest.approx([1 / many] * many)
