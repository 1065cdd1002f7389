"""Amounts are written with three digits, in a size of their unit that fits."""

import math

import pytest

from unicomp.efficiency.amount import amount


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
        (4321.0, "s", "1.2 h"),
        (2310.4, "tokens/s", "2,310 tok/s"),
        (31.26, "tokens/s", "31.3 tok/s"),
        (1.5, "hogsheads", "1.5 hogsheads"),
        (math.inf, "s", "inf s"),
    ],
)
def test_an_amount_is_written_as_people_read_it(value, unit, text):
    assert amount(value, unit) == text
