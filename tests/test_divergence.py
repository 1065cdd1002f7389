"""Divergence: what changed in the answers, whatever the score says."""

import json
import math
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax

from unicomp.divergence import (
    KEPT,
    UNITS,
    bounded_figures,
    divergence,
    of_samples,
    token_figures,
)
from unicomp.retention import retention
from unicomp.scores import Records
from unicomp.scoring.aggregate import Mean
from unicomp.spec import Benchmark, Reading


def records(correct, answers=None, clusters=None, **fields):
    n = len(correct)
    items = [f"{number:064x}" for number in range(1, n + 1)]
    return Records(
        benchmark="quiz",
        items=items,
        clusters=clusters or items,
        fields={"correct": [float(one) for one in correct], **fields},
        parsed=[True] * n,
        gaps=[None] * n,
        answers=answers or {},
    )


def texts(*said):
    return {"text": list(said), "digest": [str(hash(one)) for one in said]}


def choices(options, right=0):
    return {
        "options": [list(map(float, one)) for one in options],
        "right": [[right] for _ in options],
        "picked": [int(np.argmax(one)) for one in options],
    }


# -- flips ----------------------------------------------------------------------------------------


def test_flipped_items_are_named_by_the_first_digits_of_their_rows():
    found = divergence(records([1, 0, 0, 1]), records([1, 1, 1, 0]))
    assert found.lost == ["000000000000", "000000000000"]
    assert len(found.gained) == 1
    assert found.p_value == 1.0


def test_an_item_that_the_scorer_leaves_out_does_not_flip():
    mine = records([0, 0], counted=[1.0, 0.0])
    base = records([1, 1], counted=[1.0, 1.0])
    assert len(divergence(mine, base).lost) == 1


def test_items_with_shares_of_a_point_do_not_flip():
    found = divergence(records([0.5, 1.0]), records([1.0, 1.0]))
    assert (found.p_value, found.figures) == (None, {})


def test_a_label_that_became_another_wrong_one_has_changed():
    mine = records([0, 0, 1], said=["a", "b", "c"])
    base = records([0, 0, 1], said=["a", "c", "c"])
    found = divergence(mine, base)
    assert found.figures["changed"][0] == pytest.approx(100 / 3)
    assert (list(found.lost), list(found.gained)) == ([], [])


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=30))
def test_flips_account_for_the_difference_of_the_scores(pairs):
    before, now = zip(*pairs, strict=True)
    found = divergence(records(now), records(before))
    assert len(found.gained) - len(found.lost) == sum(now) - sum(before)
    flips = len(found.gained) + len(found.lost)
    assert found.figures["changed"][0] == pytest.approx(100 * flips / len(pairs))


# -- generated text -------------------------------------------------------------------------------


def test_identical_texts_and_the_first_other_character():
    mine = records([1] * 4, texts("same", "abcdef", "abc", ""))
    base = records([1] * 4, texts("same", "abcxyz", "abcdef", "x"))
    figures = divergence(mine, base).figures
    assert figures["identical"][0] == 25.0
    assert figures["first_difference"] == (3.0, None, None)
    assert figures["changed"][0] == 0.0


def test_identical_texts_everywhere_have_no_first_difference_and_no_certainty():
    figures = divergence(records([1] * 4, texts(*"abcd")), records([1] * 4, texts(*"abcd"))).figures
    assert "first_difference" not in figures
    value, low, high = figures["identical"]
    assert (value, high) == (100.0, 100.0)
    assert low < 50


# -- multiple choice ------------------------------------------------------------------------------


def test_options_by_hand():
    base = records([1, 1], choices(np.log([[0.8, 0.2], [0.6, 0.4]])))
    mine = records([1, 0], choices(np.log([[0.5, 0.5], [0.3, 0.7]])))
    figures = divergence(mine, base).figures
    assert figures["top1"][0] == 50.0
    assert figures["changed"][0] == 50.0
    assert figures["dense.right_probability"][0] == pytest.approx(70.0)
    assert figures["right_probability"][0] == pytest.approx(40.0)
    assert figures["probability"][0] == pytest.approx(100 * 0.4 / 0.7)
    by_hand = 0.8 * math.log(0.8 / 0.5) + 0.2 * math.log(0.2 / 0.5)
    by_hand += 0.6 * math.log(0.6 / 0.3) + 0.4 * math.log(0.4 / 0.7)
    assert figures["option_kl"][0] == pytest.approx(by_hand / 2)


def test_items_may_have_different_numbers_of_options():
    base, mine = ([0.8, 0.2], [0.1, 0.2, 0.7]), ([0.5, 0.5], [0.2, 0.5, 0.3])
    chosen = {"right": [[0], [2]]}
    before, now = (
        records([1, 1], choices([np.log(p) for p in one]) | chosen) for one in (base, mine)
    )
    figures = divergence(now, before).figures
    assert figures["dense.right_probability"][0] == pytest.approx(75.0)
    assert figures["right_probability"][0] == pytest.approx(40.0)
    of_each = [
        np.sum(np.multiply(p, np.log(np.divide(p, q)))) for p, q in zip(base, mine, strict=True)
    ]
    assert figures["option_kl"][0] == pytest.approx(np.mean(of_each))


def test_synonyms_of_the_right_option_add_up():
    answers = choices(np.log([[0.5, 0.3, 0.2]] * 3)) | {"right": [[0, 2]] * 3}
    figures = divergence(records([1] * 3, answers), records([1] * 3, answers)).figures
    assert figures["right_probability"][0] == pytest.approx(70.0)


def test_a_task_that_judges_no_option_has_no_probability():
    answers = choices(np.zeros((3, 2))) | {"right": [[], [0], [0]]}
    figures = divergence(records([1] * 3, answers), records([1] * 3, answers)).figures
    assert "probability" not in figures
    assert "option_kl" in figures


logits = st.lists(st.lists(st.floats(-50, 0), min_size=3, max_size=3), min_size=2, max_size=10)


@given(logits, st.randoms())
def test_a_divergence_is_not_negative_and_nothing_of_itself(options, random):
    other = [random.sample(one, 3) for one in options]
    n = len(options)
    base = records([1] * n, choices(options))
    assert divergence(records([1] * n, choices(other)), base).figures["option_kl"][0] >= 0
    itself = divergence(base, base).figures
    assert itself["option_kl"][0] == pytest.approx(0, abs=1e-12)
    assert itself["probability"][0] == pytest.approx(100)
    assert itself["top1"][0] == 100


def test_a_likelihood_that_is_no_number_leaves_its_figures_out():
    broken = records([0] * 2, choices([[math.nan, -1.0], [-1.0, -2.0]]))
    found = divergence(broken, records([1] * 2, choices([[-1.0, -2.0]] * 2))).as_json()
    assert "option_kl" not in found["figures"]
    json.dumps(found, allow_nan=False)


# -- running text ---------------------------------------------------------------------------------


def distributions(values):
    return log_softmax(np.asarray(values, dtype=np.float64), axis=-1).astype(np.float16)


def test_tokens_by_hand():
    p, q = np.array([0.7, 0.2, 0.1]), np.array([0.2, 0.7, 0.1])
    base = distributions(np.log([[p, p], [p, p]]))
    mine = distributions(np.log([[p, p], [p, q]]))
    figures = token_figures(mine, base)
    divergent = float((p * np.log(p / q)).sum())
    assert figures["token_kl"][0] == pytest.approx(divergent / 4, rel=1e-2)
    assert figures["token_kl_99"][0] == pytest.approx(0.97 * divergent, rel=1e-2)
    assert figures["token_top1"][0] == 75.0
    assert figures["token_top1"][1] < 75.0 < figures["token_top1"][2]


def test_a_checkpoint_does_not_diverge_from_itself():
    base = distributions(np.random.default_rng(0).normal(size=(30, 8, 50)))
    figures = token_figures(base, base)
    assert figures["token_kl"] == (0.0, 0.0, None)
    assert figures["token_top1"][0] == 100.0
    assert figures["token_top1"][1] < 100.0


def test_rounding_to_16_bits_hides_no_small_divergence():
    rng = np.random.default_rng(1)
    exact = log_softmax(rng.normal(size=(20, 16, 2000)) * 3, axis=-1)
    moved = log_softmax(exact + 0.05 * rng.normal(size=exact.shape), axis=-1)
    truth = (np.exp(exact) * (exact - moved)).sum(axis=-1).mean()
    found = token_figures(moved.astype(np.float16), exact.astype(np.float16))
    assert found["token_kl"][0] == pytest.approx(truth, rel=0.02)


@pytest.mark.parametrize("other", [None, distributions(np.zeros((2, 2, 4)))])
def test_without_both_or_with_another_vocabulary_there_is_no_figure(other):
    base = distributions(np.zeros((2, 2, 3)))
    assert token_figures(other, base) == token_figures(base, other) == {}


# -- beside a retention ---------------------------------------------------------------------------


def bench(**about):
    return Benchmark(
        **{
            "name": "quiz",
            "metric": "reasoning",
            "task": "quiz.yaml",
            "scorer": lambda item: Reading(fields={}),
            "aggregate": Mean("correct"),
            **about,
        }
    )


def test_a_retention_has_its_divergence_beside_it_and_the_baseline_none():
    base = records([1] * 30 + [0] * 10)
    mine = records([1] * 25 + [0] * 15)
    found = retention(bench(), mine, base)
    assert len(found.divergence["lost"]) == found.lost == 5
    assert json.loads(json.dumps(found.divergence)) == found.divergence
    assert retention(bench(), base, base).divergence == {}


def test_the_score_of_a_retention_does_not_depend_on_the_answers():
    base, mine = records([1] * 30 + [0] * 10), records([1] * 25 + [0] * 15)
    said = texts(*map(str, range(40)))
    with_answers = retention(
        bench(), records([1] * 25 + [0] * 15, said), records([1] * 30 + [0] * 10, said)
    )
    plain = retention(bench(), mine, base)
    assert (with_answers.value, with_answers.low) == (plain.value, plain.low)


def test_figures_with_floors_are_in_percent_of_the_baseline():
    answers = choices(np.log([[0.8, 0.2]] * 4))
    found = divergence(records([1] * 4, answers), records([1] * 4, answers)).as_json()
    kept = bounded_figures(found)
    assert set(kept) == {"top1", "probability"} <= set(KEPT)
    assert all(low < value <= high for value, low, high in kept.values())
    assert bounded_figures({}) == {}


def test_every_figure_has_a_unit():
    base = distributions(np.zeros((2, 2, 3)))
    answers = choices(np.log([[0.8, 0.2]] * 4)) | texts(*"abcd")
    other = choices(np.log([[0.2, 0.8]] * 4)) | texts(*"abce")
    for one in (answers, other):
        one |= {"tokens": [3] * 4, "cut": [False] * 4, "loop": [True] * 4}
    found = divergence(records([1] * 4, answers), records([1] * 4, other)).figures
    right = np.array([True, False, True])
    repeated = of_samples(right, ~right, replace(records([1, 0, 1]), sample=[0, 0, 0]))
    of_wordings = {name for name in UNITS if "wording" in name}  # see tests/test_consistency.py
    assert {*found, *token_figures(base, base), *repeated, *of_wordings} == set(UNITS)


def test_the_schema_of_scorecards_names_every_figure():
    schema = json.loads(
        files("unicomp.report").joinpath("scorecard.schema.json").read_text("utf-8")
    )
    figures = schema["properties"]["divergence"]["items"]["properties"]["figure"]["enum"]
    assert sorted(figures) == sorted(UNITS)
