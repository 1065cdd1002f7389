"""Options: upstream's rules by hand, and broken models by upstream's and by our rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scoring.answering import read, said
from tests.scoring.scripted import score
from unicomp.instruments import MODES
from unicomp.scoring.aggregate import Ratio, RightAnswerF1
from unicomp.scoring.closed import NO_JUDGE
from unicomp.scoring.options import (
    EmotionOption,
    ListedDiagnosis,
    OptionLetter,
    OptionNumber,
    listed_options,
)
from unicomp.testing import ScriptedJudge

BALANCED = Ratio("correct", "counted", by="group")
F1 = RightAnswerF1(BALANCED)
CODAH = OptionNumber(4)
FIRST = OptionLetter("ABCD", rule="first_word")
WORD = OptionLetter("ABC", rule="word")
ANY = OptionLetter("AB", rule="any")
FEELING = EmotionOption()
ILLNESS = ListedDiagnosis()
STORY = "How John would feel?\nlabels: (1) Angry; (2) Relieved; (3) Very angry; (4) Bored"
LIST = "… Select one answer among ['unstable angina', 'stable angina', 'gerd']."


def correct(scorer, text, mode, **row):
    (reading,) = read(scorer, [text], mode, **row)
    return reading.fields["correct"]


def both(scorer, aggregate, texts, **given):
    return tuple(score(aggregate, read(scorer, texts, mode, **given)) for mode in MODES)


# -- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "published", "strict"),
    [
        ("2", 1, 1),
        ("Answer: 2", 1, 1),
        ("The 2 of them", 1, 0),
        ("2 or 3", 1, 0),
        ("0, 1, 2, 3", 0, 0),
        ("1. No: 2", 0, 0),
        ("2.5", 1, 0),
        ("", 0, 0),
    ],
)
def test_numbers_published_and_strict(text, published, strict):
    assert correct(CODAH, text, "compat", answer=2) == published
    assert correct(CODAH, text, "strict", answer="2") == strict


def test_no_number_is_0_as_published():
    assert correct(CODAH, "frogs", "compat", answer=0) == 1
    assert correct(CODAH, "frogs", "strict", answer=0) == 0


@pytest.mark.parametrize("text", "0123")
def test_a_constant_number_is_worth_a_guess(text):
    rows = [{"answer": number} for number in (0, 1, 1, 1, 2, 3, 3)]
    strict, compat = both(CODAH, BALANCED, [text] * 7, rows=rows)
    assert strict == 25
    assert compat == pytest.approx(100 * [1, 3, 1, 2][int(text)] / 7)


# -- letters --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "published", "strict"),
    [
        ("A", 1, 1),
        ("A. It bends", 1, 1),
        ('"A"', 1, 1),
        ("(A)", 1, 1),
        ("A frog would know", 1, 0),
        ("Answer: A", 0, 1),
        ("a", 0, 1),
        ("AB", 0, 0),
        ("A B C D", 1, 0),
        ("...", 0, 0),
        ("", 0, 0),
    ],
)
def test_first_words_published_and_strict(text, published, strict):
    assert correct(FIRST, text, "compat", label="A") == published
    assert correct(FIRST, text, "strict", label="A") == strict


@pytest.mark.parametrize(
    ("text", "published", "strict"),
    [
        ("A", 1, 1),
        ("(A).", 1, 1),
        ("The answer is A.", 1, 1),
        ("**A**", 0, 1),  # longer than three characters, so upstream makes it small
        ("A B C", 1, 0),
        ("A.B.C.", 1, 0),
        ("I saw A frog", 1, 0),
        ("B", 0, 0),
        ("a", 0, 1),
    ],
)
def test_words_published_and_strict(text, published, strict):
    assert correct(WORD, text, "compat", label="A") == published
    assert correct(WORD, text, "strict", label="A") == strict


@pytest.mark.parametrize(
    ("text", "published", "strict"),
    [
        ("A", 0, 1),  # upstream needs a character after the letter
        ("A.", 1, 1),
        ("A. B.", 1, 0),
        ("B. A", 0, 0),
        ("And then", 0, 0),
        ("NASA!", 1, 0),
        ("I choose A. It is kind.", 1, 1),
        ("I choose B, not A.", 1, 0),
        ("A1", 1, 0),
    ],
)
def test_letters_anywhere_published_and_strict(text, published, strict):
    assert correct(ANY, text, "compat", label="A") == published
    assert correct(ANY, text, "strict", label="A") == strict


@pytest.mark.parametrize("scorer", [WORD, ANY])
def test_what_is_empty_is_left_out_as_published_and_wrong_strictly(scorer):
    texts, rows = ["", "A."], [{"label": "A"}, {"label": "A"}]
    assert both(scorer, BALANCED, texts, rows=rows) == (50, 100)


def test_what_is_empty_counts_in_truthfulqa_as_published():
    assert both(FIRST, BALANCED, ["", "A"], label="A") == (50, 50)


@pytest.mark.parametrize("text", ["A.", "B."])
def test_a_constant_letter_is_worth_a_guess(text):
    rows = [{"label": "A"}] * 3 + [{"label": "B"}]
    strict, compat = both(ANY, BALANCED, [text] * 4, rows=rows)
    assert strict == 50
    assert compat == (75 if text == "A." else 25)


@pytest.mark.parametrize("scorer", [FIRST, WORD, ANY])
@given(text=st.text(st.sampled_from("ABab.() \n*dé²")))
def test_published_letters_as_upstream_writes_them(scorer, text):
    """The rules again, step by step."""
    if scorer.rule == "any":
        at = [i for i, one in enumerate(text) if one == "A"]
        expected = any(i + 1 < len(text) and not text[i + 1].isalpha() for i in at)
    elif scorer.rule == "word":
        words = [word for part in text.split(".") for word in part.split()]
        lowered = [word.lower() if len(word) > 3 else word for word in words]
        letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        expected = "A" in ["".join(one for one in word if one in letters) for word in lowered]
    else:
        first = (text.replace(".", "").split() or [""])[0]
        expected = "".join(one for one in first if one.isalnum() or one == "_") == "A"
    assert correct(scorer, text, "compat", label="A") == float(expected)


# -- emotions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "published", "strict"),
    [
        ("2", 1, 1),
        ("(2) Relieved", 1, 1),
        ("relieved", 1, 1),
        ("John would feel Relieved.", 1, 1),
        ("Relieved or bored", 0, 0),
        ("(1) (2) (3) (4)", 1, 0),
        ("Angry, 2", 1, 0),
        ("12", 1, 0),
        ("1", 0, 0),
        ("", 0, 0),
    ],
)
def test_emotions_published_and_strict(text, published, strict):
    assert correct(FEELING, text, "compat", prompt=STORY, label="2") == published
    assert correct(FEELING, text, "strict", prompt=STORY, label="2") == strict


def test_a_name_inside_another_one_is_not_named_by_it():
    assert said(FEELING, "Very angry", prompt=STORY, label="1") == "3"


# -- diagnoses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "published", "strict"),
    [
        ("Stable angina", 1, 1),
        ("Unstable angina", 1, 0),  # holds the right name
        ("The diagnosis is stable angina.", 1, 1),
        ("The diagnosis is gerd. Or stable angina.", 0, 0),
        ("The diagnosis is gerd, or stable angina", 0, 0),  # up to the comma
        ("It is most likely stable angina or gerd. We shall see.", 1, 0),
        ("This is most consistent with stable angina", 1, 1),
        ("['unstable angina', 'stable angina', 'gerd']", 1, 0),
        ("influenza", 0, 0),
    ],
)
def test_diagnoses_published_and_strict(text, published, strict):
    assert correct(ILLNESS, text, "compat", prompt=LIST, label="stable angina") == published
    assert correct(ILLNESS, text, "strict", prompt=LIST, label="stable angina") == strict


LONG = "After careful thought about all that was said I believe in stable angina"


def test_a_judge_decides_on_long_diagnoses_as_published():
    judge = ScriptedJudge(lambda data: "correct" if data["label"] in data["response"] else "wrong")
    row = {"prompt": LIST, "label": "stable angina"}
    found = read(ILLNESS, [LONG, "", "gerd"], "compat", judge=judge, **row)
    assert [one.fields["correct"] for one in found] == [1, 0, 0]
    assert len(judge.asked) == 2
    found = read(ILLNESS, [LONG, "", "gerd"], "compat", **row)
    assert [one.gap for one in found] == [NO_JUDGE, NO_JUDGE, None]


def test_strictly_nobody_is_asked_about_diagnoses():
    judge = ScriptedJudge(lambda data: "correct")
    row = {"prompt": LIST, "label": "stable angina"}
    found = read(ILLNESS, [LONG, "", "gerd"], "strict", judge=judge, **row)
    assert [one.fields["correct"] for one in found] == [1, 0, 0]
    assert not judge.asked


def test_diagnoses_weigh_the_same_whatever_is_right():
    rows = [{"prompt": LIST, "label": label} for label in ("gerd", "gerd", "stable angina")]
    assert both(ILLNESS, BALANCED, ["gerd"] * 3, rows=rows) == pytest.approx((200 / 3, 200 / 3))
    assert score(F1, read(ILLNESS, ["gerd"] * 3, rows=rows)) == pytest.approx(80)


def test_options_are_read_off_the_prompt():
    assert listed_options("Select one answer among ['a / b', \"c's\"].") == ["a / b", "c's"]
    assert listed_options("What is the diagnosis?") == []


@pytest.mark.parametrize("mode", MODES)
@given(text=st.text())
def test_every_response_can_be_read(mode, text):
    for scorer, row in (
        (CODAH, {"answer": 1}),
        (FIRST, {"label": "A"}),
        (FEELING, {"prompt": STORY, "label": "2"}),
        (ILLNESS, {"prompt": LIST, "label": "gerd"}),
    ):
        (reading,) = read(scorer, [text], mode, **row)
        assert reading.fields["correct"] in (0, 1)
