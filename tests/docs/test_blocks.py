"""Every code block of the documentation is what it says, and runs or says why not."""

from __future__ import annotations

import ast
import csv
import importlib
import json
import os
import re
import resource
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import unicomp
from unicomp.settings import FILE, load_settings

from .commands import check
from .pages import FILES, REPOSITORY, Block, blocks_of

PAGES = {str(page.relative_to(REPOSITORY)): blocks_of(page) for page in FILES if page.exists()}
BLOCKS = [block for blocks in PAGES.values() for block in blocks]
LANGUAGES = (
    "python",
    "toml",
    "yaml",
    "json",
    "jsonl",
    "csv",
    "txt",
    "console",
    "text",
    "ini",
    "jinja",
)
NOTES = re.compile(r"long|in the clone|figures|exit \d+")
LIMIT = 1200.0
"""Seconds that a block of commands may take on a busy machine."""
QUICK = 30.0
"""CPU seconds that a block may take that is not marked `long`."""


def of(*languages):
    return [pytest.param(one, id=str(one)) for one in BLOCKS if one.language in languages]


# -- each block is what it says --------------------------------------------------------------------


@pytest.mark.parametrize("block", of(*{block.language for block in BLOCKS}))
def test_a_block_has_a_language_that_is_checked_and_notes_that_are_known(block):
    assert block.language in LANGUAGES
    assert [note for note in block.notes if not NOTES.fullmatch(note)] == []
    assert block.reason is None or len(block.reason) > 5
    if block.title:
        assert not block.title.startswith("/")
        assert ".." not in Path(block.title).parts


@pytest.mark.parametrize("block", of("python"))
def test_python_compiles_and_its_names_are_there(block):
    tree = ast.parse(block.body, filename=str(block))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("unicomp"):
            module = importlib.import_module(node.module)
            missing = [one.name for one in node.names if not hasattr(module, one.name)]
            assert missing == [], f"{node.module} has no {missing}"
            if module is unicomp:
                assert {one.name for one in node.names} <= set(unicomp.__all__)


@pytest.mark.parametrize("block", of("toml"))
def test_toml_is_valid_and_settings_are_those_of_unicomp(block, tmp_path):
    tomllib.loads(block.body)
    if block.title and Path(block.title).name == FILE:
        (tmp_path / FILE).write_text(block.body, encoding="utf-8")
        load_settings(tmp_path)


@pytest.mark.parametrize("block", of("yaml"))
def test_yaml_is_valid(block):
    class Loader(yaml.SafeLoader):
        """Takes lm-eval's tags, such as `!function`, for texts."""

    Loader.add_multi_constructor("!", lambda loader, tag, node: str(node.value))
    assert yaml.load(block.body, Loader) is not None


@pytest.mark.parametrize("block", of("json", "jsonl"))
def test_json_is_valid(block):
    is_of_lines = block.language == "jsonl" or (block.title or "").endswith(".jsonl")
    for text in block.body.splitlines() if is_of_lines else [block.body]:
        json.loads(text)


@pytest.mark.parametrize("block", of("csv"))
def test_a_table_has_equally_many_columns_in_each_line(block):
    rows = list(csv.reader(block.body.splitlines()))
    assert len({len(row) for row in rows}) == 1


@pytest.mark.parametrize("block", of("console"))
def test_commands_are_accepted_by_the_parsers_that_read_them(block):
    assert block.commands
    for line in block.commands:
        assert not line.startswith("$ "), "a command has no prompt"
        check(line, {one.title: one.body for one in PAGES[_page(block)] if one.title})


def _page(block: Block) -> str:
    return str(block.page.relative_to(REPOSITORY))


# -- each page runs --------------------------------------------------------------------------------


class Page:
    """A page that is followed from its top, in a folder of its own."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.environment = {
            **{name: v for name, v in os.environ.items() if not name.startswith("PYTEST_")},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "UNICOMP_HOME": str(home),
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "100",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_ADDOPTS": "-p no:cacheprovider",
        }

    def follow(self, block: Block) -> None:
        """Write a file, or run commands and compare their output."""
        if block.title:
            path = self.folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.body, encoding="utf-8")
        elif block.reason is not None or block.is_of_the_clone:
            return
        elif block.language == "console":
            self._run(block, ["bash", "-c", f"set -eo pipefail\n{block.body}"])
        elif block.language == "python":
            self._run(block, [sys.executable, "-c", block.body])

    def _run(self, block: Block, command: list[str]) -> None:
        before = cpu_seconds()
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            timeout=LIMIT,
        )
        assert done.returncode == block.status, f"{block}: {done.returncode}\n{done.stdout}"
        taken = cpu_seconds() - before
        assert block.is_long or taken < QUICK, f"{block} took {taken:.0f} s: mark it `long`"
        if block.output is not None:
            absent = missing_lines(block.output.body, done.stdout, "figures" in block.notes)
            assert absent == [], f"{block}: {absent}\n{done.stdout}"


def cpu_seconds() -> float:
    """The CPU seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def missing_lines(expected: str, printed: str, any_figures: bool = False) -> list[str]:
    """The lines that the output lacks; `…` in a line stands for anything."""
    lines = [_plain(line) for line in printed.splitlines()]
    return [
        line
        for line in expected.splitlines()
        if line.strip() and not any(re.search(_pattern(line, any_figures), one) for one in lines)
    ]


def _plain(line: str) -> str:
    return " ".join(line.split())


def _pattern(line: str, any_figures: bool) -> str:
    pattern = ".*".join(re.escape(part.strip()) for part in _plain(line).split("…"))
    return re.sub(r"\d+(\\\.\d+)?", r"\\d+(\\.\\d+)?", pattern) if any_figures else pattern


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_up_to_its_first_long_block(page, tmp_path, documented_home):
    followed = Page(tmp_path, documented_home)
    for block in PAGES[page]:
        if block.is_long:
            break
        followed.follow(block)


@pytest.mark.long
@pytest.mark.parametrize(
    "page", [name for name, blocks in PAGES.items() if any(one.is_long for one in blocks)]
)
def test_a_page_runs_to_its_end(page, tmp_path, documented_home):
    followed = Page(tmp_path, documented_home)
    for block in PAGES[page]:
        followed.follow(block)


# -- how outputs are compared ----------------------------------------------------------------------


def test_an_output_is_compared_line_by_line():
    printed = "collected 3 items\n  score   12.5 %\n"
    assert missing_lines("score 12.5 %", printed) == []
    assert missing_lines("score … %", printed) == []
    assert missing_lines("score 99.0 %", printed) == ["score 99.0 %"]
    assert missing_lines("score 99.0 %", printed, any_figures=True) == []
    assert missing_lines("scores 99.0 %", printed, any_figures=True) == ["scores 99.0 %"]


@pytest.mark.parametrize(
    "line",
    [
        "pytest --modle x",
        "pytest --floor reasoning",
        "pytest --method wanda_51",
        "unicomp floor card.json",
        "unicomp plan --model",
        "make scorecard",
        "python -m fixtures.embedded.nothing",
        "python nothing.py",
        "frobnicate",
    ],
)
def test_a_command_that_does_not_exist_is_found(line):
    with pytest.raises((AssertionError, ValueError, unicomp.UnicompError, pytest.UsageError)):
        check(line)
