"""Our options as a user wrote them: `--opt X`, `--opt=X`, in a file `@FILE`, or in `addopts`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from unicomp.errors import SpecError

Options = Mapping[str, Mapping[str, object]]
"""Option → its settings for `addoption`. All but the flags have the action `append`."""


def spelled_out(arguments: Sequence[str], options: Options) -> list[str]:
    """The arguments with the value of each option that may stand without one: `--early=on`.

    Such an option takes a value only after `=`. argparse would take what follows it, a test path.
    """
    bare = {name: f"{name}={one['const']}" for name, one in options.items() if "const" in one}
    unfolded = list(_unfolded(arguments))
    end = unfolded.index("--") if "--" in unfolded else len(unfolded)
    if bare.keys().isdisjoint(unfolded[:end]):
        return list(arguments)
    return [*(bare.get(one, one) for one in unfolded[:end]), *unfolded[end:]]


def attached(arguments: Sequence[str], options: Options) -> list[str]:
    """The arguments with the values of our options attached: `--model X` as `--model=X`.

    pytest takes a value that stands by itself for a test path when it looks for its root directory.
    If no such value exists as a file or folder, the arguments are returned as they are.
    """
    found: list[str] = []
    rest, moved = iter(_unfolded(arguments)), False
    for argument in rest:
        if argument == "--":
            found += [argument, *rest]
            break
        value = (
            next(rest, None) if argument in options and _takes_value(options[argument]) else None
        )
        moved = moved or (value is not None and os.path.lexists(value.partition("::")[0]))
        found.append(argument if value is None else f"{argument}={value}")
    return found if moved else list(arguments)


def _takes_value(settings: Mapping[str, object]) -> bool:
    return settings.get("action") != "store_true" and "const" not in settings


def _unfolded(arguments: Sequence[str]) -> Iterator[str]:
    """The arguments with those in files, `@FILE`, in their places; pytest reads them likewise."""
    for argument in arguments:
        path = Path(argument[1:])
        if argument.startswith("@") and path.is_file():
            yield from _unfolded(path.read_text(encoding="utf-8", errors="replace").splitlines())
        else:
            yield argument


class Given:
    """The values of our options. Those on the command line outrank those in `addopts`."""

    def __init__(self, everything: Mapping[str, Sequence[str]], typed: Sequence[str]) -> None:
        """`everything` is option → its values from all places, `typed` the command line."""
        parser = argparse.ArgumentParser(
            add_help=False, allow_abbrev=False, fromfile_prefix_chars="@", exit_on_error=False
        )
        for name in everything:
            parser.add_argument(name, action="append", default=[], dest=name)
        known, _ = parser.parse_known_args([one for one in typed if one not in ("-h", "--help")])
        self._typed: Mapping[str, list[str]] = vars(known)
        self._everything = everything
        for name, values in everything.items():
            if any(not value.strip() for value in values):
                raise SpecError(f"{name} has an empty value: give one, or leave the option out")

    def all(self, name: str) -> list[str]:
        """All values of an option that can be repeated, each once."""
        return list(dict.fromkeys(self._everything[name]))

    def one(self, name: str) -> str | None:
        """The value of an option that is given once. Raises SpecError for two different ones."""
        values = dict.fromkeys(self._typed[name] or self._everything[name])
        if len(values) > 1:
            raise SpecError(f"{name} is given twice, {' and '.join(values)}: give it once")
        return next(iter(values), None)

    def in_ranks(self, name: str) -> tuple[list[str], list[str]]:
        """The values of a repeatable option in `addopts`, and those on the command line."""
        typed = self._typed[name]
        everything = self._everything[name]
        return list(everything[: len(everything) - len(typed)]), list(typed)
