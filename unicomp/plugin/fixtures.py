"""The fixtures: `model`, `method`, `calibration`, `checkpoint`, and what tests compare:
`retention` and `gain` with `floor`, `cost` with `budget`.

Any of them can be overridden in a test file or a conftest, as fixtures are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any, Self, TypeVar

import pytest

from unicomp.checkpoint import Checkpoint
from unicomp.efficiency.gain import Gain
from unicomp.efficiency.rounds import Conduct
from unicomp.errors import UnicompError, UnmeasuredError, UnsupportedError
from unicomp.plugin.conducting import conductor, wants_fresh_timings
from unicomp.plugin.grid import GRID, IDENTITY
from unicomp.plugin.limits import BudgetOf, FloorOf
from unicomp.plugin.options import PLAN
from unicomp.plugin.progress import DISPLAY
from unicomp.retention import Retention
from unicomp.session import Session, Subject
from unicomp.spec import Benchmark, Method, Model, Probe
from unicomp.verdict import Row, Verdict, decide

ROWS = pytest.StashKey[dict[str, Row]]()
"""The rows that a test has measured, by benchmark."""

T = TypeVar("T")

Tested = tuple[Session, Subject, dict[str, Row]]
"""What a test measures with, what it is about, and where its rows are noted."""

SESSION = pytest.StashKey[Session]()


@pytest.fixture(scope="session")
def unicomp_session(pytestconfig: pytest.Config) -> Iterator[Session]:
    """What this process has built and measured so far, and the checkpoints that it has loaded."""
    plan, grid = pytestconfig.stash[PLAN], pytestconfig.stash[GRID]
    session = Session(
        conditions=plan.conditions,
        calibration=plan.load_calibration,
        expected=grid.expected,
        probed=grid.probed,
        subjects=grid.subjects,
        effort=plan.settings.effort,
        fresh_timings=wants_fresh_timings(pytestconfig),
        roots=plan.roots,
        narrate=pytestconfig.stash[DISPLAY].show,
    )
    pytestconfig.stash[SESSION] = session
    yield session
    session.close()


@pytest.fixture(scope="session")
def model(request: pytest.FixtureRequest) -> Model:
    """The base model."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def method(request: pytest.FixtureRequest) -> Method:
    """The method that compresses it; `dense` leaves it as it is."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def calibration(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> str:
    """The name of the text that the method sees; of a method that sees none, any."""
    chosen: str = getattr(request, "param", pytestconfig.stash[PLAN].calibrations[0])
    return chosen


@pytest.fixture
def checkpoint(
    request: pytest.FixtureRequest,
    pytestconfig: pytest.Config,
    unicomp_session: Session,
    model: Model,
    method: Method,
    calibration: str,
) -> Checkpoint:
    """The compressed checkpoint on disk: built, or found in the store."""
    subject = pytestconfig.stash[PLAN].subject(model, method, calibration)
    try:
        return unicomp_session.checkpoint(subject)
    except UnicompError as error:
        failure = error
    rows = request.node.stash.setdefault(ROWS, {})
    for identity in request.node.stash[IDENTITY]:
        rows[identity.benchmark] = _ended(identity, failure)
    raise _ending(failure)


def _ended(row: Row, failure: UnicompError) -> Row:
    verdict: Verdict = "missing"
    if isinstance(failure, UnsupportedError):
        verdict = "unsupported"
    elif isinstance(failure, UnmeasuredError):
        verdict = "not_measured"
    return replace(row, verdict=verdict, reason=str(failure))


def _ending(failure: UnicompError) -> BaseException:
    """What ends a test; raised outside the handler, so that pytest shows one line and no chain."""
    if isinstance(failure, UnsupportedError):
        return pytest.skip.Exception(str(failure))
    return pytest.fail.Exception(str(failure), pytrace=False)


class _Judged:
    """Notes the floor that it is compared with: that comparison is the verdict."""

    _judge: Callable[[float], bool]

    @classmethod
    def of(cls, found: Retention | Gain, judge: Callable[[float], bool]) -> Self:
        """The same values, with `judge` told of every comparison."""
        judged = cls(**{field.name: getattr(found, field.name) for field in fields(found)})
        object.__setattr__(judged, "_judge", judge)
        return judged

    def __ge__(self, floor: float) -> bool:
        return self._judge(float(floor))


class JudgedRetention(_Judged, Retention):
    """A retention whose comparison with a floor is its verdict."""


class JudgedGain(_Judged, Gain):
    """A gain whose comparison with a floor is its verdict."""


class JudgedCost(float):
    """A cost, in the unit of its probe, whose comparison with a budget is its verdict."""

    _judge: Callable[[float], bool]
    _text: str

    @classmethod
    def of(cls, value: float, probe: Probe, judge: Callable[[float], bool]) -> JudgedCost:
        """The same value, with `judge` told of every comparison."""
        judged = cls(value)
        judged._judge, judged._text = judge, f"<{probe}: {value:.4g} {probe.unit}>"
        return judged

    def __repr__(self) -> str:
        return self._text

    def __le__(self, budget: float) -> bool:
        return self._judge(float(budget))


class _Judging:
    """Measures a checkpoint and notes a row for each measure, which a comparison decides."""

    def __init__(self, session: Session, subject: Subject, rows: dict[str, Row]) -> None:
        self._session, self._subject, self._rows = session, subject, rows

    def _begun(self, measure: Benchmark | Probe, **known: Any) -> Row:
        return Row(
            model=self._subject.model.name,
            method=self._subject.method.name,
            calibration=self._subject.calibration,
            benchmark=measure.name,
            metric=measure.metric,
            higher_is_better=measure.higher_is_better,
            **known,
        )

    def _found(self, row: Row, measure: Callable[[], T]) -> T:
        """What `measure` gives; where it fails the row says why, and the test ends."""
        self._rows[row.benchmark] = row
        try:
            return measure()
        except UnicompError as error:
            failure = error
        self._rows[row.benchmark] = _ended(row, failure)
        raise _ending(failure)

    def _judge(self, row: Row, low: float, high: float) -> Callable[[float], bool]:
        """What decides the row by a floor; decided by the one in force for a test that never
        compares.
        """

        def judge(least: float) -> bool:
            verdict = decide(low, high, least)
            self._rows[row.benchmark] = replace(row, floor=least, verdict=verdict)
            return verdict == "pass"

        assert row.floor is not None
        judge(row.floor)
        return judge


class RetentionOf(_Judging):
    """Measures what a checkpoint kept of a benchmark: `retention(bench)`."""

    def __init__(
        self, session: Session, subject: Subject, rows: dict[str, Row], floor: FloorOf
    ) -> None:
        super().__init__(session, subject, rows)
        self._floor = floor

    def __repr__(self) -> str:
        return "retention"

    def __call__(self, bench: Benchmark) -> Retention:
        """Raise what ends a test where there is nothing to compare."""
        row = self._begun(
            bench,
            floor=self._floor(bench),
            in_points=bench.in_points,
            dimension=bench.dimension,
        )
        kept = self._found(row, lambda: self._session.retention(self._subject, bench))
        row = self._rows[bench.name] = _measured(row, kept)
        if row.verdict != "missing":
            pytest.fail(f"{bench}: {row.reason}", pytrace=False)
        assert kept.low is not None
        assert kept.high is not None
        return JudgedRetention.of(kept, self._judge(row, kept.low, kept.high))


class GainOf(_Judging):
    """Measures what a checkpoint gained over the dense model: `gain(probe)`."""

    def __init__(
        self,
        session: Session,
        subject: Subject,
        rows: dict[str, Row],
        floor: FloorOf,
        conduct: Conduct,
    ) -> None:
        super().__init__(session, subject, rows)
        self._floor, self._conduct = floor, conduct

    def __repr__(self) -> str:
        return "gain"

    def __call__(self, probe: Probe) -> Gain:
        """Raise what ends a test where nothing could be measured."""
        row = self._begun(probe, floor=self._floor(probe), in_points=False, unit=probe.unit)
        found = self._found(row, lambda: self._session.gain(self._subject, probe, self._conduct))
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
        )
        return JudgedGain.of(found, self._judge(row, found.low, found.high))


class CostOf(_Judging):
    """Says what it took to make a checkpoint: `cost(probe)`."""

    def __init__(
        self, session: Session, subject: Subject, rows: dict[str, Row], budget: BudgetOf
    ) -> None:
        super().__init__(session, subject, rows)
        self._budget = budget

    def __repr__(self) -> str:
        return "cost"

    def __call__(self, probe: Probe) -> JudgedCost:
        """Raise what ends a test where it is not known, as of a checkpoint made elsewhere."""
        begun = self._begun(probe, in_points=False, unit=probe.unit)
        spent = self._found(begun, lambda: self._session.cost(self._subject, probe))

        def judge(most: float) -> bool:
            kept = spent <= most
            self._rows[probe.name] = replace(
                begun,
                score=spent,
                n=1,
                budget=most if math.isfinite(most) else None,
                verdict="pass" if kept else "fail",
            )
            return kept

        judge(self._budget(probe))
        return JudgedCost.of(spent, probe, judge)


@pytest.fixture
def floor(pytestconfig: pytest.Config, model: Model, method: Method) -> FloorOf:
    """The least retention of a benchmark, or gain of a probe, in percent, as the settings say."""
    return FloorOf(pytestconfig.stash[PLAN].policy, model, method)


@pytest.fixture
def budget(pytestconfig: pytest.Config, model: Model, method: Method) -> BudgetOf:
    """What compressing may take, in the unit of a probe, as the settings say."""
    return BudgetOf(pytestconfig.stash[PLAN].policy, model, method)


@pytest.fixture
def _tested(
    request: pytest.FixtureRequest,
    pytestconfig: pytest.Config,
    unicomp_session: Session,
    model: Model,
    method: Method,
    calibration: str,
) -> Tested:
    """What the fixtures that measure have in common."""
    subject = pytestconfig.stash[PLAN].subject(model, method, calibration)
    return unicomp_session, subject, request.node.stash.setdefault(ROWS, {})


@pytest.fixture
def retention(
    pytestconfig: pytest.Config, _tested: Tested, model: Model, method: Method
) -> RetentionOf:
    """Measure what the checkpoint kept of a benchmark; compare the result with a floor."""
    return RetentionOf(*_tested, FloorOf(pytestconfig.stash[PLAN].policy, model, method))


@pytest.fixture
def gain(
    request: pytest.FixtureRequest,
    pytestconfig: pytest.Config,
    _tested: Tested,
    model: Model,
    method: Method,
) -> GainOf:
    """Measure what the checkpoint gained over the dense one; compare the result with a floor."""
    plan = pytestconfig.stash[PLAN]
    conduct = conductor(request, plan.settings.engine)
    return GainOf(*_tested, FloorOf(plan.policy, model, method), conduct)


@pytest.fixture
def cost(pytestconfig: pytest.Config, _tested: Tested, model: Model, method: Method) -> CostOf:
    """Say what it took to make the checkpoint; compare the result with a budget."""
    return CostOf(*_tested, BudgetOf(pytestconfig.stash[PLAN].policy, model, method))


def _measured(row: Row, kept: Retention) -> Row:
    names = {field.name for field in fields(Row)} & {field.name for field in fields(Retention)}
    values = {name: getattr(kept, name) for name in names - {"benchmark"}}
    row = replace(row, **values, retention=kept.value)
    if kept.degenerate and not kept.incomparable:
        row = replace(row, score=None, retention=None, low=None, high=None, above_chance=None)
        return replace(row, verdict="fail", reason=f"degenerate: {kept.degenerate}")
    if kept.faults:  # the scores are told, but they are not those of the benchmark
        row = replace(row, retention=None, low=None, high=None, above_chance=None)
        return replace(row, verdict="not_measured", reason="; ".join(kept.faults))
    if kept.incomparable:
        return replace(row, verdict="not_comparable", reason=kept.incomparable)
    return row
