"""The words, phrases and grammar of each language, read from `phrases/LANGUAGE.toml`.

`phrases/en.toml` explains every entry. To add a language, add a file. The files are read when the
first word or phrase is needed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Literal, get_args

from unicomp.errors import SpecError

Words = Literal["small", "twice", "labels", "starts", "never_first", "characters"]
Group = Literal[
    # searched in texts in the language
    "refuse", "preface", "disclaim", "condemn", "rebuke", "advise", "help", "pivot", "correct",
    "fault",
    # searched in texts in any language
    "no", "yes_no", "facts", "choice", "neutral", "elsewhere", "about_speaker",
    "quoting", "fiction", "outright", "instruction", "reported", "reported_after", "label",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Grammar:
    """Which small words never stand next to each other."""

    class_of: Mapping[str, str]
    """word → what it does in a sentence"""
    banned: frozenset[tuple[str, str]]
    """Pairs of classes that do not follow each other within a clause."""
    hanging: frozenset[str]
    """Classes that end no sentence."""


@dataclass(frozen=True, kw_only=True)
class Language:
    """The content of one file; what is not in it is empty."""

    words: Mapping[Words, frozenset[str]]
    phrases: Mapping[Group, re.Pattern[str]]
    grammar: Grammar | None


SLOT = re.compile(r"\{([a-z_]+)\}")
NOTHING = re.compile("(?!)")
"""Matches no text."""


@cache
def languages() -> Mapping[str, Language]:
    """Every language that has a file, by its code. Raises SpecError."""
    folder = files("unicomp.instruments") / "phrases"
    paths = sorted(folder.iterdir(), key=lambda path: path.name)
    return {
        path.name.removesuffix(".toml"): read_language(path)
        for path in paths
        if path.name.endswith(".toml")
    }


@cache
def words_for(use: Words) -> frozenset[str]:
    """The words of all languages for one use."""
    return frozenset[str]().union(*(one.words[use] for one in languages().values()))


@cache
def phrases_for(group: Group) -> re.Pattern[str]:
    """The phrases of all languages in one group."""
    return re.compile("|".join(one.phrases[group].pattern for one in languages().values()))


def read_language(path: Traversable) -> Language:
    """Read one file. Raises SpecError, which names the file and the entry that is wrong."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        _expect(content, ("words", "slots", "phrases", "grammar"), "the file")
        found = _table(content, "words", str, get_args(Words))
        slots = {
            slot: _alternatives(sources, {})
            for slot, sources in _table(content, "slots", list).items()
        }
        groups = _table(content, "phrases", list, get_args(Group))
        return Language(
            words={use: _members(use, found.get(use, "")) for use in get_args(Words)},
            phrases={
                group: _compiled(group, groups.get(group, []), slots) for group in get_args(Group)
            },
            grammar=_grammar(content["grammar"]) if "grammar" in content else None,
        )
    except (SpecError, ValueError) as error:
        raise SpecError(f"{path.name}: {error}") from None


def _expect(names: Iterable[str], known: Collection[str], where: str) -> None:
    """Raise SpecError for a name that is unknown."""
    for name in names:
        if name not in known:
            raise SpecError(f"{where} has no entry {name!r}; it has {', '.join(known)}")


def _table(
    content: Mapping[str, Any], name: str, kind: type, known: Collection[str] | None = None
) -> dict[Any, Any]:
    """A table of the file, {} if it is not there: texts (`str`), or lists of texts (`list`)."""
    table = content.get(name, {})
    if not isinstance(table, dict):
        raise SpecError(f"{name} must be a table")
    _expect(table, table if known is None else known, f"[{name}]")
    for entry, value in table.items():
        texts = value if isinstance(value, list) else [value]
        if not isinstance(value, kind) or not all(isinstance(text, str) for text in texts):
            wanted = "a text" if kind is str else "a list of texts"
            raise SpecError(f"{entry} in [{name}] must be {wanted}")
    return table


def _members(use: Words, text: str) -> frozenset[str]:
    parts = text.split()
    return frozenset("".join(parts) if use == "characters" else parts)


def _compiled(group: Group, sources: Sequence[str], slots: Mapping[str, str]) -> re.Pattern[str]:
    if not sources:
        return NOTHING
    try:
        pattern = re.compile(_alternatives(sources, slots))
    except re.error as error:
        for source in sources if len(sources) > 1 else ():
            _compiled(group, [source], slots)
        raise SpecError(f"{sources[0]!r} in {group} is not a regular expression: {error}") from None
    if pattern.search(""):
        raise SpecError(f"a phrase in {group} matches the empty text")
    return pattern


def _alternatives(sources: Sequence[str], slots: Mapping[str, str]) -> str:
    """One regular expression for several, with their lines joined and their slots filled."""

    def filled(found: re.Match[str]) -> str:
        _expect([found[1]], slots, "[slots]")
        return slots[found[1]]

    lines = (re.sub(r"\s*\n\s*", "", source) for source in sources)
    return f"(?:{'|'.join(f'(?:{SLOT.sub(filled, line)})' for line in lines)})"


def _grammar(content: Mapping[str, Any]) -> Grammar:
    _expect(content, ("classes", "banned", "hanging"), "[grammar]")
    classes, followers = _table(content, "classes", str), _table(content, "banned", str)
    banned = [(one, other) for one, names in followers.items() for other in names.split()]
    hanging = str(content.get("hanging", "")).split()
    _expect([*hanging, *(name for pair in banned for name in pair)], classes, "[grammar.classes]")
    return Grammar(
        class_of={word: name for name, members in classes.items() for word in members.split()},
        banned=frozenset(banned),
        hanging=frozenset(hanging),
    )
