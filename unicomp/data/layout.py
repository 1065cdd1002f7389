"""The layout of a data set's repository: which files hold which rows, as its README declares.

The front matter of a README lists configurations, their splits and the patterns of their files.
`datasets` follows it, on the hub and in a local copy, so a copy must follow it, too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from unicomp.errors import SpecError

README = "README.md"
DEFAULT = "default"
"""The name that `datasets` gives the configuration of a repository that declares none."""

_MATTER = re.compile(r"\A\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(\r?\n|\Z)", re.DOTALL)
_GLOB = re.compile(r"\*\*/|\*\*|\*|\?|\[[!^]?\]?[^\]]*\]|.", re.DOTALL)
_SHARD = re.compile(r"(?P<start>.*-)(?P<number>\d{5})-of-(?P<total>\d{5})(?P<end>\D.*)?")
_WILDCARDS = {"**/": "(?:.+/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}

Splits = Mapping[str | None, tuple[str, ...]]
"""Split → patterns of its files; the key None: the split is in the names of the files."""


@dataclass(frozen=True)
class Layout:
    """The configurations that a README declares; small data sets often declare none."""

    configs: Mapping[str, Splits]
    """In the order of the README, since `datasets` always needs the files of the first one."""
    default: str | None = None
    """The configuration that is read if none is named."""

    def splits(self, config: str | None) -> Splits | None:
        """The files of a configuration by split; None if there is no such configuration."""
        if not self.configs:
            return {None: ("**",)} if config in (None, DEFAULT) else None
        name = self.default if config is None else config
        return self.configs.get(name) if name is not None else None

    def patterns(self, config: str | None) -> tuple[str, ...] | None:
        """All patterns of a configuration; None if there is no such configuration."""
        splits = self.splits(config)
        return None if splits is None else tuple(p for found in splits.values() for p in found)


def layout_of(folder: Path) -> Layout:
    """The layout that the README in a local copy of a repository declares."""
    try:
        return read_layout((folder / README).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return Layout({})


@lru_cache(maxsize=256)  # called for each of many configurations, and a long README takes a second
def read_layout(readme: str) -> Layout:
    """The layout in the text of a README; an empty one if it declares nothing usable."""
    matter = _MATTER.match(readme)
    try:
        table = yaml.safe_load(matter[1]) if matter else None
        entries = (table or {}).get("configs") or []
        configs = {str(entry["config_name"]): _splits(entry) for entry in entries}
        marked = [str(entry["config_name"]) for entry in entries if entry.get("default")]
    except (AttributeError, LookupError, TypeError, ValueError, yaml.YAMLError):
        return Layout({})
    names = list(configs) if len(configs) == 1 else [*marked, *(n for n in configs if n == DEFAULT)]
    return Layout(configs, next(iter(names), None))


def _splits(entry: Mapping[str, Any]) -> Splits:
    files, folder = entry.get("data_files"), str(entry.get("data_dir") or "").strip("/")
    if files is None:
        return {None: (f"{folder}/**" if folder else "**",)}
    if isinstance(files, str):
        files = [files]
    if isinstance(files, dict):
        files = [{"split": split, "path": path} for split, path in files.items()]
    splits: dict[str | None, tuple[str, ...]] = {}
    for file in files:
        named = file if isinstance(file, dict) else {"split": "train", "path": file}
        path = named["path"]
        patterns = [path] if isinstance(path, str) else path
        inside = tuple(f"{folder}/{p}" if folder else str(p).removeprefix("./") for p in patterns)
        split = str(named["split"])
        splits[split] = (*splits.get(split, ()), *inside)
    return splits


def matching(patterns: Iterable[str], paths: Iterable[str]) -> list[str]:
    """The paths that match one of the patterns, sorted. Raises SpecError."""
    forms = [_expression(pattern) for pattern in patterns]
    return sorted({path for path in paths if any(form.fullmatch(path) for form in forms)})


@lru_cache(maxsize=4096)
def _expression(pattern: str) -> re.Pattern[str]:
    """A glob as a regular expression; only `**` crosses folders.

    Raises SpecError for a glob that `datasets` rejects, too.
    """
    if any("**" in part and part != "**" for part in pattern.split("/")):
        raise SpecError(f"the pattern {pattern!r} is malformed: ** must stand for whole folders")

    def translated(match: re.Match[str]) -> str:
        token = match[0]
        if token in _WILDCARDS:
            return _WILDCARDS[token]
        if len(token) > 1:
            inner = re.sub(r"([\\\[\]&~|])", r"\\\1", token[1:-1])
            return f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"
        return re.escape(token)

    try:
        return re.compile(_GLOB.sub(translated, pattern), re.DOTALL)
    except re.error as error:
        raise SpecError(f"the pattern {pattern!r} is malformed: {error.msg}") from None


def names_split(path: str, split: str) -> bool:
    """Whether a path has the name of a split as a word, as `datasets` requires."""
    return re.search(rf"(?<![^-._ 0-9/]){re.escape(split)}(?![^-._ 0-9/])", path) is not None


def other_shards(paths: Collection[str]) -> list[str]:
    """The shards that are not among the paths, though the names of other shards count them."""
    missing: set[str] = set()
    for match in filter(None, map(_SHARD.fullmatch, paths)):
        for number in range(int(match["total"])):
            name = f"{match['start']}{number:05d}-of-{match['total']}{match['end'] or ''}"
            if name not in paths:
                missing.add(name)
    return sorted(missing)


def missing(declared: Splits, wanted: Collection[str], paths: Collection[str]) -> list[str]:
    """The declared files that are not among the paths: patterns without a match, and shards.

    Only the wanted splits need all their shards; of any other, one file is enough.
    """
    lacking: list[str] = []
    for split, patterns in declared.items():
        lacking += [pattern for pattern in patterns if not matching([pattern], paths)]
        if wanted and split in (None, *wanted):
            found = matching(patterns, paths)
            if split is None:
                found = [p for p in found if any(names_split(p, one) for one in wanted)] or found
            lacking += matching(patterns, other_shards(found))
    return lacking
