"""The wheel: it holds everything, and gates a model far away from the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(
        REPOSITORY,
        source,
        ignore=shutil.ignore_patterns(".*", "tests", "build", "*.egg-info", "__pycache__"),
    )
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", folder, source],
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder for PYTHONPATH that holds nothing but the wheel's content."""
    site = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def _run(installed, folder, *arguments):
    return subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={
            **{name: v for name, v in os.environ.items() if not name.startswith("PYTEST_")},
            "PYTHONPATH": str(installed),
            "UNICOMP_HOME": str(folder / "home"),
            "OMP_NUM_THREADS": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_the_wheel_holds_suites_fixtures_rows_and_weights(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for name in (
        "unicomp/suites/performance/mmlu.yaml",
        "unicomp/suites/performance/gpqa.py",
        "unicomp/fixtures/models/llama_3_1_8b.py",
        "unicomp/fixtures/embedded/tasks/arc_easy.yaml",
        "unicomp/fixtures/methods/wanda_2_4.py",
        "unicomp/distillation/loop.py",
        "unicomp/fixtures/calibration/generic.py",
        "unicomp/fixtures/embedded/model/model.safetensors",
        "unicomp/fixtures/embedded/rows/openai/gsm8k/main/test.jsonl",
        "unicomp/instruments/labelled.json",
        "unicomp/instruments/letters.toml",
        "unicomp/instruments/phrases/en.toml",
        "unicomp/report/scorecard.schema.json",
        "unicomp/py.typed",
    ):
        assert name in names
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests/")]


def test_it_gates_from_a_folder_with_an_empty_settings_file(installed, tmp_path):
    (tmp_path / "unicomp.toml").touch()
    (tmp_path / "test_mine.py").write_text(
        "import unicomp\n"
        "from unicomp import Benchmark, Mean, TaskMetric\n"
        "mine = Benchmark(name='mine', metric='knowledge',\n"
        "                 task='arc/arc_easy.yaml',\n"
        "                 scorer=TaskMetric('acc,none'), aggregate=Mean())\n"
        "def test_mine(retention):\n"
        "    assert retention(mine) >= 10\n"
        f"    assert unicomp.__file__.startswith({str(installed)!r})\n"
    )
    done = _run(installed, tmp_path, "--samples", "20", "--method", "dense", "--method", "wanda_50")
    assert done.returncode == 0, done.stdout
    assert "the gate is open" in done.stdout
    shut = _run(installed, tmp_path, "--samples", "20", "--floor", "mine=101", "-k", "nothing")
    assert shut.returncode == 5, shut.stdout


def test_the_installed_suites_run_by_name_and_without_a_settings_file(installed, tmp_path):
    done = _run(installed, tmp_path, "--pyargs", "unicomp.suites", "-m", "reasoning", "--co", "-q")
    assert done.returncode == 0, done.stdout
    assert "test_reasoning_is_retained[embedded-awq_w4a16-gsm8k]" in done.stdout


def test_it_leaves_an_unrelated_project_alone(installed, tmp_path):
    (tmp_path / "test_own.py").write_text(
        "def test_own(pytestconfig):\n"
        "    assert pytestconfig.pluginmanager.hasplugin('unicomp')\n"
        "    assert not hasattr(pytestconfig.option, 'samples')\n"
    )
    done = _run(installed, tmp_path)
    assert done.returncode == 0, done.stdout
    assert not (tmp_path / "home").exists()
