"""What `import unicomp` offers is what it says it offers, and all that an author of files needs."""

import ast
import doctest
import inspect
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import unicomp

REPOSITORY = Path(__file__).parents[1]
AUTHORED = sorted(
    path
    for folder in (
        *(f"fixtures/{kind}" for kind in ("methods", "models", "checkpoints", "calibration")),
        "suites",
    )
    for path in (REPOSITORY / folder).rglob("*.py")
    if path.name != "conftest.py"
)
"""Files such as a user writes; the conftest file of the suites keeps a user's fixtures away."""
STUB = Path(unicomp.__file__).with_suffix(".pyi")
"""The public names as a type checker sees them."""
VALUES = {"DENSE", "Message", "Sample", "DatasetRow", "Verdict", "__version__"}
"""Public names that are neither classes nor functions."""


def imported(path):
    """Module → the names that a file imports from UniComp, anywhere in it."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("unicomp"):
            names = [alias.asname or alias.name for alias in node.names]
            found.setdefault(node.module, []).extend(names)
        elif isinstance(node, ast.Import):
            found |= {alias.name: [] for alias in node.names if alias.name.startswith("unicomp")}
    return found


# -- the names -------------------------------------------------------------------------------------


def test_the_public_names_are_exactly_those_that_a_type_checker_sees():
    declared = [name for names in imported(STUB).values() for name in names]
    assert sorted(unicomp.__all__) == sorted([*declared, "__version__"])


def test_the_list_is_sorted_and_names_nothing_twice():
    assert sorted(set(unicomp.__all__)) == sorted(unicomp.__all__)
    assert set(unicomp.__all__) <= set(dir(unicomp))


def test_a_name_is_the_one_that_a_type_checker_sees():
    for module, names in imported(STUB).items():
        for name in set(names) - {"oneshot"}:
            home = sys.modules.get(module) or __import__(module, fromlist=[name])
            assert getattr(unicomp, name) is getattr(home, name)


@pytest.mark.parametrize("name", sorted(set(unicomp.__all__) - VALUES))
def test_every_public_name_is_there_and_explains_itself(name):
    found = getattr(unicomp, name)
    assert inspect.isclass(found) or inspect.isfunction(found)
    assert found.__name__ == (name if name != "oneshot" else "compress")
    assert found.__doc__
    assert not found.__doc__.startswith(f"{name}(")  # what dataclasses write by themselves


@pytest.mark.parametrize("name", sorted(set(unicomp.__all__) - VALUES))
def test_the_examples_of_a_public_name_hold(name):
    found = getattr(unicomp, name)
    everything = {public: getattr(unicomp, public) for public in unicomp.__all__} | {"Path": Path}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in doctest.DocTestFinder().find(found, name, globs=everything):
        runner.run(test)
    assert runner.failures == 0


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in unicomp.__all__
        if inspect.isclass(getattr(unicomp, name))
        and getattr(unicomp, name).__module__ == "unicomp.spec"
    ]
    + ["Checkpoint", "Gain", "Retention"],
)
def test_every_specification_and_result_has_an_example(name):
    assert ">>> " in getattr(unicomp, name).__doc__


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'unicomp' has no attribute 'Modle'"):
        unicomp.Modle  # noqa: B018
    assert not hasattr(unicomp, "__wrapped__")


def test_all_names_can_be_imported_at_once_and_nothing_heavy_is_loaded():
    code = "from unicomp import *; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "unicomp.retention" in done.stdout.split()
    assert not {"torch", "transformers", "lm_eval", "datasets", "numpy"} & set(done.stdout.split())


def test_importing_the_package_loads_none_of_its_modules():
    code = "import sys, unicomp; print(*(n for n in sys.modules if n.startswith('unicomp.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_version_is_that_of_the_distribution():
    assert unicomp.__version__ == version("unicomp")


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in unicomp.__all__ if name.endswith("Error")])
def test_every_public_error_is_one_of_ours(name):
    assert issubclass(getattr(unicomp, name), unicomp.UnicompError)


def test_a_checkpoint_that_is_unsupported_is_a_build_that_was_not_tried():
    assert issubclass(unicomp.UnsupportedError, unicomp.BuildError)


# -- files as users write them ---------------------------------------------------------------------


@pytest.mark.parametrize("path", AUTHORED, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_a_shipped_file_needs_no_submodule(path):
    found = imported(path)
    submodules = {name for name in found if not name.startswith("unicomp.suites.")}
    assert submodules <= {"unicomp", "unicomp.testing"}  # benchmarks are imported from their suites
    assert set(found.get("unicomp", ())) <= set(unicomp.__all__)


@pytest.mark.parametrize(
    "name",
    [
        "Checkpoint",
        "Findings",
        "Gain",
        "Instruments",
        "Retention",
        "Row",
        "Scorecard",
        "Verdict",
        "Workshop",
    ],
)
def test_what_a_users_code_is_given_is_public(name):
    assert name in unicomp.__all__


@pytest.mark.parametrize(("former", "name"), unicomp._RENAMED.items())
def test_a_renamed_name_is_refused_with_its_new_one(former, name):
    with pytest.raises(ImportError, match=f"{former} is now named unicomp.{name}"):
        getattr(unicomp, former)
    assert name in unicomp.__all__
