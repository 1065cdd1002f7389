"""Label words: one label must be named plainly."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unicomp.scoring.labels import LabelWord
from unicomp.spec import Item

MOOD = LabelWord(labels={"sst2": {0: "negative", 1: "positive"}}, keep=("type",))
TRUTH = LabelWord(
    labels={"mnli": {0: "yes", 1: "maybe", 2: "no"}},
    words={"yes": ("true", "entailment"), "no": ("false",)},
)


def item(text, **doc):
    return Item(doc=doc, prompt="", responses=(text,), answers={}, results={})


def judged(text, label=1, scorer=MOOD, task="sst2"):
    reading = scorer(item(text, task=task, label=label, type="original"))
    return bool(reading.fields["correct"]), reading.parsed


@pytest.mark.parametrize(
    "text",
    [
        "positive",
        "Positive",
        "POSITIVE.",
        " the mood is positive\n",
        '"positive"',
        "positive positive",
        "positive, not negative",
    ],
)
def test_the_word_may_be_said_in_any_way(text):
    assert judged(text) == (True, True)
    assert judged(text, label=0) == (False, True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "positively",
        "nonpositive",
        "positive_mood",
        "good",
        "negative or positive",
        "pos itive",
    ],
)
def test_none_or_several_labels_are_unparsed_and_wrong(text):
    assert judged(text) == (False, False)
    assert judged(text, label=0) == (False, False)


@pytest.mark.parametrize(
    ("text", "label"),
    [("yes", 0), ("That is true.", 0), ("entailment", 0), ("maybe", 1), ("False", 2)],
)
def test_a_label_may_have_several_words(text, label):
    assert judged(text, label, TRUTH, "mnli") == (True, True)
    assert not judged(text, (label + 1) % 3, TRUTH, "mnli")[0]


def test_two_words_of_one_label_are_one_label():
    assert judged("yes, true", 0, TRUTH, "mnli") == (True, True)
    assert judged("yes, but false", 0, TRUTH, "mnli") == (False, False)


def test_the_kept_columns_are_there():
    reading = MOOD(item("positive", task="sst2", label="1", type="modified"))
    assert reading.fields == {"correct": 1.0, "type": "modified"}


@given(st.text())
@settings(deadline=None)
def test_never_two_labels_are_right(text):
    assert not (judged(text, 0)[0] and judged(text, 1)[0])
