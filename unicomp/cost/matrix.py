"""What a run has to do, as units: models × methods × benchmarks, and the timings.

Everything counts as new: what is in the store already, a run does not do again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from unicomp.cluster.unit import Needs, Unit
from unicomp.cost.figures import Basis, Figure
from unicomp.cost.rates import Rates
from unicomp.cost.workloads import Workload, known_workloads
from unicomp.prompts.sizes import Size, size_of
from unicomp.prompts.tasks import Definition
from unicomp.responses import batches
from unicomp.spec import DENSE, Load, Method, Model

BLOCK_SECONDS = 10.0
"""The work of a block of items."""
MOST_UNITS = 20_000
"""Units of a plan, about: beyond that, blocks are longer than those of the run."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A benchmark with the items that are asked."""

    name: str
    items: int
    each: Workload | None
    """None if it is not known."""


def asked_of(definition: Definition, samples: int | None) -> Asked | None:
    """A benchmark on its rows, or with the published number of them; None if nobody knows it."""
    embedded = definition.source.is_embedded
    name = definition.benchmark.name
    known = known_workloads("embedded" if embedded else "paper").get(name)
    size = size_of(definition)
    if size is None and known is not None and not embedded:
        size = Size(items=known.items, clusters=known.items)
    if size is None:
        return None
    return Asked(name=name, items=size.limited(samples).items, each=known.each if known else None)


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
    bases: Mapping[str, Basis]
    """By the name of the unit."""
    unrated: tuple[str, ...]
    """Benchmarks that are left out, since nobody knows what their items ask."""

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Matrix:
        """All units, each behind those that it comes after. Raises SpecError."""
        target = max(BLOCK_SECONDS, sum(map(_answering, parts)) / MOST_UNITS)
        units: list[Unit] = []
        bases: dict[str, Basis] = {}
        unrated: dict[str, None] = {}
        for part in parts:
            for method in part.methods:
                for unit, basis in _of_checkpoint(part, method, target):
                    units.append(unit)
                    bases[unit.name] = basis
            unrated |= dict.fromkeys(
                one.name for one in part.asked if _item(part, DENSE, one) is None
            )
        return cls(units=tuple(units), bases=bases, unrated=tuple(unrated))


def _of_checkpoint(part: Part, method: Method, target: float) -> Iterator[tuple[Unit, Basis]]:
    """The units of one checkpoint, and where their times are from."""
    checkpoint = f"{part.model}/{method}"
    after: tuple[str, ...] = ()
    if method.compress is not None:
        figure = part.rates.build(method)
        name = f"{checkpoint}: build"
        yield (
            Unit(
                name=name,
                kind="build",
                checkpoint=checkpoint,
                needs=part.builds.get(method.name, part.needs),
                seconds=figure.seconds,
            ),
            figure.basis,
        )
        after = (name,)
    loading = part.rates.loading(method)
    for one in part.asked:
        if (figure := _item(part, method, one)) is None:
            continue
        for first, last in _blocks(one.items, figure.seconds, part.smallest_batch, target):
            unit = Unit(
                name=f"{checkpoint}: {one.name}, items {first:,} to {last:,}",
                kind="answer",
                checkpoint=checkpoint,
                needs=part.needs,
                seconds=figure.seconds * (last - first + 1),
                loading=loading.seconds,
                after=after,
                first=method.name == DENSE.name,
            )
            yield unit, figure.basis
    if part.loads and (needs := part.timings.get(method.name)):
        figure = part.rates.timing(method, list(part.loads))
        yield (
            Unit(
                name=f"{checkpoint}: timings",
                kind="time",
                checkpoint=checkpoint,
                needs=needs,
                seconds=figure.seconds,
                after=after,
            ),
            figure.basis,
        )


def _item(part: Part, method: Method, one: Asked) -> Figure | None:
    return part.rates.item(method, one.name, one.each)


def _answering(part: Part) -> float:
    """Seconds of answering everything."""
    return sum(
        figure.seconds * one.items
        for method in part.methods
        for one in part.asked
        if (figure := _item(part, method, one))
    )


def _blocks(items: int, each: float, smallest: int, target: float) -> Iterator[tuple[int, int]]:
    """The first and the last item of each block, from 1: whole batches of about `target` seconds."""
    first = last = 0
    for batch in batches(range(items), smallest):  # type: ignore[arg-type]
        last += len(batch)
        if (last - first) * each >= target or last == items:
            yield first + 1, last
            first = last
