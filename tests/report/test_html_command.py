"""HTML from the command line: of a scorecard's file, of several, and at the end of `decide`."""

import pytest

from tests.report import cards, page
from tests.test_joint import OPEN, SHUT, decide, row, write  # noqa: F401 (a fixture)
from unicomp.cli import main
from unicomp.findings import findings_of
from unicomp.joint import UNSEEN_FAILURE
from unicomp.plugin.environment import command_line
from unicomp.report import html
from unicomp.report import json as json_report


@pytest.fixture
def card(tmp_path):
    card = cards.small()
    json_report.write(card, findings_of(card), tmp_path / "card.json")
    return tmp_path / "card.json"


def test_the_suffix_of_the_file_says_that_it_is_html(card, tmp_path):
    assert main(["report", str(card), "-o", str(tmp_path / "report.html")]) == 0
    text = (tmp_path / "report.html").read_text()
    assert "The gate is" in page.read(text).all("p", class_="sentence")[0].text


@pytest.mark.long
def test_a_file_gives_the_page_that_its_run_would_have_written(card, tmp_path, capsys):
    made = cards.small()
    assert main(["report", str(card), "--format", "html"]) == 0
    assert capsys.readouterr().out == html.render(made, findings_of(made))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_text(path.read_text()[:-500]), "is not JSON, or not all of it"),
        (lambda path: path.write_text(path.read_text().replace("card/4", "card/3")), "its schema"),
        (lambda path: path.unlink(), "cannot be read"),
    ],
)
def test_a_file_that_is_no_scorecard_is_one_line(card, tmp_path, capsys, damage, said):
    damage(card)
    assert main(["report", str(card), "-o", str(tmp_path / "report.html")]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (tmp_path / "report.html").exists()


@pytest.mark.long
def test_a_report_that_cannot_be_written_is_one_line(card, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["report", str(card), "-o", str(tmp_path / "file" / "report.html")]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert "report.html cannot be written" in line


def test_decide_ends_by_naming_the_report_of_all_parts(write, capsys, tmp_path):  # noqa: F811
    paths = write("a.json", OPEN), write("b.json", row("speed"))
    report = tmp_path / "report.html"
    status, lines = decide(capsys, *paths, "--report", report)
    assert status == 0
    assert lines[-2:] == ["the gate is open", f"report: {report}"]
    top = page.read(report.read_text())
    assert "The gate is open" in top.all("p", class_="sentence")[0].text
    names = {
        one.attributes["data-json"] for one in top.all("tr") if "data-metric" in one.attributes
    }
    assert names == {"scores/0", "scores/1"}


def test_a_failure_that_no_scorecard_has_leaves_no_report_that_says_open(
    write,  # noqa: F811
    capsys,
    tmp_path,
):
    report = tmp_path / "report.html"
    path = write("a.json", OPEN)
    status, lines = decide(capsys, path, "--ended", 1, "--report", report)
    assert status == 1
    assert lines[-1] == f"no report: there was {UNSEEN_FAILURE}"
    assert not report.exists()


def test_a_report_of_no_known_format_is_refused_before_the_decision(write, capsys):  # noqa: F811
    status, lines = decide(capsys, write("a.json", SHUT), "--report", "report.pdf")
    assert status == 4
    assert lines == ["unicomp: report.pdf names no format: end it in .html or .md"]


def test_the_command_of_a_run_can_be_pasted_into_a_shell(monkeypatch):
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    arguments = ["suites", "-m", "not efficiency", "--floor=a=1", "it's"]
    expected = """pytest suites -m 'not efficiency' --floor=a=1 'it'"'"'s'"""
    assert command_line(arguments) == expected
    monkeypatch.setenv("PYTEST_ADDOPTS", "-n 2")
    assert command_line(["suites"]) == "PYTEST_ADDOPTS='-n 2' pytest suites"
