"""Retention: compressed score / dense score, on the same items."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from unicomp.consistency import deciding_wordings, wording_figures
from unicomp.divergence import divergence, of_samples
from unicomp.errors import ScoringError, UnmeasuredError
from unicomp.framework import READINGS
from unicomp.prompts.comparison import differences
from unicomp.scores import Records, aggregated, score_of
from unicomp.scoring.aggregate import Mean, Ratio, RightAnswerF1
from unicomp.spec import Aggregate, Benchmark

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from unicomp.confidence import Jackknifed, Joint, PairedShares, PartialShares
    from unicomp.statistics import Statistic

    Quantity = Callable[[Sequence[NDArray[np.float64]]], NDArray[np.float64]]

T = TypeVar("T")


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
    """Items, however often each was asked."""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    standard_error: float = 0.0
    """The standard error of the score, in points."""
    dense_error: float = 0.0
    """The standard error of the dense score, in points."""
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
    clusters: int = 0
    """Independent clusters of items; the items, if each is its own."""
    repeats: int = 1
    """How often each item was asked; the score is the mean over all its samples."""
    full_n: int | None = None
    """The items of the full run, if asking stopped early; `n` then are those that were asked."""
    early_error: float | None = None
    """The chance that the full run has another verdict; None for a full run."""
    evidence: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What the limits follow from, as JSON values of `unicomp.confidence`: of the retention
    (`kept`), of the difference in shares of 100 points (`drop`), and, if less is better, of
    score / dense (`raw`). Empty for the dense model itself."""
    shared: Mapping[str, float] = field(default_factory=dict)
    """Benchmark of the same rows → the correlation of its changes with those of this one."""
    incomparable: str | None = None
    degenerate: str | None = None
    """Why the compressed checkpoint's answers are degenerate; None if they are usable."""
    divergence: Mapping[str, Any] = field(default_factory=dict)
    """How far the answers differ from the dense model's: `Divergence` as JSON values."""
    prompts: Mapping[str, Any] = field(default_factory=dict)
    """How many prompts `differ` from the dense model's, `of` how many, and `why`; empty for it."""
    faults: tuple[str, ...] = ()
    """Why the benchmark was not measured as declared; empty if it was."""
    candidate: str | None = None
    """The key of the compressed checkpoint, and `baseline` that of the dense one."""
    baseline: str | None = None
    items: str | None = None
    """A key of the items that both answered."""
    records: Mapping[str, str] = field(default_factory=dict)
    """`candidate` and `baseline` → the key of its records in the store."""
    samples: Sequence[Mapping[str, Any]] = field(default_factory=list)
    """A few answers for people to read, as JSON values of `unicomp.samples.ItemSample`."""

    def __repr__(self) -> str:
        if self.value is None:
            return f"<{self.benchmark}: {self.incomparable}>"
        early = f" of {self.full_n}, stopped early" if self.full_n is not None else ""
        times = f" × {self.repeats} samples" if self.repeats > 1 else ""
        return (
            f"<{self.benchmark}: {self.value:.1f} % [{self.low:.1f}, {self.high:.1f}] "
            f"of dense {self.dense:.1f} (scores {self.score:.1f}), n={self.n}{times}{early}>"
        )


def retention(benchmark: Benchmark, compressed: Records, dense: Records) -> Retention:
    """Compute the retention of one benchmark from the records of both checkpoints.

    Items are paired by row; raises the errors of `paired`.
    """
    from unicomp.confidence import to_json

    compressed, dense = paired(benchmark, compressed, dense)
    facts = _facts(benchmark, compressed, dense)
    if reason := _why_incomparable(benchmark, facts, dense):
        return Retention(**facts, incomparable=reason)
    facts |= _against_dense(benchmark, facts, compressed, dense)
    if compressed is dense:
        return Retention(**facts, value=100.0, low=100.0, high=100.0)
    found = evidence_of(benchmark, compressed, dense)
    interval = found["kept"].limits()
    return Retention(
        **facts,
        value=100.0 * interval.estimate,
        low=100.0 * interval.low,
        high=100.0 * interval.high,
        evidence={name: to_json(one) for name, one in found.items()},
    )


def partial_retention(
    benchmark: Benchmark, compressed: Records, dense: Records, *, error: float
) -> Retention:
    """The retention of a benchmark that the compressed checkpoint answered in part.

    `compressed` has the first of the items of `dense`. The score is the one that is likely in the
    full run, and the limits are a confidence sequence of that run's retention: it lies outside of
    them with a chance of at most `error`, whenever one stops asking. Raises ScoringError if the
    items differ, or `partial_evidence` has nothing.
    """
    seen = dense.at(range(len(compressed.items)))
    compressed, seen = paired(benchmark, compressed, seen)
    found = partial_evidence(benchmark, compressed, dense)
    if found is None:
        raise ScoringError(f"benchmark {benchmark.name}: its verdict needs all items")
    outline = partial_outline(benchmark, found, retention(benchmark, dense, dense), error=error)
    asked = Retention(**_facts(benchmark, compressed, seen))
    if outline.incomparable is None:
        low, high = found.likely(-math.log(error)).estimates()
        lost = _against_dense(benchmark, asdict(outline), compressed, seen)
        outline = replace(outline, low=100.0 * low, high=100.0 * high, **lost)
    kept = {name: getattr(asked, name) for name in _OF_WHAT_WAS_ASKED}
    return replace(outline, **kept)


_OF_WHAT_WAS_ASKED = (
    *("standard_error", "parse_rate", "overlong", "judged", "details", "degenerate"),
    *("divergence", "prompts", "faults"),
)
"""What a partial retention says of the items that were asked; the rest is of the full run."""


def partial_outline(
    benchmark: Benchmark, found: PartialShares, whole: Retention, *, error: float
) -> Retention:
    """What the verdict on a retention needs, if `found` is what is known of the full run.

    `whole` is the retention of the dense model itself, on all items.
    """
    from unicomp.confidence import to_json

    share = found.shares[0]
    return replace(
        whole,
        score=100.0 * (share if benchmark.higher_is_better else 1.0 - share),
        n=found.asked,
        full_n=whole.n,
        early_error=error,
        value=None if whole.incomparable else 100.0 * found.estimate,
        low=None,
        high=None,
        evidence={
            name: to_json(one)
            for name, one in (("kept", found), ("drop", replace(found, absolute=True)))
        },
    )


def _facts(benchmark: Benchmark, compressed: Records, dense: Records) -> dict[str, Any]:
    """What a retention says of the same items of both, whether or not they can be compared."""
    from unicomp import statistics

    n = len(dense.items)
    ids = statistics.cluster_ids(dense.clusters)
    now, before = (_score(benchmark, records) for records in (compressed, dense))

    def value(aggregate: Aggregate, records: Records) -> float:
        return statistics.value(lambda weights: aggregated(aggregate, records, weights), n)

    facts: dict[str, Any] = {
        "benchmark": benchmark.name,
        "score": statistics.value(now, n),
        "dense": statistics.value(before, n),
        "n": dense.n,
        "clusters": int(ids.max()) + 1,
        "repeats": dense.repeats,
        "parse_rate": compressed.parse_rate,
        "standard_error": statistics.standard_error(now, ids),
        "dense_error": statistics.standard_error(before, ids),
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
        found = divergence(compressed, dense)
        figures = {**found.figures, **wording_figures(benchmark, compressed, dense)}
        if (pair := _samples_right(benchmark, compressed, dense)) is not None:
            figures |= of_samples(*pair, dense)
        facts["divergence"] = replace(found, figures=figures).as_json()
        facts["prompts"] = differences(compressed.first.prompts, dense.first.prompts)
    return facts


def _why_incomparable(benchmark: Benchmark, facts: Mapping[str, Any], dense: Records) -> str | None:
    """Why there is no ratio to the dense score of some facts, or None."""
    if dense.degenerate:
        return f"the dense model's answers are degenerate: {dense.degenerate}"
    bottom = float(_oriented(benchmark, facts["dense"]))
    return _incomparable(bottom, _doubt(benchmark, facts), _chance(benchmark))


def _against_dense(
    benchmark: Benchmark, facts: Mapping[str, Any], compressed: Records, dense: Records
) -> dict[str, Any]:
    """What a retention says besides, where there is a ratio."""
    from unicomp import statistics

    found: dict[str, Any] = {}
    pair = answers_right(benchmark, compressed, dense)
    if pair and not dense.sample:  # no sample of one side belongs to one of the other
        found["lost"], found["gained"] = statistics.flips(pair[1], pair[0])
    if (chance := _chance(benchmark)) is not None:
        top, bottom = (float(_oriented(benchmark, facts[name])) for name in ("score", "dense"))
        found["above_chance"] = 100.0 * (top - chance) / (bottom - chance)
    return found


def _chance(benchmark: Benchmark) -> float | None:
    """The score of chance, oriented; None if none is declared."""
    return None if benchmark.chance is None else float(_oriented(benchmark, benchmark.chance))


def paired(benchmark: Benchmark, compressed: Records, dense: Records) -> tuple[Records, Records]:
    """The records of the items that both could be scored on.

    If the two are one, the results are one as well. Raises ScoringError if they do not hold the
    same items, UnmeasuredError if no item was scored on both sides.
    """
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
        kept = dense.only(scored)
        return (kept if compressed is dense else compressed.only(scored)), kept
    return compressed, dense


def _score(benchmark: Benchmark, records: Records) -> Statistic:
    return lambda weights: score_of(benchmark, records, weights)


def read_as(benchmark: Benchmark, reading: str) -> Benchmark:
    """The benchmark as it enters its metric in a reading of the framework.

    A score that the reading does not turn counts as it is: more is better.
    """
    if benchmark.name in READINGS["oriented"] - READINGS[reading]:
        return replace(benchmark, higher_is_better=True)
    return benchmark


def _oriented(benchmark: Benchmark, score: T) -> T:
    """A score, or an array of scores, turned so that more is better."""
    if benchmark.higher_is_better:
        return score
    return 100.0 - score if benchmark.in_points else 1.0 / score  # type: ignore[operator, return-value]


def _doubt(benchmark: Benchmark, facts: Mapping[str, Any]) -> float:
    """Half the 95 % interval of the dense score, in points."""
    if not benchmark.in_points and not benchmark.higher_is_better:
        return 0.0  # 1 / s is never zero
    if facts["dense_error"] > 0:
        return 1.96 * float(facts["dense_error"])
    return 369.0 / int(facts["clusters"])  # a rate that so many items do not show at 2.5 %


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


# -- evidence -----------------------------------------------------------------------------------


def evidence_of(
    benchmark: Benchmark, compressed: Records, dense: Records
) -> dict[str, PairedShares | Jackknifed]:
    """The evidence about the retention, the drop and, if less is better, the ratio of the scores.

    Both must hold the same items. See `Retention.evidence`. Of a score under the worst wording,
    the limits span those under each of `deciding_wordings`.
    """
    from unicomp.confidence import PairedShares

    if tables := paired_tables(benchmark, compressed, dense):
        shares = PairedShares(tables, f1=isinstance(benchmark.aggregate, RightAnswerF1))
        found: dict[str, PairedShares | Jackknifed] = {
            "kept": shares,
            "drop": replace(shares, absolute=True),
        }
        return found if benchmark.higher_is_better else {**found, "raw": shares.turned()}
    of_all = _of_clusters(benchmark, compressed, dense)
    for score in deciding_wordings(benchmark, compressed, dense):
        of_one = _of_clusters(replace(benchmark, aggregate=score), compressed, dense)
        of_all = {name: one.spanning(of_one[name]) for name, one in of_all.items()}
    return {**of_all}


def _of_clusters(
    benchmark: Benchmark, compressed: Records, dense: Records
) -> dict[str, Jackknifed]:
    """The evidence of the jackknife over clusters."""
    from unicomp import statistics
    from unicomp.confidence import jackknifed

    ids = statistics.cluster_ids(dense.clusters)
    both = [_score(benchmark, records) for records in (compressed, dense)]
    score = statistics.value(both[1], len(ids))
    kept = float(_oriented(benchmark, score))
    reach = kept - lowest_score(benchmark.aggregate)  # the points that can be lost
    quantities: dict[str, tuple[Quantity, float]] = {
        "kept": (lambda two: _ratio(*(_oriented(benchmark, one) for one in two)), reach / kept),
    }
    if benchmark.in_points:
        sign = 1.0 if benchmark.higher_is_better else -1.0
        quantities["drop"] = (lambda two: sign * (two[0] - two[1]) / 100.0, reach / 100.0)
    if not benchmark.higher_is_better and score > 0:
        quantities["raw"] = (lambda two: _ratio(*two), 1.0)
    share = reach / (100.0 + reach - kept) if benchmark.in_points else None
    repeated = _is_repeated(dense, ids)
    return {
        name: jackknifed(quantity, both, ids, share=share, unit=unit, repeated=repeated)
        for name, (quantity, unit) in quantities.items()
    }


def partial_evidence(
    benchmark: Benchmark, compressed: Records, dense: Records
) -> PartialShares | None:
    """The evidence about the retention, where `compressed` has the first of the items of `dense`.

    None if the full run's evidence is not `PairedShares`, so that it needs all items.
    """
    import numpy as np

    from unicomp.confidence import PartialShares, PartTable

    n = len(compressed.items)
    whole = answers_right(benchmark, dense, dense)
    pair = answers_right(benchmark, compressed, dense.at(range(n)))
    if whole is None or pair is None or len(set(dense.clusters)) < len(dense.clusters):
        return None
    right, (now, before) = whole[1], pair
    by = share_of(benchmark.aggregate)[2]
    groups = np.array(dense.fields[by] if by is not None else [""] * len(right))

    def table(group: str | float) -> PartTable:
        own = groups == group
        seen = own[:n]
        counts = (
            *(own & right, own & ~right),
            *(seen & before, seen & before & ~now),
            *(seen & ~before, seen & ~before & now),
        )
        return PartTable(*(float(one.sum()) for one in counts))

    return PartialShares(tuple(sorted(map(table, set(groups)), reverse=True)))


def score_pair(benchmark: Benchmark, compressed: Records, dense: Records) -> tuple[float, float]:
    """The scores of both, in the benchmark's own unit and direction. Raises ScoringError."""
    from unicomp import statistics

    both = (_score(benchmark, records) for records in (compressed, dense))
    first, second = (statistics.value(one, len(dense.items)) for one in both)
    return first, second


def change_between(
    benchmark: Benchmark, now: tuple[Records, Records], before: tuple[Records, Records]
) -> Joint | Jackknifed:
    """The evidence about how far retention moved between two releases, as a share of 1.

    Each is the candidate's and the dense model's records; all four hold the same items. If the
    dense answers are scored the same, it is the drop between the candidates in units of the dense
    score, whose own error counts as well. Else it is the difference of two ratios.
    """
    from unicomp import statistics
    from unicomp.confidence import Joint, Part, jackknifed

    ids = statistics.cluster_ids(before[1].clusters)
    four = [_score(benchmark, records) for records in (*now, *before)]
    candidate, dense = (
        float(_oriented(benchmark, statistics.value(one, len(ids)))) for one in four[2:]
    )
    if benchmark.in_points and now[1].fields == before[1].fields:
        drop = evidence_of(benchmark, now[0], before[0])["drop"]
        error = statistics.standard_error(four[3], ids) / dense
        weight = 100.0 / dense
        return Joint((Part(drop, weight, weight * abs(drop.estimate) * error),), {})
    reach = candidate - lowest_score(benchmark.aggregate)

    def moved(scores: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        a, b, c, d = (_oriented(benchmark, one) for one in scores)
        return _ratio(a, b) - _ratio(c, d)

    share = reach / (100.0 + reach - candidate) if benchmark.in_points else None
    repeated = _is_repeated(before[1], ids)
    return jackknifed(moved, four, ids, share=share, unit=reach / dense, repeated=repeated)


def _is_repeated(records: Records, ids: NDArray[np.int64]) -> bool:
    """Whether each cluster is one item with several samples."""
    return bool(records.sample) and int(ids.max()) + 1 == records.n


def lowest_score(aggregate: Aggregate) -> float:
    """The lowest score of an aggregate, in points: its attribute `least`, by default 0."""
    return float(getattr(aggregate, "least", 0.0))


def _ratio(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bottom > 0, top / bottom, np.nan)


def correlation(
    first: tuple[Benchmark, Records, Records], second: tuple[Benchmark, Records, Records]
) -> float:
    """The correlation of two retentions of the same items, in [-1, 1].

    Each is a benchmark with the compressed and the dense model's records. It is 1 if one of the two
    never varies: unseen changes may then move both.
    """
    import numpy as np

    from unicomp import statistics

    ids = statistics.cluster_ids(first[2].clusters)
    moves = []
    for benchmark, *both in (first, second):
        left = statistics.jackknife([_score(benchmark, records) for records in both], ids)
        moves.append(_ratio(*(_oriented(benchmark, one) for one in left)))
    if not all(np.isfinite(one).all() and np.ptp(one) > 1e-12 for one in moves):
        return 1.0
    return float(np.corrcoef(moves[0], moves[1])[0, 1])


def correlations(
    own: tuple[Benchmark, Records, Records], others: Iterable[tuple[Benchmark, Records, Records]]
) -> dict[str, float]:
    """Other benchmark of the metric with the same rows → the correlation of the retentions."""
    bench, _, dense = own
    return {
        other.name: correlation(own, (other, now, before))
        for other, now, before in others
        if other.metric == bench.metric
        and other.name != bench.name
        and now.items == before.items == dense.items
    }


def paired_tables(
    benchmark: Benchmark, compressed: Records, dense: Records
) -> tuple[tuple[float, float, float, float], ...]:
    """For each group: the items right with both, the compressed model, the dense one, neither.

    Empty unless the score is a share of independent items, or the mean of such shares over groups.
    """
    import numpy as np

    pair = answers_right(benchmark, compressed, dense)
    if pair is None or len(set(dense.clusters)) < len(dense.clusters):
        return ()
    now, before = pair
    by = share_of(benchmark.aggregate)[2]
    groups = np.array(dense.fields[by] if by is not None else [""] * len(now))
    kinds = (now & before, now & ~before, ~now & before, ~now & ~before)
    counts = [[float((kind & (groups == group)).sum()) for kind in kinds] for group in set(groups)]
    return tuple((a, b, c, d) for a, b, c, d in sorted(counts, reverse=True))


def answers_right(
    benchmark: Benchmark, compressed: Records, dense: Records
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
    """Whether each answer of the compressed and of the dense model is right, shape (n,) each.

    None unless the score is a share of items, or a mean of shares over the same groups.
    """
    import numpy as np

    field, counted, by = share_of(benchmark.aggregate)
    if field is None or (by and compressed.fields[by] != dense.fields[by]):
        return None
    for records in (compressed, dense):
        if counted and set(records.fields[counted]) != {1.0}:
            return None
        if not set(records.fields[field]) <= {0.0, 1.0}:
            return None
    right = 1.0 if benchmark.higher_is_better else 0.0
    return np.equal(compressed.fields[field], right), np.equal(dense.fields[field], right)


def _samples_right(
    benchmark: Benchmark, compressed: Records, dense: Records
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
    """Whether each sample is right, if items have several and the score is the mean over all."""
    aggregate = benchmark.aggregate
    if not (dense.sample and benchmark.higher_is_better and isinstance(aggregate, Mean)):
        return None
    return None if aggregate.by is not None else answers_right(benchmark, compressed, dense)


def share_of(aggregate: Aggregate) -> tuple[str | None, str | None, str | None]:
    """The fields of a share: right or wrong, whether it counts, its group; each may be None."""
    if isinstance(aggregate, RightAnswerF1):
        aggregate = aggregate.share
    if isinstance(aggregate, Mean):
        return aggregate.field, aggregate.where, aggregate.by
    if isinstance(aggregate, Ratio):
        return aggregate.field, aggregate.of, aggregate.by
    return None, None, None
