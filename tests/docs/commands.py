"""Check a command line of the documentation with the parsers that would read it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from unicomp import catalogue, cli
from unicomp.policy import parse_floor_options

from .pages import REPOSITORY

OTHERS = {
    *("cat", "cd", "cp", "cut", "echo", "export", "git", "grep", "head", "jq", "ls", "mkdir", "mv"),
    *("pip", "pre-commit", "rm", "sed", "sort", "tail", "tee", "test", "touch", "tr", "twine"),
    *(
        "python",
        "python3",
        "python3.11",
        "ray",
        "vllm",
        "lm_eval",
        "!",
        ".",
        "source",
        "xargs",
        "mkdocs",
    ),
    *(
        "ruff",
        "mypy",
        "[",
        "huggingface-cli",
        "hf",
        "wc",
        "diff",
        "docker",
        "ray",
        "sleep",
        "kill",
        "true",
    ),
}
"""Commands that are not ours: their options are not checked."""
PLACEHOLDER = re.compile(r"[A-Z][A-Z0-9_/]*|…|\.\.\.")
"""A name that stands for one of the user's."""
_OPERATORS = {"&&", "||", "|", ";", "&", "(", ")"}
_VARIABLE = re.compile(r"\$(\?|\w+|\{\w+\})")
_REDIRECTION = re.compile(r"\d*(>>?|<)(&\d)?")


def check(line: str, own: Mapping[str, str] = MappingProxyType({})) -> None:
    """Raise an exception or AssertionError if a command cannot be meant as it stands.

    `own` has the files of the page: title → content.
    """
    for words in simple_commands(line):
        program, *arguments = words
        name = Path(program).name or program
        if name == "pytest":
            _pytest(arguments, own)
        elif name == "unicomp":
            _unicomp(arguments)
        elif name == "make":
            _make(arguments)
        elif name.startswith("python"):
            _python(arguments, own)
        else:
            assert name in OTHERS, f"{name} is no known command"


def simple_commands(line: str) -> Iterator[list[str]]:
    """The commands of a line as words, without operators, redirections and assignments."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>()")
    lexer.whitespace_split = True
    words: list[str] = []
    skip = False
    for word in [*lexer, ";"]:
        if skip:
            skip = False
        elif word in _OPERATORS:
            if words:
                yield words
            words = []
        elif _REDIRECTION.fullmatch(word):
            skip = True
            if words and words[-1].isdigit():
                words.pop()
        elif words or not re.fullmatch(r"[A-Z_a-z]\w*=.*", word):
            words.append(_VARIABLE.sub("0", word))


@cache
def _pytest_parser():
    """pytest's own parser with the options of its plugins and of ours."""
    from _pytest.config import get_config

    config = get_config([])
    for plugin in ("pytest_benchmark.plugin", "xdist.plugin", "unicomp.plugin.options"):
        config.pluginmanager.import_plugin(plugin)
    return config._parser


def _pytest(arguments: Sequence[str], own: Mapping[str, str]) -> None:
    options, unknown = _pytest_parser().parse_known_and_unknown_args(list(arguments))
    declared = set(re.findall(r"""["'](--[\w-]+)["']""", "\n".join(own.values())))
    absent = [one for one in unknown if one.startswith("-") and one.split("=")[0] not in declared]
    assert absent == [], f"pytest has no option {absent}"
    parse_floor_options(options.floor or [])
    roots = catalogue.roots(REPOSITORY)
    for option, kinds in (
        ("method", ("methods", "method_groups")),
        ("calibration", ("calibration",)),
    ):
        known = _named(own, kinds)
        for name in getattr(options, option) or []:
            if PLACEHOLDER.fullmatch(name) or name in known or Path(name).suffix:
                continue
            if option == "method":
                catalogue.methods_named([name], roots)
            else:
                catalogue.load_recipe(name, roots)


def _named(own: Mapping[str, str], folders: Sequence[str]) -> set[str]:
    """The names that the files of a page have in the folders of fixtures."""
    return {Path(one).stem for one in own if Path(one).parent.name in folders}


def _unicomp(arguments: Sequence[str]) -> None:
    if list(arguments) in (["--help"], ["-h"]) or "--help" in arguments:
        return
    options = cli.command_parser().parse_args(list(arguments))
    parse_floor_options(getattr(options, "floor", None) or [])


@cache
def make_targets() -> frozenset[str]:
    """The targets of the Makefile."""
    text = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^([a-z][\w-]*):", text, re.MULTILINE))


def _make(arguments: Sequence[str]) -> None:
    targets = [word for word in arguments if "=" not in word and not word.startswith("-")]
    assert targets, "make without a target"
    assert set(targets) <= make_targets(), f"the Makefile has no {targets}"


def _python(arguments: Sequence[str], own: Mapping[str, str]) -> None:
    if arguments[:1] == ["-m"]:
        module = arguments[1]
        if module == "pytest":
            _pytest(arguments[2:], own)
        elif not _comes_from_elsewhere(module):
            assert find_spec(module) is not None, f"there is no module {module}"
    elif arguments and not arguments[0].startswith("-"):
        file = arguments[0]
        assert file in own or (REPOSITORY / file).is_file(), f"there is no file {file}"


def _comes_from_elsewhere(module: str) -> bool:
    return module.partition(".")[0] in ("pip", "venv", "build", "twine", "http", "vllm")
