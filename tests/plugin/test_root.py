"""The settings of the folder in which the user stands count, or of the nearest above."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest

from unicomp.cli import main
from unicomp.data.sources import shipped_fixtures

MISTAKE = "[floors]\nreasonning = 95\n"
REFUSED = "there is no benchmark, metric or dimension 'reasonning'; did you mean 'reasoning'?"


@pytest.fixture
def stood(new_gate, tmp_path):
    """A gate whose settings cannot be missed, a folder below it, and a model outside."""
    gate = new_gate(tmp_path / "home", MISTAKE, suites=False)
    gate.write("test_mine.py", "def test_mine(retention): pass\n")
    (gate.folder / "below").mkdir()
    shutil.copytree(shipped_fixtures() / "embedded" / "model", tmp_path / "outside" / "base")
    (tmp_path / "outside" / "args").write_text(f"--model\n{tmp_path / 'outside' / 'base'}\n")
    return replace(gate, folder=gate.folder / "below")


WAYS = {
    "detached": ("--model", "{outside}/base", "--unicomp-home", "{outside}"),
    "in-a-file-side-by-side": ("@{outside}/args", "-n2"),
    "root-directory": ("--rootdir", "{outside}"),
}


@pytest.mark.parametrize("way", WAYS)
def test_settings_above_count_however_options_are_written(stood, tmp_path, monkeypatch, way):
    outside = tmp_path / "outside"
    if way == "root-directory":  # and an option in the environment
        environment = stood.environment() | {"PYTEST_ADDOPTS": f"--model {outside / 'base'}"}
        monkeypatch.setattr(type(stood), "environment", lambda gate: environment)
    done = stood.run_plain("..", "--co", *(one.format(outside=outside) for one in WAYS[way]))
    assert done.status == 4, done.text
    assert REFUSED in done.text
    assert f"UniComp settings: {stood.folder.parent / 'unicomp.toml'}" in done.text
    assert "is not read" not in done.text


def test_settings_that_are_not_read_are_named(stood):
    (stood.folder / "unicomp.toml").touch()
    done = stood.run_plain("../test_mine.py", "--co")
    assert done.status == 0, done.text
    assert f"UniComp settings: {stood.folder / 'unicomp.toml'}" in done.text
    assert f"{stood.folder.parent / 'unicomp.toml'} is not read: start pytest in" in done.text


def test_a_run_without_settings_says_so(stood, tmp_path):
    away = replace(stood, folder=tmp_path / "outside")
    done = away.run_plain("--pyargs", "unicomp.suites", "--co", "--model", "base", "-m", "ethics")
    assert done.status == 0, done.text
    assert f"UniComp settings: none, there is no unicomp.toml in {away.folder}" in done.text
    assert "base-dense-ethics" in done.text or "<Function" in done.text


def test_a_project_that_is_named_from_elsewhere_is_not_run_without_its_settings(stood, tmp_path):
    away = replace(stood, folder=tmp_path / "outside")
    done = away.run_plain("--rootdir", str(stood.folder.parent), str(stood.folder.parent))
    assert done.status == 4, done.text
    assert f"start it in {stood.folder.parent}" in done.text


def test_the_command_line_has_the_same_root(stood, monkeypatch, capsys):
    home = stood.folder.parent / "mine"
    (stood.folder.parent / "unicomp.toml").write_text('[paths]\nhome = "mine"\n')
    monkeypatch.delenv("UNICOMP_HOME", raising=False)
    monkeypatch.chdir(stood.folder)
    assert main(("cache", "verify")) == 0
    assert str(home) in capsys.readouterr().out
    assert os.listdir(stood.folder) == []


def test_an_option_that_a_conftest_has_taken_is_named_in_one_line(stood):
    stood.write(
        "conftest.py", "def pytest_addoption(parser): parser.addoption('--samples', default=1)\n"
    )
    done = stood.run_plain("--co")
    assert done.status == 4, done.text
    assert "conftest.py adds the option --samples, which UniComp has: rename it" in done.text
    assert "Traceback" not in done.text
