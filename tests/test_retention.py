"""Retention: paired by item, turned so that more is better, none where a ratio means nothing."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unicomp.confidence import Jackknifed, PairedShares, from_json
from unicomp.errors import ScoringError
from unicomp.retention import correlation, retention
from unicomp.scores import Records
from unicomp.scoring.aggregate import Mean, Perplexity, RobustnessScore
from unicomp.spec import Benchmark, Reading


def bench(**about):
    settings = {"aggregate": Mean("correct"), "metric": "reasoning", **about}
    return Benchmark(
        name="gsm8k", task="gsm8k.yaml", scorer=lambda item: Reading(fields={}), **settings
    )


def records(correct, clusters=None, items=None, parsed=None, gaps=None, faults=(), **fields):
    n = len(correct)
    names = [f"item-{i}" for i in range(n)]
    return Records(
        benchmark="gsm8k",
        items=items or names,
        clusters=list(clusters) if clusters else names,
        fields={"correct": [float(value) for value in correct], **fields},
        parsed=parsed or [True] * n,
        gaps=gaps or [None] * n,
        faults=list(faults),
    )


def right(k, n):
    return [True] * k + [False] * (n - k)


bits = st.lists(st.booleans(), min_size=60, max_size=60)


# -- what a ratio is ------------------------------------------------------------------------------


def test_retention_is_compressed_over_dense_in_percent():
    found = retention(bench(), records(right(60, 100)), records(right(80, 100)))
    assert (found.score, found.dense, found.n) == (60, 80, 100)
    assert found.value == pytest.approx(75)
    assert found.low < 75 < found.high
    assert (found.lost, found.gained) == (20, 0)
    assert found.standard_error == pytest.approx(math.sqrt(0.6 * 0.4 / 100) * 100, rel=0.05)
    assert found.incomparable is None


@given(bits, bits)
@settings(max_examples=20, deadline=None)
def test_the_interval_contains_the_value_and_the_flips_explain_it(dense, compressed):
    found = retention(bench(), records(compressed), records(dense))
    if found.value is None:
        assert found.low is found.high is None
        assert found.incomparable
        return
    assert found.value == pytest.approx(100 * sum(compressed) / sum(dense))
    assert found.low <= found.value <= found.high
    assert found.gained - found.lost == sum(compressed) - sum(dense)


def test_the_dense_model_keeps_exactly_all_of_itself():
    dense = records(right(80, 100))
    found = retention(bench(), dense, dense)
    assert (found.value, found.low, found.high) == (100.0, 100.0, 100.0)
    assert (found.lost, found.gained) == (0, 0)


@pytest.mark.parametrize("k", [30, 80, 100])
def test_another_checkpoint_with_the_same_answers_is_not_certain_to_be_equal(k):
    found = retention(bench(), records(right(k, 100)), records(right(k, 100)))
    assert found.value == 100
    assert found.low < 100 < found.high


def test_a_checkpoint_that_got_nothing_right_keeps_an_upper_limit():
    found = retention(bench(), records(right(0, 100)), records(right(80, 100)))
    assert found.value == found.low == 0
    assert 0 < found.high < 10


def test_rare_right_answers_do_not_pass_for_certainty():
    """The same five right answers of a hundred: either model may still lose all of them."""
    found = retention(bench(), records(right(5, 100)), records(right(5, 100)))
    assert found.low == 0
    assert found.high > 100


def test_items_of_one_cluster_count_as_one_where_nothing_changed():
    """50 clusters of whatever size may hide a change in 3.69 / 50 of them."""
    clusters = [f"c{i // 4}" for i in range(200)]
    found = retention(
        bench(), records(right(200, 200), clusters), records(right(200, 200), clusters)
    )
    assert found.clusters == 50
    assert (found.low, found.high) == pytest.approx((100 - 369 / 50, 100 + 369 / 50), rel=1e-3)


def test_clusters_widen_the_interval():
    correct, clusters = right(140, 200), [f"c{i // 10}" for i in range(200)]
    apart = retention(bench(), records(correct), records(right(180, 200)))
    together = retention(bench(), records(correct, clusters), records(right(180, 200), clusters))
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


# -- direction ------------------------------------------------------------------------------------


def test_less_is_better_is_turned_before_the_ratio():
    """Bias of 40 and 70 points: 60 and 30 points are free of it."""
    found = retention(
        bench(higher_is_better=False), records(right(70, 100)), records(right(40, 100))
    )
    assert (found.score, found.dense) == (70, 40)
    assert found.value == pytest.approx(50)
    assert found.low < 50 < found.high


def test_less_is_better_for_the_dense_model_too():
    dense = records(right(40, 100))
    assert retention(bench(higher_is_better=False), dense, dense).value == 100
    found = retention(bench(higher_is_better=False), dense, records(right(100, 100)))
    assert found.value is None
    assert "no ratio" in found.incomparable


@given(bits.filter(lambda one: 10 < sum(one) < 50), bits)
@settings(max_examples=10, deadline=None)
def test_turning_the_records_is_turning_the_direction(dense, compressed):
    plain = retention(bench(), records(compressed), records(dense))
    turned = retention(
        bench(higher_is_better=False),
        records([not one for one in compressed]),
        records([not one for one in dense]),
    )
    assert turned.value == pytest.approx(plain.value)
    if sum(compressed):  # a score of zero has an interval of its own
        assert (turned.low, turned.high) == pytest.approx((plain.low, plain.high), abs=15)


# -- where there is no ratio ----------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, 1, 3])
def test_a_dense_score_at_zero_is_not_comparable(k):
    found = retention(bench(), records(right(50, 100)), records(right(k, 100)))
    assert found.value is found.low is found.high is None
    assert "zero" in found.incomparable or "no ratio" in found.incomparable


@pytest.mark.parametrize(("k", "comparable"), [(20, False), (25, False), (32, False), (40, True)])
def test_a_dense_score_at_chance_is_not_comparable(k, comparable):
    found = retention(bench(chance=25.0), records(right(24, 100)), records(right(k, 100)))
    assert (found.value is not None) == comparable
    if not comparable:
        assert "chance (25.0)" in found.incomparable
        assert repr(found) == f"<gsm8k: {found.incomparable}>"


def test_what_lies_above_chance_is_told_apart():
    found = retention(bench(chance=25.0), records(right(50, 100)), records(right(75, 100)))
    assert found.value == pytest.approx(100 * 50 / 75)
    assert found.above_chance == pytest.approx(50)


def test_chance_is_turned_with_the_scores():
    about = bench(chance=75.0, higher_is_better=False)
    found = retention(about, records(right(50, 100)), records(right(25, 100)))
    assert found.value == pytest.approx(100 * 50 / 75)
    assert found.above_chance == pytest.approx(50)
    assert retention(about, records(right(50, 100)), records(right(75, 100))).value is None


def pairs(originals, twins):
    """Records of items and their modified twins, as many of each."""
    n = len(originals)
    return records(
        [*originals, *twins],
        clusters=[f"c{i}" for i in range(n)] * 2,
        type=["original"] * n + ["modified"] * n,
        task=["sst2"] * (2 * n),
    )


def test_a_negative_dense_score_is_not_comparable():
    robustness = bench(aggregate=RobustnessScore())
    fooled = pairs([True] * 50, right(10, 50))
    found = retention(robustness, pairs([True] * 50, right(40, 50)), fooled)
    assert found.dense == pytest.approx(20 - 80)
    assert found.value is None
    assert "there is no ratio" in found.incomparable


def test_a_score_that_is_no_share_has_no_flips():
    robustness = bench(aggregate=RobustnessScore(), chance=0.0)
    found = retention(
        robustness, pairs([True] * 100, right(80, 100)), pairs([True] * 100, right(95, 100))
    )
    assert found.value == pytest.approx(100 * (80 - 20) / (95 - 5))
    assert found.low < found.value < found.high
    assert found.lost is found.gained is None


def test_a_score_that_is_no_share_is_not_certain_where_nothing_varied():
    """A twin that turns wrong costs two of its hundredths, as the score falls to -100."""
    robustness = bench(aggregate=RobustnessScore())
    one, other = (pairs([True] * 100, [True] * 100) for _ in range(2))
    found = retention(robustness, one, other)
    assert (found.low, found.value, found.high) == pytest.approx((92.62, 100, 107.38), abs=0.01)


# -- pairing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "items",
    [[f"item-{i}" for i in range(99)] + ["another"], [f"item-{99 - i}" for i in range(100)]],
)
def test_other_items_are_refused(items):
    with pytest.raises(ScoringError, match="did not answer the same items"):
        retention(bench(), records(right(50, 100), items=items), records(right(80, 100)))


def test_the_repr_fits_a_failing_assertion():
    found = retention(bench(), records(right(60, 100)), records(right(80, 100)))
    assert repr(found).startswith("<gsm8k: 75.0 % [")
    assert repr(found).endswith("] of dense 80.0 (scores 60.0), n=100>")
    assert len(repr(found)) < 120


def test_the_parse_rate_is_that_of_the_compressed_checkpoint():
    unread = records(right(60, 100), parsed=right(90, 100))
    assert retention(bench(), unread, records(right(80, 100))).parse_rate == 90


# -- scores that are no points --------------------------------------------------------------------


def text(log_likelihoods, tokens=10):
    n = len(log_likelihoods)
    return records(
        [0] * n, log_likelihood=[float(v) for v in log_likelihoods], tokens=[float(tokens)] * n
    )


PERPLEXITY = {"aggregate": Perplexity("tokens"), "higher_is_better": False, "in_points": False}


def test_retained_perplexity_is_dense_over_compressed():
    found = retention(bench(**PERPLEXITY), text([-30, -33, -33] * 9), text([-20, -22, -24] * 9))
    assert found.dense == pytest.approx(math.exp(2.2))
    assert found.score == pytest.approx(math.exp(3.2))
    assert found.value == pytest.approx(100 * math.exp(-1))
    assert found.low < found.value < found.high


@given(st.lists(st.floats(-50, -1), min_size=2, max_size=30), st.floats(0.1, 20))
@settings(max_examples=20, deadline=None)
def test_each_nat_lost_on_each_token_divides_the_retention_by_e(dense, lost):
    """For any text; a perplexity near 1 is no reason to call it chance."""
    worse = text([value - 10 * lost for value in dense])
    found = retention(bench(**PERPLEXITY), worse, text(dense))
    assert found.value == pytest.approx(100 * math.exp(-lost))


def test_a_loss_that_is_the_same_everywhere_is_known_exactly():
    """A likelihood moves with every change of a model, so no change is hidden."""
    kept = retention(bench(**PERPLEXITY), text([-20, -22, -24] * 7), text([-20, -22, -24] * 7))
    assert (kept.low, kept.value, kept.high) == (100, 100, 100)


@pytest.mark.parametrize("windows", [20, 40])
def test_windows_of_text_do_not_pass_for_more_than_they_are(windows):
    """95 % intervals of normal differences hold the truth in at least 92 % of the draws."""
    rng = np.random.default_rng(windows)
    held = 0
    for _ in range(200):
        dense = rng.normal(-22, 3, windows)
        found = retention(
            bench(**PERPLEXITY), text(dense - rng.normal(1, 0.5, windows)), text(dense)
        )
        held += found.low <= 100 * math.exp(-0.1) <= found.high
    assert held >= 184


@pytest.mark.parametrize("windows", [1, 2, 19])
def test_few_windows_of_text_decide_nothing(windows):
    found = retention(bench(**PERPLEXITY), text([-30] * windows), text([-20] * windows))
    assert found.value == pytest.approx(100 * math.exp(-1))
    assert (found.low, found.high) == (-math.inf, math.inf)


# -- evidence -------------------------------------------------------------------------------------


def evidence(found, name="kept"):
    return from_json(found.evidence[name])


def test_independent_right_or_wrong_items_have_counts_as_evidence():
    found = retention(bench(), records(right(60, 100)), records(right(80, 100)))
    assert set(found.evidence) == {"kept", "drop"}
    assert evidence(found) == PairedShares(((60.0, 0.0, 20.0, 20.0),))
    assert evidence(found, "drop").estimate == pytest.approx(-0.2)


def test_a_share_by_group_has_a_table_of_each_group():
    by_label = bench(aggregate=Mean("correct", by="label"))
    labels = ["a"] * 60 + ["b"] * 40
    found = retention(
        by_label, records(right(50, 100), label=labels), records(right(90, 100), label=labels)
    )
    assert evidence(found).tables == ((50, 0, 10, 0), (0, 0, 30, 10))
    assert found.value == pytest.approx(100 * (50 / 60 + 0) / (1 + 30 / 40))


def test_clusters_and_other_scores_are_jackknifed():
    clusters = [f"c{i // 4}" for i in range(200)]
    clustered = retention(
        bench(), records(right(150, 200), clusters), records(right(180, 200), clusters)
    )
    robust = retention(
        bench(aggregate=RobustnessScore()),
        pairs([True] * 100, right(80, 100)),
        pairs([True] * 100, right(95, 100)),
    )
    for found in (clustered, robust, retention(bench(**PERPLEXITY), text([-30]), text([-20]))):
        assert isinstance(evidence(found), Jackknifed)
        assert evidence(found).estimate == pytest.approx(found.value / 100)


def test_where_less_is_better_the_raw_ratio_is_evidence_too():
    found = retention(
        bench(higher_is_better=False), records(right(70, 100)), records(right(40, 100))
    )
    assert evidence(found).estimate == pytest.approx(30 / 60)
    assert evidence(found, "drop").estimate == pytest.approx(-0.3)
    assert evidence(found, "raw").estimate == pytest.approx(70 / 40)
    worse = retention(bench(**PERPLEXITY), text([-30] * 30), text([-20] * 30))
    assert set(worse.evidence) == {"kept", "raw"}  # no points, so no drop
    assert evidence(worse, "raw").estimate == pytest.approx(math.e)


@given(bits.filter(lambda one: 12 < sum(one) < 50), bits)
@settings(max_examples=20, deadline=None)
def test_a_drop_is_the_difference_of_the_scores(dense, compressed):
    found = retention(bench(), records(compressed), records(dense))
    if found.value is not None:
        assert 100 * evidence(found, "drop").estimate == pytest.approx(found.score - found.dense)


def test_the_dense_model_itself_has_no_evidence():
    dense = records(right(80, 100))
    assert retention(bench(), dense, dense).evidence == {}


# -- benchmarks of the same responses -------------------------------------------------------------


def judged_twice(seed, same):
    """Two benchmarks of the same rows, whose losses are the same ones or independent."""
    rng = np.random.default_rng(seed)
    dense, lost, other = rng.random(600) < 0.8, rng.random(600) < 0.2, rng.random(600) < 0.2
    return tuple(
        (bench(), records(dense & ~gone), records(dense))
        for gone in (lost, lost if same else other)
    )


def test_benchmarks_that_lose_the_same_items_are_correlated():
    assert correlation(*judged_twice(1, same=True)) == pytest.approx(1)
    assert abs(correlation(*judged_twice(1, same=False))) < 0.2


def test_a_benchmark_that_never_changed_may_change_with_any_other():
    one, _ = judged_twice(1, same=True)
    unchanged = (bench(), one[2], one[2])
    assert correlation(one, unchanged) == correlation(unchanged, one) == 1


# -- items that could not be scored, and benchmarks that are not what they should be ---------------


def test_an_item_that_either_model_could_not_be_scored_on_does_not_count():
    missing = ["needs data", None, None, None]
    dense = records([0, 1, 1, 1] * 10, gaps=missing * 10)
    compressed = records([1, 0, 1, 1] * 10, gaps=[None, None, None, "needs data"] * 10)
    found = retention(bench(), compressed, dense)
    assert (found.n, found.dense, found.score) == (20, 100, 50)


def test_a_benchmark_of_which_nothing_could_be_scored_is_an_error():
    nothing = records([0] * 5, gaps=["needs data"] * 5, faults=["5 of 5 items: needs data"])
    with pytest.raises(ScoringError, match="5 of 5 items: needs data"):
        retention(bench(), nothing, nothing)


def test_the_faults_of_both_models_are_told_once():
    dense = records(right(8, 9), faults=["rows", "long"])
    compressed = records(right(7, 9), faults=["rows", "data"])
    assert retention(bench(), compressed, dense).faults == ("rows", "long", "data")


def test_further_scores_are_told_of_both_models():
    detailed = bench(details={"style": Mean("style")})
    compressed = records(right(7, 10), style=[0.0] * 9 + [1.0])
    dense = records(right(9, 10), style=[1.0] * 9 + [0.0])
    found = retention(detailed, compressed, dense)
    assert found.details == {"style": 10, "dense.style": 90}
