"""A benchmark stops early only if its score is a share of enough independent items."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unicomp import catalogue
from unicomp.data.sources import Source
from unicomp.decision import FEW_CLUSTERS
from unicomp.early import eligible
from unicomp.early.eligible import (
    CEILING,
    CLUSTERED,
    COMPARED,
    COUNTED,
    FEW,
    FIGURES,
    GROUPED,
    NO_SHARE,
    SAME_ROWS,
    UNSCORED,
    all_in_full,
    why_in_full,
    why_in_full_after,
)
from unicomp.framework import EMBEDDED_PROFILE, Profile
from unicomp.instruments.assembly import default_instruments
from unicomp.policy import Demand
from unicomp.prompts.sizes import Size, size_of
from unicomp.prompts.tasks import Definition
from unicomp.scores import Records
from unicomp.scoring.aggregate import Mean, Ratio, RightAnswerF1
from unicomp.scoring.columns import WithColumns
from unicomp.scoring.labels import SocialJudgement, WrongOrNot, YesOrNo
from unicomp.scoring.task_metrics import TaskMetric
from unicomp.spec import Benchmark, Item

REPOSITORY = Path(__file__).parents[2]

GUARD = Demand(tier="guard", floor=90.0)
BALANCED = Ratio("correct", "counted", by="group")
ENOUGH = Size(items=200, clusters=200)


def bench(aggregate=None, scorer=None, **about):
    return Benchmark(
        **{"name": "gsm8k", "metric": "reasoning", **about},
        task="gsm8k/gsm8k-cot.yaml",
        scorer=scorer or TaskMetric("exact_match,none", keep=("config",)),
        aggregate=aggregate or Mean("correct"),
    )


def own_scorer(item):
    """A user's scorer."""


class AllAtOnce:
    """A user's scorer of all items."""

    def read_all(self, items, instruments):
        return []


class EachAlone(AllAtOnce):
    """One that says that it does not compare them."""

    compares_items = False


CASES = {
    "a share": (bench(), None),
    "a share over the rows' own groups": (bench(Mean("correct", by="config")), None),
    "a share over kept columns": (
        bench(Mean("correct", by="kind"), WithColumns(TaskMetric("acc,none"), ("kind",))),
        None,
    ),
    "groups that a scorer makes": (bench(Mean("correct", by="said")), GROUPED),
    "labels that weigh the same": (bench(BALANCED, YesOrNo()), None),
    "a user's own ratio": (bench(BALANCED, own_scorer), COUNTED),
    "items that count by their answers": (bench(Mean("correct", where="counted")), COUNTED),
    "a user's scorer of all items": (bench(scorer=AllAtOnce()), COMPARED),
    "a user's scorer of each item": (bench(scorer=EachAlone()), None),
    "F1": (bench(RightAnswerF1(BALANCED), YesOrNo()), NO_SHARE),
    "an aggregate of the user's": (bench(lambda columns, weights: weights[:, 0]), NO_SHARE),
    "not in points": (bench(in_points=False), NO_SHARE),
}


@pytest.mark.parametrize("case", CASES)
def test_only_a_share_of_items_stops_early(case):
    benchmark, reason = CASES[case]
    assert why_in_full(benchmark, "strict", GUARD, ENOUGH) == reason
    assert why_in_full(benchmark, "strict", GUARD) == reason


def test_by_the_published_rules_answers_decide_which_items_count():
    assert why_in_full(bench(BALANCED, YesOrNo()), "compat", GUARD) == COUNTED
    strict_only = bench(published_aggregate=Mean("correct", where="counted"))
    assert why_in_full(strict_only, "strict", GUARD) is None
    assert why_in_full(strict_only, "compat", GUARD) == COUNTED


def test_items_must_be_enough_and_independent():
    assert why_in_full(bench(), "strict", GUARD, Size(items=199, clusters=199)) == FEW
    assert why_in_full(bench(), "strict", GUARD, Size(items=900, clusters=899)) == CLUSTERED


def test_what_else_is_asked_of_a_score_needs_all_answers():
    assert why_in_full(bench(), "strict", replace(GUARD, ceiling=110.0)) == CEILING
    assert why_in_full(bench(), "strict", replace(GUARD, figures={"flips": 90.0})) == FIGURES


def definitions(*benchmarks):
    """They, on the embedded rows."""
    return [Definition(one, Source("embedded")) for one in benchmarks]


@pytest.fixture(scope="module")
def embedded():
    """Benchmark of the embedded profile → why it runs in full, where floors are all that is set."""
    known = catalogue.benchmarks_by_name(REPOSITORY, "strict")
    names = {name for metric in EMBEDDED_PROFILE for name in EMBEDDED_PROFILE.benchmarks(metric)}
    asked = definitions(*(known[name] for name in sorted(names)))
    sizes = {one.benchmark.name: size_of(one) for one in asked}
    return all_in_full(asked, sizes, EMBEDDED_PROFILE, lambda one: GUARD)


def test_most_of_the_default_run_may_stop_early(embedded):
    assert embedded == {
        "advglue": NO_SHARE,
        "global_mmlu_lite": CLUSTERED,
        "preference_plain": FEW,
        "scifact": NO_SHARE,
        "stereoset": COUNTED,
        "sycophancy": COUNTED,
    }


def test_two_benchmarks_of_one_metric_that_ask_the_same_rows_run_in_full():
    profile = Profile("own", {"reasoning": ("gsm8k", "again"), "knowledge": ("elsewhere",)})
    asked = definitions(*(bench(name=name) for name in ("gsm8k", "again", "elsewhere")))
    assert all_in_full(asked, {}, profile, lambda one: GUARD) == {
        "gsm8k": SAME_ROWS,
        "again": SAME_ROWS,
    }
    apart = definitions(bench(), bench(name="again", where={"kind": "other"}))
    assert all_in_full(apart, {}, profile, lambda one: GUARD) == {}


def test_each_checkpoint_has_demands_of_its_own():
    demands = {"gsm8k": replace(GUARD, ceiling=110.0), "again": GUARD}
    asked = definitions(bench(), bench(name="again"))
    found = all_in_full(asked, {}, Profile("own", {}), lambda one: demands[one.name])
    assert found == {"gsm8k": CEILING}


def test_the_documentation_has_every_reason():
    page = (REPOSITORY / "docs" / "early.md").read_text(encoding="utf-8")
    section = page.partition("## What runs in full")[2].partition("\n## ")[0]
    shown = re.findall(r"^\| (.+?) \|", section, re.MULTILINE)
    reasons = {value for name, value in vars(eligible).items() if name.isupper()} - {FEW_CLUSTERS}
    assert reasons - {UNSCORED} == {one for one in shown if one not in ("reason", "---")}


# -- the dense model's answers --------------------------------------------------------------------


def records(correct, **more):
    names = [f"item-{i}" for i in range(len(correct))]
    values = {
        "items": names,
        "clusters": names,
        "fields": {"correct": [float(value) for value in correct]},
        "parsed": [True] * len(correct),
        "gaps": [None] * len(correct),
        **more,
    }
    return Records(benchmark="gsm8k", **values)


HALF = [1, 0] * 100


@pytest.mark.parametrize(
    ("dense", "reason"),
    [
        (records(HALF), None),
        (records([*HALF[:-1], 0.5]), NO_SHARE),
        (records([1, 0] * 99), FEW),
        (records(HALF, clusters=["a", "a", *map(str, range(198))]), CLUSTERED),
        (records(HALF, gaps=["needs a judge", *[None] * 199]), UNSCORED),
        (records([1] * 9 + [0] * 191), "the dense model has fewer than 10 right answers"),
    ],
    ids=["fine", "no-share", "few", "clustered", "unscored", "few-right"],
)
def test_the_dense_answers_show_what_no_declaration_does(dense, reason):
    assert why_in_full_after(bench(), dense) == reason


def test_what_has_no_ratio_runs_in_full():
    reason = why_in_full_after(bench(chance=50.0), records(HALF))
    assert reason.startswith("the dense score 50.0 cannot be distinguished from chance")
    few_wrong = bench(higher_is_better=False)
    assert "fewer than 10 right" in why_in_full_after(few_wrong, records([1] * 195 + [0] * 5))


def test_rows_that_do_not_count_are_found_in_the_dense_answers():
    counting = bench(BALANCED, YesOrNo())
    group = {"group": ["yes", "no"] * 100}
    all_count = records(HALF)
    fields = all_count.fields | group | {"counted": [1.0] * 200}
    assert why_in_full_after(counting, replace(all_count, fields=fields)) is None
    fields = fields | {"counted": [0.0] + [1.0] * 199}
    assert why_in_full_after(counting, replace(all_count, fields=fields)) == COUNTED


# -- scorers that promise that every row counts ----------------------------------------------------

ROWS = (
    (YesOrNo(), {"answer": "yes"}),
    (WrongOrNot(), {"label": "not wrong", "prompt": "Is it wrong?"}),
    (SocialJudgement(), {"label": -1}),
)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40) | st.sampled_from(["Yes.", "not wrong", "bad", "I cannot say."]))
def test_where_every_row_counts_no_answer_changes_that_or_the_group(text):
    for scorer, doc in ROWS:
        assert scorer.counts_every_row
        item = Item(doc=doc, prompt="Is it?", responses=(text,))
        (read,) = scorer.read_all([item], default_instruments())
        assert (read.fields["counted"], read.fields["group"]) == (1.0, scorer.gold(doc))
