"""Read the rows of one part of a calibration: a few drawn by seed, or an endless stream.

Rows of the hub and of a local folder are read alike, by `datasets`.
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count as counting
from itertools import islice
from typing import Any

from unicomp.data.sources import Source, local_splits, silence_datasets
from unicomp.errors import SpecError
from unicomp.spec import Sample
from unicomp.store import CALIBRATIONS, Store, content_key

DatasetRow = Mapping[str, Any]
"""One row of a data set: column → value."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One data set from which a calibration draws."""

    dataset: str
    """Its id on the hub, `ORG/NAME`."""
    configs: tuple[str, ...]
    """Its configurations, pooled."""
    render: Callable[[DatasetRow], Sample]
    """Turns a row into text, or into a conversation that gets the model's chat template."""
    split: str = "train"
    large: bool = False
    """Whether to stream the data set and draw from its first rows, rather than read it whole."""
    kind: str | None = None
    """Parts of one kind share one share; None: a kind of its own."""


_BUFFER = 10_000
"""Rows in the buffer that shuffles a set too large to be read whole."""


def draw_rows(
    part: Part, count: int, seed: int, source: Source, store: Store | None
) -> list[DatasetRow]:
    """At most `count` rows of a part, as JSON values; equal seeds give equal rows.

    Rows that were drawn before are read from the store. Raises SpecError.
    """
    if store is None:
        return _drawn(part, count, seed, source)
    files = source.files(part.dataset)
    key = content_key(
        {
            "part": [part.dataset, part.configs, part.split, part.large, count, seed],
            "files": files
            and [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files],
            "root": source.name,
            "revision": source.revision(part.dataset),
        }
    )
    rows = store.recall(CALIBRATIONS, key)
    if rows is None:
        rows = _drawn(part, count, seed, source)
        store.remember(CALIBRATIONS, key, rows)
    return list(rows)


def endless_rows(part: Part, seed: int, source: Source, start: int) -> Iterator[DatasetRow]:
    """The rows of a part from number `start` on, epoch after epoch, each in another order."""
    import datasets

    with _opened(part, source, streaming=True) as splits:
        for epoch in counting():
            order = random.Random(f"{seed}/{part.dataset}/{epoch}").getrandbits(32)
            pooled = datasets.concatenate_datasets(splits)
            rows = 0
            for row in pooled.shuffle(seed=order, buffer_size=_BUFFER):
                rows += 1
                if start > 0:
                    start -= 1
                else:
                    yield row
            if not rows:
                raise ValueError("there are no rows")


def _drawn(part: Part, count: int, seed: int, source: Source) -> list[DatasetRow]:
    rows: list[Any] = []
    with _opened(part, source, streaming=part.large) as splits:
        for split in splits:
            if part.large:
                split = islice(split.shuffle(seed=seed, buffer_size=_BUFFER), count)
            rows.extend(split)
    if len(rows) > count:
        rows = random.Random(f"{seed}/{part.dataset}").sample(rows, count)
    if not rows:
        raise SpecError(f"the dataset root {source.name} has no rows of {part.dataset}")
    return list(json.loads(json.dumps(rows, default=str)))


@contextmanager
def _opened(part: Part, source: Source, *, streaming: bool) -> Iterator[list[Any]]:
    """The split of each configuration of a part; each iteration reads its rows again.

    Local rows are always streamed. Raises SpecError for any failure to read, here or in the body.
    """
    try:
        with ExitStack() as stack:
            yield _splits(part, source, streaming, stack)
    except SpecError:
        raise
    except Exception as error:
        what = f"{part.dataset} ({', '.join(part.configs)}; {part.split})"
        line = next(iter(str(error).splitlines()), type(error).__name__)
        raise SpecError(
            f"the dataset root {source.name} does not give {what}: {line}"
            if source.folder is not None
            else f"{what} cannot be fetched from the hub: {line.rstrip('.')}. "
            "Give a local copy with --dataset-root DIR"
        ) from error


def _splits(part: Part, source: Source, streaming: bool, stack: ExitStack) -> list[Any]:
    path = source.path(part.dataset)
    if source.folder is None:
        import datasets
        from huggingface_hub.utils import logging as hub_logging

        silence_datasets()
        hub_logging.set_verbosity(logging.ERROR)
        options = {"streaming": streaming, "revision": source.revision(part.dataset)}
        return [
            datasets.load_dataset(path, config, split=part.split, **options)
            for config in part.configs
        ]
    opened = [stack.enter_context(local_splits(path, config)) for config in part.configs]
    for splits in opened:
        if part.split not in splits:
            raise ValueError(f"no split {part.split}, only {', '.join(map(str, splits))}")
    return [splits[part.split] for splits in opened]
