"""What a run has to do, as units: models × methods × benchmarks, and the timings.

Everything counts as new: what is in the store already, a run does not do again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from unicomp.cluster.blocks import BLOCK_SECONDS, parts
from unicomp.cluster.unit import Kind, Needs, Unit
from unicomp.cost.figures import Figure
from unicomp.cost.rates import Rates
from unicomp.cost.workloads import Workload, known_workloads
from unicomp.prompts.sizes import Size, size_of
from unicomp.prompts.tasks import Definition
from unicomp.responses import batches
from unicomp.spec import DENSE, Load, Method, Model

MOST_UNITS = 5_000
"""Blocks of a plan, about: beyond that, blocks are longer than those of the run."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A benchmark with the items that are asked."""

    name: str
    items: int
    each: Workload | None
    """None if it is not known."""


def asked_of(
    definitions: Iterable[Definition], samples: int | None
) -> tuple[list[Asked], list[str]]:
    """The benchmarks on their rows, or with the published number of them; and the unknown ones.

    Items that an earlier benchmark has, too, are asked only once. What the embedded rows lack is no
    benchmark of their run.
    """
    asked, unknown = [], []
    covered: dict[str, set[str | None]] = {}
    for one in definitions:
        embedded, name = one.source.is_embedded, one.benchmark.name
        known = known_workloads("embedded" if embedded else "paper").get(name)
        size = size_of(one)
        if size is None and known is not None and not embedded:
            size = Size(items=known.items, clusters=known.items)
        if size is None:
            unknown += [] if embedded else [name]
            continue
        configs = set(one.declared_configs)
        before = covered.setdefault(_prompts_of(one), set())
        new = len(configs - before) / len(configs)
        before |= configs
        if items := round(size.limited(samples).items * new):
            asked.append(Asked(name=name, items=items, each=known.each if known else None))
    return asked, unknown


def _prompts_of(one: Definition) -> str:
    """A text that benchmarks share if they ask the rows of a configuration in the same way."""
    settings = [one.settings.get(key) for key in ("doc_to_text", "doc_to_choice", "process_docs")]
    named, where = sorted(one.named_files.items()), sorted(one.benchmark.where.items())
    limits = (one.shots, one.chat, one.max_new_tokens)
    wordings = [wording.name for wording in one.benchmark.wordings]
    return repr((one.dataset, one.split, named, where, settings, limits, wordings))


@dataclass(frozen=True, kw_only=True)
class Part:
    """What is planned of one model."""

    model: Model
    methods: Sequence[Method]
    """The dense one first."""
    asked: Sequence[Asked]
    loads: Sequence[Load]
    """Those that are timed."""
    rates: Rates
    needs: Needs
    """What a loaded checkpoint takes."""
    builds: Mapping[str, Needs] = field(default_factory=dict)
    """Method → what its build takes, where that differs."""
    timings: Mapping[str, Needs] = field(default_factory=dict)
    """Method → what timing it takes; without an entry it is not timed."""
    smallest_batch: int = 32
    """See `responses.batches`."""


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """The units of a run, and where their times are from."""

    units: tuple[Unit, ...]
    figures: Mapping[str, Figure]
    """By the name of the unit, without loading."""
    loadings: Mapping[str, Figure]
    """By checkpoint."""
    items: Mapping[str, int]
    """Benchmark → the most items that a checkpoint is asked."""
    unrated: tuple[str, ...]
    """Benchmarks that are left out, since nobody knows what their items ask."""

    @classmethod
    def of(cls, models: Sequence[Part]) -> Matrix:
        """All units, each behind those that it comes after. Raises SpecError."""
        target = max(BLOCK_SECONDS, sum(map(_answering, models)) / MOST_UNITS)
        planned = [
            one
            for part in models
            for method in part.methods
            for one in _Checkpoint(part, method, target).units()
        ]
        unrated = dict.fromkeys(
            one.name
            for part in models
            for one in part.asked
            if part.rates.item(DENSE, one.name, one.each) is None
        )
        return cls(
            units=tuple(unit for unit, _ in planned),
            figures={unit.name: figure for unit, figure in planned},
            loadings={
                f"{part.model}/{method}": part.rates.loading(method)
                for part in models
                for method in part.methods
            },
            items=_most_items(one for part in models for one in part.asked),
            unrated=tuple(unrated),
        )


@dataclass(frozen=True)
class _Checkpoint:
    """The units of one checkpoint."""

    part: Part
    method: Method
    target: float
    """Seconds of a block of items, about."""

    def units(self) -> Iterator[tuple[Unit, Figure]]:
        """Its build, its answers and its timings, and where their times are from."""
        before: list[str] = []
        for units in (self._build(), self._answers(before), self._timings(before)):
            for unit, figure in units:
                yield unit, figure
                before.append(unit.name)

    def _build(self) -> Iterator[tuple[Unit, Figure]]:
        if self.method.compress is not None:
            figure = self.part.rates.build(self.method)
            needs = self.part.builds.get(self.method.name, self.part.needs)
            yield self._unit("building it", "build", figure, needs), figure

    def _answers(self, before: list[str]) -> Iterator[tuple[Unit, Figure]]:
        """Its blocks of items; all come after the build, which is `before`."""
        build, loading = tuple(before), self.part.rates.loading(self.method)
        for one in self.part.asked:
            figure = self.part.rates.item(self.method, one.name, one.each)
            if figure is None:
                continue
            last = 0
            for block in parts(_batches(one, self.part), figure.seconds, self.target):
                first, last = last + 1, last + sum(map(len, block))
                own = figure * (last - first + 1)
                what = f"{one.name}, items {first} to {last}"
                unit = self._unit(what, "answer", own, self.part.needs, build)
                yield replace(unit, loading=loading.seconds), own

    def _timings(self, before: list[str]) -> Iterator[tuple[Unit, Figure]]:
        """Its probes, after all else."""
        if needs := self.part.timings.get(self.method.name):
            figure = self.part.rates.timing(self.method, list(self.part.loads))
            yield self._unit("timing", "time", figure, needs, tuple(before)), figure

    def _unit(
        self, what: str, kind: Kind, figure: Figure, needs: Needs, after: tuple[str, ...] = ()
    ) -> Unit:
        checkpoint = f"{self.part.model}/{self.method}"
        return Unit(
            name=f"{checkpoint}: {what}",
            kind=kind,
            checkpoint=checkpoint,
            needs=needs,
            seconds=figure.seconds,
            after=after,
            first=self.method.name == DENSE.name,
        )


def _most_items(asked: Iterable[Asked]) -> dict[str, int]:
    most: dict[str, int] = {}
    for one in asked:
        most[one.name] = max(one.items, most.get(one.name, 0))
    return most


def _batches(one: Asked, part: Part) -> list[Sequence[object]]:
    """The items that are asked together, as numbers."""
    return list(batches(range(one.items), part.smallest_batch))


def _answering(part: Part) -> float:
    """Seconds of answering everything."""
    return sum(
        figure.seconds * one.items
        for method in part.methods
        for one in part.asked
        if (figure := part.rates.item(method, one.name, one.each))
    )
