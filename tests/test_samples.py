"""Samples: the answers that people are shown are the worst, and say nothing that is not there."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import test_divergence as divergences
from tests.test_divergence import choices, texts
from unicomp.divergence import ID_DIGITS, divergence
from unicomp.item_texts import ItemTexts
from unicomp.samples import LONGEST, MOST, samples_of

SENTENCES = [
    "The capital is Paris, a city on the Seine.",
    "Seven apples are left, since two were eaten.",
    "The river flows to the north and ends in a lake.",
    "Nobody may enter the hall before the bell rings.",
]
LOOP = "and then and then " * 40


def records(*given, **fields):
    """Records as for divergence, of items whose first digits differ."""
    found = divergences.records(*given, **fields)
    items = [hashlib.sha256(one.encode()).hexdigest() for one in found.items]
    return replace(found, items=items, clusters=items)


def asked(base, prompts=None, options=None, right=None):
    n = len(base.items)
    prompts = prompts or [f"Question {number}?" for number in range(n)]
    return lambda: ItemTexts(
        benchmark=base.benchmark,
        items=base.items,
        prompts=prompts,
        characters=[len(one) for one in prompts],
        options=options or [[]] * n,
        right=right or [None] * n,
    )


def of_kind(found, kind):
    return [one for one in found if one["kind"] == kind]


def never():
    pytest.fail("the texts are read although nothing is shown")


def test_equal_answers_give_no_samples_and_read_no_texts():
    base = records([1, 0, 1], texts(*SENTENCES[:3]))
    assert samples_of(base, base, never) == []


def test_the_lost_choice_comes_first_whose_right_option_fell_furthest():
    before = choices([[3.0, 0.0], [9.0, 0.0], [1.0, 0.0], [5.0, 0.0]])
    now = choices([[0.0, 1.0], [0.0, 9.0], [0.0, 1.0], [0.0, 3.0]])
    base, mine = records([1] * 4, before), records([0] * 4, now)
    found = samples_of(mine, base, asked(base, options=[["salt", "sugar"]] * 4))
    assert [one["item"] for one in found] == [base.items[n][:ID_DIGITS] for n in (1, 3, 0)]
    assert found[0]["baseline"] == "salt (100.0 %)"
    assert found[0]["candidate"] == "sugar (100.0 %)"
    assert found[1]["candidate"] == "sugar (95.3 %)"
    assert found[1]["candidate_read"] == "correct 0, right option 4.7 %"


def test_an_option_without_its_text_is_shown_by_its_number():
    base, mine = records([1], choices([[2.0, 0.0]])), records([0], choices([[0.0, 2.0]]))
    (found,) = samples_of(mine, base)
    assert (found["baseline"], found["candidate"]) == ("option 1 (88.1 %)", "option 2 (88.1 %)")
    assert (found["prompt"], found["right"]) == (None, None)


def test_the_lost_text_comes_first_that_cannot_be_read_and_then_the_most_different():
    base = records([1] * 4, texts(*SENTENCES))
    near = "Seven apples are left, since three were eaten."
    mine = records([0] * 4, texts("A town far away.", near, "None.", SENTENCES[3] + " Never."))
    mine.parsed[3] = False
    found = samples_of(mine, base)
    assert [one["item"] for one in found] == [base.items[n][:ID_DIGITS] for n in (3, 2, 0)]
    assert found[0]["candidate_read"] == "correct 0, not readable"


def test_only_loops_that_the_baseline_does_not_have_are_shown_the_longest_first():
    base = records([0] * 4, texts("Paris.", "Rome.", LOOP + "now", "Oslo."))
    mine = records([0] * 4, texts(LOOP[:200], LOOP, LOOP, "Oslo is it."))
    found = of_kind(samples_of(mine, base), "loop")
    assert [one["item"] for one in found] == [base.items[n][:ID_DIGITS] for n in (1, 0)]


def test_refusals_that_appeared_and_vanished_are_shown():
    kinds = (
        ["answer", "refusal", "refusal", "gibberish"],
        ["refusal", "answer", "empty", "refusal"],
    )
    base, mine = (records([1] * 4, texts(*SENTENCES), kind=one) for one in kinds)
    found = samples_of(mine, base)
    assert [(one["kind"], one["item"]) for one in found] == [
        ("refused", base.items[0][:ID_DIGITS]),
        ("answered", base.items[1][:ID_DIGITS]),
    ]


def test_a_long_prompt_keeps_its_end_and_a_long_answer_its_start():
    base = records([1], texts("right"))
    mine = records([0], texts("x" + f"{SENTENCES} " * 20))
    prompt, right = "a" * 9000 + "the question?", "r" * 2500
    found, *_ = samples_of(mine, base, asked(base, [prompt], right=[right]))
    assert found["prompt"].startswith("[… 7,013 characters]\na")
    assert found["prompt"].endswith("the question?")
    assert found["candidate"].startswith("x[")
    left_out = len(mine.answers["text"][0]) - LONGEST
    assert found["candidate"].endswith(f"\n[… {left_out:,} characters]")
    assert found["right"].endswith("\n[… 500 characters]")


def test_a_right_label_is_shown_where_the_task_gives_no_right_answer():
    base = records([1], texts("yes"), gold=["yes"])
    mine = records([0], texts("no"), gold=["yes"])
    assert samples_of(mine, base, asked(base))[0]["right"] == "yes"
    assert samples_of(mine, base, asked(base, right=["Yes, it does."]))[0]["right"] != "yes"


def test_a_collapsed_candidate_gives_few_samples_of_each_kind():
    n = 200
    base = records([1] * n, texts(*(f"{SENTENCES[0]} {one}" for one in range(n))))
    mine = records([0] * n, texts(*(f"{LOOP} {one}" for one in range(n))))
    found = samples_of(mine, base)
    assert {kind: len(of_kind(found, kind)) for kind in MOST} == {
        "lost": 3, "loop": 2, "refused": 0, "answered": 0,
    }  # fmt: skip


@given(
    st.lists(
        st.tuples(st.booleans(), st.booleans(), st.text(max_size=40), st.text(max_size=40)),
        min_size=1,
        max_size=12,
    )
)
def test_samples_are_flips_and_hold_both_answers_as_they_were(rows):
    before, now, said, says = zip(*rows, strict=True)
    base, mine = records(before, texts(*said)), records(now, texts(*says))
    found = samples_of(mine, base, asked(base))
    lost = divergence(mine, base).lost
    assert len(of_kind(found, "lost")) == min(len(lost), MOST["lost"])
    assert {one["item"] for one in of_kind(found, "lost")} <= set(lost)
    for one in found:
        place = [item[:ID_DIGITS] for item in base.items].index(one["item"])
        assert one["prompt"] == f"Question {place}?"
        assert (one["baseline"], one["candidate"]) == (said[place], says[place])
