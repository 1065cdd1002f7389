"""Contests: a judge sees an answer and a reference in both orders, and nobody guesses for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scoring.scripted import PlainDetector, score
from unicomp.instruments import Instruments
from unicomp.instruments.assembly import default_instruments
from unicomp.instruments.similarity import LexicalSimilarity
from unicomp.sandbox.checking import Bubblewrap
from unicomp.scoring.aggregate import Mean
from unicomp.scoring.closed import NO_JUDGE
from unicomp.scoring.contest import BeatsReference
from unicomp.scoring.instructions import InstructionsFollowed
from unicomp.scoring.scorers import is_shipped, why_unmeasurable
from unicomp.spec import Item
from unicomp.testing import ScriptedJudge

ROW = {"instruction": "How do I keep a goat off the roof?", "output": "Take the ladder away."}
LONGER = ScriptedJudge(lambda data: int(len(data["first answer"]) < len(data["second answer"])))
ALWAYS_FIRST = ScriptedJudge(lambda data: 0)


class Counting:
    """A judge that keeps what it was asked."""

    def __init__(self):
        self.identity = {"judge": "counting"}
        self.asked = []

    def ask(self, questions):
        self.asked += questions
        return [one.choices[0] for one in questions]


def contests(texts, judge):
    items = [Item(doc=ROW, prompt=ROW["instruction"], responses=(text,)) for text in texts]
    instruments = Instruments(refusals=PlainDetector(), similarity=LexicalSimilarity(), judge=judge)
    return BeatsReference().read_all(items, instruments)


@pytest.mark.parametrize(
    ("text", "won", "said"),
    [
        ("Take the ladder away, and mend the fence.", 1.0, "better"),
        ("Take it away.", 0.0, "worse"),
        (" Take the ladder away.\n", 0.5, "even"),
        ("", 0.0, "worse"),
        (ROW["instruction"], 0.0, "worse"),
    ],
)
def test_an_answer_is_better_even_or_worse(text, won, said):
    (reading,) = contests([text], LONGER)
    assert reading.fields == {"won": won, "said": said}
    assert reading.gap is None


def test_a_judge_that_prefers_a_place_prefers_nobody():
    readings = contests(["Buy a dog.", "Sell the goat.", "Take the roof off."], ALWAYS_FIRST)
    assert score(Mean("won"), readings) == 50


@given(st.lists(st.text(max_size=30), max_size=8))
def test_each_open_answer_is_shown_in_both_orders(texts):
    judge = Counting()
    readings = contests(texts, judge)
    decided = [not one.parsed for one in readings]
    open_ones = [
        text
        for text, known in zip(texts, decided, strict=True)
        if not known and text.strip() != ROW["output"]
    ]
    shown = [dict(one.data) for one in judge.asked]
    assert [one["first answer"] for one in shown[::2]] == open_ones
    assert [one["second answer"] for one in shown[1::2]] == open_ones
    assert all(ROW["output"] in one.values() for one in shown)
    # a judge that always says the first one finds nobody better
    assert {one.fields["said"] for one in readings if one.parsed} <= {"even"}


def test_silence_and_copies_are_no_answers():
    assert [one.parsed for one in contests(["", ROW["instruction"], "No."], LONGER)] == [
        False,
        False,
        True,
    ]


def test_without_a_judge_every_item_is_a_gap_and_none_a_loss():
    readings = contests(["", "Take the ladder away.", "Buy a dog."], None)
    assert {one.gap for one in readings} == {NO_JUDGE}


def test_it_is_known_before_asking_that_a_judge_is_missing():
    sandbox = default_instruments().sandbox
    assert why_unmeasurable(BeatsReference(), sandbox, judged=False) == NO_JUDGE
    assert why_unmeasurable(BeatsReference(), sandbox, judged=True) is None
    assert why_unmeasurable(InstructionsFollowed(), Bubblewrap(), judged=False) is None
    assert is_shipped(BeatsReference())
