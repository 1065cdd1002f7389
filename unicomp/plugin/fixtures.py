"""The fixtures: `model`, `method`, `calibration`, `checkpoint`, `retention` and `floor`.

Any of them can be overridden in a test file or a conftest, as fixtures are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields, replace

import pytest

from unicomp.checkpoint import Checkpoint
from unicomp.errors import UnicompError, UnmeasuredError, UnsupportedError
from unicomp.gate import Policy, Verdict, decide
from unicomp.plugin.grid import GRID, IDENTITY
from unicomp.plugin.options import PLAN
from unicomp.plugin.progress import DISPLAY
from unicomp.retention import Retention
from unicomp.scorecard import Row
from unicomp.session import Session, Subject
from unicomp.spec import Benchmark, Method, Model

ROWS = pytest.StashKey[dict[str, Row]]()
"""The rows that a test has measured, by benchmark."""

SESSION = pytest.StashKey[Session]()


@pytest.fixture(scope="session")
def unicomp_session(pytestconfig: pytest.Config) -> Session:
    """What this process has built and measured so far."""
    plan, grid = pytestconfig.stash[PLAN], pytestconfig.stash[GRID]
    session = Session(
        conditions=plan.conditions,
        calibration=plan.load_calibration,
        expected=grid.expected,
        roots=plan.roots,
        narrate=pytestconfig.stash[DISPLAY].show,
    )
    pytestconfig.stash[SESSION] = session
    return session


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


class JudgedRetention(Retention):
    """A retention that notes the floor it is compared with: that comparison is the verdict."""

    _judge: Callable[[float], bool]

    @classmethod
    def of(cls, kept: Retention, judge: Callable[[float], bool]) -> JudgedRetention:
        """The same retention, with `judge` told of every comparison."""
        judged = cls(**asdict(kept))
        object.__setattr__(judged, "_judge", judge)
        return judged

    def __ge__(self, floor: float) -> bool:
        return self._judge(float(floor))


class FloorOf:
    """Looks up the least retention of a benchmark, in percent: `floor(bench)`."""

    def __init__(self, policy: Policy, model: Model, method: Method) -> None:
        self._policy, self._model, self._method = policy, model, method

    def __repr__(self) -> str:
        return "floor"

    def __call__(self, bench: Benchmark) -> float:
        """The floor in force: the most specific one that is set."""
        return self._policy.floor(
            model=self._model.name,
            method=self._method.name,
            metric=bench.metric,
            benchmark=bench.name,
            dimension=bench.dimension,
        )


class RetentionOf:
    """Measures what a checkpoint kept of a benchmark: `retention(bench)`.

    Notes a row for each benchmark; comparing the result with a floor decides its verdict.
    """

    def __init__(
        self, session: Session, subject: Subject, floor: FloorOf, rows: dict[str, Row]
    ) -> None:
        self._session, self._subject, self._floor, self._rows = session, subject, floor, rows

    def __repr__(self) -> str:
        return "retention"

    def __call__(self, bench: Benchmark) -> Retention:
        """Raise what ends a test where there is nothing to compare."""
        model, method = self._subject.model, self._subject.method
        row = Row(
            model=model.name,
            method=method.name,
            calibration=self._subject.calibration,
            benchmark=bench.name,
            metric=bench.metric,
            dimension=bench.dimension,
            floor=self._floor(bench),
            higher_is_better=bench.higher_is_better,
            in_points=bench.in_points,
        )
        self._rows[bench.name] = row
        try:
            kept = self._session.retention(self._subject, bench)
        except UnicompError as error:
            failure = error
        else:
            return self._judged(bench, row, kept)
        self._rows[bench.name] = _ended(row, failure)
        raise _ending(failure)

    def _judged(self, bench: Benchmark, row: Row, kept: Retention) -> Retention:
        row = self._rows[bench.name] = _measured(row, kept)
        if row.verdict != "missing":
            pytest.fail(f"{bench}: {row.reason}", pytrace=False)

        def judge(least: float) -> bool:
            assert kept.low is not None
            assert kept.high is not None
            verdict = decide(kept.low, kept.high, least)
            self._rows[bench.name] = replace(row, floor=least, verdict=verdict)
            return verdict == "pass"

        assert row.floor is not None
        judge(row.floor)  # holds for a test that never compares
        return JudgedRetention.of(kept, judge)


@pytest.fixture
def floor(pytestconfig: pytest.Config, model: Model, method: Method) -> FloorOf:
    """The least retention of a benchmark, in percent, as the settings say."""
    return FloorOf(pytestconfig.stash[PLAN].policy, model, method)


@pytest.fixture
def retention(
    request: pytest.FixtureRequest,
    pytestconfig: pytest.Config,
    unicomp_session: Session,
    model: Model,
    method: Method,
    calibration: str,
) -> RetentionOf:
    """Measure what the checkpoint kept of a benchmark; compare the result with a floor."""
    plan = pytestconfig.stash[PLAN]
    subject = plan.subject(model, method, calibration)
    floor = FloorOf(plan.policy, model, method)
    return RetentionOf(unicomp_session, subject, floor, request.node.stash.setdefault(ROWS, {}))


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
