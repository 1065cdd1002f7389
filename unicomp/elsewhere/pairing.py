"""Pair the items of both sides: the same benchmarks, the same items, each once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unicomp.elsewhere.measured import Measured, Side
from unicomp.errors import SpecError
from unicomp.item_texts import ItemTexts
from unicomp.scores import Records
from unicomp.spec import Benchmark


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One benchmark on both sides, with the items in the same order."""

    benchmark: Benchmark
    candidate: Records
    baseline: Records
    texts: ItemTexts | None = None
    """What the items ask, if the files have it."""


def paired(baseline: Side, candidate: Side) -> dict[str, Pair]:
    """Benchmark → its records on both sides, in the baseline's order.

    Raises SpecError, with the benchmark, the item and both files, if they do not hold the same.
    """
    for mine, other in ((baseline, candidate), (candidate, baseline)):
        for name in mine.measured:
            if name not in other.measured:
                raise SpecError(
                    f"the benchmark {name} is in {mine.given}, and not in {other.given}: measure "
                    "it on both sides, or leave it out"
                )
    return {
        name: _paired(one, candidate.measured[name], baseline, candidate)
        for name, one in baseline.measured.items()
    }


def _paired(first: Measured, second: Measured, baseline: Side, candidate: Side) -> Pair:
    bench, items = first.benchmark, first.records.items
    if items != second.records.items:
        _check_same_items(first, second, candidate)
        _check_same_items(second, first, baseline)
        places = {item: place for place, item in enumerate(second.records.items)}
        order = [places[item] for item in items]
        second = _ordered(second, order)
    for what, marks in first.marks.items():
        for place, (one, other) in enumerate(
            zip(marks, second.marks.get(what, marks), strict=True)
        ):
            if one != other:
                raise SpecError(
                    f"{bench}: {what} of the item {first.name(place)} differs between "
                    f"{first.place(place)} and "
                    f"{second.place(place)}: measure both alike"
                )
    for place, (one, other) in enumerate(
        zip(first.records.clusters, second.records.clusters, strict=True)
    ):
        if one != other:
            raise SpecError(
                f"{bench}: the item {first.name(place)} is in the cluster {one} in "
                f"{first.place(place)}, and in {other} in {second.place(place)}: give it one"
            )
    return Pair(
        benchmark=bench, candidate=second.records, baseline=first.records, texts=first.texts
    )


def _check_same_items(mine: Measured, other: Measured, side: Side) -> None:
    """Raise SpecError for an item of one side that the other one lacks."""
    there = set(other.records.items)
    lacking = [place for place, item in enumerate(mine.records.items) if item not in there]
    if lacking:
        others = f" and {len(lacking) - 1} more are" if len(lacking) > 1 else " is"
        first = min(lacking, key=mine.lines.__getitem__)
        raise SpecError(
            f"{mine.benchmark}: the item {mine.name(first)} of "
            f"{mine.place(first)}{others} not in {side.given}: both sides must hold the "
            "same items"
        )


def _ordered(measured: Measured, order: Sequence[int]) -> Measured:
    """The same items in another order."""
    return Measured(
        benchmark=measured.benchmark,
        records=measured.records.at(order),
        files=[measured.files[place] for place in order],
        lines=[measured.lines[place] for place in order],
        names=[measured.name(place) for place in order],
        marks={name: [marks[place] for place in order] for name, marks in measured.marks.items()},
    )
