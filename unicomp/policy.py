"""The policy of a gate: what is asked of each result, and the gaps that are allowed.

A floor is a percentage of the baseline's score, a drop a number of points, a budget an amount of
time or memory, a limit an amount that a checkpoint's own measurement may reach. How a verdict
follows from them is decided in `verdict.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import chain
from operator import attrgetter
from typing import Any, TypeVar

from unicomp.divergence import BOUNDED, CEILED
from unicomp.errors import SpecError
from unicomp.framework import DIMENSIONS, METRICS, RETAINED, VERBOSITY, dimension_of
from unicomp.policy_entry import Entry, contradiction, figure_of, parse_number
from unicomp.policy_entry import Tier as Tier
from unicomp.spec import (
    DENSE,
    OF_BUILDING,
    TIMINGS,
    UNITS,
    Benchmark,
    CheckpointId,
    Probe,
    nearest,
)
from unicomp.store import content_key
from unicomp.units import amount, parse_amount, parse_any_amount

T = TypeVar("T")
V = TypeVar("V")

DEFAULT_FLOOR = 90.0
"""Percent; used if neither the command line nor `unicomp.toml` has a floor."""

DEFAULT_CEILING = 110.0
"""Percent; of `VERBOSITY`, if `unicomp.toml` has none."""

DEFAULT_DROP = 1.0
"""Points of retention that a metric may fall below the last release; used if none are set."""


def parse_floor(name: str, text: object) -> float:
    """A floor in percent; SpecError if it is not a percentage, or looks like a fraction.

    What must not rise, such as verbosity, has no floor: a SpecError as well.
    """
    if name.partition("@")[0] == VERBOSITY or figure_of(name) in CEILED:
        raise SpecError(
            f"{name} has a ceiling and no floor, since more is worse: set it in [policy], such as "
            f'"{name}" = {{ ceiling = {DEFAULT_CEILING:g} }}'
        )
    return parse_number("floor", name, text)


def parse_floor_option(text: str) -> tuple[str, float]:
    """`NAME=PERCENT` or `NAME@METHOD=PERCENT` as (name, floor); SpecError otherwise."""
    name, equals, percent = text.partition("=")
    if not equals or not name.strip():
        raise SpecError(f"--floor {text!r} is not NAME=PERCENT, such as reasoning=90")
    return name.strip(), parse_floor(name.strip(), percent.strip())


def parse_floor_options(texts: Iterable[str]) -> dict[str, float]:
    """The floors of several `NAME=PERCENT`; SpecError for two different ones of a name."""
    floors: dict[str, float] = {}
    for name, floor in map(parse_floor_option, texts):
        if floors.setdefault(name, floor) != floor:
            raise SpecError(
                f"--floor {name} is given twice, {floors[name]:g} and {floor:g}: give it once"
            )
    return floors


def parse_drop(name: str, value: object) -> float:
    """The points that NAME or NAME@METHOD may fall below the last release. Raises SpecError.

    NAME is a metric that is retained, or a dimension of such metrics.
    """
    known = (*RETAINED, *dict.fromkeys(map(dimension_of, RETAINED)))
    if (metric := name.partition("@")[0]) not in known:
        raise SpecError(
            f"[last_release] {name}: there is no retained metric or dimension {metric!r}; "
            f"{nearest(metric, known)}"
        )
    return parse_number("max_drop", name, value)


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


@dataclass(frozen=True)
class Limit:
    """The most, or the least throughput, that a checkpoint's own measurement may have."""

    value: float
    unit: str

    @property
    def is_of_timing(self) -> bool:
        """Whether it limits a timing, which holds for one machine only."""
        return self.unit in {UNITS[quantity] for quantity in TIMINGS}


def parse_limit(name: str, text: object) -> Limit:
    """A limit such as `"250 ms"`; `name` is an efficiency probe, or PROBE@METHOD. Raises SpecError.

    The unit of a probe that is not named like its quantity is checked later: `Policy.limit_of`.
    """
    probe: Any = name.partition("@")[0]
    if probe in OF_BUILDING:
        raise SpecError(f"{name} has no limit: set its budget, in [budgets]")
    if probe in (*METRICS, *DIMENSIONS):
        raise SpecError(f"{name} has no limit: only efficiency measurements have, such as latency")
    try:
        if probe in UNITS:
            value, unit = parse_amount(text, UNITS[probe]), str(UNITS[probe])
        else:
            value, unit = parse_any_amount(text)
    except ValueError as error:
        raise SpecError(f"the limit of {name} is {text!r}: {error}") from None
    if value <= 0:
        raise SpecError(f"the limit of {name} is {text!r}: give an amount above 0")
    return Limit(value, unit)


def check_name_given(
    where: str,
    full: str,
    benchmarks: Collection[str],
    methods: Collection[str],
    later: list[tuple[str, str]] | None = None,
) -> None:
    """Raise SpecError unless NAME or NAME@METHOD names a benchmark, metric or dimension there is.

    A benchmark may be followed by a figure of its divergence: `arc_easy.top1`.
    With `later`, a name that is not known yet is appended to it instead, as (where, NAME).
    """
    name, at, method = full.partition("@")
    known = {*benchmarks, *METRICS, *DIMENSIONS}
    benchmark, dot, figure = name.rpartition(".")
    if dot and benchmark in benchmarks:
        if figure not in BOUNDED:
            raise SpecError(
                f"{where}: {benchmark} has no figure {figure!r}; {nearest(figure, BOUNDED)}"
            )
        name = benchmark
    if at and method not in methods:
        raise SpecError(f"{where}: there is no method {method!r}; {nearest(method, methods)}")
    if name in known:
        return
    if later is None:
        raise SpecError(
            f"{where}: there is no benchmark, metric or dimension {name!r}; {nearest(name, known)}"
        )
    later.append((where, name))


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What is asked of one benchmark, probe or metric of a checkpoint."""

    tier: Tier
    floor: float | None
    """The least retention in percent; None if no relative floor applies."""
    max_drop: float | None = None
    """The points that the score may fall below the baseline's. With a floor both must be met,
    unless `relative_below` is set."""
    relative_below: float | None = None
    """Only the floor applies where the baseline's score is below so many points; only `max_drop`
    applies elsewhere."""
    ceiling: float | None = None
    """The highest raw score, in percent of the baseline's."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """Figure of the divergence → its floor in percent of the baseline, or its ceiling if it is one
    of `divergence.CEILED`; see `divergence.BOUNDED`."""
    limit: float | None = None
    """The most that a probe may measure of the checkpoint itself, in the probe's unit; of a
    throughput the least."""
    machine: str | None = None
    """The machine that the limit holds for; None for any."""
    floor_given: bool = False
    """Whether the user set a floor, drop or ceiling, so that the default is not in force."""

    def bounds(self, baseline: float) -> tuple[float | None, float | None]:
        """The floor and the drop that apply at a score of the baseline, in points."""
        if self.relative_below is None:
            return self.floor, self.max_drop
        below = baseline < self.relative_below
        return (self.floor, None) if below else (None, self.max_drop)


Layer = Mapping[str, T]
"""Values by NAME or NAME@METHOD."""


def _lookup(
    layers: Iterable[Layer[T]],
    method: str,
    names: Iterable[str | None],
    read: Callable[[T], V | None],
) -> V | None:
    """The first value that is not None: layer by layer, name by name, first for the method."""
    keys = [key for name in names if name for key in (f"{name}@{method}", name)]
    found = (read(layer[key]) for layer in layers for key in keys if key in layer)
    return next((value for value in found if value is not None), None)


def _itself(value: T) -> T:
    return value


def _with_floors(entries: Layer[Entry], floors: Layer[float]) -> dict[str, Entry]:
    """The entries of `[policy]` together with those of `[floors]`; no name has a floor in both."""
    merged = {name: Entry(floor=floor) for name, floor in floors.items()}
    for name, entry in entries.items():
        merged[name] = replace(entry, floor=floors.get(name, entry.floor))
    return merged


def _least(entry: Entry) -> float | None:
    """The floor of a metric or a gain. The dense model has 100, so a drop of 1 is a floor of 99."""
    if entry.floor is None and entry.max_drop is not None:
        return 100.0 - entry.max_drop
    return entry.floor


def _names(
    metric: str | None, benchmark: str | None, dimension: str | None
) -> tuple[str | None, ...]:
    """From the most specific name to the most general."""
    return benchmark, metric, dimension_of(metric) if metric else dimension


@dataclass(frozen=True)
class Policy:
    """What is asked of all results of a session, and which gaps are allowed.

    The command line outranks the tables of single models, and these the general tables. Within
    each of the three the order is benchmark, metric, dimension; each of them first for the method
    (`gsm8k@wanda_50`), then for all methods. Each key of an entry is looked up by itself. A tier
    holds for its name alone, or for the metrics of a dimension.
    """

    command_line: Layer[float] = field(default_factory=dict)
    """Floors that outrank all others, and drops too."""
    models: Mapping[str, Layer[float]] = field(default_factory=dict)
    """Floors of single models."""
    general: Layer[float] = field(default_factory=dict)
    """Floors of all models."""
    entries: Layer[Entry] = field(default_factory=dict)
    """The table `[policy]`."""
    model_entries: Mapping[str, Layer[Entry]] = field(default_factory=dict)
    """The same for single models."""
    allow: Layer[str] = field(default_factory=dict)
    """Allowed gaps with their reasons, by NAME or NAME@METHOD."""
    model_allow: Mapping[str, Layer[str]] = field(default_factory=dict)
    """The same for single models."""
    budgets: Layer[float] = field(default_factory=dict)
    """The highest accepted cost of a build, by PROBE or PROBE@METHOD, in the probe's unit."""
    model_budgets: Mapping[str, Layer[float]] = field(default_factory=dict)
    """The same for single models."""
    last_release: Layer[float] = field(default_factory=dict)
    """The points that a metric may fall below the last release, by metric or dimension, also
    NAME@METHOD."""
    model_last_release: Mapping[str, Layer[float]] = field(default_factory=dict)
    """The same for single models."""
    limits: Layer[Limit] = field(default_factory=dict)
    """The most that a probe may measure of a checkpoint itself, by PROBE or PROBE@METHOD."""
    model_limits: Mapping[str, Layer[Limit]] = field(default_factory=dict)
    """The same for single models."""
    machines: Mapping[str, str] = field(default_factory=dict)
    """Model, or "" for any → the machine that its limits hold for."""

    @property
    def digest(self) -> str:
        """A key of all that is set: 32 hex digits. A table that is empty does not change it."""
        return content_key({name: table for name, table in asdict(self).items() if table})

    def names(self) -> Iterator[tuple[str, Collection[str]]]:
        """(where, names) of all given names; `where` is `--floor` or a table of `unicomp.toml`."""
        yield "--floor", self.command_line
        tables: dict[str, Collection[str]] = {
            "floors": self.general,
            "policy": self.entries,
            "allow": self.allow,
            "budgets": self.budgets,
            "last_release": self.last_release,
            "limits": self.limits,
        }
        yield from ((f"unicomp.toml [{kind}]", names) for kind, names in tables.items())
        for kind, by_model in self._of_models.items():
            for model, entries in by_model.items():
                yield f"unicomp.toml [models.{model}.{kind}]", entries

    @property
    def _of_models(self) -> dict[str, Mapping[str, Collection[str]]]:
        """The tables of single models, by their names in the file."""
        return {
            "floors": self.models,
            "policy": self.model_entries,
            "allow": self.model_allow,
            "budgets": self.model_budgets,
            "last_release": self.model_last_release,
            "limits": self.model_limits,
        }

    def check(self) -> None:
        """Raise SpecError if the keys that hold for one name and model contradict each other."""
        for model in ("", *dict.fromkeys(chain(self.models, self.model_entries))):
            layers = self._layers(model)
            for key in dict.fromkeys(chain(*layers)):
                whose = f"{key} for the model {model}" if model else key
                name, _, method = key.partition("@")
                if name in METRICS and any(_sets_two_floors(one.get(key)) for one in layers):
                    raise SpecError(
                        f"the policy of {whose} has both a floor and max_drop, which are one thing "
                        "for a metric: give one of them"
                    )
                whole = _resolved(layers, method, (name,))
                if why := contradiction(whole, dense=method in ("", DENSE.name)):
                    raise SpecError(f"the policy of {whose} contradicts itself: {why}")

    def check_machines(self, here: Callable[[], str | None]) -> None:
        """Raise SpecError for a limit of a timing without a machine; `here` gives this one's name.

        No machine is taken for granted: a limit must not be judged on whichever is at hand.
        """
        for model, limits in {"": self.limits, **self.model_limits}.items():
            timed = next((name for name, limit in limits.items() if limit.is_of_timing), None)
            if timed is not None and self.machine_of(model) is None:
                table = f"models.{model}.limits" if model else "limits"
                name = here()
                this = f"; this one is {name!r}" if name else ""
                raise SpecError(
                    f"[{table}] {timed}: a timing holds for one machine, so name it there: "
                    f'machine = "NAME", as a run prints it after "measured on"{this}'
                )

    def check_models(self, known: Collection[str]) -> None:
        """Raise SpecError if a table is of a model that is not among the known ones."""
        for kind, by_model in self._of_models.items():
            for model in by_model:
                if model not in known:
                    raise SpecError(
                        f"unicomp.toml [models.{model}.{kind}]: neither this run nor "
                        f"fixtures/models has a model {model!r}; {nearest(model, known)}"
                    )

    def _layers(self, model: str) -> tuple[Layer[Entry], ...]:
        """What is set for a model; the first outranks the others."""
        return (
            {name: Entry(floor=floor) for name, floor in self.command_line.items()},
            _with_floors(self.model_entries.get(model, {}), self.models.get(model, {})),
            _with_floors(self.entries, self.general),
        )

    def demand(self, checkpoint: CheckpointId, measure: Benchmark | Probe, *, tier: Tier) -> Demand:
        """What is asked of a benchmark or probe. Raises SpecError if it contradicts itself.

        `tier` is the default tier of a benchmark. A drop or a ceiling replaces the default floor,
        but not a floor that is set. A probe has no default floor: it is critical if it has a floor,
        a limit or a budget, else advisory.
        """
        if isinstance(measure, Probe):
            return self._demand_of_probe(checkpoint, measure)
        if self._limit(checkpoint, measure.name) is not None:
            raise SpecError(
                f"{measure} has a limit in [limits], but is no efficiency measurement: set a floor"
            )
        layers, method = self._layers(checkpoint.model), checkpoint.method
        names = _names(measure.metric, measure.name, measure.dimension)
        own = _resolved(layers, method, names[:1])
        found = _resolved(layers, method, names[:2])
        if not measure.in_points:
            if own.max_drop is not None:
                raise SpecError(
                    f"the policy of {measure} has max_drop, but its scores are not in points: give "
                    "it a floor"
                )
            found = replace(found, max_drop=None, relative_below=None)
        if _lookup([self.command_line], method, names, _itself) is not None:
            found = replace(found, max_drop=None, relative_below=None)
        floor = _lookup(layers, method, names, attrgetter("floor"))
        whole = replace(found, tier=own.tier, floor=floor, ceiling=own.ceiling)
        if why := contradiction(whole, turned=not measure.higher_is_better):
            raise SpecError(
                f"the policy of {measure}@{method} for the model {checkpoint.model} contradicts "
                f"itself: {why}"
            )
        given = (whole.floor, whole.max_drop, whole.ceiling) != (None, None, None)
        if floor is None and (not given or whole.relative_below is not None):
            floor = DEFAULT_FLOOR
        return Demand(
            tier=whole.tier or tier,
            floor=floor,
            max_drop=whole.max_drop,
            relative_below=whole.relative_below,
            ceiling=whole.ceiling,
            figures=self._figures(layers, method, measure.name),
            floor_given=given,
        )

    @staticmethod
    def _figures(layers: Iterable[Layer[Entry]], method: str, benchmark: str) -> dict[str, float]:
        layers = tuple(layers)
        found = {
            name: _lookup(
                layers,
                method,
                [f"{benchmark}.{name}"],
                attrgetter("ceiling" if name in CEILED else "floor"),
            )
            for name in BOUNDED
        }
        return {name: bound for name, bound in found.items() if bound is not None}

    def _demand_of_probe(self, checkpoint: CheckpointId, probe: Probe) -> Demand:
        """What is asked of a probe. The dense model gains nothing over itself: at most 100."""
        layers, method = self._layers(checkpoint.model), checkpoint.method
        own = _resolved(layers, method, (probe.name,))
        if own.ceiling is not None or own.relative_below is not None:
            raise SpecError(
                f"the policy of {probe}: an efficiency measurement has no ceiling and no "
                "relative_below; give it a floor"
            )
        floor = _lookup(layers, method, _names(probe.metric, probe.name, None), _least)
        if floor is not None and method == DENSE.name:
            floor = min(floor, 100.0)
        limit = self.limit_of(checkpoint, probe)
        held = floor is not None or limit is not None
        decides = held or math.isfinite(self.budget_of(checkpoint, probe))
        default: Tier = "critical" if decides else "advisory"
        there = limit is not None and probe.on_one_machine
        return Demand(
            tier=own.tier or default,
            floor=floor,
            limit=limit,
            machine=self.machine_of(checkpoint.model) if there else None,
            floor_given=floor is not None,
        )

    def demand_of_metric(self, checkpoint: CheckpointId, metric: str) -> Demand:
        """What is asked of a metric; `max_drop` becomes a floor. It is critical by default.

        `VERBOSITY` has a ceiling instead of a floor.
        """
        layers, method = self._layers(checkpoint.model), checkpoint.method
        names = _names(metric, None, None)
        tier: Tier = _lookup(layers, method, names, attrgetter("tier")) or "critical"
        if metric == VERBOSITY:
            ceiling = _lookup(layers, method, [metric], attrgetter("ceiling"))
            given = ceiling is not None
            ceiling = DEFAULT_CEILING if ceiling is None else ceiling
            return Demand(tier=tier, floor=None, ceiling=ceiling, floor_given=given)
        floor = _lookup(layers, method, names, _least)
        return Demand(
            tier=tier,
            floor=DEFAULT_FLOOR if floor is None else floor,
            floor_given=floor is not None,
        )

    def floor_of(self, checkpoint: CheckpointId, measure: Benchmark | Probe) -> float:
        """The floor of a benchmark's retention or a probe's gain, in percent; 0 without one."""
        return self.demand(checkpoint, measure, tier="guard").floor or 0.0

    def budget_of(self, checkpoint: CheckpointId, probe: Probe) -> float:
        """The budget of a build, in the unit of the probe; infinite if none is set."""
        layers = (self.model_budgets.get(checkpoint.model, {}), self.budgets)
        found = _lookup(layers, checkpoint.method, (probe.quantity,), _itself)
        return math.inf if found is None else found

    def limit_of(self, checkpoint: CheckpointId, probe: Probe) -> float | None:
        """The limit of a probe, in its unit; None without one. Raises SpecError for another unit.

        The dense model has one only by its name, PROBE@dense: it is what the candidate improves.
        """
        limit = self._limit(checkpoint, probe.name)
        if limit is not None and limit.unit != probe.unit:
            raise SpecError(
                f"the limit of {probe} is {amount(limit.value, limit.unit)}, but it is measured in "
                f"{probe.unit}: give such an amount"
            )
        return None if limit is None else limit.value

    def _limit(self, checkpoint: CheckpointId, name: str) -> Limit | None:
        layers = (self.model_limits.get(checkpoint.model, {}), self.limits)
        if checkpoint.method == DENSE.name:
            name = f"{name}@{DENSE.name}"
        return _lookup(layers, checkpoint.method, (name,), _itself)

    def machine_of(self, model: str) -> str | None:
        """The machine that the limits of a model hold for; None if none is named."""
        return self.machines.get(model, self.machines.get(""))

    def drop_of(self, checkpoint: CheckpointId, metric: str) -> float:
        """The points of retention that a metric may fall below the last release."""
        layers = (self.model_last_release.get(checkpoint.model, {}), self.last_release)
        found = _lookup(layers, checkpoint.method, _names(metric, None, None), _itself)
        return DEFAULT_DROP if found is None else found

    def allowed(
        self,
        checkpoint: CheckpointId,
        *,
        metric: str | None,
        benchmark: str | None,
        dimension: str | None = None,
    ) -> str | None:
        """The reason why a gap is allowed, or None."""
        layers = (self.model_allow.get(checkpoint.model, {}), self.allow)
        names = _names(metric, benchmark, dimension)
        return _lookup(layers, checkpoint.method, names, _itself)


def _resolved(layers: Iterable[Layer[Entry]], method: str, names: Iterable[str | None]) -> Entry:
    """The entry that holds for names: each key from the first place that sets it."""
    layers, names = tuple(layers), tuple(names)
    keys = (one.name for one in fields(Entry))
    return Entry(**{key: _lookup(layers, method, names, attrgetter(key)) for key in keys})


def _sets_two_floors(entry: Entry | None) -> bool:
    return entry is not None and entry.floor is not None and entry.max_drop is not None
