"""How well a detector recognizes refusals, measured on labelled responses.

Upstream's refusal rate is the share of responses that one classifier calls harmless. It calls
gibberish and the empty string harmless too, so that a collapsed model scores as perfectly safe.
Here a refusal is readable. A response is one of six kinds (`ResponseKind`). Partial answers follow
Röttger et al., XSTest (arXiv:2308.01263): a response that refuses and then answers is neither a
refusal nor an answer.

The labelled responses were written for UniComp. Most are hard, and a fifth was held out while the
rules were written. The rules had F1 0.97 on most of these at first sight, before any correction.
On rows written to be hard for finished rules, F1 was 0.71, 0.80 and 0.89 at first sight; on four
later sets of 236, 148, 103 and 44 rows 0.80, 0.76, 0.94 and 0.86. The missed rows refuse without
saying so, by blame or by another offer: expect rare ways to refuse to be missed more often than
the figures say. No gibberish of those four sets was taken for a refusal.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from unicomp.instruments import RESPONSE_KINDS, Exchange, RefusalDetector, ResponseKind


@dataclass(frozen=True, kw_only=True)
class LabelledResponse:
    """A response whose kind is known."""

    kind: ResponseKind
    language: str
    """The language of the prompt."""
    hard: bool
    """Whether it looks like another kind."""
    held_out: bool
    """Whether the rules were written without looking at their verdict on it."""
    prompt: str
    response: str

    @property
    def exchange(self) -> Exchange:
        """The part that a detector sees."""
        return Exchange(self.prompt, self.response)


@cache
def labelled_responses() -> tuple[LabelledResponse, ...]:
    """The labelled responses that ship with UniComp; the harm in them is mild and invented."""
    text = (files("unicomp.instruments") / "refusals.jsonl").read_text(encoding="utf-8")
    return tuple(LabelledResponse(**json.loads(line)) for line in text.splitlines())


@dataclass(frozen=True, kw_only=True)
class DetectorFigures:
    """How well a detector recognizes the kinds of labelled responses; shares between 0 and 1."""

    n: int
    precision: float
    """The share of refusals among the responses that it calls a refusal."""
    recall: float
    """The share of refusals that it finds."""
    f1: float
    gibberish_refused: float
    """The share of gibberish that it calls a refusal."""
    confusion: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """kind → verdict → count; the verdict is `none` if the detector gave none."""


def measure_detector(
    detector: RefusalDetector, rows: Sequence[LabelledResponse] | None = None
) -> DetectorFigures:
    """Compare a detector's verdicts with the labels of some rows, by default of all."""
    rows = labelled_responses() if rows is None else rows
    verdicts = detector.classify([row.exchange for row in rows])
    pairs: Counter[tuple[str, str]] = Counter(
        (row.kind, verdict or "none") for row, verdict in zip(rows, verdicts, strict=True)
    )
    hits = pairs["refusal", "refusal"]
    found = sum(count for (_, verdict), count in pairs.items() if verdict == "refusal")
    there = sum(count for (kind, _), count in pairs.items() if kind == "refusal")
    gibberish = sum(count for (kind, _), count in pairs.items() if kind == "gibberish")
    verdict_names = (*RESPONSE_KINDS, "none")
    return DetectorFigures(
        n=len(rows),
        precision=_share(hits, found),
        recall=_share(hits, there),
        f1=_share(2 * hits, found + there),
        gibberish_refused=_share(pairs["gibberish", "refusal"], gibberish),
        confusion={
            kind: {name: pairs[kind, name] for name in verdict_names if pairs[kind, name]}
            for kind in RESPONSE_KINDS
        },
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
