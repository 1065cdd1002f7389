"""Several samples of an item: drawn, read and judged so that items count, and not their samples."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suites.performance.test_reasoning import gsm8k
from tests.repeat_simulations import BEGIN, BENCH, END, PAGE, Cell, cells, rates, records
from unicomp import Answering, ChiSquareP, Mean, PassAt, SpecError
from unicomp.checkpoint import Builder
from unicomp.confidence import Jackknifed, from_json
from unicomp.data.sources import Source, shipped_fixtures
from unicomp.decision import REPEATED_ERROR
from unicomp.divergence import divergence
from unicomp.engines import EngineSettings
from unicomp.item_texts import texts_key
from unicomp.measuring import Conditions, measure
from unicomp.prompts.items import SEED, Renderer
from unicomp.record_table import as_table, from_table
from unicomp.responses import ResponseLog
from unicomp.retention import evidence_of, partial_evidence, retention
from unicomp.samples import samples_of
from unicomp.scores import aggregated
from unicomp.scoring.aggregate import pass_at
from unicomp.spec import DENSE, Model
from unicomp.store import Store

HOT = replace(gsm8k, temperature=4.0, max_new_tokens=8)
SAMPLED = EngineSettings(device="cpu", sampling="declared")
EMBEDDED = shipped_fixtures() / "embedded" / "model"


class Characters:
    """A tokenizer without a chat template."""

    template = None
    identity = "characters"
    context = 512


# -- what is asked --------------------------------------------------------------------------------


def rendered(repeats, bench=HOT, sampling="declared"):
    renderer = Renderer(Source("embedded"), samples=5, sampling=sampling, repeats=repeats)
    return renderer.items(bench, Characters())


def test_each_item_is_rendered_as_often_as_it_is_asked():
    items = rendered(3)
    assert [one.sample for one in items] == [0] * 5 + [1] * 5 + [2] * 5
    assert len({one.key for one in items}) == 15
    for first, second in zip(items[:5], items[5:10], strict=True):
        assert (first.item, first.cluster, first.doc) == (second.item, second.cluster, second.doc)
        assert first.prompt == second.prompt


def test_the_first_samples_are_the_items_of_a_run_without_repeats():
    once = [(one.key, one.requests[0].arguments) for one in rendered(1)]
    assert once == [(one.key, one.requests[0].arguments) for one in rendered(3)[:5]]
    assert not any(SEED in arguments[1] for _, arguments in once)


def test_the_sampling_that_a_model_declares_is_repeated():
    hot = Answering(temperature=0.6)
    renderer = Renderer(Source("embedded"), 5, sampling="declared", answering=hot, repeats=3)
    assert len(renderer.items(gsm8k, Characters())) == 15


def test_greedy_answers_and_likelihoods_are_asked_once():
    assert len(rendered(3, gsm8k)) == 5
    assert len(rendered(3, sampling="greedy")) == 5


# -- what is drawn --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Measures the embedded model on hot arithmetic, with so many samples of each item."""
    model = Model(name="m", source=str(EMBEDDED))
    stores: dict[str, Store] = {}

    def run(home, repeats):
        store = stores.setdefault(home, Store(tmp_path_factory.mktemp(home)))
        checkpoint = Builder(store=store, roots=()).find(model, DENSE, None)
        conditions = Conditions(store, Source("embedded"), SAMPLED, samples=6, repeats=repeats)
        found = measure(checkpoint, [HOT], conditions)
        return found, found.records[HOT.name], ResponseLog(store, checkpoint, SAMPLED).read()

    return run


def test_samples_differ_and_are_drawn_again_alike(measured):
    _, records, responses = measured("first", 3)
    texts = records.answers["text"]
    samples = [texts[place::6] for place in range(6)]
    assert sum(len(set(own)) > 1 for own in samples) >= 4
    _, _, again = measured("second", 3)
    assert responses == again


def test_more_samples_later_cost_only_the_difference(measured):
    whole = measured("first", 3)[2]
    once, first, _ = measured("third", 1)
    more, records, responses = measured("third", 3)
    assert (once.asked, more.asked, records.n, records.repeats) == (6, 12, 6, 3)
    assert responses == whole
    assert records.first.answers == first.answers
    assert measured("third", 3)[0].asked == 0


def test_a_server_gets_another_seed_for_each_sample():
    from unicomp.engines.completions import TokenCompletions

    class Asked(TokenCompletions):
        def __init__(self):
            self.model = "m"
            self._checkpoint = type("Tokenizer", (), {"stops": (0,)})

    decoding = {"until": [], "max_gen_toks": 4, "do_sample": True, "temperature": 1.0}
    payloads = [
        Asked()._create_payload([[5, 6]], generate=True, gen_kwargs={**decoding, **seed})
        for seed in ({}, {SEED: 1}, {SEED: 2})
    ]
    seeds = [one.pop("seed") for one in payloads]
    assert len(set(seeds)) == 3
    assert payloads[0] == payloads[1] == payloads[2]


# -- what is recorded -----------------------------------------------------------------------------


def two_sides(n=40, repeats=4):
    return Cell(items=n, repeats=repeats).answers(np.random.default_rng(3))


def test_records_count_items():
    one = two_sides(40, 4)[0]
    assert (len(one.items), one.n, one.repeats) == (160, 40, 4)
    assert (len(one.first.items), one.first.n, one.first.repeats) == (40, 40, 1)
    assert list(one.columns["item"][:40]) == list(one.columns["item"][40:80])


def test_a_table_of_records_keeps_the_samples():
    one = two_sides(3, 2)[0]
    table = as_table(one, None, {})
    assert table.column("sample").to_pylist() == [0, 0, 0, 1, 1, 1]
    assert from_table(table) == one
    assert from_table(as_table(one.first, None, {})) == replace(one.first, sample=[])
    assert from_table(as_table(one, None, {}).drop_columns("sample")).sample == []


def test_the_texts_of_items_are_stored_once():
    one = two_sides(3, 2)[0]
    assert texts_key(one) == texts_key(replace(one.first, sample=[]))


# -- what is judged -------------------------------------------------------------------------------


def test_a_retention_counts_items_and_names_its_samples():
    found = retention(BENCH, *two_sides())
    assert (found.n, found.clusters, found.repeats) == (40, 40, 4)
    assert "n=40 × 4 samples" in repr(found)
    assert (found.lost, found.gained, found.divergence["p_value"]) == (None, None, None)
    kept = from_json(found.evidence["kept"])
    assert isinstance(kept, Jackknifed)
    assert kept.repeated
    assert kept.clusters == 40


def test_samples_that_are_all_alike_tell_no_more_than_one():
    candidate, baseline = two_sides(60, 1)
    many = [records(np.tile(one.columns["correct"] == 1, 8), 8) for one in (candidate, baseline)]
    eight, one = retention(BENCH, *many), retention(BENCH, candidate, baseline)
    assert eight.value == pytest.approx(one.value)
    assert eight.high - eight.low >= 0.95 * (one.high - one.low)


def test_the_mean_over_samples_and_the_share_with_a_right_one_have_intervals():
    candidate, baseline = two_sides()
    found = retention(BENCH, candidate, baseline)
    figures = found.divergence["figures"]
    assert set(figures) == {f"{w}{f}_at_k" for w in ("", "dense.") for f in ("avg", "pass")}
    assert figures["avg_at_k"][0] == pytest.approx(found.score)
    assert figures["dense.avg_at_k"][0] == pytest.approx(found.dense)
    passed = PassAt(4)(candidate.columns, np.ones((1, 160)))
    assert figures["pass_at_k"][0] == pytest.approx(float(passed[0]))
    assert all(low < value < high for value, low, high in figures.values())


def test_a_test_of_the_counts_is_one_of_the_items():
    one = two_sides(60, 1)[0]
    fields = {"group": ["a", "b"] * 30, "said": ["x", "y", "x", "x", "y", "y"] * 10}
    once = replace(one, sample=[], fields=fields)
    many = replace(records(np.zeros(240, bool), 4), fields={k: v * 4 for k, v in fields.items()})
    p_value = ChiSquareP("group", "said")
    scores = [aggregated(p_value, each, np.ones((1, len(each.items)))) for each in (once, many)]
    assert scores[0] == pytest.approx(scores[1])


def test_no_sample_of_one_side_is_compared_with_one_of_the_other():
    candidate, baseline = two_sides(3, 2)
    answers = {"text": ["a"] * 6, "digest": ["0"] * 6, "tokens": [4] * 6, "loop": [False] * 6}
    both = [replace(one, answers=answers) for one in (candidate, baseline)]
    assert set(divergence(*both).figures) == {"length", "loops", "dense.loops"}
    assert not [one for one in samples_of(*both) if one["kind"] == "lost"]


def test_repeated_items_are_asked_in_full():
    candidate, baseline = two_sides()
    assert partial_evidence(BENCH, candidate, baseline) is None


# -- pass@k ---------------------------------------------------------------------------------------


@given(st.integers(1, 7).flatmap(lambda n: st.tuples(*[st.integers(0, n)] * 2, st.just(n))))
def test_pass_at_k_is_the_share_of_all_choices_of_k_samples(drawn):
    right, k, n = drawn
    k = max(k, 1)
    choices = list(itertools.combinations([True] * right + [False] * (n - right), k))
    truth = Fraction(sum(map(any, choices)), len(choices))
    found = pass_at(k, np.array([n]), np.array([right]))[0]
    assert found == pytest.approx(float(truth))


@pytest.mark.parametrize(("n", "right", "k"), [(10_000, 1, 100), (10_000, 9_999, 2), (300, 0, 299)])
def test_pass_at_k_of_many_samples_is_exact(n, right, k):
    truth = 1 - Fraction(math.comb(n - right, k), math.comb(n, k))
    found = pass_at(k, np.array([n]), np.array([right]))[0]
    assert found == pytest.approx(float(truth), rel=1e-9)


def test_pass_at_1_is_the_mean():
    one = two_sides()[0]
    weights = np.random.default_rng(0).integers(0, 3, (5, 40)).astype(float)
    draws = np.tile(weights, 4)  # a draw has all samples of an item
    assert PassAt(1)(one.columns, draws) == pytest.approx(Mean()(one.columns, draws))


def test_more_samples_pass_more_often_and_too_few_tell_nothing():
    one = two_sides()[0]
    scores = [float(PassAt(k)(one.columns, np.ones((1, 160)))[0]) for k in (1, 2, 3, 4)]
    assert scores == sorted(scores)
    assert math.isnan(PassAt(5)(one.columns, np.ones((1, 160)))[0])


def test_pass_at_0_is_refused():
    with pytest.raises(SpecError, match="k must be at least 1"):
        PassAt(0)


# -- intervals ------------------------------------------------------------------------------------


@given(st.integers(20, 40), st.integers(2, 6), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_limits_are_around_the_estimate_and_grow_with_confidence(n, repeats, seed):
    candidate, baseline = Cell(items=n, repeats=repeats).answers(np.random.default_rng(seed))
    found = retention(BENCH, candidate, baseline)
    if found.value is None:
        return
    kept = from_json(found.evidence["kept"])
    near, far = kept.limits(0.1), kept.limits(0.001)
    assert far.low <= near.low <= kept.estimate <= near.high <= far.high


def test_intervals_of_few_samples_cover_the_truth():
    found = rates(Cell(items=40, repeats=4), 200)
    assert min(found.average, found.passed, found.retained) >= 90  # 3 standard errors below
    assert max(found.passes, found.fails) <= 6.0


LINES = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].splitlines()[2:]
TABLE = [[cell.strip() for cell in line.strip("|").split("|")] for line in LINES]


def test_the_page_has_all_cells():
    shown = [(*map(float, line[:4]), line[4] == "few") for line in TABLE]
    assert shown == [tuple(map(float, vars(one).values())) for one in cells()]


def test_intervals_cover_95_percent_within_one_and_a_half():
    usual = [line for line in TABLE if line[2] == "0.6" and line[3] == "1.0" and line[4] == "all"]
    assert len(usual) == 9
    for line in usual:
        average, passed, kept = map(float, line[5:8])
        assert all(93.5 <= one <= 96.9 for one in (average, passed, kept))  # with .7 of chance
    assert all(float(one) >= 93.5 for line in TABLE for one in line[5:8])


def test_the_error_that_a_run_prints_is_the_largest_measured_one():
    rates = [float(one) for line in TABLE for one in line[8:]]
    assert max(rates) == pytest.approx(100 * REPEATED_ERROR)


def test_a_lossless_candidate_does_not_fail_and_half_of_one_does_not_pass():
    rng = np.random.default_rng(0)
    for _ in range(20):
        cell = Cell(items=100, repeats=4)
        lossless, half = cell.chances(rng, 100)[1], 0.5 * cell.chances(rng, 100)[1]
        baseline, same, lossy = (
            records((rng.random((4, 100)) < one).ravel(), 4) for one in (lossless, lossless, half)
        )
        assert evidence_of(BENCH, same, baseline)["kept"].limits().high > 0.95
        assert evidence_of(BENCH, lossy, baseline)["kept"].limits().low < 0.95


@pytest.mark.long
@pytest.mark.parametrize("cell", cells(), ids=str)
def test_intervals_cover_the_truth_in_simulation(cell):
    found = rates(cell, 1000, seed=1)
    assert min(found.average, found.passed, found.retained) >= 95 - 1.5 - 2  # 3 standard errors
    assert max(found.passes, found.fails) <= 100 * REPEATED_ERROR + 2
