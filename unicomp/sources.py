"""Where rows come from: the hub, a local mirror in the hub's folder layout, or the embedded rows.

One task definition reads all three. A mirror is a folder that holds `ORG/NAME` folders as the hub
has them; the embedded rows are such a folder, shipped with UniComp, and belong to the embedded
model.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from unicomp.errors import SpecError

HUB = "hub"
EMBEDDED = "embedded"


def shipped_fixtures() -> Path:
    """The shipped `fixtures/`: inside the installed package, or beside it in the repository."""
    package = Path(__file__).parent
    inside = package / "fixtures"
    return inside if inside.is_dir() else package.parent / "fixtures"


@dataclass(frozen=True)
class Source:
    """One place that data sets are read from; `name` is `hub`, `embedded` or a folder."""

    name: str

    def __post_init__(self) -> None:
        if self.folder is not None and not self.folder.is_dir():
            raise SpecError(
                f"the dataset root {self.name} is not a folder: give hub, embedded, or a folder "
                "that holds ORG/NAME folders as the hub has them"
            )

    @property
    def folder(self) -> Path | None:
        """The folder of the rows; None for the hub."""
        if self.name == HUB:
            return None
        if self.name == EMBEDDED:
            return shipped_fixtures() / "embedded" / "rows"
        return Path(os.path.expanduser(self.name)).resolve()

    @property
    def is_embedded(self) -> bool:
        """Whether these are the embedded rows: zero-shot, and complete by construction."""
        return self.name == EMBEDDED

    def path(self, dataset: str) -> str:
        """What `datasets.load_dataset` is given for a data set of the hub.

        Raises SpecError where a local root does not hold it.
        """
        if self.folder is None:
            return dataset
        folder = self.folder / dataset
        if not folder.is_dir():
            raise SpecError(
                f"the dataset root {self.name} lacks {dataset}: put a copy of the hub's "
                f"repository at {folder}, or choose another --dataset-root"
            )
        return str(folder)

    def check(self, dataset: str, config: str | None) -> None:
        """Raise SpecError where a local root lacks a data set or one of its configurations.

        Where the files of a configuration are is said in the front matter of the set's README, as
        on the hub, or by a folder of its name.
        """
        folder = Path(self.path(dataset))
        if self.folder is None or config is None:
            return
        declared = _declared_files(folder, config)
        for pattern in declared or [f"{config}/*"]:
            if not any(folder.glob(pattern)):
                raise SpecError(
                    f"the dataset root {self.name} lacks {dataset}, configuration {config!r}: "
                    f"there is no {folder / pattern}"
                )

    def check_file(self, dataset: str, pattern: str) -> None:
        """Raise SpecError where a local root lacks a file of a data set."""
        folder = Path(self.path(dataset))
        if self.folder is not None and not any(folder.glob(pattern)):
            raise SpecError(
                f"the dataset root {self.name} lacks a file of {dataset}: "
                f"there is no {folder / pattern}"
            )

    def files(self, dataset: str) -> list[Path] | None:
        """The files behind a data set, in a fixed order; None for the hub.

        Hidden ones, such as what a download leaves beside the rows, are not read by `datasets`.
        """
        if self.folder is None:
            return None
        folder = Path(self.path(dataset))
        return sorted(
            path
            for path in folder.rglob("*")
            if path.is_file()
            and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        )

    def configs(self, dataset: str, declared: Sequence[str]) -> tuple[str, ...]:
        """Those of the declared configurations that are run.

        All of them, except on the embedded rows, whose world speaks only some languages.
        """
        if not self.is_embedded:
            return tuple(declared)
        folder = Path(self.path(dataset))
        return tuple(config for config in declared if (folder / config).is_dir())


def _declared_files(folder: Path, config: str) -> list[str]:
    """The file patterns of a configuration in the front matter of a data set's README."""
    try:
        matter = (folder / "README.md").read_text(encoding="utf-8").split("---")[1]
        entries = yaml.safe_load(matter)["configs"]
        found = next(entry for entry in entries if entry["config_name"] == config)
        files = found["data_files"]
        paths = [entry["path"] for entry in files] if isinstance(files, list) else [files]
        return [
            str(path) for entry in paths for path in ([entry] if isinstance(entry, str) else entry)
        ]
    except (OSError, UnicodeDecodeError, LookupError, TypeError, StopIteration, yaml.YAMLError):
        return []  # no such declaration: the layout says where the files are
