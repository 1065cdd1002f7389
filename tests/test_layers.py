"""One direction: a module imports what stands above it, and nothing heavy before it is needed."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import unicomp

ORDER = (
    "errors",
    "machine",
    "answering",
    "spec",
    "units",
    "framework",
    "rawscores",
    "statistics",
    "clustered",
    "confidence",
    "store",
    "data",
    "formats",
    "catalogue",
    "admission",
    "distillation",
    "methods",
    "checkpoint",
    "sandbox",
    "instruments",
    "long_context",
    "prompts",
    "mirror",
    "scoring",
    "engines",
    "distributions",
    "responses",
    "scores",
    "item_texts",
    "asking",
    "divergence",
    "consistency",
    "samples",
    "measuring",
    "testing",
    "retention",
    "efficiency",
    "policy_entry",
    "policy",
    "power",
    "verdict",
    "desk",
    "decision",
    "churn",
    "planning",
    "preset",
    "hardware",
    "settings",
    "looks",
    "upstream",
    "changes",
    "early",
    "scorecard",
    "findings",
    "agenda",
    "cluster",
    "cost",
    "session",
    "forecast",
    "scorecard_file",
    "record",
    "joint",
    "advice",
    "record_table",
    "item_records",
    "export",
    "comparison",
    "elsewhere",
    "report",
    "plugin",
    "cache",
    "commands",
    "cli",
)
"""A package counts as one module; inside, its modules may import each other, without a cycle."""

STAGES = ("spec", "checkpoint", "responses", "scores", "retention", "verdict", "scorecard",
          "findings", "report")  # fmt: skip
"""The way through, as DESIGN draws it."""

PACKAGE = Path(unicomp.__file__).parent
FILES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem != "__init__"
)
TENSORS = (
    "unicomp.distillation.clone",
    "unicomp.distillation.objective",
    "unicomp.engines.completions",
    "unicomp.engines.endpoint_lm",
    "unicomp.engines.greedy",
    "unicomp.engines.local_lm",
)
"""Modules of torch modules, and of an lm-eval model: what is imported with the suites imports them
inside functions only."""
HEAVY = ("torch", "transformers", "lm_eval", "llmcompressor", "datasets")

FORMATS_READ = ("errors", "spec", "framework", "store", "data", "verdict", "decision", "changes",
                "scorecard", "findings", "report", "units")  # fmt: skip
"""The layers that a report of a scorecard reads: values, and the writing of files."""
OTHER_REPORTS = (
    "report.advice",
    "report.cost",
    "report.joint",
    "report.metrics",
    "report.mirror",
    "report.plan",
)
"""Reports of other commands than a session: they show what those commands computed."""


def name_of(path):
    """The dotted name of a module's file."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(name):
    """Where `unicomp.LAYER.anything` belongs."""
    return name.split(".")[1]


@cache
def imports_of(path):
    """Every module of UniComp and of others that a file imports, anywhere in it."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            if node.module == "unicomp":
                found += [f"unicomp.{alias.name}" for alias in node.names]
            else:
                found.append(node.module)
    return tuple(found)


def own_imports(path):
    return [name for name in imports_of(path) if name.startswith("unicomp.")]


def imported_at_once(path):
    """What a file imports when it is imported itself: not inside functions, nor for types alone."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module == "unicomp":
            found |= {f"unicomp.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
    return found


def test_a_module_imports_only_what_stands_above_it():
    upward = [
        f"{name_of(path)} imports {imported}"
        for path in FILES
        for imported in own_imports(path)
        if ORDER.index(layer_of(imported)) > ORDER.index(layer_of(name_of(path)))
    ]
    assert upward == []


def test_no_imports_go_in_a_circle():
    names = {name_of(path): path for path in FILES}
    graph = {
        name: {one for one in imported_at_once(path) if one in names}
        for name, path in names.items()
    }
    list(TopologicalSorter(graph).static_order())  # raises CycleError


def test_the_stages_stand_in_the_order_of_the_way_through():
    assert sorted(STAGES, key=ORDER.index) == list(STAGES)


def test_every_module_has_its_place():
    assert {layer_of(name_of(path)) for path in FILES} == set(ORDER)


def test_no_module_is_a_drawer_for_anything():
    drawers = {"utils", "util", "common", "helpers", "misc", "core", "base"}
    assert [name_of(path) for path in FILES if path.stem in drawers] == []


def test_only_the_plugin_imports_pytest():
    users = {
        layer_of(name_of(path))
        for path in FILES
        if {name.split(".")[0] for name in imports_of(path)}
        & {"pytest", "_pytest", "pluggy", "xdist"}
    }
    assert users == {"plugin"}


def test_the_library_does_not_know_its_fixtures_suites_and_tests():
    outside = [
        name_of(path)
        for path in FILES
        if {name.split(".")[0] for name in imports_of(path)} & {"fixtures", "suites", "tests"}
    ]
    assert outside == []


def test_a_report_format_computes_nothing():
    """It reads the scorecard and its findings; arithmetic on them belongs to `findings/`."""
    formats = [
        path
        for path in FILES
        if layer_of(name_of(path)) == "report" and not name_of(path).endswith(OTHER_REPORTS)
    ]
    assert formats
    for path in formats:
        assert {layer_of(one) for one in own_imports(path)} <= set(FORMATS_READ), path
        others = {name.split(".")[0] for name in imports_of(path)}
        assert not others & {"numpy", "scipy", "statistics"}, path
        called = {
            getattr(node.func, "id", getattr(node.func, "attr", ""))
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call)
        }
        assert not called & {"sum", "fsum", "mean", "median", "round"}, path


def test_findings_are_computed_in_one_place():
    """`findings_of` calls them all; every other module reads the result."""
    computing = {
        node.func.id
        for node in ast.walk(ast.parse((PACKAGE / "findings/__init__.py").read_text()))
        if isinstance(node, ast.Call)
        and [getattr(one, "id", "") for one in node.args] == ["card"]
        and isinstance(node.func, ast.Name)
    }
    assert len(computing) > 5
    for path in FILES:
        if layer_of(name_of(path)) != "findings":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            assert not names & computing, path


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


def test_a_session_starts_without_what_computes_and_draws():
    """Each process of a run, and each worker, pays for it."""
    drawing = ("numpy", "scipy", "pandas", "matplotlib", "jinja2", "jsonschema")
    assert loaded_by("import unicomp.plugin.outcome", (*HEAVY, *drawing)) == []


def test_a_store_without_an_upstream_needs_no_fsspec(tmp_path):
    """Nor does a session at its start: what reaches other machines is imported for an upstream."""
    statements = (
        "import unicomp.plugin.options, unicomp.commands.cache\n"
        "from pathlib import Path; from unicomp.upstream import open_store\n"
        f"open_store(Path({str(tmp_path)!r}), None)"
    )
    assert loaded_by(statements, ("fsspec", "s3fs", "botocore", "unicomp.upstream.taking")) == []


def test_the_rules_of_verdicts_need_no_pytest():
    assert loaded_by("import unicomp.verdict", ("pytest", "_pytest", *HEAVY)) == []
