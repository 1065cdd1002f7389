"""What a user's scorer or aggregate may give; anything else is one line with the benchmark."""

import json

import numpy as np
import pytest

from unicomp import Benchmark, Mean, Reading
from unicomp.errors import ScoringError
from unicomp.testing import KnownAnswer, Oracle, Trial

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
