"""The end of a session: rows on the reports, the scorecard after the run, and the exit status."""

from __future__ import annotations

import traceback
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial

import pytest

from unicomp import catalogue, churn, record
from unicomp.decision import STATUS, allowed
from unicomp.efficiency.fingerprint import fingerprint_of
from unicomp.errors import StoreError, described
from unicomp.findings import Findings, findings_of
from unicomp.framework import DIMENSIONS
from unicomp.looks import look_again
from unicomp.plugin import environment, hooks
from unicomp.plugin.carried import Carried, note_properties
from unicomp.plugin.clustering import describe_cluster
from unicomp.plugin.fixtures import DESK, SESSION
from unicomp.plugin.grid import GRID, Grid
from unicomp.plugin.options import PLAN, Plan
from unicomp.plugin.progress import DISPLAY
from unicomp.policy import Policy
from unicomp.report import github, markdown, terminal, writers
from unicomp.report import json as json_report
from unicomp.report.summary import WIDTH
from unicomp.sandbox.checking import Bubblewrap
from unicomp.scorecard import Scorecard, Work, scorecard
from unicomp.spec import Benchmark
from unicomp.verdict import Row, failed_with_test, recorded_once

_UNFINISHED = "its test did not run to the end"
_UNASKED = "its test ended without measuring it"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put a test's rows on its report, and do not count an allowed gap as a failure."""
    desk = item.stash.get(DESK, None)
    rows = desk.rows if desk is not None else {}
    if call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception):
        rows.update({name: failed_with_test(row) for name, row in rows.items()})
    if rows:
        note_properties(item, rows.values())
    session = item.config.stash.get(SESSION, None)
    carried = Carried(
        rows=tuple(rows.values()),
        work=session.take_work() if session is not None else (),
        unpinned=session.take_unpinned() if session is not None else (),
    )
    report = yield
    carried.put_on(report)
    if report.failed and call.when != "teardown" and rows:
        policy = item.config.stash[PLAN].policy
        reasons = [_why_harmless(row, policy) for row in rows.values()]
        if all(reason is not None for reason in reasons):
            report.outcome = "skipped"
            report.wasxfail = "; ".join(filter(None, dict.fromkeys(reasons)))
    return report


def _why_harmless(row: Row, policy: Policy) -> str | None:
    """Why a row does not make its failed test a failure: empty if it passed; None if it does."""
    if row.verdict == "pass":
        return ""
    reason = allowed(row, policy)
    return f"allowed: {reason}" if reason else "advisory" if row.tier == "advisory" else None


class Ledger:
    """All rows and all work of the session, on the process that reports."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {}
        self.reasons: dict[str, str] = {}
        self.work: list[Work] = []
        self.unpinned: set[str] = set()

    def add(self, report: pytest.TestReport) -> None:
        """Take what a report carries."""
        carried = Carried.by(report)
        self.work += [piece for piece in carried.work if piece not in self.work]
        self.unpinned.update(carried.unpinned)
        if carried.rows:
            self.rows[report.nodeid] = list(carried.rows)
        if report.failed:
            self.reasons[report.nodeid] = _cause(report)
        elif report.passed and report.when == "call":
            self.reasons.setdefault(report.nodeid, _UNASKED)

    def complete(self, grid: Grid) -> list[Row]:
        """All rows: the expected ones and those that tests added, each missing one with a reason.

        The rows that an open-ended test measured replace its expected row.
        """
        rows: list[Row] = []
        for nodeid in dict.fromkeys((*grid.rows, *self.rows)):
            heard = {row.benchmark: row for row in self.rows.get(nodeid, ())}
            known = {row.benchmark: row for row in grid.rows.get(nodeid, ())}
            if nodeid in grid.open_ended and heard:
                known = {}
            reason = self.reasons.get(nodeid, _UNFINISHED)
            rows += [
                replace(row, reason=reason) if row.verdict == "missing" and not row.reason else row
                for row in {**known, **heard}.values()
            ]
        return recorded_once(rows)


LEDGER = pytest.StashKey[Ledger]()


def _cause(report: pytest.TestReport) -> str:
    """Why a test failed, in one line."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else report.longreprtext
    line = next((line.strip() for line in text.splitlines() if line.strip()), "the test failed")
    return line.removeprefix("Failed: ")


def _place(error: BaseException) -> str:
    """The file and line of a hook's function in which an error was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.name == hooks.pytest_unicomp_report.__name__]
    frame = (own or frames)[-1]
    return f"{frame.filename}:{frame.lineno}"


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Open the ledger where reports arrive."""
    if not hasattr(config, "workerinput"):
        config.stash[LEDGER] = Ledger()
        config.pluginmanager.register(_Reporter(config), "unicomp-reporter")


class _Reporter:
    """Collects reports and closes the session; workers do not have it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._result: tuple[Scorecard, Findings] | None = None
        self._problems: list[str] = []
        self._remarks: list[str] = []
        """Lines before the scorecard."""

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
        card = self._judged(plan, grid, ledger)
        self._result = card, findings_of(card)
        found = {row.benchmark for row in card.rows}
        self._problems += [
            f"{where}: no test measured {name!r}, and there is no metric of that name"
            for where, name in grid.unmatched
            if name not in found
        ]
        self._write(plan)
        self._report(*self._result)
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = STATUS["shut" if self._problems else card.decision]

    def _write(self, plan: Plan) -> None:
        """Write all files: one that cannot be written is a problem, and the others are written.

        The summary of a job was not asked for, so that its problem does not shut the gate.
        """
        assert self._result is not None
        card, findings = self._result
        with self._noting(self._problems):
            if plan.scorecard is not None:
                json_report.write(card, findings, plan.scorecard)
                record.write(card, plan.scorecard)
        for path in plan.reports:
            with self._noting(self._problems):
                writers.write(writers.text_of(card, findings, writers.format_of(path)), path)
        if github.is_job():
            self._remarks += github.annotated(card)
            with self._noting(self._remarks):
                github.append_summary(markdown.render(card, findings))

    @staticmethod
    @contextmanager
    def _noting(lines: list[str]) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            lines.append(str(error))

    def _report(self, card: Scorecard, findings: Findings) -> None:
        """Call the formats of the user; one that fails is a problem, which shuts the gate."""
        try:
            self._config.hook.pytest_unicomp_report(
                scorecard=card, findings=findings, config=self._config
            )
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # sys.exit and pytest.exit would end with a status of theirs
            self._problems.append(
                f"{_place(error)}: the report failed ({described(error)}), and this run with it: "
                "mend the hook"
            )

    def _judged(self, plan: Plan, grid: Grid, ledger: Ledger) -> Scorecard:
        """The scorecard, after looking up and remembering earlier looks at the candidates."""
        profiles = {model.name: plan.profile(model.name) for model in plan.models}
        judge = partial(
            scorecard,
            ledger.complete(grid),
            profiles,
            plan.policy,
            environment.describe(
                plan.models,
                plan.sources,
                plan.engine,
                plan.samples,
                unpinned=sorted({*grid.unpinned, *ledger.unpinned}),
                notes=(*plan.notes, *grid.remarks),
                instruments=self._instruments(plan, grid, ledger),
                measuring=self._measuring(plan, ledger),
                there=grid.there,
                arguments=[str(one) for one in self._config.invocation_params.args],
                reading=plan.settings.instruments.reading,
                early=plan.early,
                repeats=plan.repeats,
                families={method.name: method.family for method in plan.methods},
                datasets=grid.datasets,
                cluster=describe_cluster(self._config),
            ),
            ledger.work,
            planned=grid.planned(plan.profile),
            pick=plan.pick,
        )
        card = judge()
        store = next(iter(plan.conditions.values())).store
        try:
            churn.remember(store, card.rows)
            numbers, changes = look_again(
                store,
                card.rows,
                card.metrics,
                profiles,
                plan.policy,
                on_wait=self._config.stash[DISPLAY].wait,
            )
        except StoreError as error:
            self._problems.append(str(error))
            return card
        if any(number > 1 for number in numbers.values()):
            card = judge(looks=numbers)
        card = replace(card, policy_changes=tuple(changes))
        if plan.last_release is None:
            return card
        return plan.last_release.held_against(card, plan.policy, store, self._declared(plan, grid))

    def _declared(self, plan: Plan, grid: Grid) -> dict[str, Benchmark]:
        """The benchmarks as they were scored; the controller of several processes looks them up."""
        mode = plan.settings.instruments.mode
        asked = (bench for own in grid.agenda.benchmarks.values() for bench in own)
        known = {bench.name: bench.scored_in(mode) for bench in asked}
        return known or catalogue.benchmarks_by_name(plan.root, mode)

    def _instruments(self, plan: Plan, grid: Grid, ledger: Ledger) -> dict[str, object]:
        """The instruments used; empty without reliability scores, judged answers and programs."""
        rows = [row for rows in ledger.rows.values() for row in rows]
        scored = [row for row in rows if row.score is not None]
        reliability = set(DIMENSIONS["reliability"])
        found: dict[str, object] = {}
        if any(row.benchmark in grid.programs for row in scored):
            found["sandbox"] = Bubblewrap().identity
        if any(row.metric in reliability for row in scored) or any(row.judged for row in rows):
            conditions = next(iter(plan.conditions.values()))
            mirrors = {one.folder for one in plan.sources.values() if one.folder is not None}
            found |= environment.describe_instruments(
                conditions.instruments, conditions.store, mirrors
            )
        return found

    def _measuring(self, plan: Plan, ledger: Ledger) -> dict[str, object]:
        """The machine of the timings and the effort of measuring; empty without timings."""
        rows = [row for rows in ledger.rows.values() for row in rows]
        if not any(row.unit is not None and row.score is not None for row in rows):
            return {}
        machines = [work.facts["machine"] for work in ledger.work if "machine" in work.facts]
        several = any(one != machines[0] for one in machines)
        return {
            "machine": {"several": machines}
            if several
            else next(iter(machines), None) or fingerprint_of(plan.engine(plan.models[0])),
            "effort": asdict(plan.settings.effort),
        }

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the scorecard: a short page, or everything with `-v`."""
        writer = terminalreporter._tw
        if self._result is not None:
            for remark in self._remarks:
                writer.line(remark)
            writer.line()
            lines = terminal.render(
                *self._result,
                width=writer.fullwidth if writer._file.isatty() else max(writer.fullwidth, WIDTH),
                color=writer.hasmarkup,
                everything=self._config.option.verbose > 0,
            )
            for line in lines:
                writer.line(line)
        for problem in self._problems:
            writer.line(problem, red=True)
