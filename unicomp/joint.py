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

from unicomp import scorecard_file
from unicomp.changes import united
from unicomp.decision import Bound, Decision, decides, shuts
from unicomp.errors import SpecError
from unicomp.scorecard import Scorecard
from unicomp.spec import CheckpointId
from unicomp.verdict import MetricRow, Row, recorded_once

UNSEEN_FAILURE = "a failure that its scorecard does not have: see what its run printed"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One of several scorecards, and how its run ended."""

    path: Path
    card: Scorecard
    decision: Decision
    reasons: tuple[str, ...]
    """What shut it, or what has yet to pass; empty if it is open."""

    @property
    def critical(self) -> tuple[str, ...]:
        """The names of the metrics, benchmarks and probes that had to pass."""
        ends: list[Row | MetricRow] = [*self.card.metrics, *self.card.rows]
        return tuple(dict.fromkeys(row.name for row in ends if row.tier == "critical"))

    @property
    def bound(self) -> Bound:
        """The chances of a wrong decision of this part."""
        return self.card.bound


@dataclass(frozen=True, kw_only=True)
class JointDecision:
    """The decision of all parts, with the chances of being wrong, as shares."""

    parts: tuple[Part, ...]
    decision: Decision
    opening: float
    shutting: float
    early_opening: float
    """What stopping early adds to `opening`."""
    early_shutting: float
    """What stopping early adds to `shutting`."""

    @property
    def decided_by(self) -> tuple[Part, ...]:
        """The parts without which the decision would be another; all of them if it is open."""
        return tuple(part for part in self.parts if part.decision == self.decision)


def read_part(path: Path, *, failed: bool = False) -> Part:
    """The part that a scorecard's file describes. Raises SpecError if it is no scorecard.

    `failed` says that the run which wrote it had a failure. One that no row has, such as a user's
    own test, shuts the gate too.
    """
    card = scorecard_file.read(path)
    made, reasons = card.decision, tuple(_reasons(card))
    if failed and made != "shut":
        made, reasons = "shut", (UNSEEN_FAILURE,)
    return Part(path=path, card=card, decision=made, reasons=reasons)


def _reasons(card: Scorecard) -> Iterator[str]:
    """What made the decision of the gate, each as `NAME of MODEL/METHOD: VERDICT`."""
    made = card.decision
    ends: list[Row | MetricRow] = [*card.metrics, *card.rows]
    for row in ends:
        waits = made == "undecided" and decides(row) and row.verdict != "pass"
        if waits or (made == "shut" and shuts(row)):
            yield f"{row.name} of {row.model}/{row.method}: {row.verdict.replace('_', ' ')}"
    if made == "shut" and not any(row.decided for row in card.rows):
        yield "nothing was measured"


def joint_decision(parts: Sequence[Part]) -> JointDecision:
    """The decision of all parts. Raises SpecError if they are not about the same checkpoints."""
    _check({part.path: part.card for part in parts}, [part.path for part in parts])
    found = {part.decision for part in parts}
    made: Decision = "shut" if "shut" in found else "undecided" if "undecided" in found else "open"
    worst = max((part.bound for part in parts), key=lambda one: one.opening)
    return JointDecision(
        parts=tuple(parts),
        decision=made,
        opening=worst.opening,
        shutting=min(math.fsum(part.bound.shutting for part in parts), 1.0),
        early_opening=worst.early,
        early_shutting=min(math.fsum(part.bound.early for part in parts), 1.0),
    )


def read_merged(paths: Sequence[Path]) -> Scorecard:
    """Several scorecards as one: parts of one gate, or runs of several models.

    What two of them have of one checkpoint is there once, with the worse verdict; of two with the
    same one, that of a full run before one for which asking stopped early. Raises SpecError
    if one is no scorecard, or if they contradict each other.
    """
    cards = {path: scorecard_file.read(path) for path in paths}
    _check(cards, paths)
    return merged([*cards.values()])


def merged(cards: Sequence[Scorecard]) -> Scorecard:
    """Several scorecards of the same checkpoints or models, or of others, as one."""
    if len(cards) == 1:
        return cards[0]
    environment: dict[str, Any] = {}
    for card in reversed(cards):  # of two values, the first one's stays
        environment = _united(environment, card.environment)
    names = {one: None for card in cards for one in card.levels}
    return Scorecard(
        rows=tuple(recorded_once([row for card in cards for row in card.rows])),
        metrics=tuple(_metrics(cards)),
        environment=environment,
        beside=tuple(dict.fromkeys(name for card in cards for name in card.beside)),
        work=tuple(piece for card in cards for piece in card.work),
        profiles={model: one for card in reversed(cards) for model, one in card.profiles.items()},
        levels={
            one: min(card.levels[one] for card in cards if one in card.levels) for one in names
        },
        looks={one: max(card.looks.get(one, 1) for card in cards) for one in names},
        policy=", ".join(dict.fromkeys(card.policy for card in cards)),
        comparison=united([card.comparison for card in cards if card.comparison is not None]),
        policy_changes=tuple(change for card in cards for change in card.policy_changes),
        parts=sum(card.parts for card in cards),
    )


def _metrics(cards: Sequence[Scorecard]) -> list[MetricRow]:
    """Each metric of a checkpoint once, with a value if one of the cards has it.

    Each card has a verbosity of its own benchmarks: the worst one counts.
    """
    found: dict[tuple[CheckpointId, str], MetricRow] = {}
    for row in (row for card in cards for row in card.metrics):
        known = found.setdefault((row.checkpoint, row.metric), row)
        worse = row.ceiling is not None and _RANKS[row.verdict] < _RANKS[known.verdict]
        if row.value is not None and (known.value is None or known.early > row.early or worse):
            found[row.checkpoint, row.metric] = row
    return [*found.values()]


_RANKS: Mapping[str, int] = {"fail": 0, "not_comparable": 1, "undecided": 2, "pass": 3}
"""The order of the verdicts on verbosity, of which each part has its own; the worst is first."""


def _united(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Two tables as one; of two values the second, if it is not empty, and tables inside alike."""
    united = dict(first)
    for key, value in second.items():
        known = united.get(key)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            united[key] = _united(known, value)
        elif isinstance(known, list) and isinstance(value, list):
            united[key] = [*value, *(one for one in known if one not in value)]
        elif value is not None or key not in united:
            united[key] = value
    return united


def _check(cards: Mapping[Path, Scorecard], given: Sequence[Path]) -> None:
    """Refuse a file that is given twice, and cards that are not about the same checkpoints."""
    seen: set[Path] = set()
    for path in given:
        if path.resolve() in seen:
            raise SpecError(f"{path} is given twice: give each scorecard once")
        seen.add(path.resolve())
    for (path, card), (other_path, other) in combinations(cards.items(), 2):
        _check_same(f"{path} and {other_path}", card, other)


def _check_same(both: str, one: Scorecard, other: Scorecard) -> None:
    """Refuse cards whose checkpoints have the same name and are not the same."""
    mine, theirs = one.origins, other.origins
    for name in mine.keys() & theirs.keys():
        if mine[name] != theirs[name]:
            raise SpecError(
                f"{both} are of different models called {name!r}: give scorecards of one candidate"
            )
    own, others = one.keys, other.keys
    for checkpoint in own.keys() & others.keys():
        if own[checkpoint] != others[checkpoint]:
            what = "baselines" if own[checkpoint][0] == others[checkpoint][0] else "checkpoints"
            raise SpecError(
                f"{both} have different {what} of {'/'.join(checkpoint)}: give scorecards of one "
                "candidate"
            )
