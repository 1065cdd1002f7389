"""Which tests there are: one for each benchmark and checkpoint, marked, sorted and identified."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeVar

import pytest

from unicomp import catalogue
from unicomp.data.calibration import UNSEEN
from unicomp.data.sources import Source
from unicomp.errors import AbsentError, SpecError, UnicompError
from unicomp.framework import BESIDE, EFFICIENCY, METRICS, PROFILES
from unicomp.plugin.conducting import ask_for_benchmark
from unicomp.plugin.distribution import publish
from unicomp.plugin.grid import GRID, IDENTITY, Grid, properties_of
from unicomp.plugin.limits import BudgetOf
from unicomp.plugin.options import ON_REQUEST, PLAN, Plan, marks_of
from unicomp.policy import check_names
from unicomp.prompts.tasks import Definition
from unicomp.session import Subject
from unicomp.spec import DENSE, Benchmark, Method, Model, Probe, nearest
from unicomp.verdict import Row

_FIXTURES = "unicomp.plugin.fixtures"
"""The module of our fixtures: others may have fixtures of the same names."""

_MEASURING = ("retention", "checkpoint", "gain", "cost")
"""Those of them that are about a checkpoint."""

_JUDGING = ("retention", "gain", "cost")
"""Those of them whose result a test compares, so that it has rows."""

T = TypeVar("T")

Definitions = dict[str, Sequence[pytest.FixtureDef[object]]]


# -- what a test is about -----------------------------------------------------------------------


def _uses_ours(definitions: Definitions, *names: str) -> bool:
    """Whether a test gets one of the named fixtures from this plugin.

    The last definition is the one in force; if it asks for its own name, it extends the one before.
    """
    for name in names:
        for definition in reversed(definitions.get(name, ())):
            if definition.func.__module__ == _FIXTURES:
                return True
            if name not in definition.argnames:
                break
    return False


def _definitions(item: pytest.Item) -> Definitions:
    info = getattr(item, "_fixtureinfo", None)
    return info.name2fixturedefs if info else {}


def _parameters(item: pytest.Item) -> dict[str, object]:
    return getattr(getattr(item, "callspec", None), "params", {})


def subject_of(item: pytest.Item) -> Subject | None:
    """The model, method and calibration that a test is about, if it is one of ours."""
    if not _uses_ours(_definitions(item), *_MEASURING):
        return None
    model, method = (_parameters(item).get(name) for name in ("model", "method"))
    if not isinstance(model, Model) or not isinstance(method, Method):
        return None
    plan = item.config.stash[PLAN]
    return plan.subject(model, method, _parameters(item).get("calibration", plan.calibrations[0]))


def benchmarks_of(item: pytest.Item) -> tuple[Benchmark, ...]:
    """The benchmarks that a test measures: its parameters, or those that its code names."""
    return _named_in(item, Benchmark)


def probes_of(item: pytest.Item) -> tuple[Probe, ...]:
    """The probes that a test measures, likewise."""
    return _named_in(item, Probe)


def measures_of(item: pytest.Item) -> tuple[Benchmark | Probe, ...]:
    """All that a test measures."""
    return (*benchmarks_of(item), *probes_of(item))


def _named_in(item: pytest.Item, kind: type[T]) -> tuple[T, ...]:
    given = [value for value in _parameters(item).values() if isinstance(value, kind)]
    if given:
        return tuple(given)
    function = getattr(item, "function", None)
    scope = getattr(function, "__globals__", {})
    names = getattr(getattr(function, "__code__", None), "co_names", ())
    return tuple(scope[name] for name in names if isinstance(scope.get(name), kind))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Spread the tests that ask for our `retention` or `checkpoint` over all checkpoints."""
    if not _uses_ours(metafunc._arg2fixturedefs, *_MEASURING):
        return
    plan = metafunc.config.stash[PLAN]
    taken = {
        name.strip()
        for mark in metafunc.definition.iter_markers("parametrize")
        for name in _argument_names(mark)
    }
    if not _uses_ours(metafunc._arg2fixturedefs, "calibration"):
        taken.add("calibration")  # by a fixture of the user's own
    free = [
        name
        for name in ("model", "method", "calibration")
        if name in metafunc.fixturenames and name not in taken
    ]

    def spread(names: str, values: Sequence[object], ids: Sequence[str]) -> None:
        metafunc.parametrize(names, values, ids=ids, indirect=True, scope="session")

    several = len(plan.calibrations) > 1
    if "model" in free:
        spread("model", plan.models, [str(model) for model in plan.models])
    if {"method", "calibration"} <= set(free):
        pairs = [(method, name) for method in plan.methods for name in plan.calibrations_of(method)]
        spread(
            "method,calibration",
            pairs,
            [
                f"{method}-{name}" if several and method.calibrated else str(method)
                for method, name in pairs
            ],
        )
    elif "method" in free:
        spread("method", plan.methods, [str(method) for method in plan.methods])
    elif "calibration" in free and several:
        spread("calibration", plan.calibrations, plan.calibrations)


def _argument_names(mark: pytest.Mark) -> Sequence[str]:
    names = mark.args[0] if mark.args else mark.kwargs.get("argnames", ())
    return names.split(",") if isinstance(names, str) else names


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test with its metrics, dimensions and family, and say what it is about."""
    subject = subject_of(item)
    if subject is None:
        return
    unknown = Row(
        model=subject.model.name,
        method=subject.method.name,
        calibration=subject.calibration,
        benchmark=getattr(item, "originalname", item.name),
    )
    measures = measures_of(item)
    item.stash[IDENTITY] = [
        replace(
            unknown,
            benchmark=measure.name,
            metric=measure.metric,
            dimension=measure.dimension if isinstance(measure, Benchmark) else None,
            unit=measure.unit if isinstance(measure, Probe) else None,
        )
        for measure in measures
    ] or [unknown]
    for metric in [measure.metric for measure in measures] or [None]:
        for mark in marks_of(metric if metric in METRICS else None, subject.method):
            item.add_marker(mark)
    if _uses_ours(_definitions(item), *_JUDGING):
        for row in item.stash[IDENTITY]:
            item.user_properties.extend(properties_of(row))


# -- what is run --------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the embedded rows do not cover, and check the names that were given."""
    plan = config.stash[PLAN]
    grid = config.stash[GRID] = Grid()
    try:
        _check(config, plan, items)
        lists = (
            _outside(plan, grid, items),
            _repeated(items),
            _free(plan, items),
            _unasked(config, items),
        )
        outside = list(dict.fromkeys(chain.from_iterable(lists)))
    except UnicompError as error:
        grid.problem = str(error)
        return
    ask_for_benchmark(config, (i for i in items if any(p.timed for p in probes_of(i))))
    if outside:
        config.hook.pytest_deselected(items=outside)
        left_out = set(outside)
        items[:] = [item for item in items if item not in left_out]


def _framework() -> set[str]:
    """The benchmarks that some metric of some profile is made of, and those beside them."""
    parts = (
        name
        for profile in PROFILES.values()
        for metric in profile
        for name in profile.benchmarks(metric)
    )
    return {*BESIDE, *parts}


def _outside(plan: Plan, grid: Grid, items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests of benchmarks of the framework whose rows the embedded world lacks."""
    ours = _framework()
    outside = []
    for item in items:
        subject = subject_of(item)
        if subject is None or not (source := plan.sources[subject.model.name]).is_embedded:
            continue
        benchmarks = [bench for bench in benchmarks_of(item) if bench.name in ours]
        if any(_why_absent(grid, bench, source) for bench in benchmarks):
            outside.append(item)
    return outside


def _repeated(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests that differ from another one only in a calibration that their method never sees.

    They exist where a test chooses its methods itself, so that nothing but it knows them.
    """
    known: set[object] = set()
    repeated = []
    for item in items:
        subject = subject_of(item)
        if subject is None or subject.method.calibrated:
            continue
        # values by their identity: pytest numbers those of a test's own parameters anew each time
        values = ((name, id(value)) for name, value in _parameters(item).items())
        others = frozenset(pair for pair in values if pair[0] != "calibration")
        key = (item.nodeid.partition("[")[0], others)
        if key in known:
            repeated.append(item)
        known.add(key)
    return repeated


def _free(plan: Plan, items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests of what it cost to make what was not made here: the dense model, or a checkpoint
    that was compressed elsewhere, unless there is a budget that it would have to keep.
    """
    outside = []
    for item in items:
        subject = subject_of(item)
        if subject is None or subject.method.compress is not None:
            continue
        budget = BudgetOf(plan.policy, subject.model, subject.method)
        limited = any(math.isfinite(budget(probe)) for probe in probes_of(item))
        dense = subject.method.name == DENSE.name
        if _uses_ours(_definitions(item), "cost") and (dense or not limited):
            outside.append(item)
    return outside


def _unasked(config: pytest.Config, items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests that are run on request only, where `-m` does not name them."""
    asked = re.findall(r"\w+", config.getoption("markexpr") or "")
    unasked = [marker for marker in ON_REQUEST if marker not in asked]
    return [item for item in items if any(map(item.get_closest_marker, unasked))]


def _why_absent(grid: Grid, bench: Benchmark, source: Source) -> str | None:
    """Why none of a benchmark's rows are there, or None; looked up once for each source."""
    key = (bench.name, source.name)
    if key not in grid.absent:
        try:
            Definition(bench, source).check()
            grid.absent[key] = None
        except AbsentError as error:
            grid.absent[key] = str(error)
    return grid.absent[key]


def _check(config: pytest.Config, plan: Plan, items: Sequence[pytest.Item]) -> None:
    """Raise SpecError for what only the collected tests can tell is wrong."""
    kinds: tuple[tuple[str, str, Callable[[object], bool]], ...] = (
        ("model", "no Model", lambda value: isinstance(value, Model)),
        ("method", "no Method", lambda value: isinstance(value, Method)),
        ("calibration", "none of this run", lambda value: value in (UNSEEN, *plan.calibrations)),
    )
    declared: dict[str, Benchmark | Probe] = {}
    for item in items:
        for measure in measures_of(item):
            if measure.metric is not None and measure.metric not in METRICS:
                raise SpecError(
                    f"{measure.name} names the metric {measure.metric!r}, which there is not; "
                    f"{nearest(measure.metric, METRICS)}"
                )
            if declared.setdefault(measure.name, measure) != measure:
                raise SpecError(
                    f"two different benchmarks are named {measure.name!r}: rename the one that "
                    f"{item.nodeid.partition('[')[0]} measures"
                )
        for name, what, is_meant in kinds if _uses_ours(_definitions(item), *_MEASURING) else ():
            value = _parameters(item).get(name)
            if value is not None and not is_meant(value):
                raise SpecError(
                    f"{item.nodeid.partition('[')[0]} parametrizes {name!r} with {value!r}, which "
                    f"is {what}: choose it on the command line, with --{name}"
                )
    unnamed = {row.benchmark for item in items for row in item.stash.get(IDENTITY, ())}
    components = {name for parts in EFFICIENCY.values() for name in parts}
    benchmarks = _framework() | components | declared.keys() | unnamed
    methods = sorted(
        {*catalogue.method_names(plan.roots), *(method.name for method in plan.methods)}
    )
    for where, names in _names(config, plan):
        check_names(where, names, benchmarks, methods)


def _names(config: pytest.Config, plan: Plan) -> Iterator[tuple[str, Sequence[str]]]:
    """The names that were given, and where; those of the file only where everything is collected.

    The file may well name a benchmark of a test file that this run does not look at.
    """
    yield "--floor", tuple(plan.policy.command_line)
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        return
    yield "unicomp.toml [floors]", tuple(plan.policy.general)
    yield "unicomp.toml [allow]", tuple(plan.policy.allow)
    yield "unicomp.toml [budgets]", tuple(plan.policy.budgets)
    for model, limits in plan.policy.model_budgets.items():
        yield f"unicomp.toml [models.{model}.budgets]", tuple(limits)
    for model, table in plan.policy.models.items():
        yield f"unicomp.toml [models.{model}.floors]", tuple(table)
    for model, reasons in plan.policy.model_allow.items():
        yield f"unicomp.toml [models.{model}.allow]", tuple(reasons)


@pytest.hookimpl(trylast=True, specname="pytest_collection_modifyitems")
def pytest_sort_by_checkpoint(items: list[pytest.Item], config: pytest.Config) -> None:
    """The tests of one checkpoint together, the dense one of each model first.

    vLLM's benchmark comes last of each model: it needs the machine for itself, and everything that
    is loaded is unloaded for it.
    """
    plan = config.stash[PLAN]
    models = [model.name for model in plan.models]
    methods = [method.name for method in plan.methods]
    calibrations = list(plan.calibrations)

    def place(item: pytest.Item) -> tuple[int, ...]:
        subject = subject_of(item)
        if subject is None:
            return (-1,)
        model, method, calibration = subject.key
        return (
            _index(models, model),
            1 if any(probe.bench for probe in probes_of(item)) else 0,
            0 if method == DENSE.name else 1,
            _index(methods, method),
            _index(calibrations, calibration),
            # what is asked decides how long prompts a server is started for
            1 if probes_of(item) else 0,
        )

    items.sort(key=place)


def _index(names: list[str], name: str) -> int:
    return names.index(name) if name in names else len(names)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Write down what is to be run, and refuse to run on rows that are not there."""
    plan = session.config.stash[PLAN]
    grid = session.config.stash.setdefault(GRID, Grid())
    for item in session.items:
        subject = subject_of(item)
        if subject is None:
            continue
        if _uses_ours(_definitions(item), *_JUDGING):
            grid.rows[item.nodeid] = item.stash[IDENTITY]
        grid.checkpoints[item.nodeid] = f"{subject}"
        if subject.key not in grid.expected:
            grid.subjects.append(subject)
        benchmarks = grid.expected.setdefault(subject.key, [])
        benchmarks.extend(bench for bench in benchmarks_of(item) if bench not in benchmarks)
        grid.probed.setdefault(subject.key, []).extend(probes_of(item))
    try:
        _check_alone(session.config, grid)
        _check_rows(plan, grid)
        if not session.config.option.collectonly:
            grid.unpinned = plan.check_lock(grid.expected_of_present())
    except UnicompError as error:
        grid.problem = grid.problem or str(error)
    publish(session.config, grid)
    if grid.problem and not hasattr(session.config, "workerinput"):
        raise pytest.UsageError(grid.problem)


def _check_alone(config: pytest.Config, grid: Grid) -> None:
    """Raise SpecError where probes would be measured beside other tests."""
    if hasattr(config, "workerinput") and any(grid.probed.values()):
        raise SpecError(
            "efficiency is measured by one process alone: run `-m efficiency` without -n, and the "
            "other tests with `-n N -m 'not efficiency'`"
        )


def _check_rows(plan: Plan, grid: Grid) -> None:
    """Note the benchmarks whose rows are not there; raise AbsentError where none are."""
    asked = {
        (model, bench.name): bench
        for (model, _, _), benchmarks in grid.expected.items()
        for bench in benchmarks
    }
    for (model, name), bench in asked.items():
        if reason := _why_absent(grid, bench, plan.sources[model]):
            grid.lacking.setdefault(model, {})[name] = reason
    reasons = [reason for lacking in grid.lacking.values() for reason in lacking.values()]
    if reasons and len(reasons) == len(asked) and not any(grid.probed.values()):
        raise AbsentError(reasons[0])


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Say before the work begins which rows will be missing after it."""
    grid = config.stash.get(GRID, None)
    if grid is None or grid.problem:
        return []
    lacking = [pair for reasons in grid.lacking.values() for pair in reasons.items()]
    return [f"{name} will be missing: {reason}" for name, reason in dict.fromkeys(lacking)]
