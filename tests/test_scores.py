"""What a user's scorer or aggregate may give; anything else is one line with the benchmark."""

import json
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suites.performance.test_instruction_following import ifbench
from suites.performance.test_knowledge import arc_easy
from suites.reliability.test_ethics import moralchoice_low
from suites.reliability.test_fairness import stereoset
from suites.reliability.test_safety import misuse
from suites.reliability.test_truthfulness import scifact, sycophancy
from unicomp import Benchmark, Mean, Reading, Responded, WithColumns
from unicomp.catalogue import load_benchmarks, suite_folders
from unicomp.data.sources import Source
from unicomp.errors import ScoringError
from unicomp.instruments import MODES, Instruments
from unicomp.instruments.assembly import default_instruments
from unicomp.prompts.items import Renderer
from unicomp.prompts.lengths import overlong
from unicomp.scores import RecordsReader, records_of
from unicomp.scoring.resemblance import UnmovedByNoise
from unicomp.scoring.scorers import compares_items
from unicomp.testing import (
    COLLAPSED,
    Characters,
    Collapsed,
    KnownAnswer,
    Oracle,
    ScriptedJudge,
    Trial,
)

TASK = """
task: animals
dataset_path: me/animals
test_split: test
output_type: generate_until
doc_to_text: "Which animal {{does}}?"
doc_to_target: "{{animal}}"
generation_kwargs: {until: ["\\n"]}
metric_list: [{metric: exact_match}]
"""
ROWS = ({"does": "gives milk", "animal": "cow"}, {"does": "says miaow", "animal": "cat"})
ORACLE = Oracle(lambda row: KnownAnswer(right=row["animal"], wrong="none"))


def exact(item):
    return Reading(fields={"correct": item.text == item.doc["animal"]})


class AtOnce:
    """A scorer of all items, which gives some readings."""

    def __init__(self, *readings):
        self.readings = list(readings)

    def read_all(self, items, instruments):
        return self.readings


class Summed:
    """An aggregate that gives what a function of its columns and weights gives."""

    columns = ("correct",)

    def __init__(self, adds_up):
        self.adds_up = adds_up

    def __call__(self, columns, weights):
        return self.adds_up(columns["correct"], weights)


@pytest.fixture
def scored(tmp_path):
    """The score of an engine that is always right, by a user's scorer and aggregate."""
    folder = tmp_path / "rows" / "me" / "animals"
    folder.mkdir(parents=True)
    (folder / "test.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    (tmp_path / "animals.yaml").write_text(TASK)

    def score(scorer=exact, aggregate=None):
        bench = Benchmark(
            name="animals",
            metric="knowledge",
            task=tmp_path / "animals.yaml",
            scorer=scorer,
            aggregate=aggregate or Mean("correct"),
        )
        return Trial(bench, rows=tmp_path / "rows").score(ORACLE)

    return score


def test_numbers_of_any_type_and_arrays_of_any_number_type_are_scores(scored):
    assert scored() == 100.0
    assert scored(lambda item: Reading(fields={"correct": np.int64(1), "name": "x"})) == 100.0
    assert scored(aggregate=Summed(lambda correct, weights: np.full(len(weights), 7))) == 7.0


def only_first(item):
    return Reading(fields={"correct": 1.0, **({"note": "x"} if "milk" in item.prompt else {})})


READINGS = {
    "no-reading": (lambda item: 1.0, "its scorer gives 1.0: return a Reading"),
    "none": (lambda item: None, "its scorer gives None: return a Reading"),
    "no-number": (
        lambda item: Reading(fields={"correct": None}),
        "its scorer gives None as correct: give a number or a text",
    ),
    "some-fields": (
        only_first,
        "its scorer gives note for some items only: give the same fields for all",
    ),
    "another-field": (
        lambda item: Reading(fields={"right": 1.0}),
        "its aggregate needs the field 'correct', which its scorer does not give",
    ),
    "too-few": (AtOnce(Reading(fields={"correct": 1.0})), "1 readings of 2 items: give as many"),
    "fails": (
        lambda item: item.doc["colour"],
        "its responses cannot be read (KeyError: 'colour')",
    ),
}


@pytest.mark.parametrize("case", READINGS)
def test_a_scorer_that_gives_no_usable_readings_is_named_in_one_line(scored, case):
    scorer, message = READINGS[case]
    with pytest.raises(ScoringError) as raised:
        scored(scorer)
    assert str(raised.value).startswith("benchmark animals: ")
    assert message in str(raised.value)


SCORES = {
    "one-number": (
        lambda correct, weights: correct.mean(),
        "its aggregate gives shape () for weights of shape (1, 2): return one score for each draw",
    ),
    "a-score-for-each-item": (lambda correct, weights: correct, "its aggregate gives shape (2,)"),
    "fails": (
        lambda correct, weights: correct @ weights,
        "its records cannot be added up (ValueError: matmul",
    ),
}


@pytest.mark.parametrize("case", SCORES)
def test_an_aggregate_that_gives_no_score_for_each_draw_is_named_in_one_line(scored, case):
    adds_up, message = SCORES[case]
    with pytest.raises(ScoringError) as raised:
        scored(aggregate=Summed(adds_up))
    assert str(raised.value).startswith("benchmark animals: ")
    assert message in str(raised.value)


# -- reading in blocks ----------------------------------------------------------------------------

JUDGED = Instruments(
    refusals=default_instruments().refusals,
    similarity=default_instruments().similarity,
    judge=ScriptedJudge(lambda texts: len(texts["answer"]) % 2),
)
KINDS = (arc_easy, misuse, stereoset, scifact, sycophancy, moralchoice_low, ifbench)
"""Options, refusals, a judge, labels, similarity, preferences and instructions."""
READ = 60


@dataclass(frozen=True)
class Fickle:
    """An engine that collapses in another way for each item, and at times answers well."""

    def answer(self, item):
        ways = (*COLLAPSED, Collapsed("well", lambda prompt, random: f"It is {random.random()}"))
        return ways[int(item.item[:8], 16) % len(ways)].answer(item)


@pytest.fixture(scope="module")
def answered():
    """Of each benchmark: the definition, its items, and the answers by their keys."""
    renderer = Renderer(Source("embedded"), READ)
    found = {}
    for bench in KINDS:
        items = renderer.items(bench, Characters())
        answers = {one.key: Fickle().answer(one) for one in items}
        found[bench.name] = (renderer.definition(bench), items, answers)
    return found


@pytest.mark.parametrize("name", [bench.name for bench in KINDS])
@given(limits=st.sets(st.integers(1, READ - 1), max_size=5))
@settings(max_examples=5, deadline=None)
def test_records_do_not_depend_on_the_blocks_in_which_items_are_read(answered, name, limits):
    definition, items, answers = answered[name]
    reader = RecordsReader(definition, JUDGED, Characters())
    for start, end in pairwise((0, *sorted(limits), len(items))):
        reader.read(items[start:end], answers)
        assert reader.n == end == len(reader.records().items)
    whole = records_of(definition, items, answers, JUDGED, Characters())
    assert reader.records() == whole
    assert len(items) == len(whole.parsed) == READ


def test_records_of_first_items_are_not_changed_by_the_next(answered):
    definition, items, answers = answered["misuse"]
    reader = RecordsReader(definition, JUDGED, Characters())
    reader.read(items[:20], answers)
    first = reader.records()
    reader.read(items[20:], answers)
    assert first == records_of(definition, items[:20], answers, JUDGED, Characters())


def test_prompts_that_are_too_long_count_before_they_are_answered(answered):
    definition, items, answers = answered["misuse"]
    short = Characters(context=definition.max_new_tokens + 60)
    fits = [overlong([one], short) == 0 for one in items]
    order = sorted(range(READ), key=lambda place: not fits[place])
    items = [items[place] for place in order]
    assert 0 < sum(fits) < READ
    reader = RecordsReader(definition, JUDGED, short, of=items)
    reader.read(items[: sum(fits)], answers)
    cut = READ - sum(fits)
    assert reader.records().overlong == cut
    assert reader.records().faults[0].startswith(f"{cut} of {READ} prompts are longer than")


def test_fields_of_a_later_block_must_be_those_of_the_first(answered):
    definition, items, answers = answered["misuse"]

    def reading(item):
        return Reading(fields={"correct": 1.0, **({"late": 1.0} if item.doc is late else {})})

    late = items[-1].doc
    bench = replace(definition.benchmark, scorer=reading)
    reader = RecordsReader(replace(definition, benchmark=bench), JUDGED, Characters())
    reader.read(items[:-1], answers)
    with pytest.raises(ScoringError, match="gives late for some items only"):
        reader.read(items[-1:], answers)


def test_counts_of_bad_answers_tell_how_near_a_benchmark_is_to_degenerate(answered):
    definition, items, _ = answered["misuse"]
    answers = {one.key: ["" if n < 31 else f"Take {n}."] for n, one in enumerate(items)}
    whole = records_of(definition, items, answers, JUDGED, Characters())
    assert (whole.generated, whole.bad["empty"], whole.same) == (READ, 31, 31)
    assert whole.bad["a loop of the same words"] == 0
    assert whole.degenerate == "52 % of the answers are empty"
    chosen = records_of(*answered["arc_easy"], JUDGED, Characters())
    assert (chosen.generated, chosen.bad, chosen.same) == (0, {}, 0)


# -- scorers that compare items -------------------------------------------------------------------


def test_the_shipped_scorers_that_compare_items_say_so():
    comparing = {
        bench.name
        for bench in load_benchmarks(suite_folders(Path(".")))
        for mode in MODES
        if compares_items(bench.scored_in(mode).scorer)
    }
    assert comparing == {"advglue", "advinstruction", "preference_sycophancy"}


@pytest.mark.parametrize(
    ("scorer", "compares"),
    [
        (exact, False),
        (AtOnce(), True),
        (Responded("refusal"), False),
        (WithColumns(Responded("refusal"), ("source",)), False),
        (WithColumns(AtOnce(), ("source",)), True),
        (WithColumns(UnmovedByNoise(), ("source",)), True),
    ],
    ids=["one item", "all items", "shipped", "inside", "user's inside", "comparing inside"],
)
def test_a_scorer_of_all_items_is_taken_to_compare_them_unless_it_says_no(scorer, compares):
    assert compares_items(scorer) == compares


def test_a_users_scorer_can_say_that_it_reads_each_item_alone():
    class Alone(AtOnce):
        compares_items = False

    assert not compares_items(Alone())
