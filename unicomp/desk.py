"""What a test measures and compares: values whose comparison sets the verdict of their row.

A `Desk` applies the rules of `verdict.py` while a test runs, and keeps its rows. Nothing here needs
pytest.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from typing import Any, Self, TypeVar

from unicomp.efficiency.cost import Cost
from unicomp.efficiency.gain import Gain
from unicomp.errors import ScoringError, UnicompError, UnmeasuredError
from unicomp.framework import Profile
from unicomp.policy import Demand, Policy
from unicomp.retention import Retention
from unicomp.spec import Benchmark, CheckpointId, Probe
from unicomp.units import bound
from unicomp.verdict import (
    OTHER_LOAD,
    UNSETTLED,
    Row,
    Verdict,
    asking,
    demand_of,
    ended,
    expected,
    judged,
    measured,
    why_not_held,
)

T = TypeVar("T")


class _Comparable:
    """A value that sets the verdict of its row when it is compared with a floor."""

    _compare: Callable[[float], bool]

    @classmethod
    def of(cls, found: Retention | Gain, compare: Callable[[float], bool]) -> Self:
        """The same values; `compare` is called with the floor of every comparison."""
        copy = cls(**{field.name: getattr(found, field.name) for field in fields(found)})
        object.__setattr__(copy, "_compare", compare)
        return copy

    def __ge__(self, floor: float) -> bool:
        return self._compare(float(floor))


class ComparableRetention(_Comparable, Retention):
    """A retention whose comparison with a floor sets its verdict."""


class UnfinishedRetention(ComparableRetention):
    """A retention whose items were asked in part; whoever reads a figure gets that of all items."""

    _in_full: Callable[[], Retention]

    def __getattribute__(self, name: str) -> Any:
        if name in _FIGURES:
            return getattr(object.__getattribute__(self, "_in_full")(), name)
        return object.__getattribute__(self, name)

    def __repr__(self) -> str:
        names = (one.name for one in fields(Retention))
        return repr(Retention(**{one: object.__getattribute__(self, one) for one in names}))


_SAME_IN_FULL = ("benchmark", "dense", "dense_error", "candidate", "baseline", "items")
_FIGURES = tuple(one.name for one in fields(Retention) if one.name not in _SAME_IN_FULL)
"""The fields that may be others once all items are asked."""


class ComparableGain(_Comparable, Gain):
    """A gain whose comparison with a floor sets its verdict, which its limit decides as well."""

    _limit = ""

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}{self._limit}>"


class ComparableCost(float):
    """A cost, in the unit of its probe, whose comparison with a budget sets its verdict."""

    _compare: Callable[[float], bool]
    _text: str

    @classmethod
    def of(cls, value: float, probe: Probe, compare: Callable[[float], bool]) -> ComparableCost:
        """The same value; `compare` is called with the budget of every comparison."""
        cost = cls(value)
        cost._compare, cost._text = compare, f"<{probe}: {value:.4g} {probe.unit}>"
        return cost

    def __repr__(self) -> str:
        return self._text

    def __le__(self, budget: float) -> bool:
        return self._compare(float(budget))


class Desk:
    """Measures for one test, and keeps a row for each measure with its verdict.

    The floor or budget of the policy applies until the test compares with another one. A comparison
    is false only if the row fails: an undecided one is settled at the end of the session.
    """

    def __init__(
        self,
        checkpoint: CheckpointId,
        policy: Policy,
        profile: Profile,
        family: int = 1,
        machine: Callable[[], str | None] = lambda: None,
    ) -> None:
        """See `judged` for `family`; `machine` gives the name of the one that is measured on."""
        self._checkpoint, self._policy = checkpoint, policy
        self._profile, self._family, self._machine = profile, family, machine
        self.rows: dict[str, Row] = {}
        """By the name of the benchmark or probe."""

    def retention(
        self,
        bench: Benchmark,
        measure: Callable[[], Retention],
        in_full: Callable[[], Retention] | None = None,
    ) -> ComparableRetention:
        """The retention that `measure` returns, to be compared with a floor.

        If its items were asked in part, `in_full` measures it with all items. It is called where
        the test reads a figure, or compares with a floor of its own whose verdict is not known.
        Raises the error of `measure`, or ScoringError if the retention cannot be compared.
        """
        kept, row, demand = self._held(bench, measure)
        compare = self._comparison(row, demand)
        if kept.full_n is None or in_full is None:
            return ComparableRetention.of(kept, compare)

        @cache
        def whole() -> ComparableRetention:
            return self.retention(bench, in_full)

        def compare_early(least: float) -> bool:
            if not whole.cache_info().currsize:
                passed = compare(least)
                of_policy = least == (demand.floor or 0.0)  # settled at the level of the session
                if of_policy or self.rows[bench.name].reason != UNSETTLED:
                    return passed
            return whole() >= least

        unfinished = UnfinishedRetention.of(kept, compare_early)
        object.__setattr__(unfinished, "_in_full", whole)
        return unfinished

    def _held(
        self, bench: Benchmark, measure: Callable[[], Retention]
    ) -> tuple[Retention, Row, Demand]:
        """A retention that can be compared, its row, and what is asked of it."""
        demand = demand_of(self._policy, self._profile, self._checkpoint, bench)
        row = asking(expected(self._checkpoint, bench), demand)
        kept = self._found(row, measure)
        row = self.rows[bench.name] = asking(measured(row, kept), demand)
        if row.verdict != "missing":
            raise ScoringError(f"{bench}: {row.reason}")
        return kept, row, demand

    def gain(self, probe: Probe, measure: Callable[[], Gain]) -> ComparableGain:
        """The gain that `measure` returns, to be compared with a floor.

        Raises the error of `measure`, or UnmeasuredError if its limit holds for another machine.
        """
        demand = demand_of(self._policy, self._profile, self._checkpoint, probe)
        row = asking(expected(self._checkpoint, probe), demand)
        found = self._found(row, measure)
        row = replace(
            row,
            score=found.score,
            dense=found.dense,
            retention=found.value,
            low=found.low,
            high=found.high,
            n=found.n,
            details=found.details,
            expected_gain=found.expected_gain,
            absolute=found.absolute,
            absolute_low=found.absolute_low,
            absolute_high=found.absolute_high,
        )
        if reason := why_not_held(row, self._machine):
            self.rows[probe.name] = replace(row, verdict="not_measured", reason=reason)
            raise UnmeasuredError(f"{probe}: {reason}")
        comparable = ComparableGain.of(found, self._comparison(row, demand))
        if row.limit is not None:
            words = bound(row.limit, probe.unit, least=probe.higher_is_better)
            object.__setattr__(comparable, "_limit", f", limit: {words}")
        return comparable

    def cost(self, probe: Probe, measure: Callable[[], Cost]) -> ComparableCost:
        """The cost that `measure` returns, to be compared with a budget; raises its error."""
        begun = expected(self._checkpoint, probe)
        spent = self._found(begun, measure)

        disturbed = {} if spent.other_load is None else {OTHER_LOAD: spent.other_load}

        def compare(most: float) -> bool:
            missed: Verdict = "undecided" if disturbed else "fail"
            self.rows[probe.name] = row = replace(
                begun,
                score=spent.value,
                n=1,
                budget=most if math.isfinite(most) else None,
                details=disturbed,
                verdict="pass" if spent.value <= most else missed,
            )
            return row.verdict != "fail"

        compare(self._policy.budget_of(self._checkpoint, probe))
        return ComparableCost.of(spent.value, probe, compare)

    def _found(self, row: Row, measure: Callable[[], T]) -> T:
        """Return the result of `measure`; if it raises, the row gets the reason."""
        self.rows[row.benchmark] = row
        try:
            return measure()
        except UnicompError as error:
            self.rows[row.benchmark] = ended(row, error)
            raise

    def _comparison(self, row: Row, demand: Demand) -> Callable[[float], bool]:
        """A callback that sets the row's verdict for a floor; called with the policy's at once."""
        asked = demand.floor or 0.0
        known = judged(row, family=self._family)

        def compare(least: float) -> bool:
            own = known
            if least != asked:
                own = judged(replace(row, floor=least), family=self._family)
            self.rows[row.benchmark] = own
            return own.verdict != "fail" or own.tier == "advisory"

        compare(asked)
        return compare
