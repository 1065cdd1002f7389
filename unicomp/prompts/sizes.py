"""The number of items of a benchmark, counted in its rows without lm-eval and the network.

A task's own `process_docs` is not called: one that drops or doubles rows has another number.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unicomp.data.layout import README, layout_of, matching, names_split
from unicomp.data.sources import PARTIAL, Source, visible_names
from unicomp.errors import UnicompError
from unicomp.prompts.tasks import Definition

_READABLE = (".json", ".jsonl", ".parquet", ".csv")


@dataclass(frozen=True, kw_only=True)
class Size:
    """Items, and how they hang together."""

    items: int
    clusters: int
    """Independent clusters of items; the items, if each is its own."""
    configs: int = 1
    """Configurations of the data set that have rows."""
    times: int = 1
    """How often each row is asked, such as in several wordings; `items` counts all."""

    def limited(self, samples: int | None) -> Size:
        """The part that `--samples` takes: whole clusters, until there are enough items."""
        if samples is None or samples * self.times >= self.items:
            return self
        samples *= self.times
        clusters = math.ceil(samples * self.clusters / self.items)
        items = max(round(clusters * self.items / self.clusters), samples)
        return replace(self, items=items, clusters=clusters, configs=min(self.configs, items))


def size_of(definition: Definition) -> Size | None:
    """The size of a benchmark on its source; None if it cannot be counted offline.

    Rows of the hub are counted in its local cache, else the lock may have their number.
    """
    if definition.benchmark.rows is not None:
        return Size(items=definition.benchmark.rows.size, clusters=definition.benchmark.rows.size)
    try:
        folder = _folder(definition.rows, definition.dataset)
        found = _counted(definition, folder) if folder is not None else None
        found = found or _locked(definition)
        times = max(len(definition.benchmark.wordings), 1)
        return found and replace(found, items=found.items * times, times=times)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, UnicompError):
        return None  # damaged rows are reported when they are read


def _folder(source: Source, dataset: str) -> Path | None:
    """The folder of a data set: in a local root, or in the local cache of the hub."""
    if source.folder is not None:
        return source.folder / dataset
    from huggingface_hub import constants

    cached = Path(constants.HF_HUB_CACHE) / f"datasets--{dataset.replace('/', '--')}"
    revision, named = source.revision(dataset), cached / "refs" / "main"
    if revision is None and named.is_file():
        revision = named.read_text(encoding="utf-8").strip()
    return cached / "snapshots" / revision if revision else None


def _counted(definition: Definition, folder: Path) -> Size | None:
    if not folder.is_dir() or (folder / PARTIAL).exists():
        return None
    bench, cluster = definition.benchmark, definition.benchmark.cluster
    columns = (cluster,) if isinstance(cluster, str) else tuple(cluster or ())
    names: set[object] = set()
    items, configs = 0, set()
    for config in definition.declared_configs:
        files = _files(definition, folder, config)
        if not files:
            continue
        for path in files:
            for row in _rows(path, (*columns, *bench.where)):
                if any(str(row[name]) != text for name, text in bench.where.items()):
                    continue
                items += 1
                configs.add(config)
                own = tuple(str(row[name]) for name in columns if name in row)
                whose = own if bench.parallel else (config, *own)
                names.add(whose if columns and len(own) == len(columns) else items)
    if not items:
        return None
    return Size(items=items, clusters=len(names), configs=len(configs))


def _files(definition: Definition, folder: Path, config: str | None) -> list[Path]:
    """The files of a configuration that hold the split whose rows are the items."""
    paths = [name for name in visible_names(folder) if name.endswith(_READABLE)]
    if named := definition.named_files:
        return [folder / path for path in matching(named[definition.split], paths)]
    splits = layout_of(folder).splits(config)
    if splits is None and not (folder / README).is_file() and config is not None:
        splits = {None: (f"{config}/**",)}
    if splits is None:
        return []
    if definition.split in splits:
        return [folder / path for path in matching(splits[definition.split], paths)]
    found = matching(splits.get(None, ()), paths)
    return [folder / path for path in found if names_split(path, definition.split)]


def _rows(path: Path, columns: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """The rows of a file; of a parquet file, only some columns."""
    if path.suffix == ".parquet":
        from pyarrow import parquet

        table = parquet.ParquetFile(path)
        wanted = [name for name in columns if name in table.schema_arrow.names]
        if not wanted:
            yield from ({} for _ in range(table.metadata.num_rows))
        else:
            yield from table.read(columns=wanted).to_pylist()
    elif path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as stream:
            yield from csv.DictReader(stream)
    else:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json" and text.lstrip().startswith("["):
            yield from json.loads(text)
        else:
            yield from (json.loads(line) for line in text.splitlines() if line.strip())


def _locked(definition: Definition) -> Size | None:
    """The number of rows in the lock, where all of them are items of their own."""
    pin, bench = definition.rows.pin(definition.dataset), definition.benchmark
    if pin is None or bench.where or bench.cluster or definition.named_files:
        return None
    configs = definition.declared_configs
    items = sum(pin.rows[name or "default"][definition.split] for name in configs)
    return Size(items=items, clusters=items, configs=len(configs))
