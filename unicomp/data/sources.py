"""Sources of rows: the hub, a local mirror in the hub's folder layout, or the embedded rows.

One task definition reads all three. A mirror is a folder of `ORG/NAME` folders, as on the hub. The
embedded rows are such a folder, shipped with UniComp for the embedded model.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from unicomp.data.layout import README, Splits, layout_of, missing
from unicomp.data.lock import Lock, Pin
from unicomp.errors import AbsentError, SpecError

HUB = "hub"
EMBEDDED_ROWS = "embedded"

PARTIAL = ".unicomp-partial"
"""A file in the folder of a data set while `unicomp mirror` fetches it."""


def shipped_folder(name: str) -> Path:
    """A shipped folder: inside the installed package, or next to it in the repository."""
    package = Path(__file__).parents[1]
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


def shipped_fixtures() -> Path:
    """The shipped `fixtures/`."""
    return shipped_folder("fixtures")


def shipped_module(name: str) -> ModuleType:
    """The module `name` of the shipped fixtures, such as `embedded.corpus`.

    It is always imported as `unicomp.fixtures.NAME`, also in the repository, since a user's project
    may have a `fixtures` of its own.
    """
    package = "unicomp.fixtures"
    if package not in sys.modules:
        run_module(package, shipped_fixtures() / "__init__.py")
    return import_module(f"{package}.{name}")


def run_module(name: str, path: Path) -> ModuleType:
    """Run a Python file as the module called `name`; an `__init__.py` becomes a package."""
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def default_rows(model: str) -> str:
    """The rows for a model's source: `embedded` for what is shipped with them, else `hub`."""
    shipped = Path(model).is_relative_to((shipped_fixtures() / "embedded").resolve())
    return EMBEDDED_ROWS if shipped else HUB


@dataclass(frozen=True)
class Source:
    """A place to read data sets from; `name` is `hub`, `embedded` or a folder."""

    name: str
    lock: Lock = field(default_factory=dict, hash=False)
    """The pinned revisions; embedded rows need none, since they are shipped."""

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
        if self.name == EMBEDDED_ROWS:
            return shipped_fixtures() / "embedded" / "rows"
        return Path(os.path.expanduser(self.name)).resolve()

    @property
    def is_embedded(self) -> bool:
        """Whether these are the embedded rows: zero-shot, and always complete."""
        return self.name == EMBEDDED_ROWS

    def path(self, dataset: str) -> str:
        """The first argument of `datasets.load_dataset`: an id, or a folder.

        Raises AbsentError if a local root lacks the data set.
        """
        if self.folder is None:
            return dataset
        folder = self.folder / dataset
        if not folder.is_dir():
            raise AbsentError(
                f"the dataset root {self.name} lacks {dataset}: put a copy of the hub's "
                f"repository at {folder}, or choose another --dataset-root"
            )
        if (folder / PARTIAL).exists():
            raise AbsentError(
                f"the dataset root {self.name} has {dataset} only in part: its download was "
                f"interrupted, go on with `unicomp mirror {self.name}`"
            )
        return str(folder)

    def pin(self, dataset: str) -> Pin | None:
        """The pin of a data set in the lock; None if it is unpinned or embedded."""
        return None if self.is_embedded else self.lock.get(dataset)

    def revision(self, dataset: str) -> str | None:
        """The `revision` for `datasets.load_dataset`; None for a folder, or if unpinned."""
        pin = self.pin(dataset) if self.folder is None else None
        return pin.revision if pin else None

    def identity(self, dataset: str, digest: Callable[[Path], str]) -> dict[str, str] | None:
        """Identifies the rows, as JSON values; None for unpinned rows of the hub.

        `digest` gives the SHA-256 of a file.
        """
        files = self.files(dataset)
        if files is None:
            revision = self.revision(dataset)
            return None if revision is None else {"revision": revision}
        folder = Path(self.path(dataset))
        return {str(path.relative_to(folder)): digest(path) for path in files}

    def lacks(
        self, dataset: str, configs: Sequence[str | None], splits: Collection[str] = ()
    ) -> dict[str | None, str]:
        """Configuration → reason, for each configuration that a local root lacks.

        The named `splits` must have all their shards. Raises AbsentError if the whole data set is
        absent.
        """
        folder = Path(self.path(dataset))
        if self.folder is None:
            return {}
        layout, names = layout_of(folder), visible_names(folder)
        reasons: dict[str | None, str] = {}
        for config in configs:
            declared = layout.splits(config)
            if declared is None and config is not None:
                reason = f"{folder / README} does not declare it"
            elif lost := self._missing(dataset, declared or {}, splits, names):
                reason = f"there is no {folder}/{lost[0]}"
            else:
                continue
            what = dataset if config is None else f"{dataset}, configuration {config!r}"
            reasons[config] = f"the dataset root {self.name} lacks {what}: {reason}"
        return reasons

    def check_file(self, dataset: str, pattern: str) -> None:
        """Raise AbsentError if a local root lacks a file of a data set."""
        folder = Path(self.path(dataset))
        if self.folder is None:
            return
        file: Splits = {pattern: (pattern,)}  # as if it were a split
        if lost := self._missing(dataset, file, (pattern,), visible_names(folder)):
            raise AbsentError(
                f"the dataset root {self.name} lacks a file of {dataset}: "
                f"there is no {folder}/{lost[0]}"
            )

    def check_rows(self, dataset: str, file: str, where: Mapping[str, str]) -> None:
        """Raise AbsentError unless a row of a file, a JSON list, has these values."""
        path = Path(self.path(dataset)) / file
        rows = json.loads(path.read_text(encoding="utf-8"))
        if not any(all(str(row[name]) == text for name, text in where.items()) for row in rows):
            values = ", ".join(f"{name} {text!r}" for name, text in where.items())
            raise AbsentError(
                f"no row of {dataset} in the dataset root {self.name} has {values} in {file}"
            )

    def _missing(
        self, dataset: str, declared: Splits, splits: Collection[str], names: Collection[str]
    ) -> list[str]:
        """The declared files, and patterns of files, that are absent."""
        try:
            return missing(declared, splits, names)
        except SpecError as error:
            raise SpecError(f"{dataset} in the dataset root {self.name}: {error}") from None

    def files(self, dataset: str) -> list[Path] | None:
        """The files of a data set, in a fixed order; None for the hub.

        Hidden files, such as those that a download leaves, are not read by `datasets`.
        """
        if self.folder is None:
            return None
        return visible_files(Path(self.path(dataset)))

    def configs(self, dataset: str, declared: Sequence[str]) -> tuple[str, ...]:
        """The declared configurations that are run.

        All of them, except on the embedded rows, which cover only some languages.
        """
        if not self.is_embedded:
            return tuple(declared)
        folder = Path(self.path(dataset))
        return tuple(config for config in declared if (folder / config).is_dir())


def visible_files(folder: Path) -> list[Path]:
    """The files below a folder in a fixed order, without hidden ones."""
    found: list[Path] = []
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(where, name) for name in names if not name.startswith(".")]
    return sorted(path for path in found if path.is_file())


def visible_names(folder: Path) -> set[str]:
    """The paths of the visible files within the folder, as on the hub."""
    return {path.relative_to(folder).as_posix() for path in visible_files(folder)}


@contextmanager
def local_splits(
    folder: str, config: str | None, options: Mapping[str, Any] | None = None
) -> Iterator[Mapping[str, Any]]:
    """The splits of a data set in a local folder; each iteration reads the rows again.

    The cache of `datasets` is not used. It identifies local files by name, so it would give the old
    rows of a replaced file, or read a folder with the columns of another one.
    """
    import datasets

    silence_datasets()
    with TemporaryDirectory() as cache:
        yield datasets.load_dataset(
            folder, config, streaming=True, cache_dir=cache, **(options or {})
        )


def silence_datasets() -> None:
    """Keep the progress bars and warnings of `datasets` off the terminal."""
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
