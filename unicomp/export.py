"""Export the per-item records behind scorecards as Parquet files, for people and other machines.

    DIR/
      export.json                                   which scorecards, checkpoints and files
      MODEL/METHOD/CALIBRATION/BENCHMARK.parquet    a row for each item; see `unicomp.record_table`

The records come from the store: nothing is measured. They hold answers and prompts, so they are as
private as the rows of the data sets.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unicomp.data.calibration import UNSEEN
from unicomp.errors import SpecError
from unicomp.item_records import EXPORT, EXPORT_SCHEMA, RecordSource, Side
from unicomp.item_texts import ItemTexts, read_texts, texts_key
from unicomp.record_table import as_table
from unicomp.scorecard import Scorecard
from unicomp.scores import Records
from unicomp.spec import DENSE, CheckpointId
from unicomp.store import Store, file_digest, write_atomically
from unicomp.verdict import Row

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True, kw_only=True)
class ExportedFile:
    """One file of an exported folder: a benchmark's records for one checkpoint."""

    model: str
    method: str
    calibration: str
    checkpoint: str | None
    """The key of the checkpoint."""
    benchmark: str
    metric: str | None
    records: str
    """The key of the records."""
    items: int
    full_items: int | None
    """The items of the full run, if asking stopped early; None if these are all."""
    file: str
    """Its path in the folder."""
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Export:
    """What was exported, and the records that the store does not have."""

    files: Sequence[ExportedFile] = ()
    missing: Sequence[str] = ()
    """As `BENCHMARK of MODEL/METHOD`."""


@dataclass(frozen=True)
class _Wanted:
    """One side of a row whose records are to be exported."""

    checkpoint: CheckpointId
    row: Row
    side: Side

    @property
    def key(self) -> str:
        return self.row.records.get(self.side, "")

    @property
    def name(self) -> str:
        model, method, calibration = self.checkpoint
        seen = "" if calibration == UNSEEN else f" ({calibration})"
        return f"{self.row.benchmark} of {model}/{method}{seen}"


def export(card: Scorecard, sources: Iterable[Path], store: Store, folder: Path) -> Export:
    """Write the records behind a scorecard to a folder; `sources` are the scorecard's files.

    Raises SpecError if the folder is not empty or cannot be written. Without any
    record nothing is written.
    """
    wanted = list(_wanted(card))
    _check_folder(folder)
    records = RecordSource(store)
    files: list[ExportedFile] = []
    missing: list[str] = []
    texts = _LastTexts(store)
    try:
        for one in wanted:
            if (found := records.of(one.row, one.side)) is None:
                missing.append(one.name)
            else:
                files.append(_write(folder, one, found, texts.of(found)))
        if files:
            _write_manifest(folder, sources, files, missing)
    except OSError as error:
        raise SpecError(f"the folder {folder} cannot be written: {error.strerror}") from None
    return Export(files=files, missing=missing)


def _wanted(card: Scorecard) -> Iterator[_Wanted]:
    """Each benchmark of each checkpoint once, the dense model's too, benchmark by benchmark.

    Two runs may have read the same answers differently: then a checkpoint has both records.
    """
    rows = [row for row in card.rows if row.unit is None and row.items is not None]
    for name in dict.fromkeys(row.benchmark for row in rows):
        seen: dict[tuple[CheckpointId, str], _Wanted] = {}
        for row in (row for row in rows if row.benchmark == name):
            dense = CheckpointId(row.model, DENSE.name, UNSEEN)
            for one in (_Wanted(dense, row, "baseline"), _Wanted(row.checkpoint, row, "candidate")):
                seen.setdefault((one.checkpoint, one.key), one)
        yield from seen.values()


def _check_folder(folder: Path) -> None:
    """Refuse a folder with files in it: readers take all files of an export together."""
    if folder.exists() and not folder.is_dir():
        raise SpecError(f"{folder} is not a folder: name one to export to")
    if folder.is_dir() and any(folder.iterdir()):
        raise SpecError(f"{folder} is not empty: name a new folder")


class _LastTexts:
    """The texts of items, read once for records of the same items that follow each other."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._key = ""
        self._texts: ItemTexts | None = None

    def of(self, records: Records) -> ItemTexts | None:
        """The texts of the items of records, if the store has them."""
        if (key := texts_key(records)) != self._key:
            self._key, self._texts = key, read_texts(self._store, records)
        return self._texts


def _write(folder: Path, one: _Wanted, records: Records, texts: ItemTexts | None) -> ExportedFile:
    """Write the file of one benchmark for one checkpoint."""
    row = one.row
    about = {**one.checkpoint._asdict(), "benchmark": row.benchmark, "metric": row.metric}
    path = folder.joinpath(*one.checkpoint, f"{row.benchmark}.parquet")
    if path.exists():
        path = path.with_name(f"{row.benchmark}-{one.key[:8]}.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_table(as_table(records, texts, about), path)
    return ExportedFile(
        **about,
        checkpoint=row.candidate if one.side == "candidate" else row.baseline,
        records=one.key,
        items=records.n,
        full_items=None if row.full_n == records.n else row.full_n,
        file=path.relative_to(folder).as_posix(),
        sha256=file_digest(path),
    )


def _write_table(table: pyarrow.Table, path: Path) -> None:
    """Write a table as Parquet, whole or not at all."""
    from pyarrow import parquet

    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        parquet.write_table(table, temporary, compression="zstd")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_manifest(
    folder: Path, sources: Iterable[Path], files: Sequence[ExportedFile], missing: Sequence[str]
) -> None:
    """Write `export.json`, last: if it exists, the export is complete."""
    content = {
        "schema": EXPORT_SCHEMA,
        "scorecards": [{"file": path.name, "sha256": file_digest(path)} for path in sources],
        "files": [asdict(one) for one in files],
        "missing": list(missing),
    }
    write_atomically(folder / EXPORT, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
