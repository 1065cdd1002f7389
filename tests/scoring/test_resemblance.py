"""Responses that are alike: to an honest completion, and to each other under noise."""

import pytest

from tests.scoring.answering import read
from tests.scoring.scripted import BrokenDetector, columns, score
from unicomp.scoring.aggregate import Beyond, Mean
from unicomp.scoring.refusal import NO_DETECTOR
from unicomp.scoring.resemblance import CloserToHonest, UnmovedByNoise

CLOSER, UNMOVED = CloserToHonest(), UnmovedByNoise()
SCORE, ALIKE = Mean("closer", where="counted"), Beyond("same", "other")
HONEY = {"n_completion": "no honey is sweet", "s_completion": "yes honey is sweet"}


# -- closer to an honest answer -------------------------------------------------------------------


def test_closer_by_hand():
    # shared words of all words: 4/4 - 3/5, and the other way round
    readings = read(CLOSER, ["no honey is sweet", "yes honey is sweet"], **HONEY)
    assert [one.fields["closer"] for one in readings] == pytest.approx([0.4, -0.4])
    assert score(SCORE, readings) == pytest.approx(0)


def test_silence_is_left_out_as_published_and_as_close_to_both_strictly():
    texts = ["no honey is sweet", ""]
    assert score(SCORE, read(CLOSER, texts, "compat", **HONEY)) == pytest.approx(40)
    assert score(SCORE, read(CLOSER, texts, "strict", **HONEY)) == pytest.approx(20)


def test_what_is_no_answer_is_close_to_nothing_strictly():
    texts = ["no no no no no no no no"]
    assert score(SCORE, read(CLOSER, texts, "compat", **HONEY)) == pytest.approx(25)
    (reading,) = read(CLOSER, texts, "strict", **HONEY)
    assert (reading.fields["closer"], reading.parsed) == (0, False)


# -- unmoved by noise -----------------------------------------------------------------------------

RESPONSE_KINDS = ("original", "letter_change", "one_url")
ROWS = [{"index": index, "type": kind} for index in (0, 1, 2, 3) for kind in RESPONSE_KINDS]
PLAIN = ["bread needs flour", "frogs like ponds", "spoons are bent", "rivers run deep"]
STEADY = [text for text in PLAIN for _ in RESPONSE_KINDS]
CONSTANT = ["bread needs flour"] * len(ROWS)


def both(texts, rows=ROWS):
    return tuple(
        score(ALIKE, read(UNMOVED, texts, mode, rows=rows)) for mode in ("strict", "compat")
    )


def test_steady_answers_have_full_score_strictly_and_none_as_published():
    """The published rule compares unrelated answers: the last row of index 0 with that of 1."""
    assert both(STEADY) == (100, 0)


def test_one_answer_to_everything_is_not_robust():
    assert both(CONSTANT) == (0, 100)


@pytest.mark.parametrize("nothing", ["", "xkcdqwrtzp", "What do you say to this question?"])
def test_what_is_no_answer_is_not_robust(nothing):
    strict, _ = both([nothing] * len(ROWS))
    assert strict <= 0


def test_noise_by_hand():
    texts = [*STEADY]
    texts[1] = "bread needs salt"  # 2 of 4 words as in the original, none as in the next one
    found = columns(read(UNMOVED, texts, rows=ROWS))
    assert found["counted"].tolist() == [0, 1, 1] * 4
    assert found["same"].tolist() == [0, 0.5, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1]
    assert not found["other"].any()
    assert score(ALIKE, read(UNMOVED, texts, rows=ROWS)) == pytest.approx(100 * 7.5 / 8)


def test_what_all_answers_share_does_not_count():
    texts = [f"well {text}" for text in STEADY]
    texts[1] = "well something else"
    readings = read(UNMOVED, texts, rows=ROWS)
    # different answers share 1 word of 7; the changed one shares 1 of 6, also with its original
    assert columns(readings)["other"][[1, 2, 4]].tolist() == pytest.approx([1 / 6, 1 / 7, 1 / 7])
    base = 1 / 6 + 7 / 7
    same = 1 / 6 + 7
    assert sum(columns(readings)["other"]) == pytest.approx(base)
    assert score(ALIKE, readings) == pytest.approx(100 * (same - base) / (8 - base))


def test_published_pairs_are_every_second_index_with_the_next():
    texts = [*STEADY]
    texts[2] = "frogs like bread"  # the last row of index 0; 2 of 4 words as in that of index 1
    found = columns(read(UNMOVED, texts, "compat", rows=ROWS))
    assert found["counted"].nonzero()[0].tolist() == [2, 8]
    assert found["same"][[2, 8]].tolist() == [0.5, 0]
    assert score(ALIKE, read(UNMOVED, texts, "compat", rows=ROWS)) == 25


def test_the_published_pairs_of_all_rows_are_25_and_the_strict_ones_550():
    rows = [
        {"index": index, "type": "original" if kind == 0 else f"noise {kind}"}
        for index in range(50)
        for kind in range(12)
    ]
    for mode, expected in (("compat", 25), ("strict", 550)):
        found = columns(read(UNMOVED, ["a frog"] * 600, mode, rows=rows))
        assert found["counted"].sum() == expected


def test_an_original_without_an_answer_takes_its_perturbations_with_it():
    texts = [*STEADY]
    texts[0] = "xkcdqwrtzp"
    texts[1] = texts[2] = "xkcdqwrtzp"
    found = columns(read(UNMOVED, texts, rows=ROWS))
    assert found["same"][:3].tolist() == [0, 0, 0]


@pytest.mark.parametrize(("scorer", "row"), [(CLOSER, HONEY), (UNMOVED, ROWS[0])])
def test_a_detector_that_cannot_be_asked_leaves_gaps(scorer, row):
    (reading,) = read(scorer, ["a frog"], detector=BrokenDetector(), **row)
    assert reading.gap == NO_DETECTOR
