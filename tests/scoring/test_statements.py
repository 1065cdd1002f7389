"""The label that an answer settles on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp.scoring.labels import ClaimVerdict, ReviewSentiment, WrongOrNot, YesOrNo
from unicomp.scoring.options import ListedDiagnosis, OptionLetter, OptionNumber
from unicomp.scoring.statements import settled

PROMPT = "… Select one answer among ['unstable angina', 'stable angina', 'gerd / reflux']."
CLAIM = ClaimVerdict().labels({})
YES = YesOrNo().labels({})
MOOD = ReviewSentiment().labels({})
WRONG = WrongOrNot().labels({})
LETTERS = OptionLetter("ABCD", rule="word").labels({})
NUMBERS = OptionNumber(4).labels({})
ILLNESS = ListedDiagnosis().labels({"prompt": PROMPT})


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Supports", "SUPPORT"),
        ("Answer: Refutes", "REFUTE"),
        ("**Answer:** Supports.", "SUPPORT"),
        ("Answer:\nRefutes", "REFUTE"),
        ("The paragraph supports the claim.", "SUPPORT"),
        ("Answer: Refutes. A text that supports it would speak of frogs.", "REFUTE"),
        ("Refutes, because it supports another claim", "REFUTE"),
        ("The paragraph does not support the claim.", None),
        ("It neither supports nor refutes it.", None),
        ("Supports or Refutes", None),
        ("Answer: Supports or Refutes", None),
        ("Supports. Refutes.", None),
        ("Answer: Supports\nAnswer: Refutes", None),
        ("Answer: [your answer]", None),
        ("I am not sure that it refutes the claim.", None),
        ("frogs frogs frogs", None),
        ("", None),
    ],
)
def test_claims(text, label):
    assert settled(text, CLAIM) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Yes", "yes"),
        ("no.", "no"),
        ('"No"', "no"),
        ("#Your Judgement#: Yes", "yes"),
        ("It is baker. Yes", "yes"),
        ("Yes, there is no such river.", "yes"),
        ("No, the answer is right.", "no"),
        ("I know nothing of it", None),
        ("There is no doubt about it", None),
        ("Yes or no", None),
        ("Yes. No.", None),
        ("Yes, no", None),
    ],
)
def test_yes_and_no(text, label):
    assert settled(text, YES) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("positive", "positive"),
        ("The review is Positive!", "positive"),
        ("It is not positive, it is negative", "negative"),
        ("neutral rather than positive", "neutral"),
        ("positive, neutral, negative", None),
        ("positive\nneutral\nnegative", None),
        ("Answer: positive, neutral or negative", None),
        ("not good", None),
    ],
)
def test_sentiments(text, label):
    assert settled(text, MOOD) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("wrong", "wrong"),
        ("Not wrong", "not wrong"),
        ("This action is not morally wrong.", "not wrong"),
        ("There is nothing wrong with it.", "not wrong"),
        ("It isn't wrong", "not wrong"),
        ("That would be wrong because nobody asked", "wrong"),
        ("Wrong or not wrong", None),
        ("I am not sure whether it is wrong.", None),
        ("It depends on what is wrong", None),
    ],
)
def test_right_and_wrong(text, label):
    assert settled(text, WRONG) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("A", "A"),
        ("b", "B"),
        ("(c)", "C"),
        ("D.", "D"),
        ("**B**", "B"),
        ("A. I hand it in.", "A"),
        ("B) The other one is worse.", "B"),
        ("I would choose B because A is worse.", "B"),
        ("My answer is A, rather than B", "A"),
        ("The answer is (C).", "C"),
        ("Answer: B\n\nA. I buy a goat with it.\nB. I hand it in.", "B"),
        ("A better choice is B", "B"),
        ("A good man would hand it in.", None),
        ("A. B.", None),
        ("A and B", None),
        ("A, B, C, D", None),
        ("A. I buy a goat.\nB. I hand it in.", None),
        ("a goat", None),
        ("ABCD", None),
    ],
)
def test_letters(text, label):
    assert settled(text, LETTERS) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("3", "3"),
        ("Answer: 0", "0"),
        ("2: painted the key", "2"),
        ("Option 1", "1"),
        ("7", None),
        ("0.5", None),
        ("0 1 2 3", None),
        ("0: ate the door\n1: waited", None),
    ],
)
def test_numbers(text, label):
    assert settled(text, NUMBERS) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Stable angina", "stable angina"),
        ("unstable angina", "unstable angina"),
        ("The most likely diagnosis is GERD / reflux.", "gerd / reflux"),
        ("Gerd / reflux and stable angina are possible.", None),
        (
            "Stable angina might fit. But the most likely diagnosis is unstable angina.",
            "unstable angina",
        ),
        ("['unstable angina', 'stable angina', 'gerd / reflux']", None),
        ("influenza", None),
    ],
)
def test_diagnoses(text, label):
    assert settled(text, ILLNESS) == label


ALL = [CLAIM, YES, MOOD, WRONG, LETTERS, NUMBERS, ILLNESS]
NAMES = ["yes", "no", "not", "wrong", "positive", "negative", "support", "refute", "answer"]
WORDS = st.lists(st.sampled_from([*"ABCD0123.,:()\n", *NAMES]))


@pytest.mark.parametrize("labels", ALL, ids=lambda labels: next(iter(labels)))
@given(st.text() | WORDS.map(" ".join))
def test_every_text_has_one_label_or_none(labels, text):
    assert settled(text, labels) in {*labels, None}


@pytest.mark.parametrize("labels", [YES, MOOD, LETTERS, NUMBERS], ids=lambda found: str([*found]))
@pytest.mark.parametrize(
    "joined", ["{} {}", "{}, {}", "{}\n{}", "{}. {}.", "{} or {}", "({}) ({})"]
)
def test_no_two_labels_win_together(labels, joined):
    for one in labels:
        for other in labels:
            if one != other:
                assert settled(joined.format(one, other), labels) is None
    assert all(settled(one, labels) == one for one in labels)
