"""A user's report: a hook that is called once, with what our own formats read."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from tests.plugin.conftest import SETTINGS, Gate
from tests.plugin.test_isolation import EASY
from unicomp.findings import findings_of
from unicomp.plugin import hooks
from unicomp.plugin.outcome import _Reporter
from unicomp.scorecard import Scorecard

DENSE = """
from pathlib import Path
import pytest
from unicomp import Benchmark, Mean, TaskMetric

riddles = Benchmark(name="riddles", metric="knowledge", scorer=TaskMetric("acc,none"),
                    aggregate=Mean(), task=Path(__file__).with_name("easy.yaml"))

@pytest.mark.parametrize("bench", [riddles], ids=str)
def test_riddles(bench, retention, floor):
    assert retention(bench) >= floor(bench)
"""
OPEN = ("--method=dense", "--samples=20", "--floor=riddles=50")
"""The dense model compared with itself: the gate is open."""

REPORT = """
import json, os
from pathlib import Path
from unicomp.report.json import tables

def pytest_unicomp_report(scorecard, findings, config):
    seen = {"worker": os.environ.get("PYTEST_XDIST_WORKER"), "tables": tables(scorecard, findings)}
    seen["written"] = sorted(path.name for path in Path.cwd().glob("*.json"))
    with Path("calls.txt").open("a") as calls:
        calls.write(json.dumps(seen) + "\\n")
"""
RAISES = '    raise LookupError("no such thing")\n'


@pytest.fixture
def riddles(tmp_path, shared_home, warm_python):
    """A gate of one benchmark."""
    gate = Gate(tmp_path, shared_home, warm_python)
    gate.write("unicomp.toml", SETTINGS)
    gate.write("easy.yaml", EASY)
    gate.write("test_riddles.py", DENSE)
    return gate


def calls_of(gate):
    place = gate.folder / "calls.txt"
    return list(map(json.loads, place.read_text().splitlines())) if place.exists() else []


# -- whole sessions --------------------------------------------------------------------------------


def test_it_is_called_once_on_the_process_that_reports_with_what_the_file_says(riddles):
    riddles.write("conftest.py", REPORT)
    run = riddles.run(*OPEN, "-n1")
    assert run.status == 0, run.text
    (call,) = calls_of(riddles)
    assert call["worker"] is None
    assert call["written"] == ["scorecard.decision.json", "scorecard.json"]
    assert call["tables"] == run.card
    assert run.card["decision"] == "open"


def test_a_report_that_fails_is_named_in_one_line_and_fails_the_run_but_keeps_the_scorecard(
    riddles,
):
    place = riddles.write("conftest.py", REPORT + RAISES)
    run = riddles.run(*OPEN)
    assert run.status == 1, run.text
    assert [call["tables"] for call in calls_of(riddles)] == [run.card]
    assert run.card["decision"] == "open"
    assert "the gate is open" in run.text
    (line,) = [line for line in run.lines if "report failed" in line]
    assert line == (
        f"{place}:{len((REPORT + RAISES).splitlines())}: the report failed (LookupError: no such "
        "thing), and this run with it: mend the hook"
    )
    assert "Traceback" not in run.text


@pytest.mark.parametrize("arguments", [("--co",), ("-k", "no_such_test")])
def test_it_is_not_called_where_nothing_was_measured(riddles, arguments):
    riddles.write("conftest.py", REPORT)
    riddles.run_plain(*OPEN, *arguments)
    assert calls_of(riddles) == []


def test_a_project_where_the_plugin_is_silent_may_have_the_hook_and_it_is_not_called(riddles):
    (riddles.folder / "unicomp.toml").unlink()
    riddles.write("conftest.py", REPORT + RAISES)
    riddles.write("test_riddles.py", "def test_it(): pass\n")
    run = riddles.run_plain()
    assert run.status == 0, run.text
    assert "1 passed" in run.text


# -- failures of every kind, in process ------------------------------------------------------------

CARD = Scorecard(rows=(), metrics=())


def reporter_of(*formats):
    """The reporter of a session whose conftests have these formats."""
    manager = pytest.PytestPluginManager()
    manager.add_hookspecs(hooks)
    for format_ in formats:
        manager.register(SimpleNamespace(pytest_unicomp_report=format_))
    return _Reporter(SimpleNamespace(hook=manager.hook))


def raising(error):
    def pytest_unicomp_report(scorecard):
        raise error

    return pytest_unicomp_report


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("first line\nsecond line"), "(ValueError: first line)"),
        (KeyError(), "(KeyError)"),
        (SystemExit(0), "(SystemExit: 0)"),
        (pytest.exit.Exception("enough", returncode=0), "(Exit: enough)"),
        (pytest.skip.Exception("not today"), "(Skipped: not today)"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_no_report_ends_the_session_or_sets_its_status(error, text):
    reporter = reporter_of(raising(error))
    reporter._report(CARD, findings_of(CARD))
    (problem,) = reporter._problems
    assert text in problem
    assert "\n" not in problem
    assert problem.startswith(f"{__file__}:")


def test_an_interrupt_from_the_keyboard_ends_the_session():
    reporter = reporter_of(raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        reporter._report(CARD, findings_of(CARD))


def test_a_report_names_only_what_it_reads():
    found = []

    def pytest_unicomp_report(scorecard):
        found.append(scorecard)

    reporter = reporter_of(pytest_unicomp_report, lambda: found.append(None))
    reporter._report(CARD, findings_of(CARD))
    assert found == [None, CARD]
    assert reporter._problems == []
