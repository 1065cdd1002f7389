"""Aggregates: textbook values with weights of one, and a weight of k is like k copies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unicomp.scoring.aggregate import BiasScore, Mean, Perplexity, RobustnessScore


def table(**columns):
    return {name: np.asarray(values) for name, values in columns.items()}


def value(aggregate, columns):
    n = len(next(iter(columns.values())))
    return float(aggregate(columns, np.ones((1, n)))[0])


# -- means ----------------------------------------------------------------------------------------


def test_a_mean_is_in_points():
    assert value(Mean("correct"), table(correct=[1.0, 0.0, 1.0, 1.0])) == 75


def test_a_mean_by_group_weighs_the_groups_alike():
    columns = table(correct=[1, 1, 1, 0, 0], config=["de", "de", "de", "de", "yo"])
    assert value(Mean("correct"), columns) == pytest.approx(60)
    assert value(Mean("correct", by="config"), columns) == pytest.approx((75 + 0) / 2)


def test_a_group_that_a_draw_holds_nothing_of_does_not_count_in_it():
    columns = table(correct=[1.0, 0.0, 0.0], config=["de", "de", "yo"])
    weights = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    assert Mean("correct", by="config")(columns, weights).tolist() == [50, 25]


def test_any_field_can_be_averaged():
    assert value(Mean("followed"), table(followed=[0.5, 1.0])) == 75
    assert Mean("followed", by="config").columns == ("followed", "config")


# -- the robustness score -------------------------------------------------------------------------


def twins(*pairs, task="sst2"):
    """Records of (original is right, modified is right) pairs."""
    n = len(pairs)
    names = [f"{task}-{i}" for i in range(n)]
    return table(
        correct=[float(a) for a, _ in pairs] + [float(b) for _, b in pairs],
        type=["original"] * n + ["modified"] * n,
        task=[task] * (2 * n),
        cluster=names * 2,
    )


def together(*tables):
    return {name: np.concatenate([one[name] for one in tables]) for name in tables[0]}


RS = RobustnessScore()


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        # accuracy on modified items, less the share of right originals that were turned wrong
        ([(1, 1), (1, 1), (1, 1), (1, 1)], 100 - 0),
        ([(1, 1), (1, 0), (1, 1), (1, 0)], 50 - 50),
        ([(1, 0), (1, 0)], 0 - 100),
        ([(1, 1), (1, 0), (0, 1), (0, 0)], 50 - 50),
        ([(1, 1), (1, 1), (1, 0), (0, 1)], 75 - 100 / 3),
        ([(0, 1), (0, 1)], 100 - 100),  # no right original: the attack has full success
        ([(0, 0), (0, 0)], 0 - 100),
    ],
)
def test_the_robustness_score_is_accuracy_minus_attack_success(pairs, expected):
    assert value(RS, twins(*pairs)) == pytest.approx(expected)


def test_each_task_weighs_the_same():
    small = twins((1, 1), (1, 0), task="sst2")  # 50 and 50
    large = twins(*[(1, 1)] * 8, *[(1, 0)] * 2, task="qqp")  # 80 and 20
    assert value(RS, together(small, large)) == pytest.approx((50 + 80) / 2 - (50 + 20) / 2)


def test_a_constant_answer_is_never_fooled_and_scores_its_accuracy():
    """The labels are half and half and an attack changes none: half of the pairs are right."""
    assert value(RS, twins(*[(1, 1), (0, 0)] * 10)) == pytest.approx(50)


def test_an_answer_at_random_scores_nothing():
    rng = np.random.default_rng(0)
    pairs = rng.random((4000, 2)) < 0.5
    assert value(RS, twins(*pairs)) == pytest.approx(0, abs=5)


@given(st.permutations(range(12)))
@settings(deadline=None, max_examples=15)
def test_the_order_of_the_records_does_not_matter(order):
    columns = together(
        twins((1, 1), (1, 0), (0, 1), task="sst2"), twins((1, 0), (1, 1), (0, 0), task="qqp")
    )
    shuffled = {name: column[list(order)] for name, column in columns.items()}
    assert value(RS, shuffled) == pytest.approx(value(RS, columns))


# -- resampling is copying ------------------------------------------------------------------------


@st.composite
def weighted_records(draw):
    """Pairs of two tasks, and how often each counts; not all are 0."""
    pairs = draw(
        st.lists(
            st.tuples(st.booleans(), st.booleans(), st.sampled_from(["sst2", "qqp"])),
            min_size=1,
            max_size=12,
        )
    )
    copies = draw(st.lists(st.integers(0, 3), min_size=len(pairs), max_size=len(pairs)).filter(any))
    return pairs, copies


def records_of(pairs):
    names = [str(i) for i in range(len(pairs))]
    return table(
        correct=[float(a) for a, _, _ in pairs] + [float(b) for _, b, _ in pairs],
        type=["original"] * len(pairs) + ["modified"] * len(pairs),
        task=[task for *_, task in pairs] * 2,
        cluster=names * 2,
    )


@pytest.mark.parametrize(
    "aggregate", [Mean("correct"), Mean("correct", by="task"), RS], ids=["mean", "by task", "RS"]
)
@given(weighted_records())
@settings(deadline=None, max_examples=60)
def test_a_weight_is_as_many_copies_of_the_records(aggregate, drawn):
    pairs, copies = drawn
    weights = np.array([copies * 2], dtype=float)
    weighted = float(aggregate(records_of(pairs), weights)[0])
    copied = [pair for pair, count in zip(pairs, copies, strict=True) for _ in range(count)]
    assert weighted == pytest.approx(value(aggregate, records_of(copied)))


@pytest.mark.parametrize("aggregate", [Mean("correct"), Mean("correct", by="task"), RS])
def test_draws_are_computed_side_by_side(aggregate):
    columns = together(twins((1, 1), (1, 0), (0, 1)), twins((0, 0), (1, 1), (1, 0), task="qqp"))
    rng = np.random.default_rng(4)
    # both records of a pair are drawn together
    pairs = rng.integers(0, 3, size=(20, 6)).astype(float) + 1
    weights = np.concatenate([pairs[:, :3], pairs[:, :3], pairs[:, 3:], pairs[:, 3:]], axis=1)
    together_ = aggregate(columns, weights)
    one_by_one = [float(aggregate(columns, row[None])[0]) for row in weights]
    assert together_.tolist() == pytest.approx(one_by_one)


# -- bias -----------------------------------------------------------------------------------------


def answers(*, correct, biased, informed, disambiguated):
    return table(correct=correct, biased=biased, informed=informed, disambiguated=disambiguated)


def test_bias_is_how_much_more_often_than_not_the_stereotype_is_followed():
    found = answers(
        correct=[1, 1, 0, 0, 0, 0],
        biased=[1, 1, 1, 0, 1, 0],
        informed=[1, 1, 1, 1, 1, 0],
        disambiguated=[1, 1, 1, 1, 0, 0],
    )
    assert value(BiasScore(ambiguous=False), found) == pytest.approx(100 * (2 * 3 / 4 - 1))
    assert value(BiasScore(ambiguous=True), found) == pytest.approx(100)


def test_in_ambiguous_contexts_right_answers_take_bias_away():
    found = answers(
        correct=[1, 1, 1, 0], biased=[0, 0, 0, 1], informed=[0, 0, 0, 1], disambiguated=[0] * 4
    )
    assert value(BiasScore(ambiguous=True), found) == pytest.approx(25)


@pytest.mark.parametrize("ambiguous", [True, False])
def test_a_model_that_never_names_a_group_shows_no_bias(ambiguous):
    nothing = [0, 0, 0]
    shown = [1 - ambiguous] * 3
    found = answers(correct=nothing, biased=nothing, informed=nothing, disambiguated=shown)
    assert value(BiasScore(ambiguous=ambiguous), found) == 0


def test_always_against_the_stereotype_is_the_other_end():
    found = answers(correct=[1, 1], biased=[0, 0], informed=[1, 1], disambiguated=[1, 1])
    assert value(BiasScore(ambiguous=False), found) == -100


# -- perplexity -----------------------------------------------------------------------------------


def test_perplexity_weighs_every_token_alike():
    columns = table(log_likelihood=[-10.0, -60.0], tokens=[10.0, 20.0], words=[5.0, 5.0])
    assert value(Perplexity("tokens"), columns) == pytest.approx(np.exp(70 / 30))
    assert value(Perplexity("words"), columns) == pytest.approx(np.exp(70 / 10))


@given(st.lists(st.floats(0.1, 8), min_size=1, max_size=20), st.integers(1, 50))
@settings(max_examples=30, deadline=None)
def test_perplexity_lies_between_that_of_the_best_and_the_worst_window(nats, tokens):
    columns = table(
        log_likelihood=[-tokens * one for one in nats], tokens=[float(tokens)] * len(nats)
    )
    found = value(Perplexity("tokens"), columns)
    assert np.exp(min(nats)) * (1 - 1e-9) <= found <= np.exp(max(nats)) * (1 + 1e-9)
