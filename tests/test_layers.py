"""One direction: a module imports what stands above it, and nothing heavy before it is needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import unicomp

ORDER = (
    "errors",
    "machine",
    "spec",
    "framework",
    "rawscores",
    "statistics",
    "store",
    "data",
    "catalogue",
    "distillation",
    "methods",
    "checkpoint",
    "instruments",
    "prompts",
    "mirror",
    "scoring",
    "engines",
    "responses",
    "scores",
    "testing",
    "retention",
    "efficiency",
    "policy",
    "verdict",
    "settings",
    "scorecard",
    "findings",
    "session",
    "report",
    "plugin",
    "cache",
    "cli",
)
"""A package counts as one module; inside, its modules may import each other."""

PACKAGE = Path(unicomp.__file__).parent
FILES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem != "__init__"
)
TENSORS = (
    "unicomp.distillation.clone",
    "unicomp.distillation.objective",
    "unicomp.engines.completions",
)
"""Modules of torch modules, and of an lm-eval model: what is imported with the suites imports them
inside functions only."""
HEAVY = ("torch", "transformers", "lm_eval", "llmcompressor", "datasets")


def name_of(path):
    """The dotted name of a module's file."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(name):
    """Where `unicomp.LAYER.anything` belongs."""
    return name.split(".")[1]


def imports_of(path):
    """Every module of UniComp and of others that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            if node.module == "unicomp":
                yield from (f"unicomp.{alias.name}" for alias in node.names)
            else:
                yield node.module


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_module_imports_only_what_stands_above_it(path):
    own = layer_of(name_of(path))
    allowed = ORDER[: ORDER.index(own) + 1]
    for imported in imports_of(path):
        if imported.startswith("unicomp."):
            assert layer_of(imported) in allowed, f"{own} imports {imported}"


def test_every_module_has_its_place():
    layers = {layer_of(name_of(path)) for path in FILES}
    assert layers == set(ORDER)
    assert not layers & {"utils", "util", "common", "helpers", "misc", "core", "base"}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_module_is_a_drawer_for_anything(path):
    assert path.stem not in {"utils", "util", "common", "helpers", "misc"}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_only_the_plugin_imports_pytest(path):
    others = {name.split(".")[0] for name in imports_of(path)}
    if layer_of(name_of(path)) != "plugin":
        assert not others & {"pytest", "_pytest", "pluggy", "xdist"}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_library_does_not_know_its_fixtures_suites_and_tests(path):
    others = {name.split(".")[0] for name in imports_of(path)}
    assert not others & {"fixtures", "suites", "tests"}


def loaded_by(statements, names):
    """Which of `names` a fresh interpreter has loaded after the statements."""
    code = f"{statements}\nimport sys; print(*(n for n in {names!r} if n in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    return done.stdout.split()


def test_importing_every_module_loads_nothing_heavy():
    light = {name_of(path) for path in FILES} - set(TENSORS)
    statements = "\n".join(f"import {name}" for name in sorted(light))
    assert loaded_by(statements, (*HEAVY, *TENSORS)) == []


@pytest.mark.parametrize("name", ["unicomp", "unicomp.plugin"])
def test_the_entry_point_costs_next_to_nothing(name):
    """It is imported in every pytest session of the environment, wanted or not."""
    assert loaded_by(f"import {name}", (*HEAVY, "numpy", "scipy", "pandas", "rich")) == []
