"""One checkpoint on two engines: the difference of the scores that both have measured.

Two engines are two programs: they add floats in another order and, on CPU, in another precision.
A difference that matters means that one of them does not run the checkpoint as it was built.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from unicomp.checkpoint import Checkpoint
from unicomp.measuring import Conditions, RecordLog
from unicomp.scorecard import Scorecard
from unicomp.scores import Records, score_of
from unicomp.spec import Benchmark, CheckpointId, OfCheckpoint

CLOSE = 0.01
"""Numbers with a smaller relative difference count as equal: last digits always differ."""


@dataclass(frozen=True, kw_only=True)
class CrossCheck(OfCheckpoint):
    """The scores of one benchmark for one checkpoint by two engines."""

    benchmark: str
    engine: str
    other: str
    score: float
    """By `engine`, in the benchmark's unit: points for most."""
    other_score: float
    n: int
    """Items that both have scored."""
    differing: int
    """Items that were read differently: another answer, or a number off by more than `CLOSE`."""

    @property
    def difference(self) -> float:
        """`score` minus `other_score`."""
        return self.score - self.other_score


def crosscheck(
    name: CheckpointId,
    checkpoint: Checkpoint,
    benchmarks: Sequence[Benchmark],
    conditions: Conditions,
) -> list[CrossCheck]:
    """Compare the benchmarks that both a server and the engine in this process have measured.

    They must have been measured under the same conditions: the rows, the samples, the threads and
    the batch size. Nothing is loaded or asked: what is not in the store is not compared.
    """
    other = replace(conditions.engine, name="hf")
    mine = RecordLog(checkpoint, benchmarks, conditions).read()
    theirs = RecordLog(checkpoint, benchmarks, replace(conditions, engine=other)).read()
    found = []
    for bench in benchmarks:
        if bench.name in mine and bench.name in theirs:
            one, two = _both_scored(mine[bench.name], theirs[bench.name])
            scored = bench.scored_in(conditions.instruments.mode)
            if one.items and not one.sample:  # another engine draws other samples
                found.append(
                    CrossCheck(
                        **name._asdict(),
                        benchmark=bench.name,
                        engine=conditions.engine.name,
                        other=other.name,
                        score=_score(scored, one),
                        other_score=_score(scored, two),
                        n=len(one.items),
                        differing=_differing(one, two),
                    )
                )
    return found


def _both_scored(one: Records, two: Records) -> tuple[Records, Records]:
    """The records of the items that both could score; the same items, for the same samples."""
    kept = [a is b is None for a, b in zip(one.gaps, two.gaps, strict=True)]
    return one.only(kept), two.only(kept)


def _score(benchmark: Benchmark, records: Records) -> float:
    from unicomp import statistics

    n = len(records.items)
    return statistics.value(lambda weights: score_of(benchmark, records, weights), n)


def _differing(one: Records, two: Records) -> int:
    def alike(a: float | str, b: float | str) -> bool:
        if isinstance(a, str) or isinstance(b, str):
            return a == b
        return math.isclose(a, b, rel_tol=CLOSE) or (math.isnan(a) and math.isnan(b))

    return sum(
        not all(alike(one.fields[name][i], two.fields[name][i]) for name in one.fields)
        for i in range(len(one.items))
    )


def crosschecks(card: Scorecard) -> list[CrossCheck]:
    """The comparisons of engines that were made in a session."""
    return [
        CrossCheck(**found)
        for piece in card.work
        if piece.stage == "answer"
        for found in piece.facts.get("crosschecks", ())
    ]
