"""Which tests there are: one for each benchmark and checkpoint, marked, sorted and identified."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from unicomp.errors import UnicompError
from unicomp.framework import PROFILES, Profile
from unicomp.gate import check_names
from unicomp.plugin.distribution import publish
from unicomp.plugin.grid import GRID, IDENTITY, Grid
from unicomp.plugin.options import PLAN, Plan, marks_of
from unicomp.scorecard import Row
from unicomp.session import Subject
from unicomp.spec import DENSE, Benchmark
from unicomp.tasks import Definition

_FIXTURES = "unicomp.plugin.fixtures"
"""The module of our fixtures: others may have fixtures of the same names."""


def subject_of(item: pytest.Item) -> Subject | None:
    """The model and method that a test is about, if it is one of ours."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    if not {"model", "method"} <= params.keys() or not uses_ours(item):
        return None
    plan = item.config.stash[PLAN]
    return Subject(
        model=params["model"],
        method=params["method"],
        calibration=plan.calibration_of(params["method"]),
    )


def uses_ours(item: pytest.Item) -> bool:
    """Whether a test asks for this plugin's `retention` or `checkpoint`."""
    definitions = getattr(item, "_fixtureinfo").name2fixturedefs  # noqa: B009
    return _ours(definitions)


def _ours(definitions: dict[str, Sequence[pytest.FixtureDef[object]]]) -> bool:
    return any(
        definition.func.__module__ == _FIXTURES
        for name in ("retention", "checkpoint")
        for definition in definitions.get(name, ())
    )


def benchmark_of(item: pytest.Item) -> Benchmark | None:
    """The benchmark among a test's parameters."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    return next((value for value in params.values() if isinstance(value, Benchmark)), None)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Spread the tests that ask for our `retention` or `checkpoint` over models and methods."""
    if not _ours(metafunc._arg2fixturedefs):
        return
    plan = metafunc.config.stash[PLAN]
    taken = {
        name.strip()
        for mark in metafunc.definition.iter_markers("parametrize")
        for name in (mark.args[0].split(",") if isinstance(mark.args[0], str) else mark.args[0])
    }
    for name, values in (("model", plan.models), ("method", plan.methods)):
        if name in metafunc.fixturenames and name not in taken:
            metafunc.parametrize(name, values, ids=str, indirect=True, scope="session")


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test with its metric, dimension and family, and say what it is about."""
    subject = subject_of(item)
    if subject is None:
        return
    bench = benchmark_of(item)
    for mark in marks_of(bench.metric if bench else None, subject.method):
        item.add_marker(mark)
    row = Row(
        model=subject.model.name,
        method=subject.method.name,
        calibration=subject.calibration,
        benchmark=bench.name if bench else getattr(item, "originalname", item.name),
        metric=bench.metric if bench else None,
    )
    item.stash[IDENTITY] = row
    for name in ("model", "method", "calibration", "benchmark", "metric"):
        item.user_properties.append((f"unicomp.{name}", getattr(row, name) or ""))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the embedded world does not cover, and check the names that were given."""
    plan = config.stash[PLAN]
    config.stash[GRID] = Grid()
    config.stash[GRID].problem = _problem(plan, items)
    outside = [item for item in items if _outside(plan, item)]
    if outside:
        config.hook.pytest_deselected(items=outside)
        items[:] = [item for item in items if item not in outside]


def _outside(plan: Plan, item: pytest.Item) -> bool:
    """Whether a benchmark belongs to the framework, but not to the model's profile."""
    subject, bench = subject_of(item), benchmark_of(item)
    if subject is None or bench is None:
        return False
    known = _benchmarks(*PROFILES.values())
    profile = plan.profile(subject.model.name)
    return (
        plan.sources[subject.model.name].is_embedded
        and bench.name in known
        and bench.name not in _benchmarks(profile)
    )


def _benchmarks(*profiles: Profile) -> set[str]:
    """The benchmarks that some metric of the profiles is made of."""
    return {
        name for profile in profiles for metric in profile for name in profile.benchmarks(metric)
    }


def _problem(plan: Plan, items: Sequence[pytest.Item]) -> str | None:
    """What is wrong with names that only the collected tests can tell, in one line."""
    from unicomp import catalogue

    benchmarks = _benchmarks(*PROFILES.values())
    benchmarks |= {bench.name for item in items if (bench := benchmark_of(item))}
    benchmarks |= {item.stash[IDENTITY].benchmark for item in items if IDENTITY in item.stash}
    methods = {*catalogue.method_names(plan.roots), *(method.name for method in plan.methods)}
    policy = plan.policy
    named = [
        ("--floor", policy.command_line),
        ("unicomp.toml [floors]", policy.general),
        ("unicomp.toml [allow]", policy.allow),
        *((f"unicomp.toml [models.{name}.floors]", table) for name, table in policy.models.items()),
    ]
    try:
        for where, names in named:
            check_names(where, names, benchmarks, sorted(methods))
    except UnicompError as error:
        return str(error)
    return None


@pytest.hookimpl(trylast=True, specname="pytest_collection_modifyitems")
def pytest_sort_by_checkpoint(items: list[pytest.Item], config: pytest.Config) -> None:
    """The tests of one checkpoint together, the dense one of each model first."""
    plan = config.stash[PLAN]
    models = [model.name for model in plan.models]
    methods = [method.name for method in plan.methods]

    def place(item: pytest.Item) -> tuple[int, int, int]:
        subject = subject_of(item)
        if subject is None:
            return (-1, 0, 0)
        name = subject.method.name
        return (
            models.index(subject.model.name) if subject.model.name in models else len(models),
            0 if name == DENSE.name else 1,
            methods.index(name) if name in methods else len(methods),
        )

    items.sort(key=place)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Write down what is to be run, and refuse to run on rows that are not there."""
    plan = session.config.stash[PLAN]
    grid = session.config.stash.setdefault(GRID, Grid())
    for item in session.items:
        subject = subject_of(item)
        if subject is None:
            continue
        if "retention" in getattr(item, "fixturenames", ()):
            grid.rows[item.nodeid] = item.stash[IDENTITY]
        grid.checkpoints[item.nodeid] = f"{subject}"
        if bench := benchmark_of(item):
            benchmarks = grid.expected.setdefault((subject.model.name, subject.method.name), [])
            if bench not in benchmarks:
                benchmarks.append(bench)
    grid.problem = grid.problem or _missing_rows(plan, grid)
    publish(session.config, grid)
    if grid.problem and not hasattr(session.config, "workerinput"):
        raise pytest.UsageError(grid.problem)


def _missing_rows(plan: Plan, grid: Grid) -> str | None:
    try:
        for (model, _), benchmarks in grid.expected.items():
            for bench in benchmarks:
                Definition(bench, plan.sources[model]).check()
    except UnicompError as error:
        return str(error)
    return None
