"""The gate: floors, verdicts, and whether a release may go on.

A floor is a percentage of the dense score. The verdict compares it with the whole interval, never
with a rounded number: pass if the interval lies at or above the floor, fail if it lies below,
inconclusive if the floor is inside. Everything that is not a pass keeps the gate shut, unless
`unicomp.toml` allows that benchmark with a reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from unicomp.errors import SpecError
from unicomp.framework import DIMENSIONS, METRICS, dimension_of
from unicomp.spec import OF_BUILDING, UNITS, nearest
from unicomp.units import parse_amount

T = TypeVar("T")

DEFAULT_FLOOR = 90.0
"""Percent; holds where neither the command line nor `unicomp.toml` says anything."""


def parse_floor(name: str, text: object) -> float:
    """A floor in percent; SpecError for what is no percentage, or looks like a fraction."""
    try:
        if isinstance(text, bool):
            raise ValueError
        floor = float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise SpecError(
            f"the floor of {name} is {text!r}, which is no number: give a percentage such as 95"
        ) from None
    if not math.isfinite(floor) or floor < 0:
        raise SpecError(f"the floor of {name} is {text}: give a percentage of 0 or more")
    if 0 < floor <= 1:
        raise SpecError(
            f"the floor of {name} is {text}, which looks like a fraction: floors are percentages, "
            f"did you mean {100 * floor:g}?"
        )
    return floor


def parse_floor_option(text: str) -> tuple[str, float]:
    """`NAME=PERCENT` or `NAME@METHOD=PERCENT` as (name, floor); SpecError otherwise."""
    name, equals, percent = text.partition("=")
    if not equals or not name.strip():
        raise SpecError(f"--floor {text!r} is not NAME=PERCENT, such as reasoning=90")
    return name.strip(), parse_floor(name.strip(), percent.strip())


def parse_budget(name: str, text: object) -> float:
    """A budget such as `"10 min"` or `"16 GB"` in the unit of its probe, seconds or bytes.

    `name` is that of a probe that has a budget, or PROBE@METHOD. Raises SpecError.
    """
    quantity = name.partition("@")[0]
    if quantity not in OF_BUILDING:
        raise SpecError(
            f"{quantity} has no budget: those that have one are {', '.join(OF_BUILDING)}; all "
            "others are compared with the dense model, and have floors"
        )
    try:
        return parse_amount(text, UNITS[quantity])
    except ValueError as error:
        raise SpecError(f"the budget of {name} is {text!r}: {error}") from None


def check_names(
    where: str, names: Iterable[str], benchmarks: Iterable[str], methods: Iterable[str]
) -> None:
    """Raise SpecError for a name that is no benchmark, metric or dimension, or no method."""
    known = sorted({*benchmarks, *METRICS, *DIMENSIONS})
    for full in names:
        name, at, method = full.partition("@")
        if name not in known:
            raise SpecError(
                f"{where}: there is no benchmark, metric or dimension {name!r}; "
                f"{nearest(name, known)}"
            )
        if at and method not in methods:
            raise SpecError(
                f"{where}: there is no method {method!r}; {nearest(method, list(methods))}"
            )


def _lookup(
    layer: Mapping[str, T],
    method: str,
    metric: str | None,
    benchmark: str | None,
    dimension: str | None,
) -> T | None:
    """The most specific entry: benchmark, metric, dimension, each with the method first."""
    for name in filter(None, (benchmark, metric, dimension_of(metric) if metric else dimension)):
        for key in (f"{name}@{method}", name):
            if key in layer:
                return layer[key]
    return None


@dataclass(frozen=True)
class Policy:
    """The floors and the allowed gaps of a session.

    The command line outranks the tables of single models, and these the general table. Within
    each of the three the order is benchmark, metric, dimension, each first for the method by itself
    (`gsm8k@wanda_50`) and then for all.
    """

    command_line: Mapping[str, float] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    general: Mapping[str, float] = field(default_factory=dict)
    allow: Mapping[str, str] = field(default_factory=dict)
    model_allow: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Gaps that are allowed for single models; they outrank the general ones."""
    budgets: Mapping[str, float] = field(default_factory=dict)
    """What compressing may take, by probe or PROBE@METHOD, in the unit of the probe."""
    model_budgets: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """The same for single models."""

    def floor(
        self,
        *,
        model: str,
        method: str,
        metric: str | None,
        benchmark: str | None = None,
        dimension: str | None = None,
        default: float = DEFAULT_FLOOR,
    ) -> float:
        """The least retention, in percent, that a benchmark or a metric may have.

        `dimension` counts for a benchmark of no metric; `default` holds where nothing is said.
        """
        for layer in (self.command_line, self.models.get(model, {}), self.general):
            found = _lookup(layer, method, metric, benchmark, dimension)
            if found is not None:
                return found
        return default

    def budget(self, *, model: str, method: str, probe: str) -> float:
        """The most that a probe of building may measure, in its unit; infinite if none is set."""
        for layer in (self.model_budgets.get(model, {}), self.budgets):
            found = _lookup(layer, method, None, probe, None)
            if found is not None:
                return found
        return math.inf

    def allowed(
        self,
        *,
        model: str,
        method: str,
        metric: str | None,
        benchmark: str | None,
        dimension: str | None = None,
    ) -> str | None:
        """The reason for which a gap is allowed, or None."""
        for layer in (self.model_allow.get(model, {}), self.allow):
            if reason := _lookup(layer, method, metric, benchmark, dimension):
                return reason
        return None
