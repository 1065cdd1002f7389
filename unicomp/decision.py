"""The decision of the gate, from all rows and metrics of a session.

1. `holm`: Holm's procedure may add failures among the rows and metrics of a checkpoint.
2. `allowed`: what did not pass may be allowed by the policy, with a reason.
3. `decision`: the *critical* ones must pass for the gate to open. A *guard* shuts it only if it
   fails or is missing. An *advisory* one never matters, and neither does an allowed gap.
4. `bound`: the chance of being wrong that this leaves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from unicomp.policy import Policy
from unicomp.spec import LEVEL
from unicomp.verdict import MetricRow, Row

R = TypeVar("R", Row, MetricRow)

FEW_CLUSTERS = 200
"""With fewer clusters the nominal error of a metric is not promised."""
MEASURED_ERROR = 0.036
"""The largest error of a limit that the project's simulations found where it is not promised:
`docs/statistics.md`, all kinds but shares of independent items."""
REPEATED_ERROR = 0.049
"""The same where items have several samples: `docs/repeats.md`."""

EARLY_ERROR = 0.01
"""The chance that the full run has another verdict on anything of a checkpoint that stopped early,
over all looks at it; see `early_error`."""


def early_error(look: int) -> float:
    """What look number `look` at a candidate may spend of `EARLY_ERROR`: most of it the first one,
    each other one a tenth of the one before.
    """
    return EARLY_ERROR * 0.9 * 0.1 ** (look - 1)


def holm(
    rows: Sequence[Row], metrics: Sequence[MetricRow], family: int
) -> tuple[list[Row], list[MetricRow]]:
    """The rows and metrics of one checkpoint, with the failures that Holm's procedure adds.

    At least one false failure happens in at most 2.5 % of sessions. `family` is the number of
    tests, at least that of the p-values.
    """
    everything: tuple[Row | MetricRow, ...] = (*rows, *metrics)
    tested = [(row, p) for row in everything if (p := _p_fail(row)) is not None]
    ends = [row for row, _ in tested]
    shown = rejected([p for _, p in tested], family)
    failed = {id(row) for row, fails in zip(ends, shown, strict=True) if fails}

    def after(row: R) -> R:
        return replace(row, verdict="fail") if id(row) in failed else row

    return [after(row) for row in rows], [after(row) for row in metrics]


def _p_fail(row: Row | MetricRow) -> float | None:
    """The p-value of failing; None if there is none that counts.

    A row that fails early fails at 2.5 % / m in the full run, so before all that do not; one that
    does not fail early would not fail at 2.5 % either.
    """
    if row.tier == "advisory":
        return None
    if row.early:
        judged = (row.retention if isinstance(row, Row) else row.value) is not None
        return 0.0 if judged and row.verdict == "fail" else None
    return row.p_fail


def rejected(p_values: Sequence[float], family: int = 0) -> list[bool]:
    """Which p-values are significant, by Holm's procedure at 2.5 % over all of them.

    Sorted, the i-th is at 2.5 % / (m - i + 1), until one is not (Holm, Scandinavian Journal of
    Statistics 6, 1979). m is the larger of `family` and the number of p-values.
    """
    left = max(family, len(p_values))
    found = [False] * len(p_values)
    for place in sorted(range(len(p_values)), key=p_values.__getitem__):
        if not p_values[place] <= LEVEL / left:
            break
        found[place] = True
        left -= 1
    return found


def allowed(row: Row, policy: Policy) -> str | None:
    """The reason why a row that did not pass does not shut the gate, or None."""
    if row.verdict == "pass":
        return None
    return policy.allowed(
        row.checkpoint, metric=row.metric, benchmark=row.benchmark, dimension=row.dimension
    )


Decision = Literal["open", "shut", "undecided"]

STATUS: Mapping[Decision, int] = {"open": 0, "shut": 1, "undecided": 10}
"""The exit status of each decision; pytest uses 2 to 6 for what has none."""
EXIT_STATUSES: Mapping[int, str] = {
    STATUS["open"]: "the gate is open: everything critical passed, or its gap is allowed with a "
    "reason",
    STATUS["shut"]: "it is shut: something failed, is missing, unsupported, not measured or "
    "degenerate",
    STATUS["undecided"]: "it is undecided: nothing failed, but something critical has not passed; "
    "more items or another floor will decide it",
    2: "it was interrupted (Ctrl-C), or a test file could not be collected; nothing is decided",
    3: "pytest itself failed: an internal error, please report it",
    4: "the input is wrong; one line says what, which and how to mend it, before anything is built",
    5: "no test was collected or selected (`-k`, `-m`, paths), so that nothing was measured",
}
"""Exit status of a run → its meaning."""


def decides(row: Row | MetricRow) -> bool:
    """Whether the gate needs it to pass."""
    return row.tier == "critical" and row.allowed is None


def shuts(row: Row | MetricRow) -> bool:
    """Whether it shuts the gate: a failure, or something that the gate cannot do without."""
    if row.verdict in ("pass", "undecided") or row.tier == "advisory" or row.allowed is not None:
        return False
    # a guard that is not comparable has left its metric
    return not (row.tier == "guard" and row.verdict == "not_comparable")


def with_few_clusters(metrics: Sequence[MetricRow]) -> list[MetricRow]:
    """The critical metrics whose error is a measured one, not a promised one."""
    return [
        row
        for row in metrics
        if decides(row) and row.p_pass is not None and 0 < (row.clusters or 0) < FEW_CLUSTERS
    ]


def measured_error(rows: Sequence[Row]) -> float:
    """The largest measured error of a limit: that of repeated items if a row has any."""
    return REPEATED_ERROR if any(row.repeats > 1 for row in rows) else MEASURED_ERROR


def decision(rows: Sequence[Row], metrics: Sequence[MetricRow]) -> Decision:
    """Whether the gate is open: it needs something that was measured, and all critical to pass."""
    ends: list[Row | MetricRow] = [*rows, *metrics]
    if any(map(shuts, ends)) or not any(row.decided for row in rows):
        return "shut"
    waiting = any(decides(row) and row.verdict != "pass" for row in ends)
    return "undecided" if waiting else "open"


@dataclass(frozen=True, kw_only=True)
class Bound:
    """The chances of a wrong decision. All are shares, not percentages."""

    level: float
    """The error at which each critical result had to pass."""
    opening: float
    """The chance to open although a critical result that is not allowed is truly below its floor:
    nominal, over all looks. All must pass, so it is that of a single one, and `early`."""
    shutting: float
    """The chance to fail something of one checkpoint, if it is truly at or above all floors. It
    includes `early`."""
    early: float
    """What stopping early adds to both: the chance that a full run has another verdict on anything
    of one checkpoint; 0 if nothing stopped early."""
    attained: float | None
    """The largest p-value of a critical result that passed; None if none did in a full run."""
    worst: str
    """That result; empty if there is none."""
    looks: int
    """How often the candidate was judged by this policy, with other items each time."""

    @property
    def holds(self) -> bool:
        """Whether the chance to open wrongly is the stated one."""
        return self.looks == 1


def bound(
    rows: Sequence[Row],
    metrics: Sequence[MetricRow],
    *,
    level: float,
    looks: int = 1,
    parts: int = 1,
) -> Bound:
    """The bound of a session in which each look had to pass at 2.5 % / its number.

    The parts of a gate are not independent, so their chances are added up (Boole).
    """
    ends: list[Row | MetricRow] = [*rows, *metrics]
    passed = [
        (row.p_pass, f"{row.name} of {row.method}")
        for row in ends
        if decides(row) and row.verdict == "pass" and row.p_pass is not None
    ]
    attained, worst = max(passed, default=(None, ""))
    stopped = any(row.early for row in ends)
    early = min(parts * EARLY_ERROR, 1.0) if stopped else 0.0
    return Bound(
        level=level,
        opening=level * looks * math.fsum(1 / look for look in range(1, looks + 1)) + early,
        shutting=min(parts * LEVEL + early, 1.0),
        early=early,
        attained=attained,
        worst=worst,
        looks=looks,
    )
