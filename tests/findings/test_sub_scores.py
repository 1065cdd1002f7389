"""Raw scores, sub-scores and languages stand beside the dense model's, with the difference."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suites.performance.test_multilingual import HIGH, LOW, global_mmlu_lite
from unicomp.findings.languages import PREFIX, RESOURCES, language_scores
from unicomp.findings.sub_scores import raw_scores, sub_score_figures
from unicomp.framework import PAPER_PROFILE
from unicomp.rawscores import metric_scores
from unicomp.scorecard import Scorecard
from unicomp.verdict import Row

NAMES = PAPER_PROFILE.benchmarks("robustness") + PAPER_PROFILE.benchmarks("fairness")
TURNED = ("crows_pairs",)


def card_of(scores, dense):
    rows = tuple(
        Row(
            model="m",
            method="wanda_50",
            calibration="none",
            benchmark=name,
            score=scores[name],
            dense=dense[name],
            higher_is_better=name not in TURNED,
        )
        for name in scores
    )
    return Scorecard(rows=rows, metrics=(), profiles={"m": PAPER_PROFILE})


POINTS = st.fixed_dictionaries({name: st.floats(0.0, 100.0) for name in NAMES})


@given(POINTS, POINTS)
def test_sub_scores_are_those_of_the_raw_scores(scores, dense):
    found = sub_score_figures(card_of(scores, dense))
    expected = {
        (one.method, one.metric): one.value
        for one in metric_scores({"m": {"dense": dense, "wanda_50": scores}}, "oriented")
    }
    assert {one.sub_score for one in found} == {
        "noise", "ood", "stereotype", "disparagement", "preference",
    }  # fmt: skip
    for one in found:
        name = f"{one.metric}.{one.sub_score}"
        assert one.score == pytest.approx(expected["wanda_50", name])
        assert one.dense == pytest.approx(expected["dense", name])
        assert one.difference == one.score - one.dense


def test_a_sub_score_needs_all_of_its_benchmarks():
    some = dict.fromkeys(NAMES[1:], 50.0)
    assert "noise" not in {one.sub_score for one in sub_score_figures(card_of(some, some))}


def test_a_raw_score_is_in_its_own_direction():
    (one,) = raw_scores(card_of({"crows_pairs": 30.0}, {"crows_pairs": 40.0}))
    assert (one.score, one.dense, one.difference) == (30.0, 40.0, -10.0)


def test_each_language_of_the_suite_has_a_score_of_its_own():
    assert (RESOURCES["high"], RESOURCES["low"]) == (HIGH, LOW)
    assert list(global_mmlu_lite.details) == [f"{PREFIX}{one}" for one in HIGH + LOW]


def test_a_language_is_told_with_its_group_and_one_without_items_is_left_out():
    details = {
        "language_de": 80.0, "dense.language_de": 90.0,
        "language_sw": 40.0, "dense.language_sw": 50.0,
        "language_yo": float("nan"), "dense.language_yo": float("nan"),
        "language_bn": None, "dense.language_bn": None,
        "bias": 1.0, "dense.bias": 2.0,
    }  # fmt: skip
    row = Row(
        model="m",
        method="wanda_50",
        calibration="none",
        benchmark="global_mmlu_lite",
        details=details,
    )
    found = language_scores(Scorecard(rows=(row,), metrics=()))
    assert [(one.language, one.resource, one.difference) for one in found] == [
        ("de", "high", -10.0),
        ("sw", "low", -10.0),
    ]
