"""The scores of each language, from the details of a benchmark that has them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from unicomp.scorecard import Scorecard
from unicomp.spec import OfCheckpoint

Resource = Literal["high", "low"]

RESOURCES: dict[Resource, tuple[str, ...]] = {
    "high": ("ar", "de", "en", "fr", "hi", "it", "ja", "pt", "es", "zh"),
    "low": ("bn", "id", "ko", "sw", "yo"),
}
"""The paper's groups of the languages of Global-MMLU-Lite."""
GROUPS: dict[Resource, str] = {
    "high": "global_mmlu_lite_high",
    "low": "global_mmlu_lite_low",
}
"""Group → the benchmark of its languages."""
PREFIX = "language_"
"""What the name of a detail starts with if it is the score of one language."""


@dataclass(frozen=True, kw_only=True)
class LanguageScore(OfCheckpoint):
    """The score of one checkpoint in one language beside the dense model's, in points."""

    benchmark: str
    language: str
    resource: Resource | None
    """How much text of the language there is, after the paper; None for any other language."""
    score: float
    dense: float

    @property
    def difference(self) -> float:
        """The points that the compressed checkpoint lies above the dense model."""
        return self.score - self.dense


def language_scores(card: Scorecard) -> list[LanguageScore]:
    """The scores of all languages that were asked."""
    groups = {language: name for name, own in RESOURCES.items() for language in own}
    found = []
    for row in card.rows:
        for name, score in row.details.items():
            language = name.removeprefix(PREFIX)
            dense = row.details.get(f"dense.{name}")
            # a card that was read from a file has None for what is not a number
            known = score is not None and dense is not None
            if language == name or not known or not math.isfinite(score + (dense or 0.0)):
                continue
            found.append(
                LanguageScore(
                    **row.checkpoint._asdict(),
                    benchmark=row.benchmark,
                    language=language,
                    resource=groups.get(language),
                    score=score,
                    dense=dense or 0.0,
                )
            )
    return found
