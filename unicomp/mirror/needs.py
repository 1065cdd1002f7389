"""The rows that benchmarks and calibrations need, and the files that hold them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from unicomp.data.calibration import Recipe
from unicomp.data.layout import README, Layout, matching, names_split, other_shards
from unicomp.data.sources import Source
from unicomp.prompts.tasks import Definition

_METADATA = (README, "dataset_infos.json")
"""The files without rows that `datasets` reads."""


@dataclass(frozen=True, kw_only=True)
class NeededRows:
    """Splits of one configuration of one data set."""

    dataset: str
    config: str | None = None
    """None: the data set's default."""
    files: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Split → patterns, for a task that names files instead of a configuration."""
    splits: frozenset[str] = frozenset()
    large: bool = False
    """The first rows are enough, and so the first file of a split."""
    nested_as_text: bool = False
    """The files are read by `unicomp.data.json_lines`."""

    @property
    def label(self) -> str:
        """The name of the configuration, or those of the files."""
        named = (pattern for _, patterns in self.files for pattern in patterns)
        return self.config or ", ".join(named) or "default"


@dataclass(frozen=True, kw_only=True)
class NeededFiles:
    """The files of one repository that hold needed rows."""

    required: tuple[str, ...] = ()
    absent: bool = False
    """The configuration does not exist."""
    lacking: tuple[str, ...] = ()
    """Names or patterns of required files that are missing."""


def benchmark_needs(definition: Definition) -> list[NeededRows]:
    """The rows that a benchmark reads from its source; empty if it has its own, or none."""
    made = definition.benchmark.rows is not None
    if made or "dataset_path" not in definition.settings or definition.brings_rows:
        return []
    files, splits = tuple(definition.named_files.items()), definition.splits
    return [
        NeededRows(
            dataset=definition.dataset,
            config=config,
            files=files,
            splits=splits,
            nested_as_text=definition.nested_as_text,
        )
        for config in definition.declared_configs
    ]


def recipe_needs(recipe: Recipe, source: Source) -> list[NeededRows]:
    """The rows from which a calibration draws its samples."""
    return [
        NeededRows(
            dataset=part.dataset, config=config, splits=frozenset({part.split}), large=part.large
        )
        for part in recipe.parts_of(source)
        for config in part.configs
    ]


def by_dataset(needs: Iterable[NeededRows]) -> dict[str, list[NeededRows]]:
    """Data set → its needs, one for each configuration; data sets in alphabetical order."""
    merged: dict[tuple[str, str], NeededRows] = {}
    for need in needs:
        key = (need.dataset, need.label)
        other = merged.get(key, need)
        merged[key] = replace(
            need, splits=need.splits | other.splits, large=need.large and other.large
        )
    grouped: dict[str, list[NeededRows]] = {}
    for dataset, label in sorted(merged):
        grouped.setdefault(dataset, []).append(merged[dataset, label])
    return grouped


def files_of(need: NeededRows, layout: Layout, paths: Collection[str]) -> NeededFiles:
    """The files of a repository that are needed to read the rows; `paths` lists all its files.

    `datasets` opens a configuration only if every split has a file, and only if the first
    configuration is there. So one file of each split that is not needed is required as well.

    Raises SpecError for a malformed pattern.
    """
    splits = dict(need.files) if need.files else layout.splits(need.config)
    if splits is None:
        return NeededFiles(absent=True)
    required = {path for path in _METADATA if path in paths}
    lacking: list[str] = []
    if layout.configs and not need.files:
        for patterns in next(iter(layout.configs.values())).values():
            required.update(matching(patterns, paths)[:1])
    for split, patterns in splits.items():
        found = [path for path in matching(patterns, paths) if path not in _METADATA]
        if not found:
            lacking += patterns
        elif split is None and need.large:
            for wanted in need.splits:
                required.update([path for path in found if names_split(path, wanted)][:1] or found)
        elif split is None or (split in need.splits and not need.large):
            required.update(found)
            lacking += matching(patterns, other_shards(found))
        else:
            required.update(found[:1])
    return NeededFiles(required=tuple(sorted(required)), lacking=tuple(lacking))


def looked_at(need: NeededRows, layout: Layout, paths: Iterable[str]) -> list[str]:
    """The paths that `datasets` may open to read the rows, whether required or not."""
    patterns = {pattern for _, patterns in need.files for pattern in patterns}
    if not need.files:
        first = next(iter(layout.configs), None)
        patterns.update(layout.patterns(need.config) or (), layout.patterns(first) or ())
    return matching((*patterns, *_METADATA), paths)
