"""Consistency: a benchmark whose items are asked in several wordings, and how answers move.

A model that knows an answer gives it however it is asked. The score is that under the worst
wording; the mean, and the share of items whose answer flips between wordings, stand beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from unicomp.data.sources import HUB, Source
from unicomp.errors import SpecError
from unicomp.framework import CONSISTENCY
from unicomp.prompts.tasks import Definition
from unicomp.prompts.wordings import PLAIN, WORDING, WORDINGS, why_unfit
from unicomp.scores import Records, score_of
from unicomp.scoring.aggregate import Among, MeanOf, WorstOf
from unicomp.spec import LEVEL, Aggregate, Benchmark, Wording, nearest

if TYPE_CHECKING:
    from unicomp.clustered import Ids
    from unicomp.confidence import Jackknifed
    from unicomp.divergence import Figure
    from unicomp.statistics import Interval, Statistic

MEAN = "mean_wording"
"""The detail with the mean score of all wordings."""

# -- the transformation ---------------------------------------------------------------------------


def reworded(benchmark: Benchmark, *, wordings: Sequence[str | Wording] | None = None) -> Benchmark:
    """A benchmark that asks each item of another in several wordings: `NAME_reworded`.

        arc_easy_reworded = reworded(arc_easy)
        gsm8k_reworded = reworded(gsm8k, wordings=("polite", "typo"))

    `wordings` are names of `unicomp.prompts.wordings.WORDINGS`, or wordings of one's own; None: all
    that suit the benchmark. The plain wording is always the first. The metric is `consistency`.
    Raises SpecError for a wording that is unknown or does not suit the benchmark.
    """
    chosen = _chosen(benchmark, wordings)
    worst = _by_wording(benchmark.aggregate, benchmark, chosen)
    published = benchmark.published_aggregate
    return replace(
        benchmark,
        name=f"{benchmark.name}_reworded",
        metric=CONSISTENCY,
        dimension=None,
        wordings=chosen,
        aggregate=worst,
        published_aggregate=(
            None if published is None else _by_wording(published, benchmark, chosen)
        ),
        details={
            MEAN: MeanOf(worst.alternatives),
            **{one.name: score for one, score in zip(chosen, worst.alternatives, strict=True)},
        },
    )


def _chosen(benchmark: Benchmark, wordings: Sequence[str | Wording] | None) -> tuple[Wording, ...]:
    """The wordings of a benchmark, the plain one first. Raises SpecError."""
    if benchmark.wordings:
        raise SpecError(f"benchmark {benchmark.name}: it has wordings already")
    if benchmark.rows is not None:
        raise SpecError(f"benchmark {benchmark.name}: its rows are made, which have one wording")
    settings = Definition(benchmark, Source(HUB)).settings
    if settings.get("output_type") == "loglikelihood_rolling":
        raise SpecError(f"benchmark {benchmark.name}: running text asks nothing to be reworded")
    if wordings is None:
        return tuple(
            one for one in WORDINGS.values() if why_unfit(one, benchmark, settings) is None
        )
    chosen = [PLAIN]
    for given in wordings:
        if isinstance(given, str) and given not in WORDINGS:
            raise SpecError(
                f"benchmark {benchmark.name}: there is no wording {given!r}; "
                f"{nearest(given, WORDINGS)}"
            )
        one = WORDINGS[given] if isinstance(given, str) else given
        if reason := why_unfit(one, benchmark, settings):
            raise SpecError(
                f"benchmark {benchmark.name} cannot be asked in the wording {one.name}: {reason}"
            )
        chosen.append(one)
    found = tuple(dict.fromkeys(chosen))
    names = [one.name for one in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise SpecError(
            f"benchmark {benchmark.name}: two wordings are called {min(twice)}: rename one"
        )
    if len(found) == 1:
        raise SpecError(
            f"benchmark {benchmark.name}: name a wording besides {PLAIN.name}, such as polite"
        )
    return found


def _by_wording(aggregate: Aggregate, benchmark: Benchmark, wordings: Sequence[Wording]) -> WorstOf:
    return WorstOf(
        tuple(Among(WORDING, one.name, aggregate) for one in wordings),
        highest=not benchmark.higher_is_better,
    )


# -- the limits of the worst score ----------------------------------------------------------------


def deciding_wordings(
    benchmark: Benchmark, candidate: Records, baseline: Records
) -> list[Aggregate]:
    """The scores under one wording that the limits of the ratio of worst scores must span.

    The least of several means is biased downwards, mostly if they are close to each other. If that
    happens to one side only, the ratio is biased, too. But the true ratio is at least that under
    the candidate's worst wording, and at most that under the baseline's; these have no such bias.
    Where the baseline's worst wording is a toss-up, it is taken among those that may be the worst
    of both sides, so that a loss under one of them is seen. Empty for a benchmark without wordings.
    """
    import numpy as np

    from unicomp.statistics import cluster_ids

    if not isinstance(benchmark.aggregate, WorstOf):
        return []
    scores = benchmark.aggregate.alternatives
    sign = -1.0 if benchmark.aggregate.highest else 1.0
    ids = cluster_ids(baseline.clusters)
    sides = [
        [_scored(benchmark, one, records, sign) for one in scores]
        for records in (candidate, baseline)
    ]
    least, base = (int(np.argmin(_values(side, ids))) for side in sides)
    tied = set(range(len(scores))).intersection(
        *(_tied(side, place, ids) for side, place in zip(sides, (least, base), strict=True))
    )
    if tied:
        of_baseline = _values(sides[1], ids)
        base = min(sorted(tied), key=of_baseline.__getitem__)
    return [scores[place] for place in dict.fromkeys((least, base))]


_TOSS_UP = 2.0
"""Standard errors of a difference that may be one of chance."""


def _values(side: Sequence[Statistic], ids: Ids) -> list[float]:
    from unicomp.statistics import value

    return [value(one, len(ids)) for one in side]


def _tied(side: Sequence[Statistic], least: int, ids: Ids) -> set[int]:
    """The places of the scores that may be as low as the least one."""
    from unicomp.statistics import standard_error, value

    apart = [lambda weights, one=one: one(weights) - side[least](weights) for one in side]
    return {
        place
        for place, one in enumerate(apart)
        if value(one, len(ids)) <= _TOSS_UP * standard_error(one, ids)
    }


def _scored(
    benchmark: Benchmark, score: Aggregate, records: Records, sign: float = 1.0
) -> Statistic:
    scored = replace(benchmark, aggregate=score)
    return lambda weights: sign * score_of(scored, records, weights)


# -- the figures ----------------------------------------------------------------------------------


def wording_figures(
    benchmark: Benchmark, candidate: Records, baseline: Records
) -> dict[str, Figure]:
    """The figures of both sides, each with its interval by item; empty without wordings.

    `worst_wording` and `mean_wording` are the scores under the worst wording and the mean over all.
    `wording_flips` is the share of items that are right in some wordings and wrong in others; if
    items are not right or wrong, of those that are read differently. With `dense.` before it, a
    figure is the baseline's. In percent of 100 points; a score that is not in points has none.
    """
    if not benchmark.wordings:
        return {}
    assert isinstance(benchmark.aggregate, WorstOf)
    mean = MeanOf(benchmark.aggregate.alternatives)
    found: dict[str, Interval] = {}
    for whose, records in (("", candidate), ("dense.", baseline)):
        if benchmark.in_points:
            found[f"{whose}worst_wording"] = _worst(benchmark, records)
            found[f"{whose}{MEAN}"] = _evidence(benchmark, mean, records).limits()
        if (flips := _flips(records)) is not None:
            found[f"{whose}wording_flips"] = flips
    least = benchmark.aggregate.least
    return {
        name: (100.0 * one.estimate, max(100.0 * one.low, least), min(100.0 * one.high, 100.0))
        for name, one in found.items()
    }


def _evidence(benchmark: Benchmark, score: Aggregate, records: Records) -> Jackknifed:
    """The evidence about a score, as a share of 100 points; every cluster can move it."""
    from unicomp.confidence import jackknifed
    from unicomp.statistics import cluster_ids

    return jackknifed(
        lambda one: one[0] / 100.0,
        [_scored(benchmark, score, records)],
        cluster_ids(records.clusters),
        share=1.0,
    )


def _worst(benchmark: Benchmark, records: Records) -> Interval:
    """The score under the worst wording, with its interval.

    Which one is the worst is not known: it may be any one on the side of the bad scores, where its
    own limit holds. On the other side all limits must hold at once (Bonferroni).
    """
    from unicomp.statistics import Interval

    assert isinstance(benchmark.aggregate, WorstOf)
    scores = benchmark.aggregate.alternatives
    each = [_evidence(benchmark, one, records) for one in scores]
    own = [one.limits() for one in each]
    together = [one.limits(LEVEL / len(each)) for one in each]
    estimates = [one.estimate for one in own]
    if benchmark.aggregate.highest:
        return Interval(
            max(estimates), max(one.low for one in together), max(one.high for one in own)
        )
    return Interval(min(estimates), min(one.low for one in own), min(one.high for one in together))


def _flips(records: Records) -> Interval | None:
    """The share of items that are not read alike in all wordings; None if readings are numbers."""
    import numpy as np

    from unicomp.clustered import share
    from unicomp.statistics import cluster_ids

    records = records.first  # another sample may differ in the same wording
    read = _read(records)
    if read is None:
        return None
    readings: dict[str, set[float | str]] = {}
    clusters: dict[str, str] = {}
    for item, cluster, reading in zip(records.items, records.clusters, read, strict=True):
        row = item.rpartition("@")[0]
        readings.setdefault(row, set()).add(reading)
        clusters[row] = cluster
    flipped = np.array([len(one) > 1 for one in readings.values()])
    return share(flipped, cluster_ids(list(clusters.values())))


def _read(records: Records) -> list[float | str] | None:
    """What each item was read as: right or wrong, or else its kind or label."""
    correct = records.fields.get("correct")
    if correct is not None and set(correct) <= {0.0, 1.0}:
        return correct
    return records.fields.get("kind", records.fields.get("said"))
