"""Columns kept in addition to the fields, and scores of the records that have a value."""

import numpy as np

from tests.scoring.scripted import columns, read
from unicomp.scoring.aggregate import Among, Mean
from unicomp.scoring.columns import WithColumns
from unicomp.scoring.correlation import AgreementRating

ROWS = [
    {"label": "1.0", "attack": ["cot"], "source": "x"},
    {"label": "2.0", "attack": ["bad words"], "source": "y"},
]


def test_columns_are_kept_and_lists_give_their_first_entry():
    scorer = WithColumns(AgreementRating(), ("attack", "source"))
    first, second = read(scorer, ["50", "?"], rows=ROWS)
    assert (first.fields["attack"], first.fields["source"]) == ("cot", "x")
    assert (second.fields["attack"], second.fields["rating"]) == ("bad words", 0.0)
    assert first.parsed
    assert not second.parsed


def test_a_score_among_the_records_that_have_a_value():
    scorer = WithColumns(AgreementRating(), ("attack",))
    found = columns(read(scorer, ["50", "?"], rows=ROWS))
    weights = np.ones((3, 2))
    assert Among("attack", "cot", Mean("counted"))(found, weights).tolist() == [100] * 3
    assert Among("attack", "bad words", Mean("counted"))(found, weights).tolist() == [0] * 3
    assert np.isnan(Among("attack", "none", Mean("counted"))(found, weights)).all()
    assert Among("attack", "cot", Mean("counted")).columns == ("attack", "counted")
