"""One decision of several scorecards, which are parts of one gate.

Timings need a process alone, so one gate may be several runs, each with its scorecard.

- The gate is open if every part is open, and shut if one is shut; else it is undecided.
- It opens wrongly only if a part with something below its floor opens. Everything critical must
  pass, so the chance is the largest of the parts, not their sum.
- A checkpoint at or above all its floors fails wrongly if it does so in any part. The parts are not
  independent, so their chances are added up (Boole's inequality).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from unicomp.decision import Bound, Decision, bound, decides, decision, shuts
from unicomp.errors import SpecError
from unicomp.record import read_scorecard, refused_if_damaged
from unicomp.spec import CheckpointId
from unicomp.verdict import MetricRow, Row

UNSEEN_FAILURE = "a failure that its scorecard does not have: see what its run printed"


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a scorecard says: its decision, made again from its rows, and what it is about."""

    path: Path
    decision: Decision
    reasons: tuple[str, ...]
    """What shut it, or what has yet to pass; empty if it is open."""
    critical: tuple[str, ...]
    """The names of the metrics, benchmarks and probes that had to pass."""
    bound: Bound
    models: Mapping[str, Mapping[str, Any]]
    """Model → where it is from: source and revision."""
    keys: Mapping[CheckpointId, tuple[str, str | None]]
    """Checkpoint → the keys of its content and of its baseline's; without those of probes."""


@dataclass(frozen=True, kw_only=True)
class JointDecision:
    """The decision of all parts, with the chances of being wrong, as shares."""

    parts: tuple[Part, ...]
    decision: Decision
    opening: float
    shutting: float

    @property
    def decided_by(self) -> tuple[Part, ...]:
        """The parts without which the decision would be another; all of them if it is open."""
        return tuple(part for part in self.parts if part.decision == self.decision)


def read_part(path: Path, *, failed: bool = False) -> Part:
    """The part that a scorecard's file describes. Raises SpecError if it is no scorecard.

    `failed` says that the run which wrote it had a failure. One that no row has, such as a user's
    own test, shuts the gate too.
    """
    card, rows, metrics = read_scorecard(path)
    ends: list[Row | MetricRow] = [*metrics, *rows]
    made = decision(rows, metrics)
    reasons = tuple(_reasons(made, ends))
    if failed and made != "shut":
        made, reasons = "shut", (UNSEEN_FAILURE,)
    with refused_if_damaged(path):
        return Part(
            path=path,
            decision=made,
            reasons=reasons,
            critical=tuple(dict.fromkeys(row.name for row in ends if row.tier == "critical")),
            bound=bound(rows, metrics, level=card["bound"]["level"], looks=card["bound"]["looks"]),
            models={
                name: {key: facts[key] for key in ("source", "revision")}
                for name, facts in card["environment"].get("models", {}).items()
            },
            keys={row.checkpoint: (row.candidate, row.baseline) for row in rows if row.candidate},
        )


def _reasons(made: Decision, ends: Sequence[Row | MetricRow]) -> Iterator[str]:
    """What made a decision of the gate, each as `NAME of MODEL/METHOD: VERDICT`."""
    for row in ends:
        waits = made == "undecided" and decides(row) and row.verdict != "pass"
        if waits or (made == "shut" and shuts(row)):
            yield f"{row.name} of {row.model}/{row.method}: {row.verdict.replace('_', ' ')}"
    if made == "shut" and not any(isinstance(row, Row) and row.decided for row in ends):
        yield "nothing was measured"


def joint_decision(parts: Sequence[Part]) -> JointDecision:
    """The decision of all parts. Raises SpecError if they are not about the same checkpoints."""
    for one, other in combinations(parts, 2):
        _check_same(one, other)
    found = {part.decision for part in parts}
    made: Decision = "shut" if "shut" in found else "undecided" if "undecided" in found else "open"
    return JointDecision(
        parts=tuple(parts),
        decision=made,
        opening=max(part.bound.opening for part in parts),
        shutting=min(math.fsum(part.bound.shutting for part in parts), 1.0),
    )


def _check_same(one: Part, other: Part) -> None:
    """Refuse parts whose checkpoints have the same name and are not the same."""
    both = f"{one.path} and {other.path}"
    if one.path.resolve() == other.path.resolve():
        raise SpecError(f"{one.path} is given twice: give each scorecard once")
    for name in one.models.keys() & other.models.keys():
        if one.models[name] != other.models[name]:
            raise SpecError(
                f"{both} are of different models called {name!r}: give scorecards of one candidate"
            )
    for checkpoint in one.keys.keys() & other.keys.keys():
        mine, theirs = one.keys[checkpoint], other.keys[checkpoint]
        if mine != theirs:
            what = "baselines" if mine[0] == theirs[0] else "checkpoints"
            raise SpecError(
                f"{both} have different {what} of {'/'.join(checkpoint)}: give scorecards of one "
                "candidate"
            )
