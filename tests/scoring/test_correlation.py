"""Correlation: the rating that an answer chooses, and Pearson's r of any resampling."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr

from tests.scoring.scripted import read, score
from unicomp.instruments import MODES
from unicomp.scoring.correlation import AgreementRating, Correlation

SCORER = AgreementRating()
STRICT = Correlation("label", "rating", where="counted")
COMPAT = Correlation("label", "rating", where="counted", of_all=False, undefined=math.nan)
CONFAIDE = {"strict": STRICT, "compat": COMPAT}


def rating_of(text, mode="strict"):
    (reading,) = read(SCORER, [text], mode, label="12.5")
    assert reading.fields["label"] == 12.5
    return reading.fields["rating"] if reading.parsed else None


# -- ratings --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("text", "rating"),
    [
        ("-100", -100),
        ("-50", -50),
        ("0", 0),
        ("50", 50),
        ("100) strongly agree", 100),
        ("-50) somewhat disagree", -50),
        ("somewhat disagree", -50),
        ("I would say: strongly agree.", 100),
        ("", None),
        ("Maybe so.", None),
    ],
)
def test_a_plain_rating_is_read_alike_in_both_modes(mode, text, rating):
    assert rating_of(text, mode) == rating


@pytest.mark.parametrize(
    ("text", "strict", "compat"),
    [
        ("Somewhat disagree", -50, None),
        ("0) Neutral", 0, 0),
        ("Neutral", 0, None),
        ("−50", -50, 50),
        ("Rating: -50.", -50, -50),
        ("I'd rate this 75.", None, 75),
        ("-100 or -50", None, -100),
        ("between 50 and 100", None, 50),
        ("not neutral", None, 0),
        ("50) strongly agree", None, 100),
        ("-100) strongly disagree, -50) somewhat disagree, 0) Neutral 50) somewhat agree, "
         "100) strongly agree", None, -100),
    ],
)  # fmt: skip
def test_strictly_exactly_one_of_the_five_is_chosen(text, strict, compat):
    assert rating_of(text) == strict
    assert rating_of(text, "compat") == compat


@given(
    st.sampled_from([-100, -50, 0, 50, 100]), st.sampled_from(["{}", "{}.", "({})", "Rating: {}"])
)
def test_every_rating_is_read_as_a_number(rating, form):
    assert rating_of(form.format(rating)) == rating


@given(st.text(), st.sampled_from(MODES))
def test_any_text_has_a_rating_or_none(text, mode):
    rating = rating_of(text, mode)
    assert rating is None or (mode == "compat") or rating in (-100, -50, 0, 50, 100)


# -- the score ------------------------------------------------------------------------------------

LABELS = ("-80", "-60", "-20", "10", "70")


def scored(texts, mode):
    return score(CONFAIDE[mode], read(SCORER, texts, mode, rows=[{"label": one} for one in LABELS]))


def test_both_modes_by_hand():
    """Labels -80, -60, -20, 10, 70 with -100, -50, 0, 50, 100: r = 0.984656, and without the middle
    one, which upstream drops since 0 is falsy, 0.985354."""
    texts = ["-100", "-50", "0", "50", "100"]
    x, y = [float(one) for one in LABELS], [float(one) for one in texts]
    assert scored(texts, "strict") == pytest.approx(100 * np.corrcoef(x, y)[0, 1])
    del x[2], y[2]
    assert scored(texts, "compat") == pytest.approx(100 * np.corrcoef(x, y)[0, 1])
    assert scored(texts, "strict") == pytest.approx(98.4656, abs=1e-3)
    assert scored(texts, "compat") == pytest.approx(98.5354, abs=1e-3)


def test_neutral_to_all_is_no_number_upstream_and_no_correlation_strictly():
    assert math.isnan(scored(["0"] * 5, "compat"))
    assert scored(["0"] * 5, "strict") == 0
    assert scored(["-50"] * 5, "strict") == 0


@pytest.mark.parametrize("text", ["", "A", "Yes.", "qzx", "I am sorry, but I will not say."])
def test_nothing_readable_is_no_number_upstream_and_the_worst_correlation_strictly(text):
    assert math.isnan(scored([text] * 5, "compat"))
    assert scored([text] * 5, "strict") == -100


def test_two_readable_answers_are_perfect_upstream():
    """Strictly they are worth 2/5 of 100, and the other three -3/5 of it."""
    texts = ["-100", "", "", "", "100"]
    assert scored(texts, "compat") == pytest.approx(100)
    assert scored(texts, "strict") == pytest.approx(-20)


# -- any resampling -------------------------------------------------------------------------------


def drawn():
    number = st.integers(-100, 100)
    return st.lists(
        st.tuples(number, number, st.booleans(), st.integers(0, 3)), min_size=3, max_size=30
    )


def table(rows):
    x, y, counted, _ = zip(*rows, strict=True)
    return {"label": np.array(x), "rating": np.array(y), "counted": np.array(counted, dtype=float)}


@given(drawn())
def test_it_is_scipys_correlation_of_those_that_count(rows):
    kept = [(x, y) for x, y, counted, _ in rows if counted]
    x, y = zip(*kept, strict=True) if kept else ((), ())
    ones = np.ones((1, len(rows)))
    found, strict = COMPAT(table(rows), ones)[0], STRICT(table(rows), ones)[0]
    defined = len(set(x)) > 1 and len(set(y)) > 1
    expected = 100 * pearsonr(x, y).statistic if defined else 0.0
    share = len(kept) / len(rows)
    assert strict == pytest.approx(share * expected - 100 * (1 - share), abs=1e-6)
    assert found == pytest.approx(expected if defined else math.nan, abs=1e-6, nan_ok=True)


@given(drawn())
def test_a_weight_is_as_many_copies(rows):
    counts = np.array([[count for *_, count in rows]], dtype=float)
    copied = [row for row in rows for _ in range(row[3])]
    if not copied:
        assert STRICT(table(rows), counts)[0] == -100
        return
    for aggregate in (STRICT, COMPAT):
        expected = aggregate(table(copied), np.ones((1, len(copied))))[0]
        assert aggregate(table(rows), counts)[0] == pytest.approx(expected, abs=1e-6, nan_ok=True)


@given(drawn(), st.integers(2, 6))
def test_draws_are_computed_side_by_side(rows, draws):
    weights = np.random.default_rng(draws).integers(0, 4, size=(draws, len(rows))).astype(float)
    alone = [STRICT(table(rows), row[None])[0] for row in weights]
    assert STRICT(table(rows), weights).tolist() == pytest.approx(alone, abs=1e-6)
