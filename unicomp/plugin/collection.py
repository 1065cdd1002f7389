"""The collected tests: spread over checkpoints, marked, checked and sorted."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from difflib import get_close_matches
from itertools import chain

import pytest

from unicomp import catalogue
from unicomp.agenda import Subject
from unicomp.data.calibration import UNSEEN
from unicomp.data.model_folder import context_of, read_config
from unicomp.data.model_source import locate
from unicomp.data.sources import Source
from unicomp.errors import AbsentError, SpecError, UnicompError, UnmeasuredError
from unicomp.framework import (
    BESIDE,
    DIMENSIONS,
    EFFICIENCY,
    METRICS,
    PAPER_METRICS,
    PRACTICE,
    PROFILES,
    dimension_of,
)
from unicomp.plugin.admitting import admit_folders
from unicomp.plugin.answering import check_answering
from unicomp.plugin.carried import note_properties
from unicomp.plugin.clustering import check_cluster, gpus_of_nodes
from unicomp.plugin.conducting import ask_for_benchmark
from unicomp.plugin.distribution import publish
from unicomp.plugin.foresight import foresee
from unicomp.plugin.grid import GRID, IDENTITY, Grid
from unicomp.plugin.options import ON_REQUEST, PLAN, Plan, marks_of
from unicomp.plugin.placing import place
from unicomp.policy import check_name_given
from unicomp.prompts.tasks import Definition
from unicomp.sandbox.checking import Bubblewrap
from unicomp.scoring.scorers import runs_programs, why_unmeasurable
from unicomp.spec import DENSE, Benchmark, Method, Model, Probe, measures_in, nearest
from unicomp.verdict import Row, asking, demand_of, expected

_FIXTURES = "unicomp.plugin.fixtures"
"""The module of our fixtures; other plugins may have fixtures with the same names."""

_MEASURING = ("retention", "checkpoint", "gain", "cost")
"""Our fixtures that need a checkpoint."""

_JUDGING = ("retention", "gain", "cost")
"""Our fixtures whose result a test compares, so that the test has rows."""

_NEAR = 0.85
"""A name that is as like one of ours is a mistake, and not that of a benchmark to come."""

Definitions = dict[str, Sequence[pytest.FixtureDef[object]]]


# -- the subject of a test -----------------------------------------------------------------------


def _uses_ours(definitions: Definitions, *names: str) -> bool:
    """Whether a test gets one of the named fixtures from this plugin.

    The last definition is used; if it requests its own name, it extends the one before.
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
    """The model, method and calibration of a test, or None if it is not one of ours."""
    if not _uses_ours(_definitions(item), *_MEASURING):
        return None
    model, method = (_parameters(item).get(name) for name in ("model", "method"))
    if not isinstance(model, Model) or not isinstance(method, Method):
        return None
    plan = item.config.stash[PLAN]
    return plan.subject(model, method, _parameters(item).get("calibration", plan.calibrations[0]))


def measures_of(item: pytest.Item) -> tuple[Benchmark | Probe, ...]:
    """The benchmarks and probes among a test's parameters: those known before it runs."""
    return tuple(measures_in(_parameters(item)))


def benchmarks_of(item: pytest.Item) -> tuple[Benchmark, ...]:
    """The benchmarks among a test's parameters."""
    return tuple(one for one in measures_of(item) if isinstance(one, Benchmark))


def probes_of(item: pytest.Item) -> tuple[Probe, ...]:
    """The probes among a test's parameters."""
    return tuple(one for one in measures_of(item) if isinstance(one, Probe))


def is_open_ended(item: pytest.Item) -> bool:
    """Whether the benchmarks and probes of a test are known only when it runs."""
    return not measures_of(item) and _uses_ours(_definitions(item), *_JUDGING)


def _declared_for(item: pytest.Item) -> tuple[Benchmark | Probe, ...]:
    """The measures that give a test its markers: for an open-ended one, all of its module."""
    if not is_open_ended(item):
        return measures_of(item)
    module = vars(getattr(item, "module", None) or object)
    return tuple(measures_in([value for name, value in module.items() if name[:2] != "__"]))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Spread the tests that use one of our measuring fixtures over all checkpoints."""
    if not _uses_ours(metafunc._arg2fixturedefs, *_MEASURING):
        return
    plan = metafunc.config.stash[PLAN]
    taken = {
        name.strip()
        for mark in metafunc.definition.iter_markers("parametrize")
        for name in _argument_names(mark)
    }
    taken |= {name for call in metafunc._calls for name in call.params}  # by a conftest's hook
    if not _uses_ours(metafunc._arg2fixturedefs, "calibration"):
        taken.add("calibration")  # a fixture of the user gives it
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
    """Mark a test with its metrics, dimensions and families, and note its rows."""
    subject = subject_of(item)
    if subject is None:
        return
    unknown = Row(**subject.id._asdict(), benchmark=getattr(item, "originalname", item.name))
    rows = [expected(subject.id, measure) for measure in measures_of(item)] or [unknown]
    item.stash[IDENTITY] = rows
    for metric in [measure.metric for measure in _declared_for(item)] or [None]:
        for mark in marks_of(metric if metric in METRICS else None, subject.method):
            item.add_marker(mark)
    if _uses_ours(_definitions(item), *_JUDGING):
        note_properties(item, rows)


# -- the tests that run ------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check the given names, and deselect the tests that should not run.

    These are tests of checkpoints that belong to another model, of benchmarks without embedded
    rows, repeated tests, costs of checkpoints that were not built here, and tests that run on
    request only.
    """
    plan = config.stash[PLAN]
    grid = config.stash[GRID] = Grid()
    try:
        _check(config, plan, grid, items)
        lists = (
            [item for item in items if (one := subject_of(item)) and not plan.is_asked(one)],
            _outside(plan, grid, items),
            _repeated(items),
            _free(plan, items),
            _unasked(config, plan, items),
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
    """The benchmarks of all profiles, and the shipped ones that belong to no metric."""
    return {*BESIDE, *chain.from_iterable(profile.names for profile in PROFILES.values())}


def _outside(plan: Plan, grid: Grid, items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests of framework benchmarks that have no embedded rows."""
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

    They exist if a test parametrizes its methods itself.
    """
    known: set[object] = set()
    repeated = []
    for item in items:
        subject = subject_of(item)
        if subject is None or subject.method.calibrated:
            continue
        # by identity, since pytest numbers the values of a test's own parameters anew each time
        values = ((name, id(value)) for name, value in _parameters(item).items())
        others = frozenset(pair for pair in values if pair[0] != "calibration")
        key = (item.nodeid.partition("[")[0], others)
        if key in known:
            repeated.append(item)
        known.add(key)
    return repeated


def _free(plan: Plan, items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests of the cost of a checkpoint that was not built here, such as the dense one.

    A checkpoint that was compressed elsewhere stays if it has a budget.
    """
    outside = []
    for item in items:
        subject = subject_of(item)
        if subject is None or subject.method.compress is not None:
            continue
        budgets = (plan.policy.budget_of(subject.id, probe) for probe in probes_of(item))
        kept = subject.method.name != DENSE.name and any(map(math.isfinite, budgets))
        if _uses_ours(_definitions(item), "cost") and not is_open_ended(item) and not kept:
            outside.append(item)
    return outside


def _unasked(config: pytest.Config, plan: Plan, items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests that run on request only and are not named by `-m`.

    So do those of practice, by their metric or their marker, if the profile of their model has no
    such metric, or other benchmarks of it: a text of 4k tokens is too long for an embedded model.
    """
    asked = re.findall(r"\w+", config.getoption("markexpr") or "")
    unasked = [marker for marker in ON_REQUEST if marker not in asked]
    further = {*METRICS} - {*PAPER_METRICS}
    ours = _framework() - {*BESIDE}
    found = []
    for item in items:
        of_practice = {one.metric for one in measures_of(item) if one.metric in further}
        names = {*of_practice, *map(dimension_of, of_practice)}
        if not of_practice and item.get_closest_marker(PRACTICE):
            of_practice, names = further, {PRACTICE}
        outside = False
        if of_practice and names.isdisjoint(asked) and (subject := subject_of(item)) is not None:
            profile = plan.profile(subject.model.name)
            others = ours - profile.names
            outside = of_practice.isdisjoint(profile) or any(
                bench.name in others for bench in benchmarks_of(item)
            )
        if outside or any(map(item.get_closest_marker, unasked)):
            found.append(item)
    return found


def _why_absent(grid: Grid, bench: Benchmark, source: Source) -> str | None:
    """Why a source has none of a benchmark's rows, or None; looked up once for each source."""
    key = (bench.name, source.name)
    if key not in grid.absent:
        try:
            Definition(bench, source).check()
            grid.absent[key] = None
        except AbsentError as error:
            grid.absent[key] = str(error)
    return grid.absent[key]


def _check(config: pytest.Config, plan: Plan, grid: Grid, items: Sequence[pytest.Item]) -> None:
    """Raise SpecError for mistakes that show only in the collected tests."""
    kinds: tuple[tuple[str, str, Callable[[object], bool]], ...] = (
        ("model", "not a Model", lambda value: isinstance(value, Model)),
        ("method", "not a Method", lambda value: isinstance(value, Method)),
        ("calibration", "not one of this run", lambda value: value in (UNSEEN, *plan.calibrations)),
    )
    declared: dict[str, Benchmark | Probe] = {}
    for item in items:
        for name, what, is_meant in kinds if _uses_ours(_definitions(item), *_MEASURING) else ():
            value = _parameters(item).get(name)
            if value is not None and not is_meant(value):
                raise SpecError(
                    f"{item.nodeid.partition('[')[0]} parametrizes {name!r} with {value!r}, which "
                    f"is {what}: choose it on the command line, with --{name}"
                )
        for measure in _declared_for(item):
            if measure.metric is not None and measure.metric not in METRICS:
                raise SpecError(
                    f"{measure.name} names the metric {measure.metric!r}, which does not exist; "
                    f"{nearest(measure.metric, METRICS)}"
                )
            if declared.setdefault(measure.name, measure) != measure:
                raise SpecError(
                    f"two different benchmarks are named {measure.name!r}: rename the one that "
                    f"{item.nodeid.partition('[')[0]} measures"
                )
            if subject := subject_of(item):
                plan.policy.demand(subject.id, measure, tier="guard")  # raises if contradictory
    unnamed = {row.benchmark for item in items for row in item.stash.get(IDENTITY, ())}
    components = {name for parts in EFFICIENCY.values() for name in parts}
    ours = _framework() | components
    benchmarks = ours | declared.keys() | unnamed
    methods = {
        *catalogue.method_names(plan.roots),
        *catalogue.checkpoint_names(plan.roots),
        *(method.name for method in plan.methods),
    }
    # an open-ended test may have a benchmark of any name: checked again after the run
    later = grid.unmatched if any(map(is_open_ended, items)) else None
    for where, names in plan.policy.names():
        unknown = {name.partition("@")[0] for name in names} - benchmarks
        known = benchmarks
        if unknown - {*METRICS, *DIMENSIONS} and where != "--floor":
            # the file may name a benchmark of a test file outside this run
            known = benchmarks | _declared_elsewhere(config, plan, unknown)
        for name in names:
            near = get_close_matches(
                name.partition("@")[0], {*METRICS, *DIMENSIONS, *ours}, 1, _NEAR
            )
            check_name_given(where, name, known, methods, None if near else later)


def _declared_elsewhere(config: pytest.Config, plan: Plan, names: Collection[str]) -> set[str]:
    """Those of `names` that a test file gives to a benchmark, also one that this run leaves out."""
    wanted = {*names, *(name.rpartition(".")[0] for name in names)}
    given = [plan.root / path for path in config.getini("testpaths")]
    return catalogue.names_declared(
        wanted, [*catalogue.suite_folders(plan.root), *given, plan.root]
    )


@pytest.hookimpl(trylast=True, specname="pytest_collection_modifyitems")
def pytest_sort_by_checkpoint(items: list[pytest.Item], config: pytest.Config) -> None:
    """Put the tests of one checkpoint together, and the dense one of each model first.

    vLLM's benchmark comes last for each model: it needs the machine for itself, so everything is
    unloaded before it.
    """
    plan = config.stash[PLAN]
    models = [model.name for model in plan.models]
    methods = [method.name for method in plan.methods]
    calibrations = list(plan.calibrations)

    def place(item: pytest.Item) -> tuple[int, ...]:
        subject = subject_of(item)
        if subject is None:
            return (-1,)
        model, method, calibration = subject.id
        return (
            _index(models, model),
            1 if any(probe.bench for probe in probes_of(item)) else 0,
            0 if method == DENSE.name else 1,
            _index(methods, method),
            _index(calibrations, calibration),
            # benchmarks first: they decide for which prompt length a server is started
            1 if probes_of(item) else 0,
        )

    items.sort(key=place)


def _index(names: list[str], name: str) -> int:
    return names.index(name) if name in names else len(names)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Note the tests that will run; refuse to run if all rows are absent."""
    plan = session.config.stash[PLAN]
    grid = session.config.stash.setdefault(GRID, Grid())
    for item in session.items:
        subject = subject_of(item)
        if subject is None:
            continue
        if _uses_ours(_definitions(item), *_JUDGING):
            grid.rows[item.nodeid] = item.stash[IDENTITY] = _asking(plan, grid, item, subject)
        if open_ended := is_open_ended(item):
            grid.open_ended.append(item.nodeid)
        grid.checkpoints[item.nodeid] = f"{subject}"
        methods = grid.asked.setdefault(subject.model.name, [])
        if subject.method.name not in methods:
            methods.append(subject.method.name)
        grid.agenda.add(subject, benchmarks_of(item), probes_of(item), open_ended=open_ended)
    try:
        _check_alone(session.config, session.items)
        _check_rows(plan, grid)
        if not session.config.option.collectonly:
            _check_instruments(plan, grid)
            _check_lengths(plan, grid)
            check_answering(plan, grid)
            grid.unpinned = plan.check_lock(grid.present())
            foresee(session.config, plan, grid)
            if not grid.problem and not hasattr(session.config, "workerinput"):
                admit_folders(session.config, plan, grid)
                grid.notes += place(session.config, there=gpus_of_nodes(session.config))
                check_cluster(session.config)
    except UnicompError as error:
        grid.problem = grid.problem or str(error)
    publish(session.config, grid)
    if grid.problem and not hasattr(session.config, "workerinput"):
        raise pytest.UsageError(grid.problem)


def _asking(plan: Plan, grid: Grid, item: pytest.Item, subject: Subject) -> list[Row]:
    """The rows of a test with what is asked of them."""
    rows: list[Row] = item.stash[IDENTITY]
    measures = {measure.name: measure for measure in measures_of(item)}
    profile = plan.profile(subject.model.name)
    try:
        return [
            asking(row, demand_of(plan.policy, profile, subject.id, measures[row.benchmark]))
            if row.benchmark in measures
            else row
            for row in rows
        ]
    except SpecError as error:
        grid.problem = grid.problem or str(error)
        return rows


def _check_alone(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Raise SpecError if efficiency would be measured while other tests run."""
    if hasattr(config, "workerinput") and any(
        _uses_ours(_definitions(item), "gain", "cost") for item in items
    ):
        raise SpecError(
            "efficiency is measured by one process alone: run `-m efficiency` without -n, and the "
            "other tests with `-n N -m 'not efficiency'`"
        )


def _check_rows(plan: Plan, grid: Grid) -> None:
    """Note the benchmarks without rows; raise AbsentError if no benchmark has any."""
    asked = {
        (name.model, bench.name): bench
        for name, benchmarks in grid.agenda.benchmarks.items()
        for bench in benchmarks
    }
    for (model, name), bench in asked.items():
        if reason := _why_absent(grid, bench, plan.sources[model]):
            grid.lacking.setdefault(model, {})[name] = reason
    reasons = [reason for lacking in grid.lacking.values() for reason in lacking.values()]
    if reasons and len(reasons) == len(asked) and not grid.asks_more:
        raise AbsentError(reasons[0])


def _check_instruments(plan: Plan, grid: Grid) -> None:
    """Note the benchmarks that lack the sandbox or the judge that they need.

    Raises UnmeasuredError if nothing else is asked, before anything is built.
    """
    settings, sandbox = plan.settings.instruments, Bubblewrap()
    asked = {
        bench.name: bench.scored_in(settings.mode)
        for own in grid.present().values()
        for bench in own
    }
    reasons = {
        name: why_unmeasurable(bench.scorer, sandbox, judged=settings.judge is not None)
        for name, bench in asked.items()
    }
    grid.programs = [name for name, bench in asked.items() if runs_programs(bench.scorer)]
    grid.unmeasurable = {name: reason for name, reason in reasons.items() if reason}
    if grid.unmeasurable and len(grid.unmeasurable) == len(asked) and not grid.asks_more:
        raise UnmeasuredError("; ".join(dict.fromkeys(grid.unmeasurable.values())))


def _check_lengths(plan: Plan, grid: Grid) -> None:
    """Note the benchmarks whose prompts are longer than the context of a model.

    Raises UnmeasuredError if nothing else is asked, before anything is built.
    """
    lengths: dict[str, dict[str, int]] = {}
    for name, benchmarks in grid.present().items():
        made = {bench.name: bench.rows.length for bench in benchmarks if bench.rows is not None}
        lengths.setdefault(name.model, {}).update(made)
    for model in plan.models:
        context = _context(model) if lengths.get(model.name) else None
        if context is not None:
            context -= plan.conditions[model.name].answering.thinking_budget
            beyond = {name: one for name, one in lengths[model.name].items() if one > context}
            grid.beyond |= {model.name: beyond} if beyond else {}
    if grid.beyond and not any(grid.present().values()) and not grid.asks_more:
        raise UnmeasuredError(f"{next(_beyond(grid))}: choose shorter ones with -k")


def _beyond(grid: Grid) -> Iterator[str]:
    """A line for each model with benchmarks that are longer than its context."""
    for model, found in grid.beyond.items():
        names = ", ".join(found)
        yield f"{names}: more tokens than the context of {model} has, so that they are not asked"


def _context(model: Model) -> int | None:
    """The context of a model; None if it is not known without its weights."""
    with suppress(SpecError):
        return context_of(read_config(locate(model, config_only=True)))
    return None


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Report before the work begins which rows will be missing."""
    grid = config.stash.get(GRID, None)
    if grid is None or grid.problem:
        return []
    lacking = [pair for reasons in grid.lacking.values() for pair in reasons.items()]
    lines = [f"{name} will be missing: {reason}" for name, reason in dict.fromkeys(lacking)]
    for reason in dict.fromkeys(grid.unmeasurable.values()):
        names = ", ".join(name for name, why in grid.unmeasurable.items() if why == reason)
        lines.append(f"{names} will not be measured: {reason}")
    return [*lines, *_beyond(grid)]
