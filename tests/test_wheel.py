"""The wheel: it holds all of unicomp and nothing else, and gates a model without the repository."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import PurePosixPath

import pytest

from tests.installation import REPOSITORY, built, installed, repository_files

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not (REPOSITORY / ".git").exists(),
        reason="the files of the repository are known to git only",
    ),
]

_WITHIN = {"unicomp": "unicomp", "fixtures": "unicomp/fixtures", "suites": "unicomp/suites"}
"""Folder of the repository → its place in the wheel."""


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    return built(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def environment(distributions, tmp_path_factory):
    return installed(distributions.wheel, tmp_path_factory.mktemp("installed"))


def test_the_wheel_holds_each_file_of_the_package_and_nothing_else(distributions):
    expected = set()
    for name in repository_files():
        folder, _, rest = name.partition("/")
        if folder in _WITHIN:
            expected.add(f"{_WITHIN[folder]}/{rest}")
    found = {
        name
        for name in zipfile.ZipFile(distributions.wheel).namelist()
        if not PurePosixPath(name).parts[0].endswith(".dist-info")
    }
    assert found == expected


def test_the_source_distribution_holds_each_file_of_the_repository(distributions):
    with tarfile.open(distributions.sdist) as archive:
        members = [member.name for member in archive.getmembers() if member.isfile()]
    found = {name.partition("/")[2] for name in members}
    made = {name for name in found if name.startswith("unicomp.egg-info/")}
    assert found - made == {*repository_files(), "PKG-INFO", "setup.cfg"}


def test_nothing_of_the_repository_can_be_imported_where_the_wheel_is(environment, tmp_path):
    (tmp_path / "where.py").write_text(
        "import sys, unicomp.admission, unicomp.suites, unicomp.fixtures, unicomp.plugin\n"
        "for name, module in sys.modules.items():\n"
        "    if name.startswith('unicomp'):\n"
        "        print(module.__file__)\n"
        "finders = [getattr(one, '__module__', '') for one in sys.meta_path]\n"
        "assert not [name for name in finders if 'editable' in name]\n"
        f"assert not [one for one in sys.path if one.startswith({str(REPOSITORY)!r})\n"
        "            and not one.endswith('site-packages')]\n"
    )
    done = environment.run(tmp_path, "where.py")
    assert done.returncode == 0, done.stdout
    files = done.stdout.split()
    assert len(files) > 4
    assert [file for file in files if not file.startswith(f"{environment.site}/unicomp/")] == []


def test_it_gates_from_a_folder_with_an_empty_settings_file(environment, tmp_path):
    (tmp_path / "unicomp.toml").touch()
    (tmp_path / "test_mine.py").write_text(
        "import unicomp\n"
        "from unicomp import Benchmark, Mean, TaskMetric\n"
        "mine = Benchmark(name='mine', metric='knowledge',\n"
        "                 task='arc/arc_easy.yaml',\n"
        "                 scorer=TaskMetric('acc,none'), aggregate=Mean())\n"
        "def test_mine(retention):\n"
        "    assert retention(mine) >= 10\n"
        f"    assert unicomp.__file__.startswith({str(environment.site)!r})\n"
    )
    done = environment.pytest(tmp_path, "--samples", "20", "--method", "dense")
    assert done.returncode == 0, done.stdout
    assert "the gate is open" in done.stdout


def test_the_installed_suites_run_by_name_and_without_a_settings_file(environment, tmp_path):
    suites = ("--pyargs", "unicomp.suites", "-m", "reasoning", "--co", "-q")
    done = environment.pytest(tmp_path, *suites)
    assert done.returncode == 0, done.stdout
    assert "test_reasoning_is_retained[embedded-awq_w4a16-gsm8k]" in done.stdout


def test_it_leaves_an_unrelated_project_alone(environment, tmp_path):
    (tmp_path / "test_own.py").write_text(
        "def test_own(pytestconfig):\n"
        "    assert pytestconfig.pluginmanager.hasplugin('unicomp')\n"
        "    assert not hasattr(pytestconfig.option, 'samples')\n"
    )
    done = environment.pytest(tmp_path)
    assert done.returncode == 0, done.stdout
    assert not (tmp_path / "home").exists()
