"""Responses: a checkpoint's answer to each item, kept for good so that scoring needs no model.

Their key is made of the checkpoint, the engine and the rendered requests, not of a sample count.
Each batch is one file, written whole or not at all: a kill loses at most the batch in progress.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from unicomp.checkpoint import Checkpoint
from unicomp.distributions import MOST_VALUES, DistributionLog, chunks_of
from unicomp.engines import Engine, EngineSettings
from unicomp.errors import EngineError
from unicomp.machine import turns
from unicomp.machine.waiting import Say, silent, waiting
from unicomp.prompts.items import RenderedItem
from unicomp.store import RESPONSES, Store, content_key, write_atomically

BATCH = 128
"""Items that are answered and written together."""

Responses = Mapping[str, list[Any]]
"""Item key → the responses to the item's requests."""


@dataclass(frozen=True)
class ResponseProgress:
    """A checkpoint has answered `done` of all `total` items of a benchmark, now or earlier.

    An item that is answered in part counts in part.
    """

    benchmark: str
    done: float
    total: int


@dataclass(frozen=True)
class CollectedResponses:
    """A checkpoint's responses, and the cost of asking for them."""

    responses: Responses
    failures: Mapping[str, EngineError]
    """Benchmark → why it was not answered to the end."""
    asked: int = 0
    """Items asked in this call; the others were in the store."""
    seconds: float = 0.0
    """Time to load the checkpoint and to ask."""


def engine_identity(checkpoint: Checkpoint, engine: EngineSettings) -> dict[str, Any]:
    """What determines a checkpoint's responses except the requests, as JSON values."""
    return {
        "checkpoint": checkpoint.key,
        **engine.identity(checkpoint.model),
        "versions": _versions(),
    }


@cache
def _versions() -> dict[str, str]:
    """The versions of the libraries that answer, read once: each is a file."""
    return {name: version(name) for name in ("torch", "transformers", "lm-eval")}


class ResponseLog:
    """The stored responses of one checkpoint on one engine."""

    def __init__(self, store: Store, checkpoint: Checkpoint, engine: EngineSettings) -> None:
        identity = engine_identity(checkpoint, engine)
        self.key = content_key(identity)
        self._folder = store.home / RESPONSES / self.key
        self._identity = {
            "model": checkpoint.model.name,
            "method": checkpoint.method.name,
            **identity,
        }

    def read(self) -> dict[str, list[Any]]:
        """All responses by item key; a damaged batch is deleted."""
        responses: dict[str, list[Any]] = {}
        for path in sorted(self._folder.glob("*.jsonl")) if self._folder.is_dir() else ():
            text = path.read_text(encoding="utf-8", errors="replace")
            if _batch_name(text) != path.name:
                path.unlink()
                continue
            for line in text.split("\n")[:-1]:
                entry = json.loads(line)
                responses[entry["key"]] = entry["responses"]
        return responses

    def distributions(self, items: Sequence[str]) -> DistributionLog:
        """The stored next-token distributions on windows of running text, by their digests."""
        return DistributionLog(self._folder, items)

    def append(self, responses: Responses) -> None:
        """Write one batch, whole or not at all."""
        if not (self._folder / "identity.json").exists():
            write_atomically(self._folder / "identity.json", json.dumps(self._identity, indent=1))
        text = "".join(
            json.dumps({"key": key, "responses": given}, ensure_ascii=False) + "\n"
            for key, given in responses.items()
        )
        write_atomically(self._folder / _batch_name(text), text)


def _batch_name(text: str) -> str:
    """A batch's file name, which is also the checksum of its text."""
    return f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.jsonl"


def collect(
    log: ResponseLog,
    load: Callable[[], AbstractContextManager[Engine]],
    questions: Mapping[str, Sequence[RenderedItem]],
    on_progress: Callable[[ResponseProgress], None] = lambda progress: None,
    running: Sequence[Sequence[RenderedItem]] = (),
    on_wait: Say = silent,
) -> CollectedResponses:
    """The responses to the items of several benchmarks; only missing ones are asked for.

    The next-token distributions on the windows of each running text in `running` are kept, too.
    `load` opens the checkpoint: once, or never if nothing is missing. A benchmark that fails does
    not stop the others. The caller holds the lock of the log. Raises EngineError if the checkpoint
    cannot be loaded.
    """
    known = log.read()
    unread = [windows for windows in running if not _distributions(log, windows).exists]
    if not unread and all(item.key in known for items in questions.values() for item in items):
        return CollectedResponses(known, {})
    failures: dict[str, EngineError] = {}
    asked = 0
    start = time.monotonic()
    with turns.shared(waiting(on_wait, "end its timings")), load() as engine:
        for benchmark, items in questions.items():
            batches = list(_missing(items, known))  # benchmarks may share items
            total = len(items)
            done = total - sum(map(len, batches))
            on_progress(ResponseProgress(benchmark, done, total))
            for batch in batches:
                requests = [request for item in batch for request in item.requests]
                _watch(engine, benchmark, (done, total), len(requests) / len(batch), on_progress)
                try:
                    given = iter(engine.answer(requests))
                except EngineError as error:
                    failures[benchmark] = error
                    break
                new = {item.key: [next(given) for _ in item.requests] for item in batch}
                log.append(new)
                known.update(new)
                done += len(batch)
                asked += len(batch)
                on_progress(ResponseProgress(benchmark, done, total))
        for windows in unread:
            with suppress(EngineError):  # the scores do not need them
                found = engine.log_probabilities(chunks_of(windows), MOST_VALUES)
                if found is not None:
                    _distributions(log, windows).write(found)
    return CollectedResponses(known, failures, asked, time.monotonic() - start)


def _watch(
    engine: Engine,
    benchmark: str,
    state: tuple[int, int],
    requests: float,
    on_progress: Callable[[ResponseProgress], None],
) -> None:
    """Report items within a batch, each with so many `requests`, if the engine can be watched."""

    def answered(count: float) -> None:
        done = state[0] + count / requests
        on_progress(ResponseProgress(benchmark, min(done, state[1]), state[1]))

    if watch := getattr(engine, "watch", None):
        watch(answered)


def _distributions(log: ResponseLog, windows: Sequence[RenderedItem]) -> DistributionLog:
    return log.distributions([window.item for window in windows])


def _missing(items: Sequence[RenderedItem], known: Responses) -> Iterator[list[RenderedItem]]:
    """The unanswered items in batches, whose limits depend only on the order of all items.

    So a resumed run asks the same batches as an undisturbed one, with the same padding.
    """
    for start in range(0, len(items), BATCH):
        batch = {item.key: item for item in items[start : start + BATCH] if item.key not in known}
        if batch:
            yield list(batch.values())
