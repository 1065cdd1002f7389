"""Compare a scorecard with that of the last release, and gate on what became worse.

1. `check_comparable`: the two are about the same model, and have a checkpoint in common.
2. `compare`: how far each metric, benchmark and probe moved, against chance; which verdicts
   changed; and what else changed.
3. `gated`: a metric that fell too far fails, and one that is not there any more is missing.

What stopped early, in either of them, is named and not compared: its figures are of fewer items.
Its verdict is that of the full run, so that a verdict which changed is named as well.

A metric fails if it is worse beyond chance, and fell by more than it may. "Beyond chance" is one
Holm procedure at 2.5 % over all metrics of the comparison, so that an unchanged release fails in at
most 2.5 % of comparisons, however many metrics there are. The second condition keeps a change that
is real and small from failing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from unicomp.changes import (
    ANSWERING,
    TOLERANCE,
    Comparison,
    Direction,
    Move,
    Unit,
    VerdictChange,
)
from unicomp.comparison.evidence import Behind, Change, Releases, of_probe
from unicomp.comparison.surroundings import other_changes
from unicomp.decision import allowed, decides, rejected, shuts
from unicomp.errors import SpecError
from unicomp.policy import Policy
from unicomp.scorecard import Scorecard
from unicomp.spec import DENSE, Benchmark, CheckpointId
from unicomp.verdict import MetricRow, Row

MostFall = Callable[[CheckpointId, str], float | None]
"""The points that a metric of a checkpoint may fall; None for one that cannot fail."""

GONE = "the last release has it, this run does not: compare runs of the same tests"
"""Why a result is missing that was measured in the last release."""


def most_fall_of(policy: Policy) -> MostFall:
    """What `[last_release]` of a policy permits; a metric whose gap is allowed cannot fail."""

    def points(checkpoint: CheckpointId, metric: str) -> float | None:
        if policy.allowed(checkpoint, metric=metric, benchmark=None):
            return None
        return policy.drop_of(checkpoint, metric)

    return points


def check_comparable(
    name: str,
    old: Scorecard,
    origins: Mapping[str, tuple[object, object]],
    checkpoints: Collection[CheckpointId],
) -> None:
    """Raise SpecError unless a scorecard is about the same models and a checkpoint in common.

    `name` is that of its file. `origins` gives source and revision of each model of the release
    that is compared with it, and `checkpoints` are its checkpoints.
    """
    models = old.origins.keys() & origins.keys()
    if not models:
        raise SpecError(
            f"{name} is about {_listed(old.origins)}, not about {_listed(origins)}: give the "
            "scorecard of an earlier release"
        )
    for model in models:
        if old.origins[model] != origins[model]:
            then, now = (
                " at ".join(str(one) for one in place if one is not None)
                for place in (old.origins[model], origins[model])
            )
            raise SpecError(
                f"{name} is about another model {model!r}: {then} there, {now} here; give the "
                "scorecard of an earlier release"
            )
    both = set(old.checkpoints) & set(checkpoints)
    compressed = [one for one in both if one.method != DENSE.name]
    if not compressed and any(one.method != DENSE.name for one in (*old.checkpoints, *checkpoints)):
        raise SpecError(
            f"{name} has no compressed checkpoint in common with this release: it has "
            f"{_listed('/'.join(one) for one in old.checkpoints)}"
        )


def compare(
    old: Scorecard,
    new: Scorecard,
    *,
    most_fall: MostFall,
    behind: Behind = lambda row: None,
    benchmarks: Mapping[str, Benchmark] | None = None,
    baseline: str = "",
    digest: str = "",
) -> Comparison:
    """Compare a scorecard with that of the last release; see the module.

    `behind` finds the records behind a row, and `benchmarks` has the declarations that score them;
    what either lacks is compared by intervals. `baseline` and `digest` are of the old file.
    """
    before, now = old.in_full, new.in_full
    others = other_changes(before, now)
    releases = Releases(
        old=before,
        new=now,
        behind=behind,
        benchmarks=benchmarks or {},
        same_conditions=not any(one.aspect in ANSWERING for one in others),
    )
    moves = (
        *_judged(list(_metric_moves(releases, most_fall))),
        *_judged(list(_benchmark_moves(releases))),
        *_judged(list(_probe_moves(releases))),
    )
    known = {(row.checkpoint, row.metric) for row in old.metrics if row.value is not None}
    return Comparison(
        baseline=baseline,
        digest=digest,
        old=old.decision,
        new=new.comparison.new if new.comparison else new.decision,
        moves=moves,
        verdicts=tuple(_verdict_changes(old, new)),
        others=others,
        gone=tuple(one for one in old.checkpoints if one not in set(new.checkpoints)),
        added=tuple(one for one in new.checkpoints if one not in set(old.checkpoints)),
        new_metrics=tuple(
            f"{row.metric} of {row.model}/{row.method}"
            for row in now.metrics
            if row.checkpoint in set(old.checkpoints)
            and row.value is not None
            and (row.checkpoint, row.metric) not in known
        ),
        stopped_early=tuple(_stopped_early(old, new)),
    )


def _stopped_early(old: Scorecard, new: Scorecard) -> Iterator[str]:
    """What is not compared, of the checkpoints that both have."""
    both = set(old.checkpoints) & set(new.checkpoints)
    early = {_whose(row) for card in (old, new) for row in card.ends if row.early}
    for row in new.ends:
        if row.checkpoint in both and _whose(row) in early:
            yield f"{row.name} of {row.model}/{row.method}"


# -- moves ----------------------------------------------------------------------------------------


def _metric_moves(releases: Releases, most_fall: MostFall) -> Iterator[Move]:
    before = {(row.checkpoint, row.metric): row for row in releases.old.metrics}
    for row in releases.new.metrics:
        known = before.get((row.checkpoint, row.metric))
        if known is None or known.value is None or row.value is None:
            continue
        if row.ceiling is not None:  # it is no retention, and its ceiling is the same
            continue
        change = releases.of_metric(row, known)
        move = _move("metric", row, known.value, row.value, change)
        held = row.tier != "advisory" and row.allowed is None
        yield replace(move, most_fall=most_fall(row.checkpoint, row.metric) if held else None)


def _benchmark_moves(releases: Releases) -> Iterator[Move]:
    for row, known in _both(releases, probes=False):
        if known.retention is not None and row.retention is not None:
            change = releases.of_row(row, known)
            yield _move("benchmark", row, known.retention, row.retention, change)


def _probe_moves(releases: Releases) -> Iterator[Move]:
    """Gains over the dense model; a cost of building has none."""
    machines = [
        card.environment.get("measuring", {}).get("machine")
        for card in (releases.old, releases.new)
    ]
    for row, known in _both(releases, probes=True):
        if known.retention is None or row.retention is None:
            continue
        gain = (known.retention, row.retention)
        if row.is_timing and machines[0] != machines[1]:
            about = replace(_about("probe", row, *gain), note="timed on another machine")
            yield about
        else:
            change = Change("intervals", of_probe(row, known), None, False)
            yield _move("probe", row, *gain, change)


def _both(releases: Releases, *, probes: bool) -> Iterator[tuple[Row, Row]]:
    """The rows that both releases have: the new one and the old one."""
    before = {(row.checkpoint, row.benchmark): row for row in releases.old.rows}
    for row in releases.new.rows:
        known = before.get((row.checkpoint, row.benchmark))
        if known is not None and (row.unit is not None) == probes:
            yield row, known


def _about(unit: Unit, row: Row | MetricRow, old: float, new: float) -> Move:
    return Move(**row.checkpoint._asdict(), unit=unit, name=row.name, old=old, new=new)


def _move(unit: Unit, row: Row | MetricRow, old: float, new: float, change: Change) -> Move:
    """A move with its interval and its p-values; without these if the change is exact."""
    from unicomp.confidence import p_above, p_below

    about = replace(
        _about(unit, row, old, new),
        way=change.way,
        same_weights=change.same_weights,
        same_items=change.same_items,
        note=change.note,
    )
    if change.way == "exact":
        return replace(about, low=about.points, high=about.points)
    limits = change.evidence.limits()
    return replace(
        about,
        low=100.0 * limits.low,
        high=100.0 * limits.high,
        p_worse=p_below(change.evidence, 0.0),
        p_better=p_above(change.evidence, 0.0),
    )


def _judged(moves: Sequence[Move]) -> list[Move]:
    """The moves of one kind with their directions, of which those fail that fell too far."""
    tested = [move for move in moves if move.p_worse is not None]
    worse = rejected([move.p_worse or 0.0 for move in tested])
    better = rejected([move.p_better or 0.0 for move in tested])
    found: dict[int, Direction] = {}
    for move, fell, rose in zip(tested, worse, better, strict=True):
        if fell or rose:
            found[id(move)] = "worse" if fell else "better"
    return [_with_direction(move, found.get(id(move))) for move in moves]


def _with_direction(move: Move, direction: Direction | None) -> Move:
    if move.way == "exact" and abs(move.points) > TOLERANCE:
        direction = "worse" if move.points < 0 else "better"
    return replace(move, direction=direction, fails=direction == "worse" and move.fell_too_far)


# -- verdicts -------------------------------------------------------------------------------------


def _verdict_changes(old: Scorecard, new: Scorecard) -> Iterator[VerdictChange]:
    """What ends otherwise, of the checkpoints that both have."""
    now = {_whose(row): row for row in new.ends if not _fell(row, new)}
    fell = {_whose(row) for row in new.ends} - now.keys()
    there = set(new.checkpoints)
    for row in old.ends:
        if row.checkpoint not in there or _whose(row) in fell:
            continue
        found = now.get(_whose(row))
        if found is None or found.verdict != row.verdict or _is_lost(row, found):
            yield VerdictChange(
                **row.checkpoint._asdict(),
                unit=_unit(row),
                name=row.name,
                old=row.verdict,
                new=found.verdict if found else None,
                worse=_is_lost(row, found) or (found is not None and shuts(found) > shuts(row)),
                reason=_reason(found) if found else "",
            )


def _reason(row: Row | MetricRow) -> str:
    return "; ".join(filter(None, (row.reason, "asking stopped early" if row.early else "")))


def _fell(row: Row | MetricRow, card: Scorecard) -> bool:
    """Whether a metric fails by a comparison of its own card, so that its own verdict is lost."""
    moves = card.comparison.moves if card.comparison else ()
    return isinstance(row, MetricRow) and any(
        move.fails and (move.unit, move.checkpoint, move.name) == ("metric", *_whose(row)[1:])
        for move in moves
    )


def _is_lost(before: Row | MetricRow, now: Row | MetricRow | None) -> bool:
    """Whether a result that was measured, and decided, is not there any more."""
    if not _is_measured(before) or not decides(before):
        return False
    return now is None or (not _is_measured(now) and shuts(now))


def _is_measured(row: Row | MetricRow) -> bool:
    return row.value is not None if isinstance(row, MetricRow) else row.decided


def _whose(row: Row | MetricRow) -> tuple[object, ...]:
    return type(row), row.checkpoint, row.name


def _unit(row: Row | MetricRow) -> Unit:
    if isinstance(row, MetricRow):
        return "metric"
    return "benchmark" if row.unit is None else "probe"


# -- the gate -------------------------------------------------------------------------------------


def gated(card: Scorecard, comparison: Comparison, old: Scorecard, policy: Policy) -> Scorecard:
    """The scorecard with its comparison, whose failures are verdicts of its rows and metrics.

    So the decision, its record and every report know of them. A gap that the policy allows does not
    shut the gate.
    """
    moves = {(one.checkpoint, one.name): one for one in comparison.moves if one.unit == "metric"}
    gone = {
        (one.unit, one.checkpoint, one.name)
        for one in comparison.verdicts
        if one.worse and one.new is None
    }
    lost = [row for row in old.metrics if ("metric", row.checkpoint, row.metric) in gone]
    rows = [row for row in old.rows if (_unit(row), row.checkpoint, row.benchmark) in gone]
    return replace(
        card,
        rows=(*card.rows, *(_missing_row(row, policy) for row in rows)),
        metrics=(
            *(_held(row, moves.get((row.checkpoint, row.metric))) for row in card.metrics),
            *(_missing_metric(row, policy) for row in lost),
        ),
        comparison=comparison,
    )


def _held(row: MetricRow, move: Move | None) -> MetricRow:
    """A metric after its comparison with the last release."""
    if move is None:
        return row
    row = replace(row, last_release=move.old, most_fall=move.most_fall)
    if not move.fails:
        return row
    why = f"{-move.points:.1f} points below the last release (at most {move.most_fall:g})"
    return replace(row, verdict="fail", reason=why)


def _missing_metric(row: MetricRow, policy: Policy) -> MetricRow:
    demand = policy.demand_of_metric(row.checkpoint, row.metric)
    return MetricRow(
        **row.checkpoint._asdict(),
        metric=row.metric,
        tier=demand.tier,
        verdict="missing",
        floor=demand.floor,
        ceiling=demand.ceiling,
        reason=GONE,
        last_release=row.value,
        allowed=policy.allowed(row.checkpoint, metric=row.metric, benchmark=None),
    )


def _missing_row(row: Row, policy: Policy) -> Row:
    found = Row(
        **row.checkpoint._asdict(),
        benchmark=row.benchmark,
        metric=row.metric,
        dimension=row.dimension,
        tier=row.tier,
        reason=GONE,
        floor=row.floor,
        higher_is_better=row.higher_is_better,
        in_points=row.in_points,
        unit=row.unit,
    )
    return replace(found, allowed=allowed(found, policy))


def _listed(names: Iterator[str] | Collection[str]) -> str:
    return ", ".join(names) or "nothing"
