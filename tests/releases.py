"""Releases made of known answers, for the tests of their comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from unicomp import Benchmark, Mean, TaskMetric
from unicomp.framework import Profile, SubScore
from unicomp.item_records import ItemRecords
from unicomp.policy import Policy
from unicomp.retention import retention
from unicomp.scorecard import Scorecard, scorecard
from unicomp.scores import Records
from unicomp.spec import CheckpointId
from unicomp.store import content_key
from unicomp.verdict import Row, expected, measured

PROFILE = Profile(
    "small",
    {
        "knowledge": ("arc_easy",),
        "reasoning": ("gsm8k",),
        "safety": ("misuse", "xstest"),
        "ethics": (SubScore("implicit", ("ethics", "moralchoice_low")),),
    },
)
METRICS = {name: metric for metric in PROFILE for name in PROFILE.benchmarks(metric)}
BENCHMARKS = {
    name: Benchmark(
        name=name,
        metric=metric,
        task="arc/arc_easy.yaml",
        scorer=TaskMetric("acc,none"),
        aggregate=Mean("correct"),
    )
    for name, metric in METRICS.items()
}
CANDIDATE = CheckpointId("m", "wanda_50", "generic")
ENVIRONMENT: Mapping[str, Any] = {
    "packages": {"torch": "2.1", "unicomp": "0.2.0"},
    "models": {
        "m": {"source": "org/m", "revision": None, "kind": "normal", "engine": "vllm", "vllm": "1"}
    },
}

Answers = Sequence[bool]


@dataclass(frozen=True)
class Release:
    """A scorecard, and the records behind its rows."""

    card: Scorecard
    records: Mapping[tuple[CheckpointId, str], ItemRecords]

    def behind(self, row: Row) -> ItemRecords | None:
        return self.records.get((row.checkpoint, row.benchmark))


def records_of(name: str, right: Answers, clusters: Sequence[str] | None = None) -> Records:
    """The records of answers; items follow from their places."""
    items = [sha256(f"{name}-{number}".encode()).hexdigest() for number in range(len(right))]
    return Records(
        benchmark=name,
        items=items,
        clusters=list(clusters or items),
        fields={"correct": [float(one) for one in right]},
        parsed=[True] * len(right),
        gaps=[None] * len(right),
    )


def row_of(
    name: str, both: ItemRecords, weights: str = "first", checkpoint: CheckpointId = CANDIDATE
) -> Row:
    """A measured row, which is judged with its scorecard."""
    kept = replace(
        retention(BENCHMARKS[name], both.candidate, both.baseline),
        candidate=content_key({"of": weights}),
        baseline=content_key({"of": "dense"}),
        items=content_key({"items": sorted(both.candidate.items)}),
    )
    row = measured(expected(checkpoint, BENCHMARKS[name]), kept)
    return replace(row, floor=50.0, verdict="undecided")


def release(
    answers: Mapping[str, tuple[Answers, Answers]],
    *,
    weights: str = "first",
    environment: Mapping[str, Any] = ENVIRONMENT,
    policy: Policy | None = None,
) -> Release:
    """A release whose candidate and dense model gave these answers, by benchmark."""
    found = {
        name: ItemRecords(records_of(name, now), records_of(name, dense))
        for name, (now, dense) in answers.items()
    }
    rows = [row_of(name, both, weights) for name, both in found.items()]
    policy = policy or Policy(general={"performance": 50.0, "reliability": 50.0})
    card = scorecard(rows, {"m": PROFILE}, policy, environment)
    return Release(card, {(CANDIDATE, name): both for name, both in found.items()})


def right(n: int, *wrong: int) -> list[bool]:
    """The answers to n items, right but for the places named."""
    return [number not in wrong for number in range(n)]
