"""Amounts for people: `8.42 MB`, `2.31 ms`, `1,234 tok/s`."""

from __future__ import annotations

import math

_STEPS = {
    "s": ((1e-6, "µs"), (1e-3, "ms"), (1.0, "s"), (60.0, "min"), (3600.0, "h")),
    "bytes": ((1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB")),
    "FLOPs": ((1.0, "FLOP"), (1e6, "MFLOP"), (1e9, "GFLOP"), (1e12, "TFLOP")),
    "tokens/s": ((1.0, "tok/s"),),
}
"""Of each unit of a probe: the sizes it is told in, and their names."""


def amount(value: float, unit: str) -> str:
    """A value with three digits, in a size of its unit that fits; any other unit stays as it is."""
    if not math.isfinite(value):
        return f"{value} {unit}"
    steps = _STEPS.get(unit, ((1.0, unit),))
    size, name = next((step for step in reversed(steps) if abs(value) >= step[0]), steps[0])
    scaled = value / size
    return f"{scaled:,.0f} {name}" if scaled >= 100 else f"{scaled:.3g} {name}"
