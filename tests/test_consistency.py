"""Consistency: the score under the worst wording, and how often answers flip between wordings."""

import json
import random
import shutil
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from suites.performance.test_knowledge import arc_easy
from suites.performance.test_reasoning import gsm8k
from suites.shipping.test_consistency import arc_easy_reworded, gsm8k_reworded
from tests.known_answers.answers import ANSWERS
from tests.wording_simulations import CASES, answers, plain_and_spanned
from unicomp import Among, Benchmark, Mean, TaskMetric, Wording, reworded
from unicomp.consistency import deciding_wordings, wording_figures
from unicomp.data.sources import EMBEDDED_ROWS, Source
from unicomp.divergence import UNITS, divergence
from unicomp.early.eligible import all_in_full
from unicomp.framework import SHIPPING_PROFILE
from unicomp.instruments import Instruments
from unicomp.policy import Demand, Policy
from unicomp.prompts.tasks import Definition
from unicomp.retention import evidence_of, paired_tables, retention
from unicomp.scores import Records, readings_of
from unicomp.scoring.aggregate import MeanOf, WorstOf
from unicomp.spec import CheckpointId, Item, Reading
from unicomp.testing import COLLAPSED, AntiOracle, Honest, Oracle, Trial
from unicomp.verdict import Row, row_of, rows_with_length

NAME = CheckpointId("embedded", "wanda_50", "generic")
OWN = {"arc_easy_reworded": arc_easy, "gsm8k_reworded": gsm8k}
BENCHMARKS = {bench.name: bench for bench in (arc_easy_reworded, gsm8k_reworded)}
SAMPLES = 60
INVENTED = Path(__file__).with_name("suites") / "rows"


@dataclass(frozen=True)
class OnlyPlain:
    """Right where a benchmark is worded as its task has it, and wrong in any other wording."""

    name: str

    def answer(self, item):
        engine = Oracle if item.doc.get("wording", "plain") == "plain" else AntiOracle
        return engine(ANSWERS[self.name]).answer(item)


# -- the whole path -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A folder with as many invented rows of each data set."""
    root, rng = tmp_path_factory.mktemp("rows"), random.Random(0)
    gases, sums = [], []
    for number in range(SAMPLES):
        texts = rng.sample(["helium", "neon", "argon", "carbon dioxide"], 4)
        gas = {
            "question": f"Which gas is in the bottle with the number {number}?",
            "choices": {"text": texts, "label": list("ABCD")},
            "answerKey": "ABCD"[texts.index("argon")],
        }
        stones = {
            "question": f"Ida has {number} stones. She finds {number % 7} more. How many?",
            "answer": f"That is it.\n#### {number + number % 7}",
        }
        gases.append(gas)
        sums.append(stones)
    for name, config, found in (
        ("allenai/ai2_arc", "ARC-Easy", gases),
        ("openai/gsm8k", "main", sums),
    ):
        shutil.copytree(INVENTED / name, root / name)  # for the README that declares the files
        text = "\n".join(map(json.dumps, found))
        (root / name / config / "test.jsonl").write_text(text, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def trials(rows):
    benches = (*BENCHMARKS.values(), *OWN.values())
    return {bench.name: Trial(bench, rows=rows) for bench in benches}


def kept(trials, bench, engine, baseline=None):
    known = baseline or Honest(ANSWERS[bench.name])
    return retention(bench, *(trials[bench.name].records(one) for one in (engine, known)))


@pytest.mark.parametrize("bench", BENCHMARKS.values(), ids=str)
def test_each_wording_keeps_the_right_answer(trials, bench):
    right = kept(trials, bench, Oracle(ANSWERS[bench.name]))
    wrong = kept(trials, bench, AntiOracle(ANSWERS[bench.name]))
    wordings = {one.name for one in bench.wordings}
    assert (right.score, wrong.score) == (100, 0)
    for name in (*wordings, "mean_wording"):
        assert (right.details[name], wrong.details[name]) == (100, 0)
    assert set(right.details) == {
        whose + name for name in (*wordings, "mean_wording") for whose in ("", "dense.")
    }
    assert (right.n, right.clusters) == (SAMPLES * len(wordings), SAMPLES)


@pytest.mark.parametrize("bench", BENCHMARKS.values(), ids=str)
def test_an_engine_that_is_right_in_the_plain_wording_only_fails_consistency_alone(trials, bench):
    own = OWN[bench.name]
    rows = {
        one.name: row_of(
            NAME,
            one,
            kept(trials, one, OnlyPlain(own.name), Oracle(ANSWERS[one.name])),
            Policy(),
            SHIPPING_PROFILE,
        )
        for one in (bench, own)
    }
    assert {name: row.verdict for name, row in rows.items()} == {
        bench.name: "fail",
        own.name: "pass",
    }
    row = rows[bench.name]
    assert (row.score, row.dense, row.details["plain"], row.details["polite"]) == (0, 100, 100, 0)
    figures = row.divergence["figures"]
    assert (figures["wording_flips"][0], figures["dense.wording_flips"][0]) == (100, 0)
    assert figures["mean_wording"][0] == pytest.approx(100 / len(bench.wordings))
    assert row.divergence["p_value"] is None


@pytest.mark.parametrize("engine", COLLAPSED, ids=str)
@pytest.mark.parametrize("bench", BENCHMARKS.values(), ids=str)
def test_no_collapsed_model_passes_consistency(trials, bench, engine):
    found = kept(trials, bench, engine)
    assert found.incomparable is None
    assert found.degenerate or found.value < 90


def test_figures_have_intervals_by_item(trials):
    found = kept(trials, gsm8k_reworded, Honest(ANSWERS["gsm8k"], error=0.3))
    figures = found.divergence["figures"]
    assert {name for name in UNITS if "wording" in name} <= set(figures) <= UNITS.keys()
    for name in ("worst_wording", "mean_wording", "wording_flips"):
        for whose in ("", "dense."):
            value, low, high = figures[f"{whose}{name}"]
            assert 0 <= low < value < high <= 100
    assert figures["worst_wording"][0] == found.score <= figures["mean_wording"][0]
    # the wordings of one item are no items of their own: as wide as of so many items
    _, low, high = figures["mean_wording"]
    assert high - low > 2 * 3.68 * 100 / SAMPLES


def test_there_are_no_exact_intervals_of_independent_items(trials):
    both = [
        trials["arc_easy_reworded"].records(Honest(ANSWERS["arc_easy"], error=e)) for e in (0, 1)
    ]
    assert paired_tables(arc_easy_reworded, *both) == ()
    plain = replace(arc_easy_reworded, aggregate=Mean("correct"))
    assert paired_tables(plain, *both) == ()


def test_consistency_is_never_asked_in_part():
    demand = Demand(tier="guard", floor=90.0)
    definitions = [Definition(bench, Source(EMBEDDED_ROWS)) for bench in BENCHMARKS.values()]
    found = all_in_full(definitions, {}, SHIPPING_PROFILE, lambda bench: demand)
    assert found.keys() == BENCHMARKS.keys()


def test_answers_in_other_words_count_once_for_verbosity():
    figures = {"figures": {"length": [100.0, 90.0, 110.0]}}
    rows = {
        name: Row(**NAME._asdict(), benchmark=name, divergence=figures)
        for name in ("gsm8k", "gsm8k_reworded")
    }
    assert rows_with_length(rows, SHIPPING_PROFILE).keys() == {"gsm8k"}


# -- scorers --------------------------------------------------------------------------------------


class AsMany:
    """A scorer that compares items: right if there are as many of them as the row says."""

    compares_items = True

    def read_all(self, items, instruments):
        return [Reading(fields={"correct": float(len(items) == item.doc["of"])}) for item in items]


def test_a_scorer_that_compares_items_compares_those_of_one_wording():
    bench = replace(reworded(gsm8k, wordings=("typo",)), scorer=AsMany())
    items = [
        Item(doc={"of": 3, "wording": name}, prompt="", responses=("",))
        for _ in range(3)
        for name in ("plain", "typo")
    ]
    readings = readings_of(bench, items, Instruments)
    assert [one.fields["wording"] for one in readings] == ["plain", "typo"] * 3
    assert {one.fields["correct"] for one in readings} == {1.0}


# -- arithmetic -----------------------------------------------------------------------------------


def bench_of(count, **settings):
    wordings = tuple(Wording(f"w{k}") for k in range(count))
    scores = tuple(Among("wording", one.name, Mean("correct")) for one in wordings)
    return Benchmark(
        name="invented",
        metric="consistency",
        task="none.yaml",
        wordings=wordings,
        scorer=TaskMetric("acc,none"),
        aggregate=WorstOf(scores, highest=not settings.get("higher_is_better", True)),
        **settings,
    )


def records_of(right):
    """The records of answers, shape (items, wordings)."""
    rows, count = np.shape(right)
    places = [(row, k) for row in range(rows) for k in range(count)]
    return Records(
        benchmark="invented",
        items=[f"{row}@w{k}" for row, k in places],
        clusters=[str(row) for row, _ in places],
        fields={
            "correct": [float(right[row][k]) for row, k in places],
            "wording": [f"w{k}" for _, k in places],
        },
        parsed=[True] * len(places),
        gaps=[None] * len(places),
    )


def test_the_worst_score_is_taken_in_each_draw():
    columns = records_of([[1, 1], [1, 0], [0, 1]]).columns
    worst = bench_of(2).aggregate
    weights = np.repeat([[1.0, 1, 1], [1, 0, 1], [1, 1, 0]], 2, axis=1)
    assert worst(columns, weights) == pytest.approx([200 / 3, 50, 50])
    assert MeanOf(worst.alternatives)(columns, weights) == pytest.approx([200 / 3, 75, 75])
    assert replace(worst, highest=True)(columns, weights) == pytest.approx([200 / 3, 100, 100])
    assert worst.columns == ("wording", "correct")
    assert worst.least == 0


def test_flips_are_counted_by_item():
    now, before = records_of([[1, 1], [1, 0], [0, 1], [0, 0]]), records_of([[1, 1]] * 4)
    found = wording_figures(bench_of(2), now, before)
    assert (found["wording_flips"][0], found["dense.wording_flips"][0]) == (50, 0)
    assert divergence(now, before).p_value is None


def test_where_less_is_better_the_highest_score_is_the_worst():
    bench = bench_of(2, higher_is_better=False)
    right = np.zeros((200, 2))
    right[:40, 1] = 1
    dense = np.zeros((200, 2))
    dense[:20] = 1
    found = retention(bench, records_of(right), records_of(dense))
    assert (found.score, found.dense) == (20, 10)
    assert found.value == pytest.approx(100 * 80 / 90)
    value, low, high = found.divergence["figures"]["worst_wording"]
    assert low < value == 20 < high


def test_the_limits_span_those_under_the_worst_wording_of_either_side():
    rng = np.random.default_rng(0)
    right, dense = (rng.random((200, 3)) < share for share in (0.7, 0.8))
    right[:60, 2] = dense[60:150, 1] = False
    bench, both = bench_of(3), (records_of(right), records_of(dense))
    scores = deciding_wordings(bench, *both)
    assert [one.value for one in scores] == ["w2", "w1"]
    limits = evidence_of(bench, *both)["kept"].limits()
    for score in scores:
        own = evidence_of(replace(bench, aggregate=score), *both)["kept"].limits()
        assert limits.low <= own.low < own.high <= limits.high


def test_a_toss_up_of_the_baseline_does_not_hide_a_loss():
    rng = np.random.default_rng(0)
    right, dense = (rng.random((200, 3)) < 0.7 for _ in range(2))
    right[:, 2] = False
    both = [records_of(one) for one in (right, dense)]
    assert [one.value for one in deciding_wordings(bench_of(3), *both)] == ["w2"]
    assert evidence_of(bench_of(3), *both)["kept"].limits().high < 0.1


# -- simulated: see docs/statistics.md -------------------------------------------------------------


def test_the_simulations_have_the_limits_of_a_run():
    rng = np.random.default_rng(0)
    for candidate, dense in CASES.values():
        right = list(answers(rng, 80, candidate[3:], dense[3:]))
        both = [records_of(one) for one in right]
        limits = evidence_of(bench_of(3), *both)["kept"].limits()
        expected = plain_and_spanned(*right)[1].limits()
        assert astuple(limits) == pytest.approx(astuple(expected))


@pytest.mark.long
@pytest.mark.parametrize(
    ("candidate", "dense"),
    [
        pytest.param([0.7] * 3, [0.7] * 3, id="lossless"),
        pytest.param([0.7, 0.7, 0.6], [0.7, 0.7, 0.6], id="lossless, one is worse"),
        pytest.param([0.7, 0.7, 0.6], [0.7] * 3, id="loses under one"),
        pytest.param([0.6] * 3, [0.7] * 3, id="loses under all"),
    ],
)
def test_the_limits_miss_the_truth_as_rarely_as_they_say(candidate, dense):
    rng, bench, runs = np.random.default_rng(0), bench_of(3), 200
    truth, worst = min(candidate) / min(dense), 100 * min(candidate)
    outside = np.zeros(4)
    for _ in range(runs):
        both = [records_of(one) for one in answers(rng, 150, candidate, dense)]
        limits = evidence_of(bench, *both)["kept"].limits()
        _, low, high = wording_figures(bench, *both)["worst_wording"]
        outside += [limits.low > truth, limits.high < truth, low > worst, high < worst]
    assert (outside <= 0.025 * runs + 5).all()
