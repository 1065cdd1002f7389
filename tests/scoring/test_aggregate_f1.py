"""F1 and `Beyond`: textbook values, and a weight of k is like k copies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unicomp.scoring.aggregate import Beyond, MacroF1, Mean, Ratio, RightAnswerF1, RobustnessScore

F1, BEYOND = MacroF1(), Beyond("same", "other")
SHARE = RightAnswerF1(Mean("correct"))
BALANCED = RightAnswerF1(Ratio("correct", "counted", by="group"))


def table(records):
    names = ("gold", "said", "group", "correct", "counted", "same", "other")
    return {name: np.asarray([one[name] for one in records]) for name in names}


def value(aggregate, columns):
    n = len(next(iter(columns.values())))
    return float(aggregate(columns, np.ones((1, n)))[0])


def verdicts(gold, said, counted=None):
    return {
        "gold": np.asarray(list(gold)),
        "said": np.asarray([one.strip() for one in said]),
        "counted": np.asarray(counted or [1.0] * len(gold)),
    }


@pytest.mark.parametrize(
    ("gold", "said", "expected"),
    [
        ("aabb", "aabb", 100),
        ("aabb", "abab", 50),
        ("aabb", "bbaa", 0),
        ("aabb", "aaaa", 100 * (2 * 2 / 6 + 0) / 2),
        ("aaab", "aaaa", 100 * (2 * 3 / 7 + 0) / 2),
        ("aabb", "a  b", 100 * (2 / 3 + 2 / 3) / 2),  # what is not said is missed, not false
        ("aaaa", "aaab", 100 * (2 * 3 / 7 + 0) / 2),
        ("aa", "  ", 0),
    ],
)
def test_macro_f1(gold, said, expected):
    assert value(F1, verdicts(gold, said)) == pytest.approx(expected)


def test_macro_f1_of_what_counts():
    columns = verdicts("aabb", "a  b", counted=[1, 0, 0, 1])
    assert value(F1, columns) == 100
    columns = verdicts("aabb", "a   ", counted=[1, 0, 0, 0])
    assert value(F1, columns) == 50


@pytest.mark.parametrize(("share", "expected"), [(0, 0), (0.5, 200 / 3), (1, 100), (0.835, 91.01)])
def test_the_f1_of_right_answers_follows_from_their_share(share, expected):
    right = round(share * 1000)
    columns = {"correct": np.asarray([1.0] * right + [0.0] * (1000 - right))}
    assert value(SHARE, columns) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("same", "other", "expected"),
    [
        ([1, 1], [0, 0], 100),
        ([0.5, 0.5], [0, 0], 50),
        ([0.9, 0.9], [0.8, 0.8], 50),
        ([1, 1], [1, 1], 0),
        ([0.3, 0.3], [0.3, 0.3], 0),
        ([0.2, 0.2], [0.6, 0.6], -100),
    ],
)
def test_what_lies_beyond_the_base(same, other, expected):
    columns = {
        "same": np.asarray([*same, 0.7]),
        "other": np.asarray([*other, 0.1]),
        "counted": np.asarray([1.0, 1.0, 0.0]),
    }
    assert value(BEYOND, columns) == pytest.approx(expected)


def test_nothing_counted_is_0():
    columns = {name: np.asarray([0.5]) for name in ("same", "other")} | {"counted": np.zeros(1)}
    assert value(BEYOND, columns) == 0


def test_the_published_robustness_score_leaves_pairs_out():
    columns = {
        "correct": np.asarray([1.0, 1.0, 1.0, 0.0]),
        "type": np.asarray(["original", "modified"] * 2),
        "task": np.asarray(["sst2"] * 4),
        "cluster": np.asarray(["0", "0", "1", "1"]),
        "counted": np.asarray([1.0, 1.0, 0.0, 0.0]),
    }
    assert value(RobustnessScore(published=True), columns) == 100
    assert value(RobustnessScore(), columns) == 0


SHARES = st.sampled_from([0.0, 0.25, 0.5, 1.0])
RECORDS = st.fixed_dictionaries(
    {
        "gold": st.sampled_from("ab"),
        "said": st.sampled_from(["a", "b", ""]),
        "group": st.sampled_from("xy"),
        "counted": st.sampled_from([0.0, 1.0]),
        "correct": st.just(0.0),
        "same": SHARES,
        "other": SHARES,
    }
).map(lambda one: {**one, "correct": one["counted"] * (one["gold"] == one["said"])})
WEIGHTED = st.lists(st.tuples(RECORDS, st.integers(0, 3)), min_size=1, max_size=12).filter(
    lambda drawn: any(count for _, count in drawn)
)


@pytest.mark.parametrize("aggregate", [F1, SHARE, BALANCED, BEYOND], ids=repr)
@given(WEIGHTED)
@settings(deadline=None)
def test_a_weight_is_as_many_copies_of_the_record(aggregate, drawn):
    records, counts = zip(*drawn, strict=True)
    copies = [one for one, count in drawn for _ in range(count)]
    weighted = aggregate(table(records), np.asarray([counts], dtype=float))
    assert weighted.shape == (1,)
    assert float(weighted[0]) == pytest.approx(value(aggregate, table(copies)))


@pytest.mark.parametrize("aggregate", [F1, SHARE, BALANCED, BEYOND], ids=repr)
@given(st.lists(RECORDS, min_size=3, max_size=3), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_draws_are_computed_side_by_side(aggregate, records, seed):
    weights = np.random.default_rng(seed).integers(0, 3, size=(8, 3)).astype(float)
    together = aggregate(table(records), weights)
    apart = [float(aggregate(table(records), row[None])[0]) for row in weights]
    assert together.tolist() == pytest.approx(apart)
    assert np.isfinite(together).all()
