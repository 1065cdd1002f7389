"""What a run writes besides the scorecard: a report, and what GitHub shows."""

from __future__ import annotations

import html
from dataclasses import dataclass

import pytest

from tests.plugin.conftest import Gate
from tests.plugin.test_gate import FEW


@dataclass(frozen=True)
class Job(Gate):
    """A gate in a step of GitHub Actions."""

    def environment(self):
        summary = str(self.folder / "summary")
        return super().environment() | {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": summary}


@pytest.fixture
def job(gate):
    return Job(gate.folder, gate.home, gate.python)


def test_a_job_gets_its_summary_and_an_annotation_for_a_failed_metric(job):
    reports = ("--report=pr.md", "--report=page.html")
    run = job.run("-q", "-m", "knowledge", *FEW, "--floor=knowledge=150", *reports)
    assert run.status == 1
    (line,) = [line for line in run.lines if line.startswith("::error title=embedded/wanda_50")]
    assert "knowledge%3A fail::kept" in line
    summary = (job.folder / "summary").read_text()
    assert "the gate is shut" in summary
    assert summary.rstrip() == (job.folder / "pr.md").read_text().rstrip()
    page = (job.folder / "page.html").read_text()
    assert "The gate is shut" in page
    (command,) = run.card["environment"]["command"]
    assert command.startswith("pytest ")
    assert command.endswith("--floor=knowledge=150 --report=pr.md --report=page.html")
    assert command in html.unescape(page)
    assert "the gate is shut" in run.lines


def test_outputs_that_cannot_be_written_leave_the_others(job):
    (job.folder / "summary").mkdir()
    job.write(
        "conftest.py",
        "import shutil\n"
        "def pytest_runtest_teardown():\n"
        "    shutil.rmtree('gone', ignore_errors=True)\n"
        "    open('gone', 'w').close()\n",
    )
    (job.folder / "gone").mkdir()
    run = job.run(
        *("-q", "-m", "knowledge", *FEW, "--floor=knowledge=0"),
        *("--report=gone/pr.md", "--report=kept.md"),
    )
    assert run.status == 1
    assert run.card["decision"] == "open"
    assert (job.folder / "kept.md").exists()
    assert sum("the job summary" in line for line in run.lines) == 1
    assert sum("the report" in line and "cannot be written" in line for line in run.lines) == 1


@pytest.mark.parametrize("name", ["report.pdf", "nowhere/report.md"])
def test_a_report_that_cannot_be_written_is_refused_before_the_run(gate, name):
    run = gate.run_plain("-q", "-m", "knowledge", *FEW, f"--report={name}")
    assert run.status == 4
    assert sum("--report" in line for line in run.lines) == 1


def test_the_page_is_short_and_everything_is_printed_with_v(gate):
    short = gate.run("-q", "-m", "knowledge", *FEW, "--floor=knowledge=150")
    whole = gate.run("-v", "-m", "knowledge", *FEW, "--floor=knowledge=150")
    assert short.status == whole.status == 1
    assert any("run with -v" in line for line in short.lines)
    assert not any("found the answers of" in line for line in short.lines)
    assert any("found the answers of" in line for line in whole.lines)
    assert not any(line.startswith("::") for line in short.lines), "this is no job of GitHub"

    (build,) = [one for one in short.card["work"] if one["stage"] == "build"]
    made = build["facts"]["made"]
    assert (made["family"], made["elsewhere"]) == ("pruning", False)
    assert made["settings"]
    assert (made["calibration"]["name"], len(made["calibration"]["digest"])) == ("generic", 64)
