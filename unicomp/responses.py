"""Responses: a checkpoint's answer to each item, kept for good so that scoring needs no model.

Their key is made of the checkpoint, the engine and the rendered requests, not of a sample count.
Each batch is one file, written whole or not at all: a kill loses at most the batch in progress.
The batches of a benchmark are the same in every order of asking, so the answers are, too.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import version
from typing import Any, TypeVar

from unicomp.checkpoint import Checkpoint
from unicomp.distributions import MOST_VALUES, DistributionLog, chunks_of
from unicomp.engines import Engine, EngineSettings
from unicomp.errors import EngineError
from unicomp.machine import turns
from unicomp.machine.waiting import Say, silent, waiting
from unicomp.prompts.items import RenderedItem
from unicomp.store import RESPONSES, Store, content_key, write_atomically

SMALL = 32
"""The fewest items that are answered and written together, up to item 256; see `batches`."""
_SIZES = ((256, SMALL), (512, 64), (None, 128))
"""Up to which item batches have at least which size: a clear candidate is known after few items,
and larger batches are faster."""

RECORDS = "records"
"""The file with the keys of the records that were read in the responses."""

T = TypeVar("T")
Responses = Mapping[str, list[Any]]
"""Item key → the responses to the item's requests."""
Questions = Mapping[str, Sequence[RenderedItem]]
"""Benchmark → its items, in the order in which they are asked."""
Failures = Mapping[str, EngineError]
"""Benchmark → why it was not answered to the end."""
Asking = Iterator[tuple[str, Sequence[RenderedItem]]]
"""Benchmarks, each with unanswered items to ask together."""
Order = Callable[[Questions, Responses, Failures], Asking]
"""What is asked, and in which order.

The responses and failures are up to date each time that the next items are wanted."""


@dataclass(frozen=True)
class ResponseProgress:
    """A checkpoint has answered `done` of all `total` items of a benchmark, now or earlier.

    An item that is answered in part counts in part.
    """

    benchmark: str
    done: float
    total: int


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What the items of a benchmark that were asked now took."""

    items: int = 0
    seconds: float = 0.0
    """Without loading."""
    read: int = 0
    """Characters of their prompts, over all requests; of a window, its tokens."""
    written: int = 0
    """Characters of their generated answers."""

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            items=self.items + other.items,
            seconds=self.seconds + other.seconds,
            read=self.read + other.read,
            written=self.written + other.written,
        )


@dataclass(frozen=True)
class CollectedResponses:
    """A checkpoint's responses, and the cost of asking for them."""

    responses: Responses
    failures: Failures
    asked: int = 0
    """Items asked in this call; the others were in the store."""
    seconds: float = 0.0
    """Time to load the checkpoint and to ask."""
    loading: float = 0.0
    """Of this, the time to load."""
    spent: Mapping[str, Spent] = field(default_factory=dict)
    """Benchmark → what its items took that were asked in this call."""


def spent_on(
    batches: Sequence[Sequence[RenderedItem]], answers: Sequence[Sequence[Any]], seconds: float
) -> Spent:
    """What the first batches of a benchmark took, as many as have answers."""
    asked = [item for batch in batches[: len(answers)] for item in batch]
    requests = (request for item in asked for request in item.requests)
    return Spent(
        items=len(asked),
        seconds=seconds,
        read=_characters(part for request in requests for part in request.arguments),
        written=_characters(answer for own in answers for answer in own),
    )


def engine_identity(checkpoint: Checkpoint, engine: EngineSettings) -> dict[str, Any]:
    """What determines a checkpoint's responses except the requests, as JSON values."""
    return {
        "checkpoint": checkpoint.key,
        **engine.identity(checkpoint.asked),
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
        self._store = store
        self._checkpoint = checkpoint.key
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
        log = DistributionLog(self._folder, items)
        if not log.exists:
            self.take(log.name)
        return log

    def take(self, name: str | None = None) -> None:
        """Take the responses that the store's upstream has, or its file `name`."""
        self._store.take(RESPONSES, self.key, of=self._checkpoint, name=name)

    def note_records(self, key: str) -> None:
        """Note that the records of this key were read in these responses."""
        path = self._folder / RECORDS
        known = path.read_text(encoding="utf-8").split() if path.is_file() else []
        if key not in known:
            write_atomically(path, "\n".join([*known, key, ""]))

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


def one_by_one(
    questions: Questions, known: Responses, failures: Failures, smallest: int = SMALL
) -> Asking:
    """Ask one benchmark after the other, each to its end or to its first failure."""
    for benchmark, items in questions.items():
        for batch in batches(items, smallest):
            if benchmark in failures:
                break
            if missing := unanswered(batch, known):
                yield benchmark, missing


def batches(items: Sequence[T], smallest: int = SMALL) -> Iterator[Sequence[T]]:
    """The items in batches, whose limits depend only on the order of all items.

    So a resumed run asks the same batches as an undisturbed one, with the same padding. `smallest`
    is the size of the first ones: that of the engine, see `EngineSettings.smallest_batch`.
    """
    start = 0
    while start < len(items):
        size = next(size for limit, size in _SIZES if limit is None or start < limit)
        size = max(size, smallest)
        yield items[start : start + size]
        start += size


def unanswered(items: Sequence[RenderedItem], known: Responses) -> list[RenderedItem]:
    """The items without responses; equal ones count once."""
    return list({item.key: item for item in items if item.key not in known}.values())


def collect(
    log: ResponseLog,
    load: Callable[[], AbstractContextManager[Engine]],
    questions: Questions,
    on_progress: Callable[[ResponseProgress], None] = lambda progress: None,
    running: Sequence[Sequence[RenderedItem]] = (),
    on_wait: Say = silent,
    order: Order = one_by_one,
) -> CollectedResponses:
    """The responses to the items of several benchmarks; only missing ones are asked for.

    The next-token distributions on the windows of each running text in `running` are kept, too, if
    its windows are all answered. `load` opens the checkpoint for the first question, so never if
    there is none. A benchmark that fails does not stop the others. The caller holds the lock of the
    log. Raises EngineError if the checkpoint cannot be loaded.
    """
    known = log.read()
    with ExitStack() as held:

        def opened() -> Engine:
            held.enter_context(turns.shared(waiting(on_wait, "end its timings")))
            return held.enter_context(load())

        asker = _Asker(log, opened, known, questions, on_progress)
        for benchmark, batch in order(questions, known, asker.failures):
            asker.ask(benchmark, batch)
        for windows in running:
            if not unanswered(windows, known) and not _distributions(log, windows).exists:
                asker.read(windows)
    return CollectedResponses(
        known, asker.failures, asker.asked, asker.seconds, asker.loading, asker.spent
    )


class _Asker:
    """Asks a checkpoint, which is loaded for the first question; counts the work."""

    def __init__(
        self,
        log: ResponseLog,
        opened: Callable[[], Engine],
        known: dict[str, list[Any]],
        questions: Questions,
        on_progress: Callable[[ResponseProgress], None],
    ) -> None:
        self._log = log
        self._opened = opened
        self._known = known
        self._on_progress = on_progress
        self._totals = {name: len(items) for name, items in questions.items()}
        self._left = {
            name: {item.key for item in unanswered(items, known)}
            for name, items in questions.items()
        }
        self._last = ""
        self.failures: dict[str, EngineError] = {}
        self.asked = 0
        self.seconds = 0.0
        self.loading = 0.0
        self.spent: dict[str, Spent] = {}

    @cached_property
    def _engine(self) -> Engine:
        with self._timed():
            opened = self._opened()
        self.loading = self.seconds
        return opened

    def ask(self, benchmark: str, batch: Sequence[RenderedItem]) -> None:
        """Ask items of a benchmark together, and keep the responses, or note the failure."""
        engine = self._engine
        if benchmark != self._last:
            self._report(benchmark)
            self._last = benchmark
        requests = [request for item in batch for request in item.requests]
        self._watch(engine, benchmark, len(requests) / len(batch))
        before = self.seconds
        with self._timed():
            try:
                given = iter(engine.answer(requests))
            except EngineError as error:
                self.failures[benchmark] = error
                return
            new = {item.key: [next(given) for _ in item.requests] for item in batch}
            self._log.append(new)
        self._known.update(new)
        for left in self._left.values():  # benchmarks may share items
            left.difference_update(new)
        self.asked += len(batch)
        answers = [answer for own in new.values() for answer in own]
        taken = spent_on([batch], [answers], self.seconds - before)
        self.spent[benchmark] = self.spent.get(benchmark, Spent()) + taken
        self._report(benchmark)

    def read(self, windows: Sequence[RenderedItem]) -> None:
        """Keep the next-token distributions on a running text, if the engine gives them."""
        engine = self._engine
        with self._timed(), suppress(EngineError):  # the scores do not need them
            found = engine.log_probabilities(chunks_of(windows), MOST_VALUES)
            if found is not None:
                _distributions(self._log, windows).write(found)

    def _report(self, benchmark: str, parts: float = 0.0) -> None:
        """Report a benchmark's answered items, and items that are answered in part."""
        total = self._totals[benchmark]
        done = min(total - len(self._left[benchmark]) + parts, total)
        self._on_progress(ResponseProgress(benchmark, done, total))

    def _watch(self, engine: Engine, benchmark: str, requests: float) -> None:
        """Report items within a batch, each with so many `requests`, if the engine can."""
        if watch := getattr(engine, "watch", None):
            watch(lambda count: self._report(benchmark, count / requests))

    @contextmanager
    def _timed(self) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds += time.monotonic() - start


def _characters(values: Iterable[Any]) -> int:
    """The characters of all texts among some values, and the tokens of all lists."""
    return sum(len(value) for value in values if isinstance(value, str | list))


def _distributions(log: ResponseLog, windows: Sequence[RenderedItem]) -> DistributionLog:
    return log.distributions([window.item for window in windows])
