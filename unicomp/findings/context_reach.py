"""The length of texts up to which a checkpoint keeps its floor, from the rows of all lengths."""

from __future__ import annotations

from dataclasses import dataclass

from unicomp.scorecard import Scorecard
from unicomp.spec import DENSE, OfCheckpoint
from unicomp.verdict import Row, Verdict


@dataclass(frozen=True, kw_only=True)
class LengthVerdict:
    """What became of one length."""

    benchmark: str
    length: int
    """Tokens of the model's own."""
    verdict: Verdict
    retention: float | None
    """In percent; None if it was not compared."""
    floor: float | None


@dataclass(frozen=True, kw_only=True)
class ContextReach(OfCheckpoint):
    """How far a checkpoint keeps its floor as texts get longer."""

    metric: str | None
    holds: int | None
    """The longest length with which all shorter ones pass; None if the shortest does not pass."""
    ends: int | None
    """The first length that does not pass; None if all do."""
    lengths: list[LengthVerdict]
    """By length, without those that say nothing about the candidate."""
    beyond: list[int]
    """Lengths that say nothing about it, such as those beyond the baseline's context."""

    @property
    def end(self) -> LengthVerdict | None:
        """The first length that does not pass."""
        return next((one for one in self.lengths if one.length == self.ends), None)


def context_reaches(card: Scorecard) -> list[ContextReach]:
    """An entry for each compressed checkpoint and metric with benchmarks of several lengths.

    Where two benchmarks have the same length, both must pass.
    """
    found: dict[tuple[tuple[str, str, str], str | None], list[Row]] = {}
    for row in card.rows:
        if row.length is not None and row.method != DENSE.name:
            found.setdefault((row.checkpoint, row.metric), []).append(row)
    return [
        _reach(metric, sorted(rows, key=lambda row: row.length or 0))
        for (_, metric), rows in found.items()
        if len({row.length for row in rows}) > 1
    ]


def _reach(metric: str | None, rows: list[Row]) -> ContextReach:
    """The reach of one checkpoint, from its rows by length."""
    silent = {row.length for row in rows if row.verdict == "not_comparable"}
    lengths = [
        LengthVerdict(
            benchmark=row.benchmark,
            length=row.length or 0,
            verdict=row.verdict,
            retention=row.retention,
            floor=row.floor,
        )
        for row in rows
        if row.verdict != "not_comparable"
    ]
    ends = next((one.length for one in lengths if one.verdict != "pass"), None)
    held = [one.length for one in lengths if ends is None or one.length < ends]
    return ContextReach(
        **rows[0].checkpoint._asdict(),
        metric=metric,
        holds=max(held, default=None),
        ends=ends,
        lengths=lengths,
        beyond=sorted(one for one in silent if one is not None),
    )
