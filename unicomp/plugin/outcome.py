"""How it ended: rows on the reports, the scorecard after the run, and the exit status."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import asdict, replace

import pytest

from unicomp.efficiency.fingerprint import fingerprint_of
from unicomp.errors import StoreError
from unicomp.framework import DIMENSIONS
from unicomp.plugin.fixtures import ROWS, SESSION
from unicomp.plugin.grid import GRID, is_of_a_row, properties_of, rows_of
from unicomp.plugin.options import PLAN, Plan
from unicomp.report import environment, terminal
from unicomp.report import json as json_report
from unicomp.scorecard import Scorecard, Work, scorecard
from unicomp.verdict import Row

_WORK = "unicomp.work"

SCORECARD = pytest.StashKey[Scorecard]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put a test's rows on its report, and let an allowed gap not count as a failure."""
    measured = item.stash.get(ROWS, {})
    if call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception):
        for name, row in measured.items():
            if row.verdict == "pass":
                measured[name] = replace(row, verdict="fail", reason="the test failed")
    if measured:
        others = [pair for pair in item.user_properties if not is_of_a_row(pair[0])]
        rows = [pair for row in measured.values() for pair in properties_of(row)]
        item.user_properties[:] = [*others, *rows]
    session = item.config.stash.get(SESSION, None)
    if session is not None and (work := session.take_work()):
        item.user_properties.append((_WORK, json.dumps([asdict(piece) for piece in work])))
    report = yield
    if report.failed and call.when != "teardown" and measured:
        reasons = [_allowed(item.config.stash[PLAN], row) for row in measured.values()]
        if all(reasons):
            report.outcome = "skipped"
            report.wasxfail = f"allowed: {'; '.join(filter(None, reasons))}"
    return report


def _allowed(plan: Plan, row: Row) -> str | None:
    if row.verdict == "pass":
        return "passed"
    return plan.policy.allowed(
        model=row.model,
        method=row.method,
        metric=row.metric,
        benchmark=row.benchmark,
        dimension=row.dimension,
    )


class Ledger:
    """On the process that reports: all rows and all work of the session."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {}
        self.reasons: dict[str, str] = {}
        self.work: list[Work] = []

    def add(self, report: pytest.TestReport) -> None:
        """Take what a report carries."""
        for name, value in report.user_properties:
            if name == _WORK:
                pieces = [Work(**piece) for piece in json.loads(str(value))]
                self.work += [piece for piece in pieces if piece not in self.work]
        if rows := rows_of(report.user_properties):
            self.rows[report.nodeid] = rows
        if report.failed:
            self.reasons[report.nodeid] = _cause(report)

    def complete(self, expected: dict[str, list[Row]]) -> list[Row]:
        """All rows: the expected ones that nothing was heard of are missing."""
        rows: list[Row] = []
        for nodeid in dict.fromkeys((*expected, *self.rows)):
            heard = {row.benchmark: row for row in self.rows.get(nodeid, ())}
            named = {row.benchmark: row for row in expected.get(nodeid, ())}
            reason = self.reasons.get(nodeid, "its test did not run to the end")
            rows += [
                replace(row, reason=reason) if row.verdict == "missing" and not row.reason else row
                for row in {**named, **heard}.values()
            ]
        return rows


LEDGER = pytest.StashKey[Ledger]()


def _cause(report: pytest.TestReport) -> str:
    """Why a test failed, in one line."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else report.longreprtext
    return next((line.strip() for line in text.splitlines() if line.strip()), "the test failed")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Open the ledger where reports arrive."""
    if not hasattr(config, "workerinput"):
        config.stash[LEDGER] = Ledger()
        config.pluginmanager.register(_Reporter(config), "unicomp-reporter")


class _Reporter:
    """Listens to reports, and closes the session: the part that workers do not have."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._unwritten: str | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._config.stash[LEDGER].add(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Add up the metrics, write the scorecard and decide the exit status."""
        grid = self._config.stash.get(GRID, None)
        plan, ledger = self._config.stash[PLAN], self._config.stash[LEDGER]
        if grid is None or grid.problem or self._config.option.collectonly:
            return
        if not grid.rows and not ledger.rows:
            return
        card = scorecard(
            ledger.complete(grid.rows),
            {model.name: plan.profile(model.name) for model in plan.models},
            plan.policy,
            environment.describe(
                plan.models,
                plan.sources,
                plan.settings.engine,
                plan.samples,
                unpinned=grid.unpinned,
                notes=plan.notes,
                instruments=self._instruments(plan, ledger),
                measuring=self._measuring(plan, ledger),
            ),
        )
        self._config.stash[SCORECARD] = card
        if plan.scorecard is not None:
            try:
                json_report.write(card, ledger.work, plan.scorecard)
            except StoreError as error:
                self._unwritten = str(error)
        shut = not card.passed or self._unwritten is not None
        if shut and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _instruments(self, plan: Plan, ledger: Ledger) -> dict[str, object]:
        """What answers were read with; nothing where no reliability was, and nothing judged."""
        rows = [row for rows in ledger.rows.values() for row in rows]
        reliability = set(DIMENSIONS["reliability"])
        measured = any(row.metric in reliability and row.score is not None for row in rows)
        if not measured and not any(row.judged for row in rows):
            return {}
        conditions = next(iter(plan.conditions.values()))
        return environment.describe_instruments(conditions.instruments, conditions.store)

    def _measuring(self, plan: Plan, ledger: Ledger) -> dict[str, object]:
        """The machine that timings belong to and the effort of taking them; nothing without any."""
        rows = [row for rows in ledger.rows.values() for row in rows]
        if not any(row.unit is not None and row.score is not None for row in rows):
            return {}
        return {
            "machine": fingerprint_of(plan.settings.engine),
            "effort": asdict(plan.settings.effort),
        }

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the scorecard."""
        card = self._config.stash.get(SCORECARD, None)
        if card is not None:
            writer = terminalreporter._tw
            work = self._config.stash[LEDGER].work
            writer.line()
            for line in terminal.render(card, work, width=writer.fullwidth, color=writer.hasmarkup):
                writer.line(line)
        if self._unwritten:
            writer.line(self._unwritten, red=True)
