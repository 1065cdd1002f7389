"""What changed between two releases, as values: what a scorecard keeps of a comparison.

`unicomp.comparison` computes them, `unicomp.report.comparison` formats them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from unicomp.decision import Decision
from unicomp.spec import CheckpointId, OfCheckpoint
from unicomp.verdict import Verdict

Unit = Literal["metric", "benchmark", "probe"]
Way = Literal["exact", "paired", "intervals"]
"""How a change is compared with chance.

- exact: the same weights and the same items, so that no item is there by chance
- paired: both releases answered the same items, and the records of both are there
- intervals: from the two intervals, as if the releases were independent, which is too wide
"""
Direction = Literal["worse", "better"]
Aspect = Literal[
    "library", "engine", "scoring", "data", "machine", "policy", "weights", "items", "dense"
]
"""What an `OtherChange` is about; `dense` is a score of the dense model."""
ANSWERING: tuple[Aspect, ...] = ("library", "engine", "scoring")
"""The aspects that may change an answer or its score though weights and items are the same."""


@dataclass(frozen=True, kw_only=True)
class Move(OfCheckpoint):
    """How far the retention of a metric or benchmark, or the gain of a probe, moved.

    All are percent of the dense model, and differences of these are points.
    """

    unit: Unit
    name: str
    old: float
    new: float
    low: float | None = None
    """The 95 % interval of new - old, in points; None if they are not compared."""
    high: float | None = None
    way: Way | None = None
    """None if they are not compared; `note` says why."""
    p_worse: float | None = None
    """The p-value of "it became worse"; None without sampling error, and if not compared."""
    p_better: float | None = None
    direction: Direction | None = None
    """Where it moved beyond chance, by Holm's procedure at 2.5 % a side; None if it did not."""
    most_fall: float | None = None
    """The points that it may fall; None if it cannot fail by the comparison."""
    fails: bool = False
    """Whether it is worse beyond chance, and fell by more than it may."""
    same_weights: bool | None = None
    """Whether both releases have the same candidate and dense weights; None if that is unknown."""
    same_items: bool = False
    note: str = ""
    """What limits the comparison."""

    @property
    def points(self) -> float:
        """The change."""
        return self.new - self.old

    @property
    def fell_too_far(self) -> bool:
        """Whether it fell by more than it may, whether or not by chance."""
        return self.most_fall is not None and self.points < -self.most_fall - TOLERANCE


TOLERANCE = 1e-9
"""Points that are rounding of the last digits, and no change."""


@dataclass(frozen=True, kw_only=True)
class VerdictChange(OfCheckpoint):
    """A metric, benchmark or probe that ends otherwise than in the last release."""

    unit: Unit
    name: str
    old: Verdict
    new: Verdict | None
    """None if the new scorecard does not have it."""
    worse: bool
    """Whether it fails or is missing now, so that it shuts the gate, and did not before."""
    reason: str = ""
    """Why the new one is not a pass."""


@dataclass(frozen=True, kw_only=True)
class OtherChange:
    """Something else that changed, and may have moved a score."""

    aspect: Aspect
    name: str
    """Such as `torch`, `embedded.dtype`, `items of gsm8k` or `floor of safety of m/wanda_50`."""
    old: str
    new: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A scorecard compared with that of the last release."""

    baseline: str
    """The file of the last release's scorecard."""
    digest: str
    """Its SHA-256; empty if it is not from a file."""
    old: Decision
    new: Decision
    """What the new scorecard decides without this comparison."""
    moves: tuple[Move, ...]
    """Of all metrics, benchmarks and probes that both have."""
    verdicts: tuple[VerdictChange, ...]
    others: tuple[OtherChange, ...]
    gone: tuple[CheckpointId, ...]
    """Checkpoints of the last release alone: nothing of them is compared."""
    added: tuple[CheckpointId, ...]
    """Checkpoints of the new scorecard alone."""
    new_metrics: tuple[str, ...]
    """Metrics that the last release did not measure, as `NAME of MODEL/METHOD`."""
    stopped_early: tuple[str, ...] = ()
    """What was not compared, since asking stopped early in one of them, as `NAME of MODEL/METHOD`.
    """

    @property
    def failures(self) -> tuple[Move | VerdictChange, ...]:
        """What is worse than it may be."""
        ends: tuple[Move | VerdictChange, ...] = (*self.moves, *self.verdicts)
        return tuple(one for one in ends if (one.fails if isinstance(one, Move) else one.worse))

    @property
    def conditions(self) -> tuple[str, ...]:
        """The names of what changed and may change an answer or its score."""
        found = (one.name for one in self.others if one.aspect in ANSWERING)
        return tuple(dict.fromkeys(found))

    @property
    def moved(self) -> tuple[Move, ...]:
        """What moved beyond chance."""
        return tuple(move for move in self.moves if move.direction is not None)

    @property
    def unclear(self) -> tuple[Move, ...]:
        """What fell by more than it may, which chance may explain."""
        return tuple(move for move in self.moves if move.fell_too_far and not move.fails)

    @property
    def nothing(self) -> bool:
        """Whether nothing at all changed."""
        return not (
            self.moved
            or self.unclear
            or self.verdicts
            or self.others
            or self.gone
            or self.added
            or self.new_metrics
            or self.stopped_early
            or self.old != self.new
        )


def united(found: Sequence[Comparison]) -> Comparison | None:
    """The comparisons of several parts of one gate as one; None without any."""
    if len(found) < 2:
        return next(iter(found), None)
    rank = ("open", "undecided", "shut").index
    return Comparison(
        baseline=", ".join(dict.fromkeys(one.baseline for one in found)),
        digest=", ".join(dict.fromkeys(one.digest for one in found)),
        old=max((one.old for one in found), key=rank),
        new=max((one.new for one in found), key=rank),
        moves=tuple(dict.fromkeys(move for one in found for move in one.moves)),
        verdicts=tuple(dict.fromkeys(change for one in found for change in one.verdicts)),
        others=tuple(dict.fromkeys(change for one in found for change in one.others)),
        gone=tuple(dict.fromkeys(name for one in found for name in one.gone)),
        added=tuple(dict.fromkeys(name for one in found for name in one.added)),
        new_metrics=tuple(dict.fromkeys(name for one in found for name in one.new_metrics)),
        stopped_early=tuple(dict.fromkeys(name for one in found for name in one.stopped_early)),
    )
