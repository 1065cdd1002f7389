"""The fixtures: `model`, `method`, `calibration`, `checkpoint`, and what tests compare:
`retention` and `gain` with `floor`, `cost` with `budget`.

Each can be overridden in a test file or a conftest, as fixtures are; the shipped suites take only
`floor` and `budget` from a user. How a comparison becomes a
verdict is decided in `unicomp/verdict.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

import pytest

from unicomp.agenda import Subject
from unicomp.checkpoint import Checkpoint
from unicomp.desk import Desk
from unicomp.efficiency.fingerprint import fingerprint_of, machine_name
from unicomp.efficiency.gain import Gain
from unicomp.errors import UnicompError, UnsupportedError
from unicomp.plugin.clustering import WORKERS
from unicomp.plugin.conducting import conductor, wants_fresh_timings
from unicomp.plugin.grid import GRID, IDENTITY, Grid
from unicomp.plugin.options import PLAN, Plan
from unicomp.plugin.placing import take_place
from unicomp.plugin.progress import DISPLAY
from unicomp.retention import Retention, read_as
from unicomp.session import Session
from unicomp.spec import Benchmark, Method, Model, Probe
from unicomp.verdict import ended

if TYPE_CHECKING:
    from unicomp.early.convening import Early

M = TypeVar("M")
T = TypeVar("T")

DESK = pytest.StashKey[Desk]()
"""The rows of a test that measures."""

SESSION = pytest.StashKey[Session]()


@pytest.fixture(scope="session")
def unicomp_session(pytestconfig: pytest.Config) -> Iterator[Session]:
    """The session of this process; it builds, measures and loads checkpoints."""
    take_place(pytestconfig)
    plan, display = pytestconfig.stash[PLAN], pytestconfig.stash[DISPLAY]
    grid = pytestconfig.stash[GRID]
    session = Session(
        conditions=plan.conditions,
        calibration=plan.load_calibration,
        agenda=grid.agenda,
        admit=plan.check_lock,
        effort=plan.settings.effort,
        fresh_timings=wants_fresh_timings(pytestconfig),
        roots=plan.roots,
        narrate=display.show,
        count=display.count,
        count_rounds=display.count_rounds,
        on_wait=display.wait,
        finish=display.finish,
        early=None if plan.early == "off" else _early(plan, grid),
        expect=display.expect,
        workers=pytestconfig.stash.get(WORKERS, None),
        worked=display.work,
    )
    pytestconfig.stash[SESSION] = session
    yield session
    session.close()


def _early(plan: Plan, grid: Grid) -> Early:
    """How this session decides early."""
    from unicomp.early.convening import Early

    return Early(
        policy=plan.policy,
        profile=plan.profile,
        planned=grid.family(plan.profile),
        open_ended=grid.open_ended_tests,
        rivals=grid.rivals if plan.pick else lambda checkpoint: 1,
        gives_up=plan.early == "shut",
    )


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
    """The name of the calibration that the method sees; any name if it sees none."""
    chosen: str = getattr(request, "param", pytestconfig.stash[PLAN].calibrations[0])
    return chosen


@pytest.fixture
def _unicomp_subject(
    pytestconfig: pytest.Config, model: Model, method: Method, calibration: str
) -> Subject:
    for name, value, kind in (("model", model, Model), ("method", method, Method)):
        if not isinstance(value, kind):
            pytest.fail(
                f"a fixture of your own is called {name!r} and gives {value!r}, which is no "
                f"{kind.__name__}: rename it where tests measure",
                pytrace=False,
            )
    return pytestconfig.stash[PLAN].subject(model, method, calibration)


@pytest.fixture
def _unicomp_desk(
    request: pytest.FixtureRequest, pytestconfig: pytest.Config, _unicomp_subject: Subject
) -> Desk:
    """The rows of this test."""
    plan, name = pytestconfig.stash[PLAN], _unicomp_subject.id
    family = pytestconfig.stash[GRID].planned(plan.profile).get(name, 1)
    engine = plan.settings.engine
    desk = Desk(
        name,
        plan.policy,
        plan.profile(name.model),
        family,
        machine=lambda: machine_name(fingerprint_of(engine)),
    )
    request.node.stash[DESK] = desk
    return desk


@pytest.fixture
def checkpoint(
    request: pytest.FixtureRequest,
    unicomp_session: Session,
    _unicomp_subject: Subject,
    _unicomp_desk: Desk,
) -> Checkpoint:
    """The compressed checkpoint on disk: built, or found in the store."""
    try:
        return unicomp_session.checkpoint(_unicomp_subject)
    except UnicompError as error:
        failure = error
    for row in request.node.stash[IDENTITY]:
        _unicomp_desk.rows[row.benchmark] = ended(row, failure)
    raise _ending(failure)


def _ending(failure: UnicompError) -> BaseException:
    """The end of a test; raised outside the handler, so that pytest shows one line and no chain."""
    if isinstance(failure, UnsupportedError):
        return pytest.skip.Exception(str(failure))
    return pytest.fail.Exception(str(failure), pytrace=False)


class Asked(Generic[M, T]):
    """A function for tests that measures or looks up, such as `retention(bench)`."""

    def __init__(self, name: str, takes: type[M] | tuple[type, ...], ask: Callable[[M], T]) -> None:
        self._name, self._takes, self._ask = name, takes, ask

    def __repr__(self) -> str:
        return self._name

    def __call__(self, measure: M) -> T:
        """Return the value, or end the test with the reason in one line."""
        if not isinstance(measure, self._takes):
            kinds = self._takes if isinstance(self._takes, tuple) else (self._takes,)
            wanted = " or ".join(f"a {kind.__name__}" for kind in kinds)
            pytest.fail(f"{self._name}() takes {wanted}, not {measure!r}", pytrace=False)
        try:
            return self._ask(measure)
        except UnicompError as error:
            failure = error
        raise _ending(failure)


@pytest.fixture
def floor(
    pytestconfig: pytest.Config, _unicomp_subject: Subject
) -> Asked[Benchmark | Probe, float]:
    """The least retention of a benchmark or gain of a probe, in percent: `floor(bench)`."""
    policy = pytestconfig.stash[PLAN].policy
    return Asked(
        "floor", (Benchmark, Probe), lambda asked: policy.floor_of(_unicomp_subject.id, asked)
    )


@pytest.fixture
def budget(pytestconfig: pytest.Config, _unicomp_subject: Subject) -> Asked[Probe, float]:
    """The highest accepted cost of a build, in the unit of a probe: `budget(probe)`."""
    policy = pytestconfig.stash[PLAN].policy
    return Asked("budget", Probe, lambda probe: policy.budget_of(_unicomp_subject.id, probe))


@pytest.fixture
def retention(
    pytestconfig: pytest.Config,
    unicomp_session: Session,
    _unicomp_subject: Subject,
    _unicomp_desk: Desk,
) -> Asked[Benchmark, Retention]:
    """Measure the retention of a benchmark, to compare it with a floor."""
    reading = pytestconfig.stash[PLAN].settings.instruments.reading

    def measure(bench: Benchmark) -> Retention:
        ask = partial(unicomp_session.retention, _unicomp_subject, bench)
        return _unicomp_desk.retention(read_as(bench, reading), ask, partial(ask, in_full=True))

    return Asked("retention", Benchmark, measure)


@pytest.fixture
def gain(
    request: pytest.FixtureRequest,
    pytestconfig: pytest.Config,
    unicomp_session: Session,
    _unicomp_subject: Subject,
    _unicomp_desk: Desk,
) -> Asked[Probe, Gain]:
    """Measure the gain over the dense model, to compare it with a floor."""
    conduct = conductor(request, pytestconfig.stash[PLAN].settings.engine)
    return Asked(
        "gain",
        Probe,
        lambda probe: _unicomp_desk.gain(
            probe, lambda: unicomp_session.gain(_unicomp_subject, probe, conduct)
        ),
    )


@pytest.fixture
def cost(
    unicomp_session: Session, _unicomp_subject: Subject, _unicomp_desk: Desk
) -> Asked[Probe, float]:
    """Give the cost of building the checkpoint, to compare it with a budget."""
    return Asked(
        "cost",
        Probe,
        lambda probe: _unicomp_desk.cost(
            probe, lambda: unicomp_session.cost(_unicomp_subject, probe)
        ),
    )
