"""The fixtures: `model`, `method`, `checkpoint`, `retention` and `floor`.

Any of them can be overridden in a test file or a conftest, as fixtures are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields, replace

import pytest

from unicomp.checkpoint import Checkpoint
from unicomp.errors import UnicompError, UnsupportedError
from unicomp.gate import decide
from unicomp.plugin.collection import GRID, IDENTITY
from unicomp.plugin.options import PLAN
from unicomp.plugin.progress import DISPLAY
from unicomp.retention import Retention
from unicomp.scorecard import Row
from unicomp.session import Session
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


@pytest.fixture
def checkpoint(unicomp_session: Session, model: Model, method: Method) -> Checkpoint:
    """The compressed checkpoint on disk: built, or found in the store."""
    try:
        return unicomp_session.checkpoint(model, method)
    except UnsupportedError as error:
        pytest.skip(str(error))
    except UnicompError as error:
        pytest.fail(str(error), pytrace=False)


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


@pytest.fixture
def floor(
    pytestconfig: pytest.Config, model: Model, method: Method
) -> Callable[[Benchmark], float]:
    """The least retention of a benchmark, in percent, as the settings say."""
    policy = pytestconfig.stash[PLAN].policy

    def floor_of(bench: Benchmark) -> float:
        return policy.floor(
            model=model.name, method=method.name, metric=bench.metric, benchmark=bench.name
        )

    return floor_of


@pytest.fixture
def retention(
    request: pytest.FixtureRequest,
    unicomp_session: Session,
    model: Model,
    method: Method,
    floor: Callable[[Benchmark], float],
) -> Callable[[Benchmark], Retention]:
    """Measure what the checkpoint kept of a benchmark; compare the result with a floor."""
    rows = request.node.stash.setdefault(ROWS, {})
    identity = request.node.stash[IDENTITY]

    def measure(bench: Benchmark) -> Retention:
        row = replace(
            identity,
            benchmark=bench.name,
            metric=bench.metric,
            floor=floor(bench),
            higher_is_better=bench.higher_is_better,
        )
        rows[bench.name] = row
        try:
            kept = unicomp_session.retention(model, method, bench)
        except UnsupportedError as error:
            rows[bench.name] = replace(row, verdict="unsupported", reason=str(error))
            pytest.skip(str(error))
        except UnicompError as error:
            rows[bench.name] = replace(row, reason=str(error))
            pytest.fail(f"{bench}: {error}", pytrace=False)
        rows[bench.name] = row = _measured(row, kept)
        if kept.incomparable:
            pytest.fail(f"{bench}: {kept.incomparable}", pytrace=False)

        def judge(least: float) -> bool:
            assert kept.low is not None and kept.high is not None
            verdict = decide(kept.low, kept.high, least)
            rows[bench.name] = replace(row, floor=least, verdict=verdict)
            return verdict == "pass"

        judge(floor(bench))  # holds for a test that never compares
        return JudgedRetention.of(kept, judge)

    return measure


def _measured(row: Row, kept: Retention) -> Row:
    names = {field.name for field in fields(Row)} & {field.name for field in fields(Retention)}
    values = {name: getattr(kept, name) for name in names - {"benchmark"}}
    return replace(
        row,
        **values,
        retention=kept.value,
        verdict="not_comparable" if kept.incomparable else "missing",
        reason=kept.incomparable or "",
    )
