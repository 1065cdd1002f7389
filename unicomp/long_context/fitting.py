"""How much of a text fits into a number of tokens, found with few countings of long texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_PROBE = 64
"""Units of the short text that shows how many tokens a unit takes."""
_SLACK = 0.01
"""The share of the room that may stay empty."""
_TRIES = 8


def fitted(make: Callable[[int], T], tokens: Callable[[T], int], room: int, least: int) -> T | None:
    """The text of about as many units as fit into `room` tokens; None if `least` do not fit.

    `make` makes a text of some units. The result never has more tokens than the room. Two short
    texts are counted, then one or two of the full length.
    """
    best, base = make(least), tokens(make(least))
    if base > room:
        return None
    fits, far = least, None
    each = max((tokens(make(least + _PROBE)) - base) / _PROBE, 0.01)
    units = least + int((room - base) / each)
    for _ in range(_TRIES):
        if far is not None:
            units = min(units, far - 1)
        if units <= fits:
            break
        text = make(units)
        used = tokens(text)
        if used <= room:
            best, fits = text, units
            if room - used <= max(2 * each, _SLACK * room):
                break
        else:
            far = units
        each = max((used - base) / (units - least), 0.01)
        step = int((room - used) / each)
        units += step if used <= room else min(step - 1, -1)
    return best
