"""The policy of a gate: floors, budgets, and the gaps that are allowed.

A floor is a percentage of the dense score, a budget an amount of time or memory. How a verdict
follows from them is decided in `verdict.py`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from unicomp.errors import SpecError
from unicomp.framework import DIMENSIONS, METRICS, dimension_of
from unicomp.spec import DENSE, OF_BUILDING, UNITS, Benchmark, CheckpointId, Probe, nearest
from unicomp.units import parse_amount

T = TypeVar("T")

DEFAULT_FLOOR = 90.0
"""Percent; used if neither the command line nor `unicomp.toml` has a floor."""


def parse_floor(name: str, text: object) -> float:
    """A floor in percent; SpecError if it is not a percentage, or looks like a fraction."""
    try:
        if isinstance(text, bool):
            raise ValueError
        floor = float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise SpecError(
            f"the floor of {name} is {text!r}, which is not a number: give a percentage such as 95"
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

    `name` is a probe that can have a budget, or PROBE@METHOD. Raises SpecError.
    """
    quantity = name.partition("@")[0]
    if quantity not in OF_BUILDING:
        raise SpecError(
            f"{quantity} has no budget: only {', '.join(OF_BUILDING)} have one; all "
            "others are compared with the dense model, and have floors"
        )
    try:
        return parse_amount(text, UNITS[quantity])
    except ValueError as error:
        raise SpecError(f"the budget of {name} is {text!r}: {error}") from None


def check_name_given(
    where: str,
    full: str,
    benchmarks: Collection[str],
    methods: Collection[str],
    later: list[tuple[str, str]] | None = None,
) -> None:
    """Raise SpecError unless NAME or NAME@METHOD names a benchmark, metric or dimension there is.

    With `later`, a name that is not known yet is appended to it instead, as (where, NAME).
    """
    name, at, method = full.partition("@")
    known = {*benchmarks, *METRICS, *DIMENSIONS}
    if at and method not in methods:
        raise SpecError(f"{where}: there is no method {method!r}; {nearest(method, methods)}")
    if name in known:
        return
    if later is None:
        raise SpecError(
            f"{where}: there is no benchmark, metric or dimension {name!r}; {nearest(name, known)}"
        )
    later.append((where, name))


def _lookup(layer: Mapping[str, T], method: str, names: Iterable[str | None]) -> T | None:
    """The entry of the first name that has one; an entry for the method outranks the plain one."""
    for name in filter(None, names):
        for key in (f"{name}@{method}", name):
            if key in layer:
                return layer[key]
    return None


def _names(
    metric: str | None, benchmark: str | None, dimension: str | None
) -> tuple[str | None, ...]:
    """From the most specific name to the most general."""
    return benchmark, metric, dimension_of(metric) if metric else dimension


@dataclass(frozen=True)
class Policy:
    """The floors, budgets and allowed gaps of a session.

    The command line outranks the tables of single models, and these the general table. Within
    each of the three the order is benchmark, metric, dimension; each of them first for the method
    (`gsm8k@wanda_50`), then for all methods.
    """

    command_line: Mapping[str, float] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Floors of single models."""
    general: Mapping[str, float] = field(default_factory=dict)
    """Floors of all models."""
    allow: Mapping[str, str] = field(default_factory=dict)
    """Allowed gaps with their reasons, by NAME or NAME@METHOD."""
    model_allow: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The same for single models."""
    budgets: Mapping[str, float] = field(default_factory=dict)
    """The highest accepted cost of a build, by PROBE or PROBE@METHOD, in the probe's unit."""
    model_budgets: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """The same for single models."""

    def names(self, *, file: bool) -> Iterator[tuple[str, Collection[str]]]:
        """(where, names) of all given names; with `file` also those in `unicomp.toml`."""
        yield "--floor", self.command_line
        if not file:
            return
        tables = {"floors": self.general, "allow": self.allow, "budgets": self.budgets}
        yield from ((f"unicomp.toml [{kind}]", names) for kind, names in tables.items())
        of_models: dict[str, Mapping[str, Mapping[str, object]]] = {
            "floors": self.models,
            "allow": self.model_allow,
            "budgets": self.model_budgets,
        }
        for kind, by_model in of_models.items():
            for model, entries in by_model.items():
                yield f"unicomp.toml [models.{model}.{kind}]", entries

    def floor(
        self,
        checkpoint: CheckpointId,
        *,
        metric: str | None,
        benchmark: str | None = None,
        dimension: str | None = None,
        default: float = DEFAULT_FLOOR,
    ) -> float:
        """The least retention of a benchmark or a metric, in percent.

        `dimension` counts for a benchmark of no metric; `default` holds where no floor is set.
        """
        names = _names(metric, benchmark, dimension)
        for layer in (self.command_line, self.models.get(checkpoint.model, {}), self.general):
            found = _lookup(layer, checkpoint.method, names)
            if found is not None:
                return found
        return default

    def floor_of(self, checkpoint: CheckpointId, measure: Benchmark | Probe) -> float:
        """The floor of a benchmark's retention or a probe's gain, in percent.

        A timing has the floor 0 unless one is set, since it depends on the machine. The dense
        model need not gain anything over itself: 100 is its highest floor of a probe.
        """
        if isinstance(measure, Benchmark):
            return self.floor(
                checkpoint,
                metric=measure.metric,
                benchmark=measure.name,
                dimension=measure.dimension,
            )
        default = 0.0 if measure.timed else DEFAULT_FLOOR
        floor = self.floor(
            checkpoint, metric=measure.metric, benchmark=measure.name, default=default
        )
        return min(floor, 100.0) if checkpoint.method == DENSE.name else floor

    def budget_of(self, checkpoint: CheckpointId, probe: Probe) -> float:
        """The budget of a build, in the unit of the probe; infinite if none is set."""
        for layer in (self.model_budgets.get(checkpoint.model, {}), self.budgets):
            found = _lookup(layer, checkpoint.method, (probe.quantity,))
            if found is not None:
                return found
        return math.inf

    def allowed(
        self,
        checkpoint: CheckpointId,
        *,
        metric: str | None,
        benchmark: str | None,
        dimension: str | None = None,
    ) -> str | None:
        """The reason why a gap is allowed, or None."""
        names = _names(metric, benchmark, dimension)
        for layer in (self.model_allow.get(checkpoint.model, {}), self.allow):
            if reason := _lookup(layer, checkpoint.method, names):
                return reason
        return None
