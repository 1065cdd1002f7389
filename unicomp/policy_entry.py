"""What `[policy]` of `unicomp.toml` sets for one name: its keys, their units, contradictions."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Literal, get_args

from unicomp.divergence import BOUNDED, CEILED
from unicomp.errors import SpecError
from unicomp.framework import DIMENSIONS, METRICS, VERBOSITY
from unicomp.spec import nearest

Tier = Literal["critical", "guard", "advisory"]
"""How the gate treats a result.

- critical: it must pass for the gate to open
- guard: it shuts the gate only if it is significantly below its floor
- advisory: it is reported, and never blocks
"""

_UNITS = {
    "floor": "a percentage",
    "max_drop": "a number of points",
    "relative_below": "a number of points",
    "ceiling": "a percentage",
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is set for one name; None where nothing is set."""

    tier: Tier | None = None
    """`critical`, `guard` or `advisory`."""
    floor: float | None = None
    """The least retention, in percent."""
    max_drop: float | None = None
    """The points that the score may fall below the baseline's."""
    relative_below: float | None = None
    """A baseline score in points; below it the floor applies instead of the drop."""
    ceiling: float | None = None
    """The highest raw score, in percent of the baseline's; of `VERBOSITY`, and of a figure in
    `divergence.CEILED`, the highest value."""


_KEYS = tuple(field.name for field in fields(Entry))


def parse_number(key: str, name: str, value: object, *, called: str = "") -> float:
    """A floor, drop or ceiling of a name, 0 or more. Raises SpecError.

    A percentage or a baseline's score of at most 1 is refused: it looks like a fraction. `called`
    is what messages call it, if not by its key.
    """
    what, unit = f"the {called or key} of {name} is", _UNITS[key]
    try:
        if isinstance(value, bool):
            raise ValueError
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        example = 1.5 if key == "max_drop" else 95
        raise SpecError(
            f"{what} {value!r}, which is not a number: give {unit} such as {example}"
        ) from None
    if not math.isfinite(number) or number < 0:
        raise SpecError(f"{what} {value}: give {unit} of 0 or more")
    if key != "max_drop" and 0 < number <= 1:
        raise SpecError(
            f"{what} {value}, which looks like a fraction: give {unit}, did you mean "
            f"{100 * number:g}?"
        )
    if unit.endswith("points") and number > 100:
        raise SpecError(f"{what} {value}: scores have at most 100 points")
    return number


def parse_entry(table: str, name: str, value: object) -> Entry:
    """The entry of NAME or NAME@METHOD in a table, such as `policy`. Raises SpecError."""
    where = f"{table}.{name}"
    if not isinstance(value, dict):
        raise SpecError(f'{where} must be a table, such as {{ tier = "critical" }}')
    for key in value:
        if key not in _KEYS:
            raise SpecError(f"there is no setting {where}.{key}; {nearest(key, _KEYS)}")
    _check_keys(where, name.partition("@")[0], value)
    numbers = {key: parse_number(key, name, value[key]) for key in _UNITS if key in value}
    tier = value.get("tier")
    if tier is not None and tier not in get_args(Tier):
        raise SpecError(f"{where}: there is no tier {tier!r}; {nearest(f'{tier}', get_args(Tier))}")
    return Entry(tier=tier, **numbers)


def _check_keys(where: str, name: str, keys: Collection[str]) -> None:
    """Raise SpecError for a key that a metric or a dimension cannot have."""
    if name in DIMENSIONS and (others := sorted({*keys} - {"tier", "floor"})):
        raise SpecError(f"{where}: a dimension has only a tier and a floor, not {others[0]}")
    if name == VERBOSITY:
        if others := sorted({*keys} - {"tier", "ceiling"}):
            raise SpecError(f"{where}: {name} has only a tier and a ceiling, not {others[0]}")
        return
    if (figure := figure_of(name)) is not None:
        bound = "ceiling" if figure in CEILED else "floor"
        if others := sorted({*keys} - {bound}):
            raise SpecError(f"{where}: the figure {figure} has only a {bound}, not {others[0]}")
    if name in METRICS and "ceiling" in keys:
        raise SpecError(
            f"{where}: a metric has no raw score that a ceiling could limit; set the ceiling for "
            "its benchmarks"
        )


def figure_of(name: str) -> str | None:
    """The figure that a name such as `gsm8k.length` ends with; None if it names none."""
    benchmark, _, figure = name.partition("@")[0].rpartition(".")
    return figure if benchmark and figure in BOUNDED else None


def contradiction(entry: Entry, *, turned: bool = False, dense: bool = False) -> str | None:
    """Why no score can meet an entry, or why its keys mean nothing together; else None.

    `turned`: lower scores are better, so that the floor is no limit of the raw score.
    `dense`: the entry holds for the dense model, whose retention is 100.
    """
    floor, drop, ceiling = entry.floor, entry.max_drop, entry.ceiling
    if floor is not None and ceiling is not None and ceiling < floor and not turned:
        return f"the ceiling of {ceiling:g} % lies below the floor of {floor:g} %"
    if dense and ceiling is not None and ceiling < 100:
        return f"the dense model exceeds a ceiling of {ceiling:g} %: set it for NAME@METHOD"
    if floor is not None and floor > 100 and drop is not None:
        return f"the floor of {floor:g} % asks for a gain, max_drop = {drop:g} accepts a loss"
    if entry.relative_below is not None and drop is None:
        return "relative_below needs max_drop: it says where the floor replaces the drop"
    return None
