"""Types of arguments, and the parser that refuses bad input in one line."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from unicomp.errors import SpecError

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What a command adds its parser to."""

STORE = "the store (default: UNICOMP_HOME, or the platform's cache folder)"
WRITTEN = "a file that --scorecard wrote"


class Once(argparse.Action):
    """Stores a value; a second one is refused rather than taking the place of the first."""

    def __call__(  # noqa: D102 (argparse's)
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        given = vars(namespace).setdefault("given", set())
        if option_string in given:
            raise SpecError(f"{option_string} is given twice: give it once")
        if option_string is not None:
            given.add(option_string)
        setattr(namespace, self.dest, values)


class Parser(argparse.ArgumentParser):
    """Refuses bad input as everything else here does: in one line, with status 4."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **settings})
        self.register("action", None, Once)

    def error(self, message: str) -> NoReturn:  # noqa: D102 (argparse's)
        raise SpecError(f"{message}; see {self.prog} --help")


def path(text: str) -> Path:
    """A path that is not empty."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the path is empty")
    return Path(text)


def amount(text: str) -> float:
    """A finite number of 0 or more."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 0 or more")
    return number
