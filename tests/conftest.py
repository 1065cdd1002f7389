"""Settings of all tests, and a Python that starts at once for those that start processes."""

import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.warm_python import WarmPython
from unicomp.machine import warm_process

# a busy core is no failure
hypothesis.settings.register_profile("unicomp", deadline=None)
# the same few examples each time: those who change the code search with other ones, and more
hypothesis.settings.register_profile(
    "ci", deadline=None, derandomize=True, database=None, print_blob=True, max_examples=30
)
hypothesis.settings.load_profile("unicomp")

for _name in ("CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
    os.environ.pop(_name, None)  # of the job that runs these tests: no gate of a test is its step

_WARM = pytest.StashKey[WarmPython]()


def _warm(config: pytest.Config) -> WarmPython:
    """The server of this session, which is started when it is first asked for."""
    if _WARM not in config.stash:
        config.stash[_WARM] = WarmPython()
    return config.stash[_WARM]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Let the workers of pytest-xdist share one server."""
    node.workerinput["warm_python"] = _warm(node.config).executable


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the server."""
    if server := config.stash.get(_WARM, None):
        server.end()


@pytest.fixture(scope="session")
def common_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The temporary folder of this session, which all workers of pytest-xdist share."""
    root = tmp_path_factory.getbasetemp()
    return root.parent if os.environ.get("PYTEST_XDIST_WORKER") else root


@pytest.fixture(scope="session")
def warm_python(pytestconfig: pytest.Config) -> str:
    """An executable like `sys.executable` that has imported the libraries already."""
    given = getattr(pytestconfig, "workerinput", {}).get("warm_python")
    return given or _warm(pytestconfig).executable


@pytest.fixture(scope="module")
def warm_children(warm_python: str) -> Iterator[None]:
    """The processes that UniComp starts itself, such as builds, start at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", warm_python)
        yield


@pytest.fixture
def own_warm_processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No warm process of an earlier test serves this one, and none of this one a later test."""
    warm_process.end_all()
    monkeypatch.setattr(warm_process, "_unforkable", set())
    yield
    warm_process.end_all()


@pytest.fixture
def few_files() -> Iterator[None]:
    """This process may open 300 files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
