"""Amounts for people: writes `8.42 MB` and `94 B tokens`, reads `10 min`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

_SIZES: Mapping[str, Mapping[str, float]] = {
    "s": {"µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0},
    "bytes": {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9},
    "FLOPs": {"FLOP": 1.0, "MFLOP": 1e6, "GFLOP": 1e9, "TFLOP": 1e12},
    "tokens/s": {"tok/s": 1.0},
}
"""Unit → names of its sizes, smallest first → how much of the unit each is."""
_COUNTS: Mapping[str, float] = {"": 1.0, "k ": 1e3, "M ": 1e6, "B ": 1e9, "T ": 1e12}
"""Prefixes of everything else, which is counted: tokens, parameters."""
_ONLY_READ: Mapping[str, float] = {"MiB": 2.0**20, "GiB": 2.0**30, "tokens/s": 1.0}
_READ = {
    "s": ("ms", "s", "min", "h"),
    "bytes": ("MB", "MiB", "GB", "GiB"),
    "tokens/s": ("tok/s", "tokens/s"),
    "FLOPs": ("GFLOP", "TFLOP"),
}
"""Unit → the sizes that a person may give an amount in."""


def amount(value: float, unit: str = "") -> str:
    """Write a value with three digits, in the largest size of its unit that it fills."""
    if not math.isfinite(value):
        return f"{value} {unit}"
    sizes = _SIZES.get(unit) or {f"{prefix}{unit}": size for prefix, size in _COUNTS.items()}
    named = list(sizes.items())
    name, size = next((one for one in reversed(named) if abs(value) >= one[1]), named[0])
    scaled = value / size
    return f"{scaled:,.0f} {name}".strip() if scaled >= 100 else f"{scaled:.3g} {name}".strip()


def share(value: float) -> str:
    """Write a chance, as a share of 1, in percent with two digits."""
    return f"{100 * value:.2g} %"


def items_so_far(done: float, total: int, likely: int | None = None) -> str:
    """Write `96 of 1,319 items`, or with the `likely` end `96 of about 180 items (1,319 in full)`.

    An item that is answered in part is not answered yet.
    """
    if likely is None or likely >= total:
        return f"{int(done):,} of {total:,} items"
    return f"{int(done):,} of about {max(likely, int(done)):,} items ({total:,} in full)"


def interval(low: float | None, high: float | None) -> str:
    """Write an interval of percentages, `[75.1, 84.6]`.

    A limit that is not finite is None in a scorecard that was read from its file.
    """
    if low is None or high is None or not math.isfinite(high):
        return "(no interval)"
    return f"[{low:.1f}, {high:.1f}]"


def bound(value: float, unit: str, *, least: bool) -> str:
    """Write a bound of an amount, `at most 250 ms`."""
    return f"at {'least' if least else 'most'} {amount(value, unit)}"


def amounts(low: float | None, high: float | None, unit: str) -> str:
    """Write an interval of amounts, `[231 ms, 240 ms]`; see `interval` for limits that are None."""
    if low is None or high is None or not math.isfinite(high):
        return "(no interval)"
    return f"[{amount(low, unit)}, {amount(high, unit)}]"


def parse_amount(text: object, unit: str) -> float:
    """Read an amount such as `16 GB`, in seconds, bytes, tokens/s or FLOPs. Raises ValueError."""
    return _parsed(text, _READ[unit])[0]


def parse_any_amount(text: object) -> tuple[float, str]:
    """Read an amount in whichever unit it is given: its value, and the unit. Raises ValueError."""
    return _parsed(text, [size for sizes in _READ.values() for size in sizes])


def _parsed(text: object, sizes: Sequence[str]) -> tuple[float, str]:
    """The value of an amount in its unit, and the unit; its size is one of `sizes`."""
    found = re.fullmatch(r"\s*([0-9]+\.?[0-9]*|\.[0-9]+)\s*([A-Za-z/]+)\s*", str(text))
    if not isinstance(text, str) or found is None or found[2] not in sizes:
        raise ValueError(
            f'give a number with its unit, one of {", ".join(sizes)}, such as "16 {sizes[-2:][0]}"'
        )
    unit = next(unit for unit, names in _READ.items() if found[2] in names)
    return float(found[1]) * {**_SIZES[unit], **_ONLY_READ}[found[2]], unit
