"""The chapter on statistics says how much early decisions ask, and that they are right."""

import pytest

from tests.early_simulations import METRICS, RIGHT, SAVED
from tests.verdict_simulations import CHAPTER

TEXT = CHAPTER.read_text(encoding="utf-8")


def rows(marks):
    lines = TEXT.partition(marks[0])[2].partition(marks[1])[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def asked(items, retention):
    """The mean share of four cells, percent."""
    return next(
        float(mean) for n, kept, _, mean, *_ in rows(SAVED) if (n, kept) == (items, retention)
    )


def test_a_clear_candidate_is_decided_on_few_items():
    assert asked("14,042", "6 points below the floor") <= 15.0
    assert asked("14,042", "6 points above the floor") <= 15.0
    assert asked("1,319", "70 %") <= 15.0
    assert asked("1,319", "40 %") <= 5.0


@pytest.mark.parametrize("marks", [SAVED, RIGHT, METRICS])
def test_at_most_one_verdict_in_a_hundred_differs_from_that_of_the_full_run(marks):
    assert rows(marks)
    assert max(float(row[-1]) for row in rows(marks)) <= 1.0


def test_each_boundary_of_the_rule_is_tried_from_both_sides():
    sides = [name.rpartition(": ")[2] for _, name, *_ in rows(RIGHT)]
    for here, there in (("pass", "undecided"), ("undecided", "fail"), ("fail/undecided", "fail")):
        assert f"{here}, one item from {there}" in sides
        assert f"{there}, one item from {here}" in sides
