"""What tests compare with: the floor of a benchmark or a probe, and the budget of a cost."""

from __future__ import annotations

from unicomp.policy import DEFAULT_FLOOR, Policy
from unicomp.spec import DENSE, Benchmark, Method, Model, Probe


class FloorOf:
    """Looks up the least retention or gain, in percent: `floor(bench)`, `floor(probe)`."""

    def __init__(self, policy: Policy, model: Model, method: Method) -> None:
        self._policy, self._model, self._method = policy, model, method

    def __repr__(self) -> str:
        return "floor"

    def __call__(self, measure: Benchmark | Probe) -> float:
        """The floor in force: the most specific one that is set.

        A timing has none unless one is set, since it belongs to one machine: it is 0 then. Nor has
        the dense model to gain anything over itself.
        """
        timed = isinstance(measure, Probe) and measure.timed
        floor = self._policy.floor(
            model=self._model.name,
            method=self._method.name,
            metric=measure.metric,
            benchmark=measure.name,
            dimension=measure.dimension if isinstance(measure, Benchmark) else None,
            default=0.0 if timed else DEFAULT_FLOOR,
        )
        if isinstance(measure, Probe) and self._method.name == DENSE.name:
            return min(floor, 100.0)
        return floor


class BudgetOf:
    """Looks up what compressing may take, in the unit of a probe: `budget(probe)`."""

    def __init__(self, policy: Policy, model: Model, method: Method) -> None:
        self._policy, self._model, self._method = policy, model, method

    def __repr__(self) -> str:
        return "budget"

    def __call__(self, probe: Probe) -> float:
        """The budget in force; infinite where none is set."""
        return self._policy.budget(
            model=self._model.name, method=self._method.name, probe=probe.quantity
        )
