"""One decision of several scorecards: what it is, how wrong it may be, and what is refused."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_looks import PROFILE, PRUNED, answered
from unicomp.cli import main
from unicomp.findings import findings_of
from unicomp.joint import UNSEEN_FAILURE, Part, joint_decision, read_part
from unicomp.policy import Policy
from unicomp.report import json as json_report
from unicomp.scorecard import Scorecard, scorecard
from unicomp.spec import LEVEL
from unicomp.store import content_key

ABOUT = {"source": "m", "revision": None, "kind": "normal"}


def row(benchmark="mine", verdict="pass", tier="critical", **about):
    """A row that decides, unless it has another tier."""
    return answered(benchmark, None, tier=tier, verdict=verdict, **about)


OTHER = content_key({"of": "another"})
OPEN, SHUT, UNDECIDED = row(), row(verdict="fail"), row(verdict="undecided")


@pytest.fixture
def write(tmp_path):
    """Writes scorecards of rows; returns the path."""

    def write(name, *rows, looks=1, about=ABOUT):
        card = scorecard((), {"m": PROFILE}, Policy(), {"models": {"m": about}})
        card = replace(card, rows=rows, looks={PRUNED: looks}, levels={PRUNED: LEVEL / looks})
        path = tmp_path / name
        json_report.write(card, findings_of(card), path)
        return path

    return write


def decide(capsys, *arguments):
    status = main(("decide", *map(str, arguments)))
    captured = capsys.readouterr()
    return status, (captured.out + captured.err).splitlines()


# -- the decision ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "decision", "status"),
    [
        (OPEN, OPEN, "open", 0),
        (OPEN, SHUT, "shut", 1),
        (SHUT, OPEN, "shut", 1),
        (UNDECIDED, SHUT, "shut", 1),
        (OPEN, UNDECIDED, "undecided", 10),
        (UNDECIDED, UNDECIDED, "undecided", 10),
    ],
)
def test_all_parts_must_be_open_and_one_that_is_shut_shuts(
    write, capsys, first, second, decision, status
):
    found, lines = decide(capsys, write("a.json", first), write("b.json", second))
    assert found == status
    assert lines[-1] == f"the gate is {decision}"


def test_a_job_of_github_gets_the_joint_decision_in_its_summary(
    write, capsys, tmp_path, monkeypatch
):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    found, lines = decide(capsys, write("a.json", OPEN), write("b.json", SHUT))
    summary = (tmp_path / "summary").read_text()
    assert summary.startswith("### ❌ UniComp: the gate over 2 runs is shut\n")
    assert "This decides." in summary
    assert not any(line.startswith("::") for line in lines)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    again, lines = decide(capsys, tmp_path / "a.json", tmp_path / "b.json")
    assert (found, lines[-2]) == (again, "the gate is shut")
    assert "job summary" in lines[-1]


def test_the_last_lines_name_the_part_that_decided_and_its_reason(write, capsys):
    good, bad = write("a.json", OPEN), write("b.json", row("speed", "fail"))
    _, lines = decide(capsys, good, bad)
    assert f"{good}: open, decided by mine" in lines
    assert f"{bad}: shut: speed of m/wanda_50: fail" in lines
    assert f"Decided by {bad}." in lines


def test_an_undecided_part_says_what_has_yet_to_pass(write, capsys):
    path = write("b.json", row("speed", "undecided"), OPEN)
    _, lines = decide(capsys, path)
    assert f"{path}: undecided: speed of m/wanda_50: undecided" in lines


def test_many_reasons_are_cut_and_counted(write, capsys):
    path = write("a.json", *(row(f"b{number}", "fail") for number in range(7)))
    _, lines = decide(capsys, path)
    (line,) = [line for line in lines if line.startswith(str(path))]
    assert "b4 of" in line
    assert "b5 of" not in line
    assert line.endswith("; and 2 more")


def test_an_allowed_gap_shuts_no_part(write, capsys):
    assert decide(capsys, write("a.json", OPEN, row("speed", "fail", allowed="known")))[0] == 0


def test_a_part_in_which_nothing_was_measured_is_shut(write, capsys):
    path = write("a.json", row(verdict="missing", retention=None, tier="guard", allowed="known"))
    status, lines = decide(capsys, path)
    assert status == 1
    assert f"{path}: shut: nothing was measured" in lines


# -- the chances of being wrong -------------------------------------------------------------------


def test_opening_wrongly_is_the_chance_of_one_part_and_failing_wrongly_that_of_all(write, capsys):
    paths = [write(name, OPEN) for name in ("a.json", "b.json")]
    found = joint_decision([read_part(path) for path in paths])
    assert (found.opening, found.shutting) == (LEVEL, 2 * LEVEL)
    _, lines = decide(capsys, *paths)
    assert any("below its floor: at most 2.5 %" in line for line in lines)
    assert any("above all its floors: at most 5 %, the sum over 2 parts" in line for line in lines)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=60))
def test_the_chances_are_shares_and_never_below_those_of_a_part(looks):
    parts = [
        Part(
            path=Path(f"{number}.json"),
            card=Scorecard(
                rows=(), metrics=(), levels={PRUNED: LEVEL / look}, looks={PRUNED: look}
            ),
            decision="open",
            reasons=(),
        )
        for number, look in enumerate(looks)
    ]
    found = joint_decision(parts)
    assert found.opening == max(part.bound.opening for part in parts)
    assert LEVEL <= found.shutting <= 1


def test_an_earlier_look_is_named_with_its_larger_chance(write, capsys):
    _, lines = decide(capsys, write("a.json", OPEN, looks=2), write("b.json", OPEN))
    (line,) = [line for line in lines if "below its floor" in line]
    assert "at most 3.8 %" in line  # 2.5 % + 2.5 % / 2
    assert "looked at before" in line


# -- how the runs ended ---------------------------------------------------------------------------


@pytest.mark.parametrize("ended", [2, 3, 4, 5])
@pytest.mark.parametrize("which", [0, 1])
def test_a_run_that_decided_nothing_leaves_no_decision(write, capsys, which, ended):
    """Its scorecard may be missing, so the statuses are looked at first."""
    paths = [write("a.json", OPEN), write("b.json", OPEN)]
    paths[which].unlink()
    statuses = [0, 0]
    statuses[which] = ended
    status, lines = decide(capsys, *paths, "--ended", *statuses)
    assert status == ended
    assert lines == [
        f"no decision: the run of {paths[which]} ended with status {ended}, see its output"
    ]


def test_a_failure_that_no_row_has_shuts_the_gate(write, capsys):
    """A user's own test, or a floor of a name that nothing measured."""
    paths = [write("a.json", OPEN), write("b.json", OPEN)]
    status, lines = decide(capsys, *paths, "--ended", 0, 1)
    assert status == 1
    assert f"{paths[1]}: shut: {UNSEEN_FAILURE}" in lines
    assert lines[-1] == "the gate is shut"


def test_a_failure_that_a_row_has_is_given_by_that_row(write):
    path = write("a.json", SHUT)
    assert read_part(path, failed=True).reasons == ("mine of m/wanda_50: fail",)


def test_statuses_of_another_number_are_refused(write, capsys):
    status, lines = decide(capsys, write("a.json", OPEN), "--ended", 0, 0)
    assert (status, len(lines)) == (4, 1)
    assert "2 statuses for 1 scorecards" in lines[0]


# -- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", [None, "", "[]", "{}", '{"schema": "unicomp/scorecard/1"}', '{"schema": "other"}']
)
def test_what_is_no_scorecard_of_this_version_is_refused_in_one_line(write, capsys, tmp_path, text):
    path = tmp_path / "b.json"
    if text is not None:
        path.write_text(text)
    status, lines = decide(capsys, write("a.json", OPEN), path)
    assert (status, len(lines)) == (4, 1)
    assert str(path) in lines[0]


@pytest.mark.parametrize("key", ["scores", "metrics", "bound", "environment"])
def test_a_damaged_scorecard_is_refused_in_one_line(write, capsys, key):
    path = write("a.json", OPEN)
    content = json.loads(path.read_text())
    del content[key]
    path.write_text(json.dumps(content))
    status, lines = decide(capsys, path)
    assert (status, len(lines)) == (4, 1)
    assert "damaged" in lines[0]


def test_a_scorecard_is_no_part_twice(write, capsys):
    path = write("a.json", OPEN)
    status, lines = decide(capsys, path, path.parent / "." / path.name)
    assert (status, len(lines)) == (4, 1)
    assert "given twice" in lines[0]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            {"candidate": content_key({"of": "other"})},
            "different checkpoints of m/wanda_50/generic",
        ),
        ({"baseline": content_key({"of": "other"})}, "different baselines of m/wanda_50/generic"),
    ],
)
def test_parts_of_different_candidates_or_baselines_are_refused(write, capsys, change, named):
    paths = write("a.json", OPEN), write("b.json", row(**change))
    status, lines = decide(capsys, *paths)
    assert (status, len(lines)) == (4, 1)
    assert named in lines[0]


def test_parts_of_different_models_of_one_name_are_refused(write, capsys):
    other = {**ABOUT, "source": "elsewhere"}
    probe = {"candidate": None, "baseline": None, "unit": "s"}
    paths = write("a.json", OPEN), write("b.json", row(**probe), about=other)
    status, lines = decide(capsys, *paths)
    assert (status, len(lines)) == (4, 1)
    assert "different models called 'm'" in lines[0]


# -- make suite -----------------------------------------------------------------------------------

ROOT = Path(__file__).parents[1]
PYTEST = """#!/bin/sh
case "$*" in *retention.json*) part=retention;; *) part=efficiency;; esac
echo "ran $part"
[ -e {folder}/$part.json ] && cp {folder}/$part.json {venv}/$part.json
exit $(cat {folder}/$part.status)
"""
"""Takes the place of pytest: it brings a scorecard, or none, and ends with a status."""


@pytest.fixture
def make_suite(tmp_path, write):
    """Runs `make suite` with parts that bring these rows, or nothing, and end with a status."""

    def make_suite(**parts):
        venv = tmp_path / "venv"
        (venv / "bin").mkdir(parents=True)
        program = venv / "bin" / "pytest"
        program.write_text(PYTEST.format(folder=tmp_path, venv=venv))
        program.chmod(0o755)
        (venv / "bin" / "unicomp").symlink_to(Path(sys.executable).with_name("unicomp"))
        (venv / "installed").touch()
        for name, (status, *rows) in parts.items():
            (tmp_path / f"{name}.status").write_text(str(status))
            if rows:
                write(f"{name}.json", *rows)
            (venv / f"{name}.json").write_text("of an earlier run")
        done = subprocess.run(
            ["make", "-s", "suite", f"VENV={venv}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout.splitlines(), done.stderr

    return make_suite


@pytest.mark.parametrize(
    ("retention", "efficiency", "last", "status"),
    [
        ((1, SHUT), (0, OPEN), "the gate is shut", 1),
        ((0, OPEN), (10, UNDECIDED), "the gate is undecided", 10),
        ((4,), (0, OPEN), "no decision: the run of {}/retention.json ended with status 4", 4),
    ],
    ids=["shut", "undecided", "none"],
)
def test_make_suite_runs_both_parts_and_ends_with_one_decision(
    make_suite, tmp_path, retention, efficiency, last, status
):
    """Then it names the report that it wrote. Make itself turns any failing status into 2."""
    returned, lines, errors = make_suite(retention=retention, efficiency=efficiency)
    assert lines[:2] == ["ran retention", "ran efficiency"]
    report = tmp_path / "venv" / "report.html"
    assert report.exists() == (status != 4)
    if report.exists():
        assert lines.pop() == f"report: {report}"
    assert lines[-1].startswith(last.format(tmp_path / "venv"))
    assert returned == 2
    assert f"Error {status}" in errors
