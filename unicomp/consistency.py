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
    from unicomp.statistics import Interval, Statistic

MEAN = "mean_wording"
"""The detail with the mean score of all wordings."""

# -- the transformation ---------------------------------------------------------------------------


def reworded(
    benchmark: Benchmark, *, wordings: Sequence[str | Wording] | None = None
) -> Benchmark:
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


def _chosen(
    benchmark: Benchmark, wordings: Sequence[str | Wording] | None
) -> tuple[Wording, ...]:
    """The wordings of a benchmark, the plain one first. Raises SpecError."""
    if benchmark.wordings:
        raise SpecError(f"benchmark {benchmark.name}: it has wordings already")
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


def _by_wording(
    aggregate: Aggregate, benchmark: Benchmark, wordings: Sequence[Wording]
) -> WorstOf:
    return WorstOf(
        tuple(Among(WORDING, one.name, aggregate) for one in wordings),
        highest=not benchmark.higher_is_better,
    )

