"""What a gate can decide, before anything is built: its units with their sizes and churn.

The items are counted in the rows; the baseline's score and the churn are those of recorded runs, if
there are any. `unicomp.power` has the arithmetic and its assumptions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from unicomp import churn
from unicomp.framework import METRICS, Profile, dimension_of
from unicomp.policy import Demand, Policy
from unicomp.power import (
    ENOUGH,
    RIGHT,
    Outline,
    Remedy,
    Unit,
    chance,
    reachable_floor,
    remedy,
)
from unicomp.prompts.sizes import size_of
from unicomp.prompts.tasks import Definition
from unicomp.retention import lowest_score, share_of
from unicomp.scoring.aggregate import RightAnswerF1
from unicomp.spec import LEVEL, Benchmark, CheckpointId
from unicomp.store import Store
from unicomp.verdict import demand_of


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A metric or benchmark that decides the gate, as far as it is known beforehand."""

    name: str
    floor: float
    """In percent; the strictest of the checkpoints."""
    unit: Unit | None = None
    problem: str = ""
    """Why there is no unit."""
    rows: Mapping[str, int] = field(default_factory=dict)
    """Benchmark → the rows that there are."""
    recorded: bool = False
    """Whether the churn of every part is from a recorded run."""

    @property
    def items(self) -> int:
        """The items of all its benchmarks."""
        return sum(part.items for part in self.unit.parts) if self.unit else 0

    @property
    def chance(self) -> float | None:
        """The probability that a lossless candidate passes; None if it is not known."""
        return chance(self.unit) if self.unit else None

    @property
    def remedy(self) -> Remedy | None:
        """What makes the chance 80 %; None if it is that already, or not known."""
        if self.unit is None or chance(self.unit) >= ENOUGH:
            return None
        return remedy(self.unit, self.rows)

    def __str__(self) -> str:
        """One line, without the items that are needed, which take longer to find."""
        if self.unit is None:
            return f"{self.name}: not known how likely a lossless candidate passes: {self.problem}"
        likely = chance(self.unit)
        line = (
            f"{self.name}: a lossless candidate passes at floor {self.floor:g} with a chance of "
            f"{percent(likely)} ({self.items:,} items)"
        )
        if likely < ENOUGH and (floor := reachable_floor(self.unit)):
            line += f"; 80 % at floor {floor:g}, or with more items, see `unicomp plan`"
        return line

    def as_json(self) -> dict[str, Any]:
        """All that is known, as JSON values."""
        found = self.remedy
        return {
            "name": self.name,
            "floor": self.floor,
            "items": self.items,
            "chance": self.chance,
            "remedy": asdict(found) if found else None,
            "recorded": self.recorded,
            "problem": self.problem,
        }


def percent(share: float) -> str:
    """A chance in whole percent, of which none is certain."""
    if not 0.005 <= share < 0.995:
        return "over 99 %" if share > 0.5 else "under 1 %"
    return f"{100 * share:.0f} %"


def plan(
    definitions: Sequence[Definition],
    profile: Profile,
    policy: Policy,
    checkpoints: Sequence[CheckpointId],
    store: Store,
    *,
    samples: int | None = None,
    level: float = LEVEL,
    methods: Collection[str] | None = None,
    only: Collection[str] | None = None,
) -> list[Planned]:
    """The metrics and critical benchmarks that decide about compressed checkpoints of one model.

    `definitions` are those of the benchmarks that will run, `samples` the items of each. The churn
    is that of the `methods`, by default the checkpoints' own. With `only`, the units of these names
    are planned, metrics, dimensions or benchmarks, whether critical or not.
    """
    if not checkpoints:
        return []
    model = checkpoints[0].model
    methods = methods if methods is not None else [one.method for one in checkpoints]
    known = {
        one.benchmark.name: _outlined(one, store, model, methods, samples) for one in definitions
    }
    benchmarks = {one.benchmark.name: one.benchmark for one in definitions}
    return [
        *_metrics(benchmarks, known, profile, policy, checkpoints, level, only),
        *_benchmarks(benchmarks, known, profile, policy, checkpoints, level, only),
    ]


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What is known of one benchmark."""

    outline: Outline | None = None
    problem: str = ""
    rows: int = 0
    recorded: bool = False


def _outlined(
    definition: Definition,
    store: Store,
    model: str,
    methods: Collection[str],
    samples: int | None,
) -> _Known:
    bench, size = definition.benchmark, size_of(definition)
    if not bench.in_points:
        return _Known(problem="the scores of {} are not in points")
    if size is None:
        return _Known(problem=UNCOUNTED)
    asked = size.limited(samples)
    found = churn.recall(store, model, bench.name, methods)
    values = {
        name: value
        for name in ("right", "churn", "correlation")
        if (value := getattr(found, name)) is not None
    }
    by = share_of(bench.aggregate)[2]
    outline = Outline(
        name=bench.name,
        items=asked.items,
        clusters=asked.clusters,
        groups=asked.configs if by == "config" else 1,
        share=share_of(bench.aggregate)[0] is not None,
        f1=isinstance(bench.aggregate, RightAnswerF1),
        least=lowest_score(bench.aggregate) / 100.0,
        rows=definition.rows_key,
        **values,
    )
    return _Known(outline=outline, rows=size.items, recorded=found.churn is not None)


def _metrics(
    benchmarks: Mapping[str, Benchmark],
    known: Mapping[str, _Known],
    profile: Profile,
    policy: Policy,
    checkpoints: Sequence[CheckpointId],
    level: float,
    only: Collection[str] | None,
) -> Iterator[Planned]:
    for metric in METRICS:
        names = profile.benchmarks(metric)
        if known.keys().isdisjoint(names):
            continue
        of_all = [policy.demand_of_metric(one, metric) for one in checkpoints]
        if not (demands := _wanted(of_all, {metric, dimension_of(metric)}, only)):
            continue
        floor = max(demand.floor or 0.0 for demand in demands)
        advisory = [
            name
            for name in names
            if name in benchmarks
            and demand_of(policy, profile, checkpoints[0], benchmarks[name]).tier == "advisory"
        ]
        kept = profile.without(metric, advisory)
        found = {name: known.get(name, _NOT_RUN) for name in kept.benchmarks(metric)}
        if problem := _problem(found):
            yield Planned(name=metric, floor=floor, problem=problem)
            continue
        parts = [one.outline for one in found.values() if one.outline]
        yield Planned(
            name=metric,
            floor=floor,
            unit=Unit.of_metric(metric, kept, parts, floor, level),
            rows={name: one.rows for name, one in found.items()},
            recorded=all(one.recorded for one in found.values()),
        )


_NOT_RUN = _Known(problem="{} is not run")
UNCOUNTED = "the rows of {} cannot be counted without the network: fetch them with `unicomp mirror`"


def _problem(found: Mapping[str, _Known]) -> str:
    """Why the benchmarks have no chance, in one line; empty if they have one."""
    names: dict[str, list[str]] = {}
    for name, one in found.items():
        if one.outline is None:
            names.setdefault(one.problem, []).append(name)
    lines = [problem.format(", ".join(own)) for problem, own in names.items()]
    return "; ".join(lines) if found else "all its benchmarks are advisory"


def _benchmarks(
    benchmarks: Mapping[str, Benchmark],
    known: Mapping[str, _Known],
    profile: Profile,
    policy: Policy,
    checkpoints: Sequence[CheckpointId],
    level: float,
    only: Collection[str] | None,
) -> Iterator[Planned]:
    for name, bench in benchmarks.items():
        of_all = [demand_of(policy, profile, one, bench) for one in checkpoints]
        demands = _wanted(of_all, {name}, only)
        outline = known[name].outline
        floors = [_floor(demand, outline.right if outline else RIGHT) for demand in demands]
        if not (asked := [floor for floor in floors if floor is not None]):
            continue
        unit = None
        if outline:
            unit = Unit(
                name=name, floor=max(asked), parts=(outline,), weights=(1.0,), level=level
            )  # fmt: skip
        yield Planned(
            name=name,
            floor=max(asked),
            unit=unit,
            problem=_problem({name: known[name]}),
            rows={name: known[name].rows},
            recorded=known[name].recorded,
        )


def _wanted(
    demands: list[Demand], names: Collection[str], only: Collection[str] | None
) -> list[Demand]:
    """The demands to plan for: the critical ones, or all if one of the names is asked for."""
    if only is None:
        return [demand for demand in demands if demand.tier == "critical"]
    return [] if set(names).isdisjoint(only) else demands


def _floor(demand: Demand, right: float) -> float | None:
    """The floor in percent that a demand amounts to at the baseline's score; None without one."""
    floor, drop = demand.bounds(100.0 * right)
    floors = [floor] if floor is not None else []
    if drop is not None:
        floors.append(100.0 - drop / right)
    return max(floors, default=None)
