"""The reference has every option, setting, status and public name, each with its meaning."""

from __future__ import annotations

import importlib.util

import pytest

import unicomp
from tests.test_layers import ORDER, PACKAGE
from unicomp import catalogue, cli, settings, testing
from unicomp.data.sources import shipped_fixtures
from unicomp.decision import EXIT_STATUSES
from unicomp.plugin.options import OPTIONS

from .pages import DOCS

SPEC = importlib.util.spec_from_file_location("reference_pages", DOCS / "reference_pages.py")
REFERENCE = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(REFERENCE)

KEYS = [(table, key) for table, (_, keys) in settings.OPTIONS.items() for key in keys]


def page(name):
    return list(REFERENCE.PAGES[f"reference/{name}.md"]())


def rows(name):
    """The cells of the lines of all tables of a page."""
    lines = [line for line in page(name) if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("name", ["options", "settings", "names", "exit-statuses", "schemas"])
def test_every_entry_has_a_meaning(name):
    assert rows(name)
    assert [row for row in rows(name) if not row[-1]] == []


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_of_pytest_is_listed(option):
    assert any(row[0].startswith(f"`{option}") for row in rows("options"))


def test_every_command_and_its_arguments_are_listed():
    commands = REFERENCE.subcommands(cli.command_parser())
    text = page("options")
    for name, command in commands.items():
        section = text[text.index(f"## unicomp {name}") :]
        for action in REFERENCE._actions(command):
            shown = action.option_strings[0] if action.option_strings else action.metavar
            assert shown is None or any(f"`{shown}" in line for line in section)


@pytest.mark.parametrize(("table", "key"), KEYS)
def test_every_setting_is_listed_with_its_table(table, key):
    lines = page("settings")
    section = lines[lines.index(f"## [{table}]") :]
    assert any(line.startswith(f"| `{key}` |") for line in section)


def test_every_table_of_names_is_listed():
    assert {f"`[{name}]`" for name in settings.OF_NAMES} <= {row[0] for row in rows("settings")}


def test_the_example_of_all_settings_is_a_valid_file(tmp_path):
    lines = page("settings")
    begin = lines.index('```toml title="unicomp.toml"')
    example = "\n".join(lines[begin + 1 : lines.index("```", begin)])
    (tmp_path / "unicomp.toml").write_text(example, encoding="utf-8")
    found = settings.load_settings(tmp_path)
    assert found.instruments.judge is not None
    for table in (*settings.OF_NAMES, *settings.OPTIONS):
        assert f"[{table}]" in example


def test_every_shipped_method_is_listed():
    roots = (shipped_fixtures(),)
    assert set(catalogue.method_names(roots)) <= {row[0].strip("`") for row in rows("names")}


def test_every_exit_status_is_listed():
    assert [row[0] for row in rows("exit-statuses")] == [f"`{status}`" for status in EXIT_STATUSES]


def test_every_public_name_is_listed_once():
    listed = [line.removeprefix("::: ") for line in page("api") if line.startswith("::: ")]
    public = [f"unicomp.{name}" for name in unicomp.__all__ if name != "__version__"]
    proving = [f"unicomp.testing.{name}" for name in testing.__all__]
    assert sorted(listed) == sorted([*public, *proving])


def test_links_of_the_repositorys_own_pages_are_moved():
    text = "[a](docs/ci.md#x) [b](CONTRIBUTING.md) [c](LICENSE) [d](https://e.f) [e](README.md)"
    assert REFERENCE.as_page(text) == (
        "[a](ci.md#x) [b](contributing.md) c (`LICENSE` in the repository) [d](https://e.f) "
        "[e](index.md)"
    )


def test_the_architecture_lists_all_layers_in_their_order():
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    block = text.partition("```text\nerrors.py")[2].partition("```")[0]
    names = [line.split()[0] for line in f"errors.py{block}".splitlines()]
    assert names == [
        f"{layer}/" if (PACKAGE / layer).is_dir() else f"{layer}.py" for layer in ORDER
    ]
