"""Check a local mirror of data sets: what is there, readable, and as locked. Never online."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from unicomp.data.json_lines import only_file, text_rows
from unicomp.data.layout import layout_of
from unicomp.data.lock import LOCK_FILE, Lock, Pin
from unicomp.data.sources import PARTIAL, Source, local_splits, visible_names
from unicomp.errors import SpecError, first_line
from unicomp.mirror.needs import NeededRows, files_of
from unicomp.store import file_digest


@dataclass(frozen=True, kw_only=True)
class FoundRows:
    """The part of some needed rows that a mirror holds."""

    need: NeededRows
    absent: bool = False
    """The data set, or its configuration, is not there at all."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Path → SHA-256, of the required files that are there."""
    rows: Mapping[str, int] = field(default_factory=dict)
    """Split → number of rows; empty if they cannot be read."""
    problems: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """All rows are there, readable and as locked."""
        return not self.absent and not self.problems


def survey_dataset(folder: Path, needs: Sequence[NeededRows], lock: Lock) -> list[FoundRows]:
    """The needed rows of one data set in its folder, compared with the lock."""
    pin = lock.get(needs[0].dataset)
    found = [survey_need(folder, need, pin) for need in needs]
    return [compare_with_lock(one, pin) for one in found] if pin else found


def survey_need(folder: Path, need: NeededRows, pin: Pin | None = None) -> FoundRows:
    """The needed rows in the folder of a data set; files that the lock names are expected."""
    if not folder.is_dir():
        return FoundRows(need=need, absent=True)
    if (folder / PARTIAL).exists():
        return FoundRows(need=need, problems=("its download was broken off",))
    here = visible_names(folder)
    try:
        expected = files_of(need, layout_of(folder), here | set(pin.files if pin else ()))
    except SpecError as error:
        return FoundRows(need=need, problems=(str(error),))
    if expected.absent:
        return FoundRows(need=need, absent=True)
    files = {name: file_digest(folder / name) for name in expected.required if name in here}
    missing = [*(name for name in expected.required if name not in here), *expected.lacking]
    rows: dict[str, int] = {}
    if missing:
        problems = [f"lacks {name}" for name in missing]
    else:
        try:
            rows = _count(folder, need)
            problems = [f"{need.label} has no rows in {name}" for name, n in rows.items() if not n]
        except SpecError as error:
            problems = [str(error)]
        except Exception as error:  # a damaged file makes its reader raise anything
            problems = [f"{need.label} cannot be read: {first_line(error)}"]
    return FoundRows(need=need, files=files, rows=rows, problems=tuple(problems))


def compare_with_lock(found: FoundRows, pin: Pin) -> FoundRows:
    """Add the differences from the lock to the problems."""
    files = [
        f"{name} is not in {LOCK_FILE}"
        if name not in pin.files
        else f"{name} differs from the lock"
        for name, digest in found.files.items()
        if pin.files.get(name) != digest
    ]
    rows = [
        f"{found.need.label}, {split}: {count} rows, where the lock says {locked}"
        for split, count in found.rows.items()
        if (locked := pin.rows.get(found.need.label, {}).get(split, count)) != count
    ]
    return replace(found, problems=(*found.problems, *files, *rows))


def pinned(found: Sequence[FoundRows], revision: str, before: Pin | None) -> Pin:
    """The lock entry of a data set: its rows as found; what was locked before stays."""
    files = {name: digest for one in found for name, digest in one.files.items()}
    rows = {label: dict(splits) for label, splits in (before.rows if before else {}).items()}
    for one in found:
        rows[one.need.label] = {**one.rows, **rows.get(one.need.label, {})}
    return Pin(revision=revision, files={**files, **(before.files if before else {})}, rows=rows)


def check_pinned(
    source: Source, needs: Iterable[NeededRows], digest: Callable[[Path], str] = file_digest
) -> None:
    """Raise SpecError if a file of a local root is missing, or differs from the lock.

    A missing file that is not locked is left to `Source.check`. `digest` gives a file's SHA-256.
    """
    if source.folder is None:
        return
    for need in needs:
        pin, folder = source.pin(need.dataset), source.folder / need.dataset
        if pin is None or not folder.is_dir():
            continue
        here = visible_names(folder)
        for name in files_of(need, layout_of(folder), here | pin.files.keys()).required:
            if name not in here:
                problem = f"is not there, but {LOCK_FILE} pins it: fetch it again with `unicomp "
                problem += "mirror DIR`"
            elif name not in pin.files:
                problem = f"is not in {LOCK_FILE}: pin it with `unicomp mirror DIR --lock`"
            elif digest(folder / name) != pin.files[name]:
                problem = f"is not the file that {LOCK_FILE} pins: fetch it again with `unicomp "
                problem += "mirror DIR`, or remove the entry of the data set to pin it anew"
            else:
                continue
            raise SpecError(f"the dataset root {source.name}: {folder / name} {problem}")


def _count(folder: Path, need: NeededRows) -> dict[str, int]:
    """Split → number of rows, of each needed split; reads all rows."""
    if need.nested_as_text:
        here = visible_names(folder)
        return {
            split: sum(len(text_rows(folder / only_file(name, here))) for name in names)
            for split, names in need.files
        }
    options = {"data_files": {split: list(paths) for split, paths in need.files}}
    counts: dict[str, int] = {}
    with local_splits(str(folder), need.config, options if need.files else {}) as streams:
        for split in sorted(need.splits):
            if split not in streams:
                there = ", ".join(map(str, streams))
                raise SpecError(f"{need.label} has no split {split}, only {there}")
            tables = streams[split].with_format("arrow").iter(batch_size=10_000)
            counts[split] = sum(len(table) for table in tables)
    return counts
