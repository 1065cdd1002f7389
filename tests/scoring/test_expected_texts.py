"""Answers that must name texts: RULER's share, and none for naming all candidates."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp import Item, NamesExpected
from unicomp.scoring.expected_texts import share_named

TABLE = Path(__file__).with_name("expected_texts.jsonl")
ROWS = [json.loads(line) for line in TABLE.read_text(encoding="utf-8").splitlines()]


def read(text, outputs, wrong=()):
    doc = {"task": "single_1", "outputs": list(outputs), "wrong": list(wrong)}
    return NamesExpected()(Item(doc=doc, prompt="", responses=(text,), answers={}, results={}))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["text"][:40])
def test_answers_are_read_as_a_careful_grader_reads_them(row):
    assert read(row["text"], row["outputs"], row["wrong"]).fields["correct"] == row["says"]


def test_an_empty_answer_cannot_be_read():
    assert not read(" \n", ["12"]).parsed
    assert not read("<|endoftext|>", ["12"]).parsed
    assert read("I do not know.", ["12"]).parsed


names = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=8, unique=True)


@given(right=names, wrong=names, said=names)
def test_the_share_is_the_lower_of_what_was_found_and_what_was_right(right, wrong, said):
    wrong = [one for one in wrong if one not in right]
    share = share_named(" ".join(said), right, wrong)
    hits, misses = len({*said} & {*right}), len({*said} & {*wrong})
    assert share == min(hits / len(right), hits / max(hits + misses, 1))


@given(right=names, wrong=names)
def test_naming_every_candidate_has_no_full_marks(right, wrong):
    wrong = [one for one in wrong if one not in right]
    share = share_named(" ".join([*right, *wrong]), right, wrong)
    assert (share == 1) == (not wrong)
