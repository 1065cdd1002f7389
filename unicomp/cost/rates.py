"""The times that a plan is made of: recorded ones where there are any, else published ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from unicomp.cost.figures import Figure
from unicomp.cost.published import PublishedRates, timing
from unicomp.cost.recorded import Pace, Recorded, Stage, pace_of, usual
from unicomp.cost.workloads import Workload
from unicomp.distillation.estimate import PlannedTraining
from unicomp.efficiency.rounds import Effort
from unicomp.errors import SpecError
from unicomp.spec import DENSE, Load, Method


class Rates(Protocol):
    """How long the parts of a run take on one kind of hardware, for one model."""

    def loading(self, method: Method) -> Figure:
        """Until a checkpoint can answer."""
        ...

    def item(self, method: Method, benchmark: str, each: Workload | None) -> Figure | None:
        """An item of a benchmark; None if its workload has to be known and is not."""
        ...

    def build(self, method: Method) -> Figure:
        """Making a checkpoint."""
        ...

    def timing(self, method: Method, loads: list[Load]) -> Figure:
        """All probes of a checkpoint."""
        ...


@dataclass(frozen=True, kw_only=True)
class OnGpus:
    """The published times of a model's checkpoints."""

    published: Mapping[str, PublishedRates]
    """By method."""
    stored: Mapping[str, int]
    """Method → bytes of its checkpoint."""
    trainings: Mapping[str, tuple[PlannedTraining, int]]
    """Method that trains → its training, and the GPUs for it."""
    effort: Effort

    def loading(self, method: Method) -> Figure:  # noqa: D102 (see Rates)
        return self.published[method.name].loading(self.stored[method.name])

    def item(self, method: Method, benchmark: str, each: Workload | None) -> Figure | None:  # noqa: D102
        if each is None:
            return None
        return self.published[method.name].item(each, self.stored[method.name])

    def build(self, method: Method) -> Figure:  # noqa: D102
        if found := self.trainings.get(method.name):
            planned, devices = found
            return self.published[method.name].training(planned, devices)
        return self.published[method.name].build(method, self.stored[method.name])

    def timing(self, method: Method, loads: list[Load]) -> Figure:  # noqa: D102
        return timing(
            loads,
            self.effort,
            (self.published[DENSE.name], self.stored[DENSE.name]),
            (self.published[method.name], self.stored[method.name]),
        )


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Recorded times of a model, and others where none are recorded."""

    model: str
    recorded: Recorded
    methods: Mapping[str, Method]
    """All methods that may be recorded, by name."""
    benchmarks: Collection[str]
    """All benchmarks that may be recorded."""
    otherwise: Rates | None
    """None where nothing is published, as for CPUs."""
    hint: str
    """How to measure what is missing."""
    _items: dict[tuple[str, str], Figure | None] = field(default_factory=dict, init=False)
    _paces: dict[str, Pace | None] = field(default_factory=dict, init=False)

    def loading(self, method: Method) -> Figure:  # noqa: D102 (see Rates)
        if found := self._seconds(method, "load"):
            return found
        return self._else().loading(method)

    def item(self, method: Method, benchmark: str, each: Workload | None) -> Figure | None:  # noqa: D102
        key = (method.name, benchmark)
        if key not in self._items:
            self._items[key] = self._item(method, benchmark, each)
        return self._items[key]

    def _item(self, method: Method, benchmark: str, each: Workload | None) -> Figure | None:
        for group in self._groups(method):
            known = [self.recorded.items(self.model, name, benchmark) for name in group]
            if found := usual(
                Figure.of(one.seconds / one.items, "measured") for one in known if one and one.items
            ):
                return found
        if each is None:
            return None
        for group in self._groups(method):
            if pace := self._pace(group):
                return pace.item(each)
        return self._else().item(method, benchmark, each)

    def build(self, method: Method) -> Figure:  # noqa: D102
        alike = [one.name for one in self.methods.values() if _works(one) == _works(method)]
        for group in ([method.name], alike):
            if found := usual(self.recorded.seconds(self.model, name, "build") for name in group):
                return found
        if self.otherwise is None:
            raise SpecError(f"{method} was never built here on such hardware: {self.hint}")
        return self.otherwise.build(method)

    def timing(self, method: Method, loads: list[Load]) -> Figure:  # noqa: D102
        if found := self._seconds(method, "time"):
            return found
        return self._else().timing(method, loads)

    def _seconds(self, method: Method, stage: Stage) -> Figure | None:
        """What a stage took, for the method itself or for those most like it."""
        for group in self._groups(method):
            found = usual(self.recorded.seconds(self.model, name, stage) for name in group)
            if found:
                return found
        return None

    def _groups(self, method: Method) -> list[list[str]]:
        """Names of methods, those whose times are most like those of a method first."""
        family = [one.name for one in self.methods.values() if one.family == method.family]
        return [[method.name], family, [DENSE.name], list(self.methods)]

    def _pace(self, methods: list[str]) -> Pace | None:
        key = ", ".join(methods)
        if key not in self._paces:
            found = (
                self.recorded.items(self.model, method, benchmark)
                for method in methods
                for benchmark in self.benchmarks
            )
            self._paces[key] = pace_of(one for one in found if one)
        return self._paces[key]

    def _else(self) -> Rates:
        if self.otherwise is None:
            raise SpecError(
                f"there are no recorded times of {self.model} on {self.recorded.hardware}: "
                f"{self.hint}"
            )
        return self.otherwise


def _works(method: Method) -> tuple[object, ...]:
    """What two methods share if their builds take about as long."""
    settings = method.parameters
    how = tuple(settings.get(key) for key in ("modifier", "algorithm"))
    return how if any(how) else (method.name,)
