"""Verdicts of rows and metrics, of which the gate is decided.

A row is one benchmark or probe of one checkpoint. The rules, in the order in which they apply:

1. `expected`: a row without any result is *missing*.
2. `ended`: a failed measurement is *unsupported*, *not_measured* or *missing*; logits that are not
   finite *fail*. If the prompts are longer than the baseline's context, it is *not_comparable*.
3. `measured`: degenerate answers *fail*; a benchmark that was not run as declared is
   *not_measured*; a baseline without a usable score makes it *not_comparable*. A probe whose limit
   holds for another machine is *not_measured* (`why_not_held`).
4. `judged`: a row passes if its limits meet all that is asked, each at 2.5 %. It fails if one of
   them is missed at 2.5 % / m, where m counts the rows and metrics that are planned for its
   checkpoint. Else it is *undecided*. A cost passes within its budget; above it, it is
   *undecided* if the build ran beside other work. A row whose items were asked in part has the
   verdict of the full run, as soon as its limits can only give one.
5. `failed_with_test`: a row that did not fail fails if its test failed.
6. `metric_row`: a metric needs the benchmarks of its profile. Those that are not comparable, or
   advisory, leave it by name. It is judged like a row.
7. `verbosity_row`: the metric `verbosity` is the mean length of the answers to the generated
   benchmarks that ran. It has a ceiling instead of a floor.

A `Desk` (`desk.py`) applies rules 1 to 4 while a test measures and compares. What follows from all
verdicts of a session is in `decision.py`. Nothing here needs pytest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from unicomp.divergence import CEILED, LENGTH, bounded_figures
from unicomp.errors import (
    IncomparableError,
    NotFiniteError,
    UnicompError,
    UnmeasuredError,
    UnsupportedError,
)
from unicomp.framework import CONSISTENCY, VERBOSITY, Profile
from unicomp.policy import Demand, Policy, Tier
from unicomp.retention import Retention
from unicomp.spec import LEVEL, Benchmark, CheckpointId, OfCheckpoint, Probe

if TYPE_CHECKING:
    from unicomp.confidence import Evidence, Joint, PartialShares, PartialSum, Stated

T = TypeVar("T")

Verdict = Literal[
    "pass",
    "fail",
    "undecided",
    "missing",
    "unsupported",
    "not_measured",
    "not_comparable",
]
OTHER_LOAD = "other_load"
"""The detail of a cost whose build ran beside other work: the share of the processors it took."""
DECIDED: tuple[Verdict, ...] = ("pass", "fail", "undecided")
"""The verdicts of rows that were measured and compared; the others have no retention."""

_WORST_FIRST: tuple[Verdict, ...] = (
    "fail",
    "missing",
    "unsupported",
    "not_comparable",
    "not_measured",
)
"""A metric takes the first of these verdicts that one of its unusable rows has."""


@dataclass(frozen=True, kw_only=True)
class Row(OfCheckpoint):
    """The result of one benchmark or probe for one checkpoint.

    `score` and `dense` are in the unit of the benchmark, points for most, or of the probe;
    retention, interval and floor in percent. All values are JSON values, as rows are sent
    between processes.
    """

    benchmark: str
    """The name of the benchmark or probe."""
    metric: str | None = None
    dimension: str | None = None
    """The dimension of a benchmark that belongs to no metric."""
    length: int | None = None
    """The tokens of each prompt with its answer; None unless rows are made for a length."""
    tier: Tier = "guard"
    verdict: Verdict = "missing"
    reason: str = ""
    score: float | None = None
    dense: float | None = None
    retention: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    """Items of a benchmark, rounds of a probe."""
    clusters: int | None = None
    """Independent clusters of items."""
    repeats: int = 1
    """How often each item of a benchmark was asked."""
    full_n: int | None = None
    """The items of the full run whose verdict this is, if asking stopped early: `n` were asked.
    The interval then is a confidence sequence: it holds whenever one stops."""
    early_error: float | None = None
    """The chance that the full run has another verdict, as a share of 1; None for a full run."""
    floor: float | None = None
    max_drop: float | None = None
    """The points that the score may fall below the dense one."""
    ceiling: float | None = None
    """The highest score, in percent of the dense one."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """Figure of the divergence → its floor or ceiling; see `Demand.figures`."""
    p_pass: float | None = None
    """The p-value of meeting all that is asked; None if that was not judged."""
    p_fail: float | None = None
    """The p-value of missing something that is asked."""
    evidence: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """See `Retention.evidence`."""
    shared: Mapping[str, float] = field(default_factory=dict)
    """See `Retention.shared`."""
    standard_error: float | None = None
    dense_error: float | None = None
    parse_rate: float | None = None
    above_chance: float | None = None
    lost: int | None = None
    gained: int | None = None
    overlong: int | None = None
    """Items whose prompts are longer than the model's context."""
    judged: int | None = None
    """Questions about the answers that a judge decided."""
    kappa: float | None = None
    """Agreement of the judge with labels, Cohen's kappa; None if no judge decided anything."""
    details: Mapping[str, float] = field(default_factory=dict)
    """Further scores of the benchmark by name, and the dense model's as `dense.NAME`."""
    divergence: Mapping[str, Any] = field(default_factory=dict)
    """How far the answers differ from the dense model's: `Divergence` as JSON values."""
    prompts: Mapping[str, Any] = field(default_factory=dict)
    """See `Retention.prompts`."""
    higher_is_better: bool = True
    in_points: bool = True
    unit: str | None = None
    """The unit of a probe's values; None for a benchmark."""
    candidate: str | None = None
    """The key of the checkpoint, and `baseline` that of the dense one; None for a probe."""
    baseline: str | None = None
    items: str | None = None
    """A key of the items of a benchmark."""
    records: Mapping[str, str] = field(default_factory=dict)
    """See `Retention.records`."""
    samples: Sequence[Mapping[str, Any]] = field(default_factory=list)
    """See `Retention.samples`."""
    budget: float | None = None
    """The highest accepted cost of the build, in `unit`; None without a budget."""
    limit: float | None = None
    """The most that the checkpoint itself may have, of a throughput the least, in `unit`; None
    without a limit."""
    machine: str | None = None
    """The machine that the limit holds for; None for any."""
    absolute: float | None = None
    """What the limit judges: the value of the median round, in `unit`; see `Gain.absolute`."""
    absolute_low: float | None = None
    absolute_high: float | None = None
    unmet: Sequence[str] = field(default_factory=list)
    """Which of `floor` and `limit` a row with a limit did not pass."""
    expected_gain: float | None = None
    """The gain expected of the checkpoint's format, in percent of dense; None if there is none."""
    allowed: str | None = None
    """Why this row does not shut the gate; None if it passed or shuts it."""

    @property
    def name(self) -> str:
        """That of its benchmark or probe."""
        return self.benchmark

    @property
    def early(self) -> bool:
        """Whether asking stopped early."""
        return self.full_n is not None

    @property
    def decided(self) -> bool:
        """Whether it was measured and compared. A degenerate row fails without being compared.

        A cost has no dense counterpart: it is compared with its budget only.
        """
        compared = self.retention is not None or (self.unit is not None and self.score is not None)
        return self.verdict in DECIDED and compared

    @property
    def shown(self) -> bool:
        """Whether it has figures to show: also a probe whose limit holds for another machine."""
        elsewhere = self.verdict == "not_measured" and self.machine is not None
        return self.decided or (elsewhere and self.retention is not None)

    @property
    def is_timing(self) -> bool:
        """Whether it is a time or a rate, which belongs to one machine."""
        return self.unit in ("s", "tokens/s")

    @property
    def realised(self) -> bool | None:
        """Whether the whole interval shows a gain; None without an expected gain or an interval."""
        if self.expected_gain is None or self.low is None:
            return None
        return self.low > 100.0

    @property
    def differs(self) -> bool | None:
        """Whether a probe shows a difference from dense; None if rounds were not compared."""
        if not self.n or self.unit is None or self.low is None or self.high is None:
            return None
        return not self.low < 100.0 < self.high

    @property
    def bounded_figures(self) -> dict[str, tuple[float, float, float]]:
        """Figure of the answers that may have a bound → its value and limits, in percent."""
        return bounded_figures(self.divergence)

    @staticmethod
    def bound_of(figure: str) -> Literal["floor", "ceiling"]:
        """What a figure of the answers may have."""
        return "ceiling" if figure in CEILED else "floor"

    def oriented(self, score: float) -> float:
        """A score of the benchmark, oriented so that more is better."""
        if self.higher_is_better:
            return score
        return 100.0 - score if self.in_points else 1.0 / score


# -- rows ---------------------------------------------------------------------------------------


def expected(checkpoint: CheckpointId, measure: Benchmark | Probe) -> Row:
    """The row of a measure before it is measured: missing."""
    row = Row(
        **checkpoint._asdict(),
        benchmark=measure.name,
        metric=measure.metric,
        higher_is_better=measure.higher_is_better,
    )
    if isinstance(measure, Benchmark):
        row = replace(row, length=None if measure.rows is None else measure.rows.length)
        return replace(row, dimension=measure.dimension, in_points=measure.in_points)
    return replace(row, in_points=False, unit=measure.unit)


def ended(row: Row, failure: UnicompError) -> Row:
    """A row whose measurement failed; it fails if the checkpoint computes no numbers."""
    verdict: Verdict = "missing"
    if isinstance(failure, NotFiniteError):
        verdict = "fail"
    elif isinstance(failure, UnsupportedError):
        verdict = "unsupported"
    elif isinstance(failure, UnmeasuredError):
        verdict = "not_measured"
    elif isinstance(failure, IncomparableError):
        verdict = "not_comparable"
    return replace(row, verdict=verdict, reason=str(failure))


def measured(row: Row, kept: Retention) -> Row:
    """A row with the measured values; still `missing` if a floor can be compared with them."""
    names = {field.name for field in fields(Row)} & {field.name for field in fields(Retention)}
    values = {name: getattr(kept, name) for name in names - {"benchmark"}}
    row = replace(row, **values, retention=kept.value)
    if kept.degenerate and not kept.incomparable:
        row = replace(row, score=None, retention=None, low=None, high=None, above_chance=None)
        return replace(row, verdict="fail", reason=f"degenerate: {kept.degenerate}")
    if kept.faults:  # the scores are reported, but they are not those of the benchmark
        row = replace(row, retention=None, low=None, high=None, above_chance=None)
        return replace(row, verdict="not_measured", reason="; ".join(kept.faults))
    if kept.incomparable:
        return replace(row, verdict="not_comparable", reason=kept.incomparable)
    return row


def asking(row: Row, demand: Demand) -> Row:
    """A row with what is asked of it, given the dense score."""
    floor, drop = demand.floor, demand.max_drop
    if row.dense is not None:
        floor, drop = demand.bounds(row.dense)
    row = replace(row, tier=demand.tier, floor=floor, max_drop=drop, ceiling=demand.ceiling)
    row = replace(row, limit=demand.limit, machine=demand.machine)
    row = replace(row, figures=demand.figures if row.divergence else {})
    if reason := _why_unanswerable(row):
        return replace(row, verdict="not_measured", reason=reason)
    return row


def row_of(
    checkpoint: CheckpointId,
    bench: Benchmark,
    kept: Retention,
    policy: Policy,
    profile: Profile,
    *,
    level: float = LEVEL,
    family: int = 1,
) -> Row:
    """The row of a benchmark's retention, judged by the policy; see `judged`."""
    demand = demand_of(policy, profile, checkpoint, bench)
    row = measured(asking(expected(checkpoint, bench), demand), kept)
    row = asking(row, demand)
    return judged(row, level=level, family=family) if row.verdict == "missing" else row


def _why_unanswerable(row: Row) -> str | None:
    """Why a measured row cannot be held to what is asked, or None."""
    raw = row.ceiling is not None and not row.higher_is_better
    if raw and row.evidence and "raw" not in row.evidence:
        return "a ceiling needs a score, and the dense model's is 0"
    if unknown := [name for name in row.figures if name not in row.bounded_figures]:
        return f"there is no figure {unknown[0]} of its answers"
    return None


def why_not_held(row: Row, machine: Callable[[], str | None]) -> str | None:
    """Why a measured row cannot be held to its limit, or None: it holds for another machine.

    `machine` gives the name of the one that it was measured on, or None if it is unknown.
    """
    if row.limit is None or row.machine is None:
        return None
    here = machine()
    if here is not None and _plain(here) == _plain(row.machine):
        return None
    where = here or "a machine of unknown name"
    return f"not measured on {row.machine}, which its limit holds for, but on {where}"


def _plain(name: str) -> str:
    """The name of a machine for a comparison: systems pad it."""
    return " ".join(name.split()).casefold()


def judged(row: Row, *, level: float = LEVEL, family: int = 1) -> Row:
    """The row with its verdict on what is asked: the one place where limits meet bounds.

    `level` is the error of passing, `family` the number of rows and metrics among which failing
    has an error of 2.5 %. Nothing is rounded, and NaN never passes. A row that has no retention,
    and a cost, stay as they are.
    """
    if row.retention is None:
        return row
    asked = list(_asked(row))
    if row.early_error is not None:
        verdict, reason = _foresee(asked, level, family, row.early_error)
        return replace(row, verdict=verdict, reason=reason)
    verdict, p_pass, p_fail = _judge(asked, level, family)
    if row.limit is not None:
        row = replace(row, unmet=_unmet(row, level))
    return replace(row, verdict=verdict, p_pass=p_pass, p_fail=p_fail)


def _unmet(row: Row, level: float) -> list[str]:
    """Which of its floor and its limit a row did not pass."""
    asked = {"floor": replace(row, limit=None), "limit": replace(row, floor=None)}
    return [name for name, one in asked.items() if _judge([*_asked(one)], level, 1)[0] != "pass"]


_Asked = tuple[Any, float, bool]
"""Evidence, of a full or a partial row, its bound, and whether it must be at or above the bound
rather than at or below it."""


def _asked(row: Row) -> Iterator[_Asked]:
    from unicomp.confidence import Stated

    if row.floor is not None:
        yield _evidence(row, "kept"), row.floor / 100.0, True
    if row.max_drop is not None:
        yield _evidence(row, "drop"), -row.max_drop / 100.0, True
    if row.ceiling is not None:
        yield _evidence(row, "kept" if row.higher_is_better else "raw"), row.ceiling / 100.0, False
    for name, bound in row.figures.items():
        yield Stated(*row.bounded_figures[name]), bound, row.bound_of(name) == "floor"
    if row.limit is not None:
        own = (row.absolute, row.absolute_low, row.absolute_high)
        yield _stated(*own), row.limit, row.higher_is_better


def evidence(row: Row) -> Evidence:
    """The evidence about the retention of a row that was measured in full.

    Its 95 % limits alone for a timing, and for the dense model itself. Raises ValueError for a row
    whose items were asked in part.
    """
    found = _evidence(row, "kept")
    if row.early:
        raise ValueError(f"the items of {row.benchmark} were asked in part")
    return found  # type: ignore[return-value]


def _evidence(row: Row, name: str) -> Evidence | PartialShares:
    """The evidence about a quantity of a row. Raises KeyError if the row does not have it."""
    from unicomp.confidence import Stated, from_json

    if row.evidence:
        return from_json(row.evidence[name])
    if name == "drop":  # of the dense model from itself
        return Stated(0.0, 0.0, 0.0)
    return _stated(row.retention, row.low, row.high, scale=100.0)


def _stated(*limits: float | None, scale: float = 1.0) -> Stated:
    """An estimate and its limits, divided by `scale`; what is not known meets no bound."""
    from unicomp.confidence import Stated

    return Stated(*(math.nan if one is None else one / scale for one in limits))


def _judge(
    asked: Sequence[_Asked], level: float, family: int
) -> tuple[Verdict, float | None, float | None]:
    """The verdict, and the p-values of passing and of failing."""
    from unicomp.confidence import p_above, p_below

    if not asked:
        return "pass", None, None
    strictest = LEVEL / (family * len(asked))
    passes, fails = True, False
    met, missed = [], []
    for found, bound, at_least in asked:
        at, far = found.limits(level), found.limits(strictest)
        reached = at.high >= at.low >= bound if at_least else at.low <= at.high <= bound
        passes &= reached
        fails |= far.high < bound if at_least else far.low > bound
        above, below = (p_above, p_below) if at_least else (p_below, p_above)
        certain = reached and at.low == at.high  # the dense model itself, at its bound
        met.append(0.0 if certain else above(found, bound))
        beyond = math.nextafter(bound, -math.inf if at_least else math.inf)
        missed.append(1.0 if reached else min(below(found, beyond) * len(asked), 1.0))
    verdict: Verdict = "pass" if passes else "fail" if fails else "undecided"
    return verdict, max(met), min(missed)


UNSETTLED = "the verdict of all items is not known yet: run without --early"
"""The reason of an undecided verdict that more items may still change."""


def _foresee(
    asked: Sequence[_Asked], level: float, family: int, error: float
) -> tuple[Verdict, str]:
    """The verdict that the full run will have, but for a chance of `error`; if several are
    possible, undecided with the reason `UNSETTLED`.

    The full run may also fail by Holm's procedure, at 2.5 % if all others have failed: what it will
    not fail at that level either is undecided.
    """
    assert all(at_least for *_, at_least in asked)
    likely = [(found.likely(-math.log(error)), bound) for found, bound, _ in asked]
    reached = [one.reaches(level, bound) for one, bound in likely]
    if all(one.surely for one in reached):
        return "pass", ""
    if all(one.possibly for one in reached):
        return "undecided", UNSETTLED
    most = LEVEL / len(asked)
    if any(one.stays_below(most / family, bound).surely for one, bound in likely):
        return "fail", ""
    if any(one.stays_below(most, bound).possibly for one, bound in likely):
        return "undecided", UNSETTLED
    return "undecided", ""


TEST_FAILED = "the test failed"


def failed_with_test(row: Row) -> Row:
    """The row after its test failed: a pass, and an undecided row, become a fail."""
    if row.verdict not in ("pass", "undecided"):
        return row
    return replace(row, verdict="fail", reason=TEST_FAILED)


def demand_of(
    policy: Policy, profile: Profile, checkpoint: CheckpointId, measure: Benchmark | Probe
) -> Demand:
    """What is asked of a benchmark or probe: one in no metric of the profile is critical."""
    inside = any(measure.name in profile.benchmarks(metric) for metric in profile)
    demand = policy.demand(checkpoint, measure, tier="guard" if inside else "critical")
    if isinstance(measure, Benchmark) and measure.advisory is not None:
        return replace(demand, tier="advisory")
    return demand


# -- metrics ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class MetricRow(OfCheckpoint):
    """One metric of one checkpoint: its retention in percent with the 95 % interval.

    `VERBOSITY` has the mean relative length instead.
    """

    metric: str
    tier: Tier = "critical"
    verdict: Verdict
    floor: float | None
    """None for `VERBOSITY`."""
    ceiling: float | None = None
    """The most that `VERBOSITY` may have, in percent; None for any other metric."""
    reason: str = ""
    value: float | None = None
    """The retention that is judged: of the benchmarks that have not left the metric."""
    low: float | None = None
    high: float | None = None
    p_pass: float | None = None
    p_fail: float | None = None
    clusters: int | None = None
    """The clusters of the benchmark that has the fewest."""
    early_error: float | None = None
    """The chance that the full run has another verdict, as a share of 1, if asking of one of its
    benchmarks stopped early; else None."""
    published: float | None = None
    """The retention over all benchmarks of the profile; None if it does not exist."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Benchmark of the profile → why it has left the judged metric."""
    last_release: float | None = None
    """The retention in the last release; None without `--baseline`, or if it was not measured."""
    most_fall: float | None = None
    """The points that it may fall below that; None if it was not compared."""
    allowed: str | None = None

    @property
    def name(self) -> str:
        """That of its metric."""
        return self.metric

    @property
    def early(self) -> bool:
        """Whether asking of one of its benchmarks stopped early."""
        return self.early_error is not None


def metric_row(
    checkpoint: CheckpointId,
    metric: str,
    found: Mapping[str, Row],
    profile: Profile,
    policy: Policy,
    *,
    level: float = LEVEL,
    family: int = 1,
) -> MetricRow:
    """The verdict on a metric from the rows of its checkpoint, by benchmark.

    It needs every benchmark of the profile but those that say nothing about the candidate, since
    the baseline has no usable score, and those that are advisory.
    """
    demand = policy.demand_of_metric(checkpoint, metric)
    assert demand.floor is not None
    base = MetricRow(
        **checkpoint._asdict(),
        metric=metric,
        tier=demand.tier,
        verdict="missing",
        floor=demand.floor,
    )
    names = profile.benchmarks(metric)
    rows = [found[name] for name in names if name in found]
    left_out = {row.benchmark: why for row in rows if (why := _why_left_out(row))}
    base = replace(base, left_out=left_out, published=_published(metric, found, profile))
    kept = profile.without(metric, left_out)
    names = kept.benchmarks(metric)
    gaps = [name for name in names if name not in found or _is_gap(found[name])]
    base = replace(base, allowed=_metric_allowed(policy, base, gaps))
    if not names:
        reason = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        return replace(base, verdict="not_comparable", reason=reason)
    absent = [name for name in names if name not in found]
    unusable = [found[name] for name in names if name in found and not found[name].decided]
    if absent or unusable:
        reasons = [f"{name} was not run" for name in absent]
        reasons += [
            f"{row.benchmark} is {'degenerate' if row.verdict == 'fail' else row.verdict}"
            for row in unusable
        ]
        verdict = "missing" if absent else _worst(unusable)
        return replace(base, verdict=verdict, reason=", ".join(reasons))
    from unicomp.confidence import PartialSum

    try:
        joint = joint_evidence(metric, {name: found[name] for name in names}, kept)
    except ValueError as error:
        return replace(base, verdict="not_comparable", reason=str(error))
    asked: list[_Asked] = [(joint, demand.floor / 100.0, True)]
    clusters = min((found[name].clusters or 0 for name in names), default=0)
    if isinstance(joint, PartialSum):
        chance = max(found[name].early_error or 0.0 for name in names)
        verdict, reason = _foresee(asked, level, family, chance)
        low, high = joint.likely(-math.log(chance)).estimates()
        return replace(
            base,
            verdict=verdict,
            reason=reason,
            value=100.0 * joint.estimate,
            low=100.0 * low,
            high=100.0 * high,
            clusters=clusters,
            early_error=chance,
            allowed=None if verdict == "pass" else base.allowed,
        )
    return _judged_metric(replace(base, clusters=clusters), joint, asked, level, family)


def _judged_metric(
    base: MetricRow,
    joint: Joint,
    asked: Sequence[_Asked],
    level: float,
    family: int,
) -> MetricRow:
    """A metric with its value and its verdict; what has passed needs not be allowed."""
    limits = joint.limits()
    verdict, p_pass, p_fail = _judge(asked, level, family)
    return replace(
        base,
        verdict=verdict,
        value=100.0 * limits.estimate,
        low=100.0 * limits.low,
        high=100.0 * limits.high,
        p_pass=p_pass,
        p_fail=p_fail,
        allowed=None if verdict == "pass" else base.allowed,
    )


def verbosity_row(
    checkpoint: CheckpointId,
    found: Mapping[str, Row],
    profile: Profile,
    policy: Policy,
    *,
    level: float = LEVEL,
    family: int = 1,
) -> MetricRow | None:
    """The verdict on the verbosity of a checkpoint from its rows, by benchmark.

    None if the profile does not have the metric, or no row has a length: so for the dense model.
    """
    rows = rows_with_length(found, profile)
    if not rows:
        return None
    demand = policy.demand_of_metric(checkpoint, VERBOSITY)
    assert demand.ceiling is not None
    left_out = {name: why for name, row in rows.items() if (why := _why_no_length(row))}
    kept = [row for name, row in rows.items() if name not in left_out]
    base = MetricRow(
        **checkpoint._asdict(),
        metric=VERBOSITY,
        tier=demand.tier,
        verdict="not_comparable",
        floor=None,
        ceiling=demand.ceiling,
        left_out=left_out,
        allowed=policy.allowed(checkpoint, metric=VERBOSITY, benchmark=None),
    )
    if not kept:
        return replace(base, reason="; ".join(f"{name}: {why}" for name, why in left_out.items()))
    joint = length_evidence(kept)
    base = replace(base, clusters=min(row.clusters or 0 for row in kept))
    return _judged_metric(base, joint, [(joint, demand.ceiling / 100.0, False)], level, family)


def rows_with_length(found: Mapping[str, Row], profile: Profile) -> dict[str, Row]:
    """Those rows of a profile's benchmarks that say how long the answers are.

    Empty if the profile does not have `VERBOSITY`.
    """
    if not profile.has_verbosity:
        return {}
    metrics = [metric for metric in profile if metric != CONSISTENCY]  # other wordings of the same
    names = dict.fromkeys(name for metric in metrics for name in profile.benchmarks(metric))
    rows = {name: found[name] for name in names if name in found}
    return {name: row for name, row in rows.items() if LENGTH in row.bounded_figures}


def length_evidence(rows: Sequence[Row]) -> Joint:
    """The evidence about the mean of some rows' relative lengths, as a share of 1.

    Benchmarks of the same items count as if their lengths moved together.
    """
    from unicomp.confidence import Joint, Part, Stated

    lengths = [Stated(*(one / 100.0 for one in row.bounded_figures[LENGTH])) for row in rows]
    together = {
        (i, j): 1.0
        for j in range(len(rows))
        for i in range(j)
        if rows[i].items is not None and rows[i].items == rows[j].items
    }
    return Joint(tuple(Part(one, 1.0 / len(rows)) for one in lengths), together)


def _why_no_length(row: Row) -> str | None:
    """Why the length of a benchmark's answers does not count; None if it does."""
    if row.early:
        return "asking stopped early"
    return row.reason if row.verdict == "not_measured" else _why_left_out(row)


def _why_left_out(row: Row) -> str | None:
    """Why a benchmark of a metric says nothing about the candidate, or is not to decide."""
    if row.tier == "advisory":
        return "advisory"
    return row.reason if row.verdict == "not_comparable" else None


def _is_gap(row: Row) -> bool:
    """Whether a benchmark keeps its metric from having a value, or fails."""
    return row.verdict not in ("pass", "undecided")


def _published(metric: str, found: Mapping[str, Row], profile: Profile) -> float | None:
    """The metric over all benchmarks of the profile, or None."""
    rows = [found.get(name) for name in profile.benchmarks(metric)]
    scored = [row for row in rows if row and row.score is not None and row.dense is not None]
    if len(scored) < len(rows):
        return None
    now = {row.benchmark: row.oriented(row.score or 0.0) for row in scored}
    dense = {row.benchmark: row.oriented(row.dense or 0.0) for row in scored}
    try:
        return profile.retained(metric, now, dense)
    except ValueError:
        return None


def joint_evidence(metric: str, rows: Mapping[str, Row], profile: Profile) -> Joint | PartialSum:
    """The evidence about a metric of the profile from its rows. Raises ValueError without a ratio.

    Benchmarks that have the same rows move together. It is a `PartialSum` if items of one of the
    benchmarks were asked in part.
    """
    from unicomp.confidence import Member, summed

    dense = {name: row.oriented(row.dense or 0.0) for name, row in rows.items()}
    slopes = profile.slopes(metric, dense)
    members = {
        name: Member(
            _evidence(rows[name], "kept"),
            weight=slope * dense[name] / 100.0,
            error=(rows[name].dense_error or 0.0) / dense[name],
        )
        for name, slope in slopes.items()
    }
    parts = [
        [members[name] for name in ([part] if isinstance(part, str) else part.shares())]
        for part in profile.parts[metric]
    ]
    names = list(members)
    shared = {
        (i, j): rows[names[i]].shared.get(names[j], rows[names[j]].shared.get(names[i], 0.0))
        for j in range(len(names))
        for i in range(j)
    }
    return summed(parts, shared)


def recorded_once(rows: Sequence[Row]) -> list[Row]:
    """The rows, each benchmark or probe of a checkpoint once, in the order of the first.

    Several tests may measure the same, and a test may be repeated. The worst verdict stays; with
    equal ones a full run rather than an early one, and then the row of the higher floor.
    """
    ranks = (*_WORST_FIRST, "undecided", "pass")
    found: dict[tuple[CheckpointId, str], Row] = {}
    for row in rows:
        known = found.setdefault((row.checkpoint, row.benchmark), row)
        if (ranks.index(row.verdict), row.early, -(row.floor or 0)) < (
            ranks.index(known.verdict),
            known.early,
            -(known.floor or 0),
        ):
            found[row.checkpoint, row.benchmark] = row
    return list(found.values())


def _worst(rows: Sequence[Row]) -> Verdict:
    verdicts = {row.verdict for row in rows}
    return next((verdict for verdict in _WORST_FIRST if verdict in verdicts), "missing")


def _metric_allowed(policy: Policy, row: MetricRow, gaps: Sequence[str]) -> str | None:
    """The reason to allow a metric: its own, or those of all its benchmarks that are gaps."""
    reasons = [
        policy.allowed(row.checkpoint, metric=row.metric, benchmark=name)
        for name in gaps or (None,)
    ]
    return "; ".join(dict.fromkeys(filter(None, reasons))) if all(reasons) else None
