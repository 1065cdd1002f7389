"""Sub-scores: the plain means of raw scores that a metric compares, such as robustness.noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from unicomp.framework import Profile, SubScore
from unicomp.scorecard import Scorecard
from unicomp.spec import CheckpointId, OfCheckpoint
from unicomp.verdict import Row


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


def sub_scores(card: Scorecard) -> list[SubScoreFigure]:
    """All sub-scores of which every benchmark has a score for the checkpoint and for dense."""
    rows: dict[CheckpointId, dict[str, Row]] = {}
    for row in card.rows:
        if row.unit is None and row.score is not None and row.dense is not None:
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
