"""Values cross from one sandbox to the other as plain values, and nothing else does."""

import math
from collections import Counter, OrderedDict, deque, namedtuple
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp.sandbox.inside.values import Handle, UnsendableError, decode, encode

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.builds(range, st.integers(-9, 9), st.integers(-9, 9), st.just(2))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(SCALARS, inner)
        | st.frozensets(SCALARS)
        | st.sets(SCALARS)
    ),
    max_leaves=20,
)


def crossed(value):
    return decode(encode(value))


def alike(one, other):
    """Equal in value and in class, all through."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict):
        return all(map(alike, one.items(), other.items()))
    return one == other


@given(VALUES)
def test_a_value_crosses_unchanged(value):
    line = encode(value)
    assert line.isascii()
    assert "\n" not in line
    assert alike(decode(line), value)


def test_a_number_that_is_none_crosses_too():
    assert math.isnan(crossed(math.nan))
    assert crossed([math.inf, -0.0]) == [math.inf, 0.0]


class Equal(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__

    def __add__(self, other):
        return Equal(99)

    def __int__(self):
        return 99

    def __index__(self):
        return 99

    def __repr__(self):
        return "99"


class Text(str):
    def __str__(self):
        return "forged"


class Rational(float):
    def __add__(self, other):
        return 99.0

    def __float__(self):
        return 99.0

    def __repr__(self):
        return "99.0"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Equal(7), 7),
        (Text("kept"), "kept"),
        (Rational(7.5), 7.5),
        (Counter("aab"), {"a": 2, "b": 1}),
        (OrderedDict(a=1), {"a": 1}),
        (namedtuple("Pair", "a b")(1, 2), (1, 2)),
        ({Equal(7): [Equal(8)]}, {7: [8]}),
    ],
)
def test_a_subclass_crosses_as_its_built_in_class(value, plain):
    assert alike(crossed(value), plain)


def test_an_iterator_crosses_as_one():
    found = crossed(map(abs, [-1, 2]))
    assert found != [1, 2]
    assert list(found) == [1, 2]


def test_arrays_cross_as_lists():
    import numpy as np

    assert alike(
        crossed([np.int64(3), np.float64(0.5), np.eye(2)]), [3, 0.5, [[1.0, 0.0], [0.0, 1.0]]]
    )


def test_any_other_object_stays_and_comes_back_as_itself():
    kept = []

    def keep(value):
        kept.append(value)
        return Handle(len(kept) - 1, bool(value))

    queue = deque([1])
    handle = decode(encode([queue, deque()], keep))
    assert [bool(one) for one in handle] == [True, False]
    assert handle[0] not in (queue, True, 1)
    assert decode(encode(handle[0]), lambda one: kept[one.number]) is queue
    with pytest.raises(UnsendableError, match="deque"):
        encode(queue)


@given(st.text() | VALUES.map(encode).map(lambda line: line[: len(line) // 2]))
def test_what_is_no_value_is_refused(line):
    with suppress(ValueError):
        decode(line)
