"""Retention: what a compressed checkpoint kept of the dense score, on the same items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unicomp.errors import ScoringError
from unicomp.scores import Records
from unicomp.scoring.aggregate import Mean
from unicomp.spec import Benchmark

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from unicomp.statistics import Interval


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Compressed / dense of one benchmark, in percent, with its 95 % interval.

    `score` and `dense` are in points and in the benchmark's own direction; the ratio is taken
    after both are turned so that more is better (100 - s where less is). `value`, `low` and
    `high` are None where the dense score is zero, negative or at chance: `incomparable` says so.
    """

    benchmark: str
    score: float
    dense: float
    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    standard_error: float = 0.0
    """Of the score, in points."""
    parse_rate: float = 100.0
    above_chance: float | None = None
    """Retention of what lies above chance, in percent, where a chance level is declared."""
    lost: int | None = None
    """Items that only the dense model got right."""
    gained: int | None = None
    """Items that only the compressed model got right."""
    incomparable: str | None = None

    def __repr__(self) -> str:
        if self.value is None:
            return f"<{self.benchmark}: {self.incomparable}>"
        return (
            f"<{self.benchmark}: {self.value:.1f} % [{self.low:.1f}, {self.high:.1f}] "
            f"of dense {self.dense:.1f} (scores {self.score:.1f}), n={self.n}>"
        )


def retention(benchmark: Benchmark, compressed: Records, dense: Records) -> Retention:
    """The retention of one benchmark from the records of both checkpoints.

    Items are paired by row and resampled in clusters, jointly. Raises ScoringError if the two do
    not hold the same items.
    """
    from unicomp import statistics

    if compressed.items != dense.items:
        raise ScoringError(
            f"benchmark {benchmark.name}: the dense and the compressed model did not answer the "
            "same items"
        )
    n = len(dense.items)
    ids = statistics.cluster_ids(dense.clusters)

    def points(records: Records) -> statistics.Statistic:
        return lambda weights: benchmark.aggregate(records.columns, weights)

    def oriented(records: Records) -> statistics.Statistic:
        if benchmark.higher_is_better:
            return points(records)
        return lambda weights: 100.0 - benchmark.aggregate(records.columns, weights)

    score = statistics.value(points(compressed), n)
    facts: dict[str, Any] = {
        "benchmark": benchmark.name,
        "score": score,
        "dense": statistics.value(points(dense), n),
        "n": n,
        "parse_rate": compressed.parse_rate,
        "standard_error": statistics.standard_error(points(compressed), ids),
    }
    kept, base = oriented(compressed), oriented(dense)
    bottom = statistics.value(base, n)
    chance = benchmark.chance
    if chance is not None and not benchmark.higher_is_better:
        chance = 100.0 - chance
    if reason := _incomparable(bottom, statistics.standard_error(base, ids), chance):
        return Retention(**facts, incomparable=reason)
    if _binary(benchmark, compressed) and _binary(benchmark, dense):
        lost, gained = statistics.flips(dense.columns["correct"], compressed.columns["correct"])
        facts |= {"lost": lost, "gained": gained}
    if chance is not None:
        top = statistics.value(kept, n)
        facts["above_chance"] = 100.0 * (top - chance) / (bottom - chance)
    if compressed is dense:
        return Retention(**facts, value=100.0, low=100.0, high=100.0)
    interval = statistics.ratio_interval(kept, base, ids) or _collapsed(
        benchmark, compressed, dense, statistics.value(kept, n) / bottom, bottom, ids
    )
    return Retention(
        **facts,
        value=100.0 * interval.estimate,
        low=100.0 * interval.low,
        high=100.0 * interval.high,
    )


def _incomparable(dense: float, error: float, chance: float | None) -> str | None:
    """Why a dense score has no ratio, or None."""
    floor = max(chance or 0.0, 0.0)
    if not dense > 0:
        return f"the dense score is {dense:.1f}: there is no ratio to it"
    if dense - 1.96 * error <= floor and floor > 0:
        return f"the dense score {dense:.1f} is at chance ({floor:.1f}): a ratio means nothing"
    if dense - 1.96 * error <= 0:
        return f"the dense score {dense:.1f} cannot be told from zero: a ratio means nothing"
    return None


def _binary(benchmark: Benchmark, records: Records) -> bool:
    """Whether the score is a plain share of items that are right or wrong."""
    return benchmark.aggregate == Mean("correct") and set(records.fields["correct"]) <= {0.0, 1.0}


def _collapsed(
    benchmark: Benchmark,
    compressed: Records,
    dense: Records,
    estimate: float,
    points: float,
    ids: Any,
) -> Interval:
    """The interval where resampling shows no variation at all."""
    from unicomp import statistics

    clusters = int(ids.max()) + 1
    if not (
        benchmark.higher_is_better and _binary(benchmark, compressed) and _binary(benchmark, dense)
    ):
        return statistics.rule_of_three(estimate, points, clusters)
    now: NDArray[np.bool_] = compressed.columns["correct"].astype(bool)
    before: NDArray[np.bool_] = dense.columns["correct"].astype(bool)
    # items of one cluster agree here, so a cluster counts as one observation
    scale = clusters / len(now)
    return statistics.paired_score_interval(
        scale * float((now & before).sum()),
        scale * float((now & ~before).sum()),
        scale * float((~now & before).sum()),
        scale * float((~now & ~before).sum()),
    )
