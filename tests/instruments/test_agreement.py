"""Kappa says how far a judge agrees with people beyond chance."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp.errors import ScoringError
from unicomp.instruments import Exchange, Instruments
from unicomp.instruments.agreement import cohens_kappa, labelled_questions, measure_judge
from unicomp.instruments.refusal_models import JudgeDetector
from unicomp.instruments.similarity import LexicalSimilarity
from unicomp.scoring.agreement import (
    AgreesWithAnswer,
    CorrectsMisinformation,
    GivesInToPreference,
)
from unicomp.scoring.stereotype import StereotypeAgreed, StereotypeRecognized
from unicomp.spec import Item

labels = st.lists(st.sampled_from("ABC"), min_size=1, max_size=60)
ratings = st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from("ABC")), min_size=1)


@given(labels)
def test_equal_ratings_have_kappa_1(given_labels):
    assert cohens_kappa(given_labels, given_labels) == 1.0


@given(labels)
def test_a_rater_who_always_says_the_same_has_kappa_0_with_one_who_does_not(given_labels):
    constant = ["A"] * len(given_labels)
    wanted = 1.0 if set(given_labels) == {"A"} else 0.0
    assert cohens_kappa(given_labels, constant) == pytest.approx(wanted)


def test_two_constant_raters_agree_wholly_or_not_at_all():
    assert cohens_kappa("AAA", "AAA") == 1.0
    assert cohens_kappa("AAA", "BBB") == 0.0


@given(ratings)
def test_kappa_is_symmetric_bounded_and_blind_to_order_and_names(pairs):
    a, b = zip(*pairs, strict=True)
    kappa = cohens_kappa(a, b)
    assert -1.0 <= kappa <= 1.0
    assert cohens_kappa(b, a) == pytest.approx(kappa)
    assert cohens_kappa(a[::-1], b[::-1]) == pytest.approx(kappa)
    names = {"A": 1, "B": 2, "C": 3}
    assert cohens_kappa([names[x] for x in a], [names[x] for x in b]) == pytest.approx(kappa)


@given(st.lists(st.sampled_from("ABC"), min_size=1, max_size=8), st.data())
def test_independent_ratings_have_kappa_0(one, data):
    """Every rating of the one against every rating of the other."""
    other = data.draw(st.lists(st.sampled_from("ABC"), min_size=1, max_size=8))
    pairs = [(x, y) for x in one for y in other]
    kappa = cohens_kappa([x for x, _ in pairs], [y for _, y in pairs])
    if len(set(one) | set(other)) > 1:
        assert kappa == pytest.approx(0.0)


def test_a_published_example():
    """Two readers of 50 grant proposals: 20 yes-yes, 15 no-no, 5 yes-no, 10 no-yes."""
    a = "Y" * 20 + "Y" * 5 + "N" * 10 + "N" * 15
    b = "Y" * 20 + "N" * 5 + "Y" * 10 + "N" * 15
    assert cohens_kappa(a, b) == pytest.approx(0.4)


@pytest.mark.parametrize(("a", "b"), [("", ""), ("A", ""), ("AB", "A")])
def test_ratings_of_other_items_have_no_kappa(a, b):
    with pytest.raises(ScoringError, match="kappa needs two ratings of each item"):
        cohens_kappa(a, b)


# -- the questions that come with UniComp --------------------------------------------------------


class Oracle:
    """A judge that knows the labels, except for some that it misses."""

    identity = {"judge": "oracle"}  # noqa: RUF012

    def __init__(self, known, missed=()):
        self.answers = {item.question: item.label for item in known}
        for item in missed:
            others = [c for c in item.question.choices if c != item.label]
            self.answers[item.question] = others[0]

    def ask(self, questions):
        return [self.answers[question] for question in questions]


class Constant:
    """A judge that always takes the first choice."""

    identity = {"judge": "constant"}  # noqa: RUF012

    def ask(self, questions):
        return [question.choices[0] for question in questions]


def test_there_are_questions_of_each_kind_with_balanced_labels():
    known = labelled_questions()
    assert len(known) >= 40
    assert len({item.question for item in known}) == len(known)
    kinds = Counter(item.kind for item in known)
    assert set(kinds) == {"agrees", "corrected", "preference", "stereotype", "opinion", "refusal"}
    for kind, count in kinds.items():
        mine = [item for item in known if item.kind == kind]
        assert count >= 8
        assert {item.label for item in mine} <= set(mine[0].question.choices)
        assert len({item.label for item in mine}) >= 2
        most = Counter(item.label for item in mine).most_common(1)[0][1]
        assert most <= 0.6 * count
        assert all(text.strip() for item in mine for _, text in item.question.data)


class Recorder:
    """Instruments that see everything as an answer, and remember what a judge is asked."""

    identity = {"judge": "recorder"}  # noqa: RUF012

    def __init__(self):
        self.asked = []

    def ask(self, questions):
        self.asked += questions
        return [question.choices[0] for question in questions]

    def classify(self, exchanges):
        return ["answer"] * len(exchanges)


TEXT = "It seems to me that there is a good deal to be said for what was said by them before."


def item(doc):
    return Item(doc=doc, prompt="p", responses=(TEXT,), answers={}, results={})


@pytest.mark.parametrize(
    ("kind", "scorer", "rows"),
    [
        ("agrees", AgreesWithAnswer(), [{"question": "Who?", "answer": "x", "prompt": "Who?"}]),
        ("corrected", CorrectsMisinformation(), [{"modified knowledge": "x", "prompt": "p"}]),
        ("preference", GivesInToPreference(), [{"pair": 1, "prompt": "p"}] * 2),
        ("stereotype", StereotypeRecognized(), [{"label": "unrelated", "prompt": "p"}]),
        ("opinion", StereotypeAgreed(), [{"sentence": "x", "prompt": "p"}]),
    ],
)
def test_a_judge_is_tried_with_the_very_questions_that_scorers_ask(kind, scorer, rows):
    recorder = Recorder()
    with_judge = Instruments(refusals=recorder, similarity=LexicalSimilarity(), judge=recorder)
    scorer.read_all([item(row) for row in rows], with_judge)
    (asked,) = recorder.asked
    same_but_for_texts(asked, kind)


def test_a_judge_is_tried_with_the_very_question_that_the_detector_asks():
    recorder = Recorder()
    JudgeDetector(recorder).classify([Exchange("p", TEXT)])
    (asked,) = recorder.asked
    same_but_for_texts(asked, "refusal")


def same_but_for_texts(asked, kind):
    known = next(known.question for known in labelled_questions() if known.kind == kind)
    assert known.task == asked.task
    assert known.choices == asked.choices
    assert [name for name, _ in known.data] == [name for name, _ in asked.data]


def test_a_judge_that_knows_agrees_and_one_that_does_not_listen_does_not():
    known = labelled_questions()
    perfect = measure_judge(Oracle(known), known)
    assert (perfect.kappa, perfect.agreed, perfect.n) == (1.0, len(known), len(known))
    deaf = measure_judge(Constant(), known)
    assert deaf.kappa == pytest.approx(0.0)
    assert all(counts.kappa == pytest.approx(0.0) for counts in deaf.kinds.values())


def test_what_is_missed_shows_in_its_kind_and_in_one_line():
    known = labelled_questions()
    missed = [item for item in known if item.kind == "refusal"][:3]
    found = measure_judge(Oracle(known, missed), known)
    assert found.agreed == len(known) - 3
    assert 0.5 < found.kinds["refusal"].kappa < 0.9
    assert found.kinds["agrees"].kappa == 1.0
    assert 0.5 < found.kappa < 1.0
    line = str(found)
    assert f"{len(known) - 3} of {len(known)}" in line
    assert f"refusal {found.kinds['refusal'].kappa:.2f}" in line
    assert "\n" not in line
