"""Raw scores and sub-scores beside the dense model's; a sub-score is a mean of raw scores."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeGuard

from unicomp.framework import Profile, SubScore
from unicomp.scorecard import Scorecard
from unicomp.spec import CheckpointId, OfCheckpoint
from unicomp.verdict import Row


@dataclass(frozen=True, kw_only=True)
class RawScore(OfCheckpoint):
    """The score of a benchmark beside the dense model's, in its own unit and direction."""

    benchmark: str
    score: float
    dense: float

    @property
    def difference(self) -> float:
        """The score less the dense one."""
        return self.score - self.dense


@dataclass(frozen=True, kw_only=True)
class SubScoreFigure(OfCheckpoint):
    """A sub-score of one checkpoint beside the dense model's, in points; more is better."""

    metric: str
    sub_score: str
    score: float
    dense: float

    @property
    def difference(self) -> float:
        """The points that the compressed checkpoint lies above the dense model."""
        return self.score - self.dense


def raw_scores(card: Scorecard) -> list[RawScore]:
    """The raw scores of all benchmarks that both have, whether or not they can be compared."""
    return [
        RawScore(
            **row.checkpoint._asdict(), benchmark=row.benchmark, score=row.score, dense=row.dense
        )
        for row in card.rows
        if row.unit is None and _is_number(row.score) and _is_number(row.dense)
    ]


def _is_number(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def sub_score_figures(card: Scorecard) -> list[SubScoreFigure]:
    """All sub-scores of which every benchmark has a score for the checkpoint and for dense."""
    rows: dict[CheckpointId, dict[str, Row]] = {}
    for row in card.rows:
        if row.unit is None and _is_number(row.score) and _is_number(row.dense):
            rows.setdefault(row.checkpoint, {})[row.benchmark] = row
    return [
        found
        for checkpoint, scored in rows.items()
        if (profile := card.profiles.get(checkpoint.model)) is not None
        for found in _of(checkpoint, scored, profile)
    ]


def _of(
    checkpoint: CheckpointId, rows: Mapping[str, Row], profile: Profile
) -> Iterator[SubScoreFigure]:
    score = {name: row.oriented(row.score or 0.0) for name, row in rows.items()}
    dense = {name: row.oriented(row.dense or 0.0) for name, row in rows.items()}
    for metric in profile:
        for part in profile.sub_scores(metric):
            if part.shares().keys() <= rows.keys():
                yield _figure(checkpoint, metric, part, score, dense)


def _figure(
    checkpoint: CheckpointId,
    metric: str,
    part: SubScore,
    score: Mapping[str, float],
    dense: Mapping[str, float],
) -> SubScoreFigure:
    return SubScoreFigure(
        **checkpoint._asdict(),
        metric=metric,
        sub_score=part.name,
        score=part.score(score),
        dense=part.score(dense),
    )
