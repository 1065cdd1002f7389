"""What `import unicomp` offers is what it says it offers."""

import ast
import inspect
from pathlib import Path

import pytest

import unicomp


def imported():
    """The names that the package imports at its top."""
    tree = ast.parse(Path(unicomp.__file__).read_text(encoding="utf-8"))
    return [
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]


def test_the_public_names_are_exactly_those_listed():
    assert sorted(unicomp.__all__) == sorted(imported())


def test_the_list_is_sorted_and_names_nothing_twice():
    assert unicomp.__all__ == sorted(set(unicomp.__all__))


@pytest.mark.parametrize("name", unicomp.__all__)
def test_every_public_name_is_there_and_explains_itself(name):
    found = getattr(unicomp, name)
    assert inspect.isclass(found)
    assert found.__name__ == name
    assert found.__doc__
    assert not found.__doc__.startswith(f"{name}(")  # what dataclasses write by themselves


@pytest.mark.parametrize("name", [name for name in unicomp.__all__ if name.endswith("Error")])
def test_every_public_error_is_one_of_ours(name):
    assert issubclass(getattr(unicomp, name), unicomp.UnicompError)


def test_a_checkpoint_that_is_unsupported_is_a_build_that_was_not_tried():
    assert issubclass(unicomp.UnsupportedError, unicomp.BuildError)
