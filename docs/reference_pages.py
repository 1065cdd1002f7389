"""Make the reference from the code while MkDocs builds the site.

MkDocs calls `on_files`, which adds a page for each entry of `PAGES`: the options, the settings, the
exit statuses, the JSON schemas and the public API. It also adds the project's own pages that lie at
the root of the repository. No page is written into `docs/`.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module, resources
from inspect import getdoc, getsource
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import unicomp
from unicomp import cli, hardware, settings
from unicomp.data.sources import shipped_fixtures
from unicomp.decision import EXIT_STATUSES
from unicomp.plugin.options import OPTIONS
from unicomp.policy_entry import Entry

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

REPOSITORY = Path(__file__).parents[1]
COPIED = {"contributing.md": "CONTRIBUTING.md", "security.md": "SECURITY.md"}
"""Page of the site → file at the root of the repository."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages. MkDocs calls this before it reads any page."""
    from mkdocs.structure.files import File

    for page, lines in PAGES.items():
        files.append(File.generated(config, page, content="\n".join(lines()) + "\n"))
    for page, name in COPIED.items():
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=as_page(text)))
    return files


def as_page(text: str) -> str:
    """Return a text of the repository's root with its links as those of a page in `docs/`."""

    def moved(found: re.Match[str]) -> str:
        label, target, anchor = found.groups(default="")
        inside = {name: page for page, name in COPIED.items()} | {"README.md": "index.md"}
        if target in inside:
            return f"[{label}]({inside[target]}{anchor})"
        if target.startswith("docs/"):
            return f"[{label}]({target.removeprefix('docs/')}{anchor})"
        return f"{label} (`{target}` in the repository)"

    return re.sub(r"\[([^\]]+)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)", moved, text)


def options() -> Iterator[str]:
    """The page of all command-line options."""
    yield "# Options"
    yield ""
    yield "All other settings are in [`unicomp.toml`](settings.md)."
    yield ""
    yield "## pytest"
    yield ""
    yield "The plugin adds these options to pytest in a folder with a `unicomp.toml`, and where the"
    yield "installed suites are named."
    yield ""
    rows = ((_option(name, own), str(own["help"])) for name, own in OPTIONS.items())
    yield from table(("option", "meaning"), rows)
    parser = cli.command_parser()
    for name, command in subcommands(parser).items():
        yield ""
        yield f"## unicomp {name}"
        yield ""
        yield f"`{' '.join(command.format_usage().removeprefix('usage: ').split())}`"
        yield ""
        yield from table(("argument", "meaning"), map(_argument, _actions(command)))


def _option(name: str, settings: Mapping[str, object]) -> str:
    """An option of pytest as shown; one that may stand alone takes its value after `=`."""
    value = settings.get("metavar")
    return f"{name}[={value}]" if "const" in settings else _shown(name, value)


def subcommands(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """The commands of `unicomp` by name."""
    found = (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    return next(found).choices


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    return (one for one in parser._actions if not isinstance(one, argparse._HelpAction))


def _argument(action: argparse.Action) -> tuple[str, str]:
    """An argument as shown, and its help with the default."""
    value = (
        None if action.nargs == 0 else action.metavar or "|".join(map(str, action.choices or ()))
    )
    name = _shown(", ".join(action.option_strings), value)
    return name, (action.help or "").replace("%(default)s", str(action.default))


def _shown(name: str, value: object) -> str:
    return " ".join(str(part) for part in (name, value) if part)


def settings_page() -> Iterator[str]:
    """The page of all settings: every table and key of `unicomp.toml`."""
    text = dedent(settings.__doc__ or "")
    yield "# Settings"
    yield ""
    yield "`unicomp.toml` at the root of your project has the settings. It may be empty."
    yield ""
    yield '```toml title="unicomp.toml"'
    yield from dedent("\n".join(_example(text))).strip().splitlines()
    yield "```"
    yield ""
    yield from text.partition("\n    dataset_root")[2].partition("\n\n")[2].strip().splitlines()
    yield ""
    yield "## Tables of names"
    yield ""
    yield "The keys are names of benchmarks, metrics or dimensions. `[models.NAME.floors]` and the"
    yield "like hold for one model only."
    yield ""
    rows = ((f"[{name}]", words) for name, words in settings.OF_NAMES.items())
    yield from table(("table", "meaning"), rows)
    yield ""
    yield "A name in `[policy]` has these keys:"
    yield ""
    yield from _keys(Entry, tuple(Entry.__dataclass_fields__))
    for name, (kind, keys) in settings.OPTIONS.items():
        yield ""
        yield f"## [{name}]"
        yield ""
        yield from _keys(kind, keys)
    yield ""
    yield "## [hardware.NAME]"
    yield ""
    yield "A GPU of `unicomp plan --cluster`, which a table of its own describes or gives a price."
    yield ""
    yield from table(("key", "meaning"), hardware.KEYS.items())


def _example(text: str) -> Iterator[str]:
    """The lines of the file that the docstring of `unicomp.settings` shows."""
    for line in text.splitlines()[1:]:
        if line and not line.startswith("    "):
            return
        yield line


def _keys(kind: type, names: tuple[str, ...]) -> Iterator[str]:
    words = attribute_docs(kind)
    rows = (
        (option.name, _type_of(option.type), _default_of(option), words[option.name])
        for option in kind.__dataclass_fields__.values()  # type: ignore[attr-defined]
        if option.name in names
    )
    yield from table(("key", "type", "default", "meaning"), rows)


def _type_of(annotation: str) -> str:
    plain = annotation.removesuffix(" | None")
    return {
        "tuple[str, ...]": "list of texts",
        "float": "number",
        "int": "whole number",
        "Early": "true, false or text",
    }.get(plain, "text")


def _default_of(option: Any) -> str:
    from dataclasses import MISSING

    if option.default is MISSING and option.default_factory is MISSING:
        return "needed"
    value = option.default_factory() if option.default is MISSING else option.default
    return "" if value in (None, "", ()) else f"`{json.dumps(value)}`"


@cache
def attribute_docs(kind: type) -> dict[str, str]:
    """The docstrings that stand below the fields of a class and of its bases, as one line each."""
    found: dict[str, str] = {}
    for cls in reversed(kind.__mro__[:-1]):
        (node,) = ast.parse(dedent(getsource(cls))).body
        assert isinstance(node, ast.ClassDef)
        for field, below in zip(node.body, node.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
            ):
                found[field.target.id] = " ".join(str(below.value.value).split())
    return found


NAMES = {
    "methods": "--method",
    "method_groups": "--method",
    "models": "--model",
    "calibration": "--calibration",
    "checkpoints": "--checkpoint",
}
"""Folder of the shipped fixtures → the option that takes its names."""


def names() -> Iterator[str]:
    """The page of all shipped names: methods, models, calibrations and checkpoints."""
    yield "# Shipped names"
    yield ""
    yield "Each name is a file of `fixtures/`, here or below your own root directory."
    for folder, option in NAMES.items():
        yield ""
        yield f"## {option}: fixtures/{folder}"
        yield ""
        files = sorted((shipped_fixtures() / folder).glob("*.py"))
        rows = ((file.stem, _summary(file)) for file in files if file.stem != "__init__")
        yield from table(("name", "meaning"), rows)
    yield ""
    yield "`--method all` takes every method, shipped and your own."


def _summary(file: Path) -> str:
    """The first paragraph of a file's docstring, on one line."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split())


def statuses() -> Iterator[str]:
    """The page of exit statuses."""
    yield "# Exit statuses"
    yield ""
    yield "## A run of pytest"
    yield ""
    yield from table(
        ("status", "meaning"),
        ((str(status), f"{words}.") for status, words in EXIT_STATUSES.items()),
    )
    yield ""
    yield "## A command of unicomp"
    yield ""
    yield " ".join((getdoc(cli.main) or "").split())


def schemas() -> Iterator[str]:
    """The page of the JSON files that UniComp writes."""
    yield "# JSON schemas"
    yield ""
    yield "Each file that a program may read has a schema (JSON Schema 2020-12). The schemas are"
    yield "installed with the package, in the folder `unicomp/report`:"
    yield ""
    yield "```python"
    yield "from importlib.resources import files"
    yield ""
    yield 'schema = files("unicomp.report").joinpath("scorecard.schema.json").read_text("utf-8")'
    yield "```"
    for file in sorted(resources.files("unicomp.report").iterdir(), key=lambda one: one.name):
        if file.name.endswith(".schema.json"):
            schema = json.loads(file.read_text(encoding="utf-8"))
            yield ""
            yield f"## {schema['title']}"
            yield ""
            yield f"`unicomp/report/{file.name}`. {schema.get('description', '')}".rstrip()
            yield ""
            rows = (
                (name, one.get("description", ""))
                for name, one in schema["properties"].items()
                if one.get("description")
            )
            yield from table(("key", "meaning"), rows)


def api() -> Iterator[str]:
    """The page of the public API, by the layer that a name comes from."""
    yield "# Public API"
    yield ""
    yield "All of these are imported from `unicomp`; `unicomp.testing` is the one other module."
    for layer, names in public_names().items():
        yield ""
        yield f"## {layer.replace('_', ' ').capitalize()}"
        yield ""
        yield (import_module(f"unicomp.{layer}").__doc__ or "").partition("\n\n")[0]
        for name in names:
            yield ""
            yield f"::: unicomp.{name}"
    yield ""
    yield "## Testing"
    yield ""
    yield "These are imported from `unicomp.testing`: they prove the definition of a benchmark."
    for name in import_module("unicomp.testing").__all__:
        yield ""
        yield f"::: unicomp.testing.{name}"


def public_names() -> dict[str, list[str]]:
    """Layer → the names that `unicomp/__init__.pyi` takes from its modules."""
    text = resources.files(unicomp).joinpath("__init__.pyi").read_text(encoding="utf-8")
    found: dict[str, list[str]] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            layer = node.module.split(".")[1]
            found.setdefault(layer, []).extend(one.asname or one.name for one in node.names)
    return found


def table(heads: tuple[str, ...], rows: Any) -> Iterator[str]:
    """The lines of a table; the first column is code."""
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for first, *rest in rows:
        cells = [f"`{first}`", *rest]
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


PAGES: Mapping[str, Callable[[], Iterator[str]]] = {
    "reference/options.md": options,
    "reference/settings.md": settings_page,
    "reference/names.md": names,
    "reference/exit-statuses.md": statuses,
    "reference/schemas.md": schemas,
    "reference/api.md": api,
}
