"""Sub-scores and the scores of each language at the terminal, beside the dense model's."""

from __future__ import annotations

from collections.abc import Iterator

from unicomp.findings import Findings
from unicomp.scorecard import Scorecard
from unicomp.spec import DENSE, CheckpointId


def lines(card: Scorecard, findings: Findings) -> Iterator[str]:
    """A line for each sub-score of a model, and one for each language."""
    named: dict[str, list[tuple[CheckpointId, float, float]]] = {}
    for one in findings.sub_scores:
        title = f"Sub-score {one.metric}.{one.sub_score} of {one.model}"
        named.setdefault(title, []).append((one.checkpoint, one.score, one.difference))
    for language in findings.languages:
        title = f"Language {language.language} of {language.benchmark}, {language.model}"
        named.setdefault(title, []).append(
            (language.checkpoint, language.score, language.difference)
        )
    for title, found in named.items():
        parts = (
            f"{card.name_of(one)} {score:.1f}"
            + ("" if one.method == DENSE.name else f" ({by:+.1f})")
            for one, score, by in found
        )
        yield f"{title}: {', '.join(parts)}"
