"""GitHub Actions: annotations that its runner reads, and the summary of a job."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_report import card_of, gap, row
from unicomp.decision import decision
from unicomp.errors import StoreError
from unicomp.report import github

FAILED = {"retention": 80.0, "low": 75.0, "high": 84.0, "floor": 99.0, "verdict": "fail"}


def unescaped(text):
    for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, character)
    return text


def read(line):
    """A command as the runner takes it apart."""
    found = re.fullmatch(r"::(error|warning) title=([^:,]*)::([^\r\n]*)", line)
    assert found, line
    return found[1], unescaped(found[2]), unescaped(found[3])


def test_a_failed_metric_is_an_error_with_its_figures():
    card = card_of(row(**FAILED), command_line={"reasoning": 99.0})
    (line,) = github.annotated(card)
    assert line.startswith("::error title=embedded/wanda_50 reasoning%3A fail::kept 80.0 %25")
    assert read(line)[1:] == (
        "embedded/wanda_50 reasoning: fail",
        "kept 80.0 % [75.0, 84.0], floor 99",
    )


def test_an_undecided_metric_is_a_warning_and_a_passed_one_is_nothing():
    card = card_of(row(low=85.0, high=99.0), command_line={"reasoning": 95.0})
    assert decision(card.rows, card.metrics) == "undecided"
    assert [read(line)[0] for line in github.annotated(card)] == ["warning"]
    assert list(github.annotated(card_of(row()))) == []


def test_an_allowed_gap_is_no_annotation():
    card = card_of(row(), gap("mine", None, tier="critical"), allow={"mine": "known"})
    assert list(github.annotated(card)) == []


def test_no_more_than_ten_of_a_kind_are_printed():
    card = card_of(*(gap(f"bad{i}", None, tier="critical") for i in range(30)))
    lines = list(github.annotated(card))
    assert len(lines) == 10
    assert "21 more" in lines[-1]


@given(st.text())
def test_a_reason_cannot_write_a_command(reason):
    card = card_of(gap("mine", None, tier="critical", reason=reason))
    (line,) = github.annotated(card)
    assert len(line.splitlines()) == 1
    assert read(line)[0] == "error"


def test_the_summary_is_appended(tmp_path):
    path = tmp_path / "summary"
    path.write_text("before\n")
    given = {"GITHUB_STEP_SUMMARY": str(path)}
    github.append_summary("# one\n", given)
    github.append_summary("# two\n", given)
    assert path.read_text() == "before\n# one\n\n# two\n\n"
    github.append_summary("# three", {})  # a runner without summaries


@pytest.mark.parametrize("full", [True, False])
def test_a_summary_that_cannot_be_written_is_one_line(tmp_path, full):
    path = tmp_path / "summary"
    if full:
        path.write_bytes(b"x" * (github.LARGEST - 3))
    else:
        path.mkdir()
    with pytest.raises(StoreError, match="job summary") as refusal:
        github.append_summary("# one", {"GITHUB_STEP_SUMMARY": str(path)})
    assert "\n" not in str(refusal.value)
    if full:
        assert path.stat().st_size == github.LARGEST - 3


@pytest.mark.parametrize(("value", "found"), [("true", True), ("false", False), (None, False)])
def test_a_job_is_known_by_its_environment(value, found):
    environment = {} if value is None else {"GITHUB_ACTIONS": value}
    assert github.is_job(environment) is found
