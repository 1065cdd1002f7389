"""A pytest plugin for an environment without unicomp's heavy dependencies, such as torch.

    python -m pytest -p tests.light tests

A test that needs a module which is not installed is skipped, and so is a test file that starts
processes, since what a process lacks cannot be seen from here. The run fails if most tests were
skipped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

OURS = ("fixtures", "suites", "tests", "unicomp")
"""What this repository has itself: if it cannot be imported, that is a failure."""

_NEEDS = "needs "
_ran: Counter[str] = Counter()
"""Outcome → tests; files that were skipped count as one."""
_lacking: Counter[str] = Counter()
"""What is not installed → tests and files that need it."""


def lacking(error: BaseException | None) -> str | None:
    """The module or distribution that is not installed, if an error comes from that."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and error.name:
            return None if error.name.split(".")[0] in OURS else error.name
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def _skipping() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if name := lacking(error):
            pytest.skip(f"{_NEEDS}{name}")
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Skip a test with a fixture that needs what is not there."""
    with _skipping():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Skip a test that needs what is not there."""
    with _skipping():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Skip a file that needs what is not there."""
    report = yield
    if report.failed and (name := lacking(report.call.excinfo.value)):
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, f"Skipped: {_NEEDS}{name}")
    return report


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the test files that start processes."""
    starting = [item for item in items if hasattr(getattr(item, "module", None), "subprocess")]
    config.hook.pytest_deselected(items=starting)
    items[:] = [item for item in items if item not in starting]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count a test; with xdist this runs in the process that prints."""
    if report.when == "call" or report.skipped:
        _count(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Count a file that was skipped."""
    if report.skipped:
        _count(report)


def _count(report: pytest.TestReport | pytest.CollectReport) -> None:
    _ran[report.outcome] += 1
    if report.skipped and isinstance(report.longrepr, tuple):
        _, needs, name = report.longrepr[2].partition(_NEEDS)
        if needs:
            _lacking[name] += 1


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail if most tests were skipped."""
    if session.exitstatus == pytest.ExitCode.OK and _ran["passed"] <= _ran["skipped"]:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not there."""
    listed = ", ".join(f"{name} {count}" for name, count in _lacking.most_common())
    terminalreporter.write_line(f"skipped for want of: {listed or 'nothing'}")
