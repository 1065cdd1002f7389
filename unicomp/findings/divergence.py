"""How far the answers of checkpoints differ from the dense model's, and where no score shows it.

Answers that were cut off at their limit are named, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from unicomp.divergence import UNITS, Figure
from unicomp.framework import DIMENSIONS
from unicomp.scorecard import Scorecard
from unicomp.spec import DENSE, OfCheckpoint
from unicomp.verdict import Row

MANY = 5.0
"""The share of changed answers, in percent, above which an unmoved score is worth a warning; and of
answers that were cut."""
MEANT_TO_CUT = "reliability"
"""The dimension whose limits of new tokens are short on purpose, as the paper's are on TrustLLM."""


@dataclass(frozen=True, kw_only=True)
class DivergenceFigure(OfCheckpoint):
    """One figure of the divergence of a benchmark's answers; see `unicomp.divergence.UNITS`."""

    benchmark: str
    figure: str
    unit: str
    value: float
    low: float | None
    """The limits of the 95 % interval; None without one."""
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Flips(OfCheckpoint):
    """The items of a benchmark that only one of the two models got right."""

    benchmark: str
    n: int
    lost: list[str]
    """Items that only the dense model got right: the first digits of the SHA-256 of their rows."""
    gained: list[str]
    p_value: float
    """McNemar's exact two-sided p-value."""


@dataclass(frozen=True, kw_only=True)
class SilentChange(OfCheckpoint):
    """A benchmark whose score did not move although many answers changed."""

    benchmark: str
    n: int
    changed: float
    """The share of changed answers in percent, with its 95 % interval."""
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Truncation(OfCheckpoint):
    """A benchmark many of whose answers were cut off at their limit of new tokens."""

    benchmark: str
    n: int
    cut: float
    """The share of cut answers in percent, with its 95 % interval."""
    low: float
    high: float


SAME = ("identical", "top1", "token_top1")
"""Figures of what is the same in both: texts, picked options, or likeliest next tokens."""
APART = ("option_kl", "token_kl")
"""Figures of how far probabilities are apart."""


@dataclass(frozen=True, kw_only=True)
class Distance(OfCheckpoint):
    """How far the answers to a benchmark are from the dense model's, beside what it kept.

    None where a benchmark has no such figure. The JSON scorecard has the same values by row.
    """

    benchmark: str
    retention: float | None
    changed: float | None
    """The share of answers that are read differently, in percent."""
    lost: int | None
    gained: int | None
    same: tuple[str, float] | None
    """The name and the value, in percent, of the first figure of `SAME`."""
    apart: tuple[str, float] | None
    """The name and the value, in nats, of the first figure of `APART`."""
    hidden: bool
    """Whether the score did not move although many answers changed; see `SilentChange`."""


def answer_distances(card: Scorecard) -> list[Distance]:
    """The distance of each row that has one: those with a hidden change first, then by changes."""
    found = [
        Distance(
            **row.checkpoint._asdict(),
            benchmark=row.benchmark,
            retention=row.retention,
            changed=figures["changed"][0] if "changed" in figures else None,
            lost=row.lost,
            gained=row.gained,
            same=_first(figures, SAME),
            apart=_first(figures, APART),
            hidden=any(_silent(row)),
        )
        for row in card.rows
        if row.method != DENSE.name and row.repeats == 1  # of samples only lengths are compared
        if (figures := row.divergence.get("figures", {}))
    ]
    return sorted(found, key=lambda one: (not one.hidden, -(one.changed or 0.0)))


def _first(figures: Mapping[str, Figure], names: Iterable[str]) -> tuple[str, float] | None:
    return next(((name, figures[name][0]) for name in names if name in figures), None)


def divergence_figures(card: Scorecard) -> list[DivergenceFigure]:
    """All figures of all rows."""
    return [
        DivergenceFigure(
            **row.checkpoint._asdict(),
            benchmark=row.benchmark,
            figure=name,
            unit=UNITS[name],
            value=value,
            low=low,
            high=high,
        )
        for row in card.rows
        for name, (value, low, high) in row.divergence.get("figures", {}).items()
    ]


def flipped_items(card: Scorecard) -> list[Flips]:
    """The flipped items of each row whose items are right or wrong."""
    return [
        Flips(
            **row.checkpoint._asdict(),
            benchmark=row.benchmark,
            n=row.n or 0,
            lost=list(row.divergence["lost"]),
            gained=list(row.divergence["gained"]),
            p_value=row.divergence["p_value"],
        )
        for row in card.rows
        if row.divergence.get("p_value") is not None
    ]


def silent_changes(card: Scorecard) -> list[SilentChange]:
    """The rows whose interval contains 100 while significantly more than `MANY` % changed."""
    return [found for row in card.rows for found in _silent(row)]


def _silent(row: Row) -> Iterator[SilentChange]:
    changed = row.divergence.get("figures", {}).get("changed")
    if not changed or not row.decided or row.low is None or row.high is None:
        return
    share, low, high = changed
    if row.low <= 100.0 <= row.high and low > MANY:
        yield SilentChange(
            **row.checkpoint._asdict(),
            benchmark=row.benchmark,
            n=row.n or 0,
            changed=share,
            low=low,
            high=high,
        )


def truncations(card: Scorecard) -> list[Truncation]:
    """The rows of which more than `MANY` % of the answers were cut, where none is meant to be."""
    return [found for row in card.rows for found in _truncated(row)]


def _truncated(row: Row) -> Iterator[Truncation]:
    cut = row.divergence.get("figures", {}).get("cut")
    if cut is None or row.metric in DIMENSIONS[MEANT_TO_CUT]:
        return
    share, low, high = cut
    if share > MANY and low is not None and high is not None:
        yield Truncation(
            **row.checkpoint._asdict(),
            benchmark=row.benchmark,
            n=row.n or 0,
            cut=share,
            low=low,
            high=high,
        )
