"""Which benchmarks may stop early, and why another one runs in full.

A benchmark may stop if its score is a share of independent items that are right or wrong. Counts of
a part of the items, drawn without replacement, then tell the totals of the full run. Whatever else
a score is made of, or is held against, needs all answers.

`why_in_full` knows what is known before the run. `why_in_full_after` checks the rest in the dense
model's answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from unicomp.decision import FEW_CLUSTERS
from unicomp.framework import Profile
from unicomp.instruments import Mode
from unicomp.policy import Demand
from unicomp.prompts.sizes import Size
from unicomp.prompts.tasks import Definition
from unicomp.retention import answers_right, retention, share_of
from unicomp.scores import Records
from unicomp.scoring.aggregate import RightAnswerF1
from unicomp.scoring.scorers import compares_items
from unicomp.spec import Benchmark

NO_SHARE = "the score is no share of right items"
COUNTED = "which items count depends on the answers"
GROUPED = "how items are grouped may depend on the answers"
COMPARED = "the scorer may compare items with each other"
CLUSTERED = "items come in clusters"
FEW = f"there are fewer than {FEW_CLUSTERS} items"
CEILING = "the score has a ceiling"
FIGURES = "figures of the answers have bounds"
SAME_ROWS = "another benchmark of the metric asks the same rows"
LENGTHS = "the length of its answers is a metric"
UNSCORED = "some of the dense model's answers could not be scored"


def why_in_full(
    benchmark: Benchmark, mode: Mode, demand: Demand, size: Size | None = None
) -> str | None:
    """Why a benchmark cannot stop early, in a few words; None if it can, as far as is known.

    `benchmark` is as declared, `mode` that of scoring. Without a `size` only the dense model's
    answers show whether the items are enough, and independent.
    """
    scored = benchmark.scored_in(mode)
    if (reason := _why_no_share(scored, mode)) is not None:
        return reason
    if demand.ceiling is not None:
        return CEILING
    if demand.figures:
        return FIGURES
    return _why_no_urn(size.items, size.clusters) if size is not None else None


def all_in_full(
    definitions: Sequence[Definition],
    sizes: Mapping[str, Size | None],
    profile: Profile,
    demand: Callable[[Benchmark], Demand],
) -> dict[str, str]:
    """Benchmark of one checkpoint → why it cannot stop early; the others may.

    `sizes` are by benchmark, as far as rows can be counted; `demand` gives what is asked of one.
    """
    found = {
        one.benchmark.name: why_in_full(
            one.benchmark, one.mode, demand(one.benchmark), sizes.get(one.benchmark.name)
        )
        for one in definitions
    }
    for name in _of_same_rows(definitions, profile):
        found[name] = found[name] or SAME_ROWS
    if profile.has_verbosity:
        for one in definitions:
            if one.generates:
                found[one.benchmark.name] = found[one.benchmark.name] or LENGTHS
    return {name: reason for name, reason in found.items() if reason is not None}


def why_in_full_after(benchmark: Benchmark, dense: Records) -> str | None:
    """Why a benchmark cannot stop early, from the dense model's records of all items; or None.

    `benchmark` is in the mode of scoring and in the reading of the session.
    """
    from unicomp.confidence import FEWEST_RIGHT

    if any(dense.gaps):
        return UNSCORED
    if reason := _why_no_urn(len(dense.items), len(set(dense.clusters))):
        return reason
    counted = share_of(benchmark.aggregate)[1]
    if counted and set(dense.fields[counted]) != {1.0}:
        return COUNTED
    if (right := answers_right(benchmark, dense, dense)) is None:
        return NO_SHARE
    if right[1].sum() < FEWEST_RIGHT:
        return f"the dense model has fewer than {FEWEST_RIGHT} right answers"
    return retention(benchmark, dense, dense).incomparable


def _why_no_share(benchmark: Benchmark, mode: Mode) -> str | None:
    """Why the score is no share of items that count whatever is answered; None if it is one."""
    field, counted, by = share_of(benchmark.aggregate)
    if field is None or isinstance(benchmark.aggregate, RightAnswerF1) or not benchmark.in_points:
        return NO_SHARE
    scorer = benchmark.scorer
    if compares_items(scorer):
        return COMPARED
    from_rows = mode == "strict" and getattr(scorer, "counts_every_row", False)
    if counted is not None and not from_rows:
        return COUNTED
    kept = (*getattr(scorer, "keep", ()), *getattr(scorer, "columns", ()))
    return None if by is None or from_rows or by in kept else GROUPED


def _why_no_urn(items: int, clusters: int) -> str | None:
    """Why the items are no urn to draw from: they hang together, or are too few."""
    if clusters < items:
        return CLUSTERED
    return FEW if items < FEW_CLUSTERS else None


def _of_same_rows(definitions: Sequence[Definition], profile: Profile) -> set[str]:
    """The benchmarks that ask the rows of another one of their metric."""
    found: set[str] = set()
    for metric in profile:
        names = profile.benchmarks(metric)
        rows = {
            one.benchmark.name: one.rows_key for one in definitions if one.benchmark.name in names
        }
        often = Counter(rows.values())
        found.update(name for name, key in rows.items() if often[key] > 1)
    return found
