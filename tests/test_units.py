"""Amounts are written with three digits in a size of their unit that fits, and read back."""

import math

import pytest

from unicomp.units import (
    amount,
    amounts,
    bound,
    items_so_far,
    parse_amount,
    parse_any_amount,
)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (8.42e6, "bytes", "8.42 MB"),
        (15.3e9, "bytes", "15.3 GB"),
        (12.0, "bytes", "12 B"),
        (0.0, "bytes", "0 B"),
        (3.294e13, "FLOPs", "32.9 TFLOP"),
        (2.5e-5, "s", "25 µs"),
        (0.00231, "s", "2.31 ms"),
        (0.779, "s", "779 ms"),
        (40, "s", "40 s"),
        (720, "s", "12 min"),
        (4321.0, "s", "1.2 h"),
        (19_800, "s", "5.5 h"),
        (432_000, "s", "120 h"),
        (2.048e13, "bytes", "20,480 GB"),
        (2310.4, "tokens/s", "2,310 tok/s"),
        (31.26, "tokens/s", "31.3 tok/s"),
        (1.5, "hogsheads", "1.5 hogsheads"),
        (94e9, "tokens", "94 B tokens"),
        (1_928_169, "parameters", "1.93 M parameters"),
        (2500, "", "2.5 k"),
        (12, "", "12"),
        (math.inf, "s", "inf s"),
    ],
)
def test_an_amount_is_written_as_people_read_it(value, unit, text):
    assert amount(value, unit) == text


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("90 s", "s", 90.0),
        ("1.5min", "s", 90.0),
        (" 2 h ", "s", 7200.0),
        (".5 GB", "bytes", 5e8),
        ("3 MiB", "bytes", 3 * 2**20),
    ],
)
def test_an_amount_is_read_in_its_unit(text, unit, value):
    assert parse_amount(text, unit) == value


@pytest.mark.parametrize("text", ["5", 5, "5 GB", "-5 s", "five s", "5 µs", None, ""])
def test_what_is_no_amount_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match='one of ms, s, min, h, such as "16 min"'):
        parse_amount(text, "s")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("250 ms", (0.25, "s")),
        ("2 h", (7200.0, "s")),
        ("5GB", (5e9, "bytes")),
        ("1000 tokens/s", (1000.0, "tokens/s")),
        ("31.3 tok/s", (31.3, "tokens/s")),
        ("6.1 GFLOP", (6.1e9, "FLOPs")),
    ],
)
def test_an_amount_of_any_unit_is_read(text, value):
    assert parse_any_amount(text) == value
    assert parse_amount(text, value[1]) == value[0]


@pytest.mark.parametrize("text", ["250", 250, "5 parsecs", "-5 s", None, ""])
def test_what_is_no_amount_of_any_unit_is_refused(text):
    with pytest.raises(ValueError, match="one of ms, s, min, h, MB, MiB, GB, GiB, tok/s, tokens/s"):
        parse_any_amount(text)


def test_a_bound_and_an_interval_of_amounts_are_written_with_their_unit():
    assert bound(0.25, "s", least=False) == "at most 250 ms"
    assert bound(1000.0, "tokens/s", least=True) == "at least 1,000 tok/s"
    assert amounts(0.231, 0.24, "s") == "[231 ms, 240 ms]"
    assert amounts(0.0, math.inf, "s") == amounts(None, None, "s") == "(no interval)"


def test_items_so_far_name_the_likely_end_if_it_is_not_the_full_one():
    assert items_so_far(96.9, 1319) == "96 of 1,319 items"
    assert items_so_far(96, 1319, 1319) == "96 of 1,319 items"
    assert items_so_far(96, 1319, 180) == "96 of about 180 items (1,319 in full)"
    assert items_so_far(200, 1319, 180) == "200 of about 200 items (1,319 in full)"
