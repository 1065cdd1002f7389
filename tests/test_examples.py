"""The example repositories work where only the wheel is installed, as their workflow runs them."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest
import yaml

from tests.installation import REPOSITORY, built, installed
from unicomp.decision import STATUS

GATE = REPOSITORY / "examples" / "release_gate"
WORKFLOW = yaml.safe_load((GATE / ".github/workflows/release-gate.yml").read_text())
STEPS = {step["name"]: step for step in WORKFLOW["jobs"]["gate"]["steps"] if "name" in step}


def command(step):
    """The words of a step's one command, without the program."""
    return shlex.split(STEPS[step]["run"])


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    return built(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def environment(distributions, tmp_path_factory):
    return installed(distributions.wheel, tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A copy of the example, far from this repository."""
    return Path(shutil.copytree(GATE, tmp_path_factory.mktemp("team") / "release_gate"))


@pytest.mark.long
def test_it_installs_the_wheel_that_this_version_builds(distributions):
    lines = (GATE / "requirements.txt").read_text().splitlines()
    (named,) = [line for line in lines if not line.startswith("#")]
    assert Path(named).name == distributions.wheel.name
    assert command("Install") == ["pip", "install", "-r", "requirements.txt"]


def test_the_readme_runs_what_the_workflow_runs():
    commands = (GATE / "README.md").read_text().split("```console\n")[1].split("```")[0]
    shown = [shlex.split(line) for line in commands.replace("\\\n", " ").splitlines()]
    assert shown == [command(step) for step in ("Install", "Gate", "Verify the decision record")]


def test_each_status_of_the_gate_is_explained():
    text = (GATE / ".github/workflows/release-gate.yml").read_text()
    explained = [int(words[1]) for words in map(str.split, text.splitlines()) if is_status(words)]
    of_pytest = [int(status) for status in pytest.ExitCode if "WARNINGS" not in status.name]
    assert sorted(explained) == sorted({*of_pytest, *STATUS.values()})


def is_status(words):
    """Whether a line of the workflow explains an exit status."""
    return len(words) > 2 and words[0] == "#" and words[1].isdigit()


@pytest.mark.long
def test_the_gate_opens_and_its_record_is_verified(environment, repository):
    program, *arguments = command("Gate")
    assert program == "pytest"
    done = environment.pytest(repository, *arguments)
    assert done.returncode == 0, done.stdout
    assert "the gate is open" in done.stdout
    card = json.loads((repository / "card.json").read_text())
    decided = {row["benchmark"] for row in card["scores"] if row["method"] == "gptq_w4a16"}
    assert decided == {"gsm8k", "stock_count"}

    program, *arguments = command("Verify the decision record")
    assert program == "unicomp"
    done = environment.run(repository, environment.python.with_name(program), *arguments)
    assert done.returncode == 0, done.stdout

    kept = STEPS["Keep the scorecard and the decision record"]["with"]["path"].split()
    assert all((repository / name).is_file() for name in kept)


@pytest.mark.long
def test_the_gate_shuts_for_a_candidate_that_lost_too_much(environment, repository):
    _, *arguments = command("Gate")
    done = environment.pytest(repository, *arguments, "--method", "wanda_2_4")
    assert done.returncode == 1, done.stdout
    assert "the gate is shut" in done.stdout
    assert "fail: embedded/wanda_2_4 stock_count" in done.stdout
