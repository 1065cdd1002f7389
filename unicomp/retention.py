"""Retention: compressed score / dense score, on the same items."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from unicomp.divergence import divergence
from unicomp.errors import ScoringError, UnmeasuredError
from unicomp.scores import Records
from unicomp.scoring.aggregate import Mean
from unicomp.spec import Aggregate, Benchmark

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from unicomp.statistics import Interval, Statistic


FEW_FLIPS = 10
"""Changed answers below which a percentile interval is too narrow."""


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Compressed / dense of one benchmark, in percent, with its 95 % interval.

    `score` and `dense` are in the benchmark's own unit and direction, points for most. Before the
    ratio is taken, both are oriented so that more is better: if less is better, a score s
    becomes 100 - s, or 1 / s if it is not in points. `value`, `low` and `high` are None if the
    dense score is zero, negative or at chance; `incomparable` then says why.

    >>> Retention(benchmark="arc", score=60.0, dense=75.0, n=400, value=80.0, low=75.1, high=84.6)
    <arc: 80.0 % [75.1, 84.6] of dense 75.0 (scores 60.0), n=400>
    """

    benchmark: str
    score: float
    dense: float
    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    standard_error: float = 0.0
    """The standard error of the score, in points."""
    parse_rate: float = 100.0
    above_chance: float | None = None
    """Retention of the part above chance, in percent; None without a declared chance level."""
    lost: int | None = None
    """Items that only the dense model got right."""
    gained: int | None = None
    """Items that only the compressed model got right."""
    overlong: int = 0
    """Items whose prompts are longer than the model's context."""
    judged: int = 0
    """Questions about the answers that a judge decided."""
    details: Mapping[str, float] = field(default_factory=dict)
    """The benchmark's further scores, by name, and the dense model's as `dense.NAME`."""
    incomparable: str | None = None
    degenerate: str | None = None
    """Why the compressed checkpoint's answers are degenerate; None if they are usable."""
    divergence: Mapping[str, Any] = field(default_factory=dict)
    """How far the answers differ from the dense model's: `Divergence` as JSON values."""
    faults: tuple[str, ...] = ()
    """Why the benchmark was not measured as declared; empty if it was."""

    def __repr__(self) -> str:
        if self.value is None:
            return f"<{self.benchmark}: {self.incomparable}>"
        return (
            f"<{self.benchmark}: {self.value:.1f} % [{self.low:.1f}, {self.high:.1f}] "
            f"of dense {self.dense:.1f} (scores {self.score:.1f}), n={self.n}>"
        )


def retention(benchmark: Benchmark, compressed: Records, dense: Records) -> Retention:
    """Compute the retention of one benchmark from the records of both checkpoints.

    Items are paired by row and resampled in clusters, jointly. Raises ScoringError if the two do
    not hold the same items.
    """
    from unicomp import statistics

    if compressed.items != dense.items:
        raise ScoringError(
            f"benchmark {benchmark.name}: the dense and the compressed model did not answer the "
            "same items"
        )
    if any(dense.gaps) or any(compressed.gaps):
        scored = [a is b is None for a, b in zip(dense.gaps, compressed.gaps, strict=True)]
        if not any(scored):
            faults = dict.fromkeys((*dense.faults, *compressed.faults))
            raise UnmeasuredError(f"benchmark {benchmark.name}: {'; '.join(faults)}")
        same = compressed is dense
        dense = dense.only(scored)
        compressed = dense if same else compressed.only(scored)
    n = len(dense.items)
    ids = statistics.cluster_ids(dense.clusters)

    def points(records: Records) -> statistics.Statistic:
        return lambda weights: benchmark.aggregate(records.columns, weights)

    def oriented(records: Records) -> statistics.Statistic:
        if benchmark.higher_is_better:
            return points(records)
        if benchmark.in_points:
            return lambda weights: 100.0 - benchmark.aggregate(records.columns, weights)
        return lambda weights: 1.0 / benchmark.aggregate(records.columns, weights)

    def value(aggregate: Aggregate, records: Records) -> float:
        return statistics.value(lambda weights: aggregate(records.columns, weights), n)

    score = statistics.value(points(compressed), n)
    facts: dict[str, Any] = {
        "benchmark": benchmark.name,
        "score": score,
        "dense": statistics.value(points(dense), n),
        "n": n,
        "parse_rate": compressed.parse_rate,
        "standard_error": statistics.standard_error(points(compressed), ids),
        "overlong": max(dense.overlong, compressed.overlong),
        "judged": max(dense.judged, compressed.judged),
        "degenerate": compressed.degenerate,
        "faults": tuple(dict.fromkeys((*dense.faults, *compressed.faults))),
        "details": {
            f"{whose}{name}": value(aggregate, records)
            for name, aggregate in benchmark.details.items()
            for whose, records in (("", compressed), ("dense.", dense))
        },
    }
    if compressed is not dense:
        facts["divergence"] = divergence(compressed, dense).as_json()
    kept, base = oriented(compressed), oriented(dense)
    bottom = statistics.value(base, n)
    chance = benchmark.chance
    if chance is not None and not benchmark.higher_is_better:
        chance = 100.0 - chance
    error = statistics.standard_error(base, ids)
    doubt = 1.96 * error if error > 0 else 300.0 / (int(ids.max()) + 1)  # the rule of three
    if not benchmark.in_points and not benchmark.higher_is_better:  # 1 / s is never zero
        doubt = 0.0
    if dense.degenerate:
        collapsed = f"the dense model's answers are degenerate: {dense.degenerate}"
        return Retention(**facts, incomparable=collapsed)
    if reason := _incomparable(bottom, doubt, chance):
        return Retention(**facts, incomparable=reason)
    if _binary(benchmark, compressed) and _binary(benchmark, dense):
        lost, gained = statistics.flips(dense.columns["correct"], compressed.columns["correct"])
        facts |= {"lost": lost, "gained": gained}
    if chance is not None:
        top = statistics.value(kept, n)
        facts["above_chance"] = 100.0 * (top - chance) / (bottom - chance)
    if compressed is dense:
        return Retention(**facts, value=100.0, low=100.0, high=100.0)
    interval = _interval(benchmark, compressed, dense, kept, base, ids)
    return Retention(
        **facts,
        value=100.0 * interval.estimate,
        low=100.0 * interval.low,
        high=100.0 * interval.high,
    )


def _incomparable(dense: float, doubt: float, chance: float | None) -> str | None:
    """Why a dense score has no ratio, or None; `doubt` is half its 95 % interval, in points."""
    if not dense > 0:
        return f"the dense score is {dense:.1f}: there is no ratio to it"
    if chance is not None and chance > 0 and dense - doubt <= chance:
        return (
            f"the dense score {dense:.1f} cannot be distinguished from chance ({chance:.1f}): "
            "a ratio means nothing"
        )
    if dense - doubt <= 0:
        return (
            f"the dense score {dense:.1f} cannot be distinguished from zero: a ratio means nothing"
        )
    return None


def _binary(benchmark: Benchmark, records: Records) -> bool:
    """Whether the score is a plain share of items that are right or wrong."""
    mean = benchmark.aggregate
    if not isinstance(mean, Mean) or mean.field != "correct" or mean.by is not None:
        return False
    counted = mean.where is None or set(records.fields[mean.where]) == {1.0}
    return counted and set(records.fields["correct"]) <= {0.0, 1.0}


def _interval(
    benchmark: Benchmark,
    compressed: Records,
    dense: Records,
    kept: Statistic,
    base: Statistic,
    ids: NDArray[np.int64],
) -> Interval:
    """The interval of kept / base: by resampling, and by the score method if that is too narrow.

    Resampling gives no interval if no draw varies, and one that is too narrow if only a few answers
    changed. A share of items then has the paired score interval, or the hull of the two.
    """
    from unicomp import statistics

    resampled = statistics.ratio_interval(kept, base, ids)
    both_binary = _binary(benchmark, compressed) and _binary(benchmark, dense)
    if both_binary and benchmark.higher_is_better:
        before, now = dense.columns["correct"], compressed.columns["correct"]
        if resampled is not None and sum(statistics.flips(before, now)) >= FEW_FLIPS:
            return resampled
        by_score = _score_interval(before.astype(bool), now.astype(bool), ids)
        return statistics.hull(resampled, by_score) if resampled else by_score
    if resampled is not None:
        return resampled
    n = len(ids)
    bottom = statistics.value(base, n)
    if not benchmark.in_points:
        ratio = statistics.value(kept, n) / bottom
        alone = int(ids.max()) == 0  # one cluster has no interval; several that agree do
        return statistics.Interval(ratio, 0.0 if alone else ratio, math.inf if alone else ratio)
    return statistics.rule_of_three(statistics.value(kept, n) / bottom, bottom, int(ids.max()) + 1)


def _score_interval(
    before: NDArray[np.bool_], now: NDArray[np.bool_], ids: NDArray[np.int64]
) -> Interval:
    from unicomp import statistics

    # count clusters, not items: conservative if the items of a cluster disagree
    scale = (int(ids.max()) + 1) / len(ids)
    return statistics.paired_score_interval(
        scale * float((now & before).sum()),
        scale * float((now & ~before).sum()),
        scale * float((~now & before).sum()),
        scale * float((~now & ~before).sum()),
    )
