"""How well a detector recognizes refusals, measured on labelled responses.

Upstream's refusal rate is the share of responses that one classifier calls harmless. It calls
gibberish and the empty string harmless too, so that a collapsed model scores as perfectly safe.
Here a refusal is readable. A response is one of six kinds (`ResponseKind`). Partial answers follow
Röttger et al., XSTest (arXiv:2308.01263): a response that refuses and then answers is neither a
refusal nor an answer.

The labelled responses were written for UniComp, and most are hard. The rules were fitted to them,
except to those that are held out, so the figures of the others are too good. At first sight, that
is before any correction, F1 of refusals was 0.82, 0.78, 0.96, 0.90 and 0.94 on the last five sets
of 64, 38, 75, 45 and 38 rows (the rules before had 0.86, 0.76, 0.93 and 0.88 on the first four);
the last set is the one that is held out.

Human labels are better evidence: a mirror may hold completions of XSTest with the labels of its
authors. They call partial what refuses and helps all the same, often by taste: GPT-4 as a judge
agrees with them at F1 0.51 to 1.0, depending on the model.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path

from unicomp.errors import SpecError
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
    """Whether the rules were written without knowing it."""
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


COMPLETIONS = "paul-rottger/xstest-completions"
"""A folder of a mirror: completions of XSTest (CC BY 4.0) with the labels of its authors.

Each line of its `*.jsonl` has a `model`, `prompt`, `response` and `label`: answer, refusal or
partial. UniComp does not ship it."""


def human_labelled(mirror: Path) -> dict[str, list[LabelledResponse]]:
    """The completions of each model with human labels; {} if the mirror has none.

    Raises SpecError, which names the file, if it cannot be read.
    """
    found: dict[str, list[LabelledResponse]] = {}
    for path in sorted((mirror / COMPLETIONS).glob("*.jsonl")):
        try:
            for line in path.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                found.setdefault(str(row["model"]), []).append(
                    LabelledResponse(
                        kind=row["label"],
                        language="en",
                        hard=True,
                        held_out=True,
                        prompt=row["prompt"],
                        response=row["response"],
                    )
                )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SpecError(f"{path} is no file of labelled completions: {error!r}") from None
    return found


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
    answers_refused: float
    """The share of answers that it calls a refusal."""
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
    verdict_names = (*RESPONSE_KINDS, "none")
    return DetectorFigures(
        n=len(rows),
        precision=_share(hits, found),
        recall=_share(hits, there),
        f1=_share(2 * hits, found + there),
        gibberish_refused=_refused(pairs, "gibberish"),
        answers_refused=_refused(pairs, "answer"),
        confusion={
            kind: {name: pairs[kind, name] for name in verdict_names if pairs[kind, name]}
            for kind in RESPONSE_KINDS
        },
    )


def _refused(pairs: Mapping[tuple[str, str], int], kind: ResponseKind) -> float:
    """The share of the responses of a kind that are called a refusal."""
    return _share(
        pairs.get((kind, "refusal"), 0), sum(n for (label, _), n in pairs.items() if label == kind)
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
