"""Measure a checkpoint: the stored records of its benchmarks, and one load for all the others.

The records of a benchmark depend on files only: the checkpoint, the task, the rows, the scorer's
code. While these stay the same, neither a model nor lm-eval is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property, partial
from importlib.metadata import version
from itertools import chain
from pathlib import Path

from unicomp.asking import Jury, Rounds
from unicomp.checkpoint import Checkpoint
from unicomp.data.sources import Source
from unicomp.engines import Engine, EngineSettings
from unicomp.errors import UnicompError, UnmeasuredError
from unicomp.instruments import Instruments
from unicomp.instruments.assembly import default_instruments
from unicomp.item_texts import keep_texts
from unicomp.machine.waiting import Say, silent, waiting
from unicomp.prompts.items import WINDOWS, RenderedItem, Renderer
from unicomp.prompts.lengths import longest
from unicomp.prompts.tokenizers import Tokenizer
from unicomp.responses import (
    Questions,
    ResponseLog,
    ResponseProgress,
    Responses,
    collect,
    engine_identity,
    one_by_one,
)
from unicomp.scores import Records, RecordsReader, blamed_on
from unicomp.scoring.scorers import is_shipped
from unicomp.spec import Benchmark, Served
from unicomp.store import SCORES, Store, content_key

Results = dict[str, Records | UnicompError]
"""Benchmark → its records, or why there are none."""

OpenEngine = Callable[[int], AbstractContextManager[Engine]]
"""Loads a checkpoint, for requests of at most so many tokens, generated ones included."""


@dataclass(frozen=True)
class Conditions:
    """How a session measures: the same for every checkpoint of a model."""

    store: Store
    source: Source
    engine: EngineSettings
    samples: int | None = None
    """Items of each benchmark, taken from the start of one permutation; None for all."""
    instruments: Instruments = field(default_factory=default_instruments)
    """Read the generated answers."""

    @cached_property
    def renderer(self) -> Renderer:
        """Renders each benchmark's items once for all checkpoints."""
        return Renderer(self.source, self.samples, self.instruments.mode, self.engine.sampling)

    @cached_property
    def written_texts(self) -> set[str]:
        """The keys of the items' texts that were stored; see `item_texts.keep_texts`."""
        return set()


@dataclass(frozen=True)
class CheckpointRecords:
    """The records of a checkpoint, and the cost of measuring them."""

    records: Mapping[str, Records | UnicompError]
    """Benchmark → its records, or why there are none."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Benchmark → the key of its records in the store."""
    asked: int = 0
    """Items asked in this call."""
    seconds: float = 0.0
    """Time to load the checkpoint and to ask."""
    full: Mapping[str, int] = field(default_factory=dict)
    """Benchmark that stopped early → all of its items; its records are those of the first."""


def measure(
    checkpoint: Checkpoint,
    benchmarks: Sequence[Benchmark],
    conditions: Conditions,
    *,
    open_engine: OpenEngine | None = None,
    on_progress: Callable[[ResponseProgress], None] = lambda progress: None,
    on_wait: Say = silent,
    jury: Jury | None = None,
) -> CheckpointRecords:
    """The records of several benchmarks for one checkpoint, which is loaded at most once.

    `open_engine` loads the checkpoint, or lends a loaded one; the default loads it for this call.
    One process measures a checkpoint at a time; the others wait, then read its results in the
    store. A benchmark that fails does not stop the others.

    With a `jury` the items are asked in rounds, until it needs no more. A benchmark that it skips
    has an UnmeasuredError with the reason. Records of all items that are in the store are used, and
    the jury hears them first.
    """
    from unicomp.engines.tokenizer import load_tokenizer

    known = RecordLog(checkpoint, benchmarks, conditions)
    results: Results = {**known.errors, **known.read()}
    if all(bench.name in results for bench in benchmarks):
        _hear(jury, results)
        return CheckpointRecords(results, known.keys)
    log = ResponseLog(conditions.store, checkpoint, conditions.engine)
    with conditions.store.lock(f"responses-{log.key}", waiting(on_wait, "measure it")):
        results |= known.read(skip=results)
        _hear(jury, results)
        todo = [bench for bench in benchmarks if bench.name not in results]
        if not todo:
            return CheckpointRecords(results, known.keys)
        tokenizer = load_tokenizer(checkpoint.path, checkpoint.model)
        questions, failures = _render(todo, conditions, tokenizer)
        for name, reason in _unanswerable(questions, checkpoint.endpoint).items():
            del questions[name]
            failures[name] = UnmeasuredError(reason)
        readers = _readers(todo, questions, conditions, tokenizer)
        rounds = Rounds(jury, readers) if jury else None
        opened = open_engine or partial(conditions.engine.open, checkpoint.path, checkpoint.asked)

        def load() -> AbstractContextManager[Engine]:
            return opened(longest(chain.from_iterable(questions.values()), tokenizer))

        running = [items for items in questions.values() if _is_running(items)]
        # a server gives no distributions
        if conditions.engine.serves or checkpoint.endpoint is not None:
            running = []
        order = rounds or one_by_one
        try:
            collected = collect(log, load, questions, on_progress, running, on_wait, order)
        except UnicompError as error:
            failed = dict.fromkeys(questions, error)
            return CheckpointRecords({**results, **failed, **failures}, known.keys)
        failures |= {**collected.failures, **(rounds.errors if rounds else {})}
        read = _read(readers, questions, collected.responses, failures)
        sizes = {name: len(items) for name, items in questions.items()}
        full = {name: sizes[name] for name, one in read.items() if len(one.items) < sizes[name]}
        for name, new in read.items():
            known.add(new, whole=name not in full)
            items = questions[name][: len(new.items)]
            keep_texts(conditions.store, new, items, conditions.written_texts)
    found = {**results, **read, **failures}
    return CheckpointRecords(found, known.keys, collected.asked, collected.seconds, full)


def _hear(jury: Jury | None, results: Results) -> None:
    """Let the jury hear the records that were in the store."""
    for name, found in results.items():
        if jury and isinstance(found, Records):
            jury.hear(name, found)


def _is_running(items: Sequence[RenderedItem]) -> bool:
    """Whether the items are windows of running text."""
    return bool(items[0].requests[0].request_type == WINDOWS)


def _unanswerable(questions: Questions, endpoint: Served | None) -> dict[str, str]:
    """Benchmark → why its questions cannot be answered at the checkpoint's endpoint."""
    found = {}
    for name, items in questions.items():
        requests = [request for item in items for request in item.requests]
        if endpoint is None or all(one.request_type == "generate_until" for one in requests):
            continue
        if endpoint.no_likelihoods:
            found[name] = (
                f"it needs log-likelihoods, and {endpoint} gives none: {endpoint.no_likelihoods}"
            )
        elif endpoint.context is not None and _is_running(items):
            longest = max(len(one.arguments[0]) for one in requests)
            if longest > endpoint.context:
                found[name] = (
                    f"it reads windows of {longest} tokens, and {endpoint} takes "
                    f"{endpoint.context} at most"
                )
    return found


def _render(
    benchmarks: Sequence[Benchmark], conditions: Conditions, tokenizer: Tokenizer
) -> tuple[dict[str, list[RenderedItem]], dict[str, UnicompError]]:
    """The items of each benchmark as the checkpoint is asked them, and the failures."""
    questions: dict[str, list[RenderedItem]] = {}
    failures: dict[str, UnicompError] = {}
    for bench in benchmarks:
        try:
            with blamed_on(bench, "its items cannot be made"):
                questions[bench.name] = conditions.renderer.items(bench, tokenizer)
        except UnicompError as error:
            failures[bench.name] = error
    return questions, failures


def _readers(
    benchmarks: Sequence[Benchmark],
    questions: Questions,
    conditions: Conditions,
    tokenizer: Tokenizer,
) -> dict[str, RecordsReader]:
    """A reader for each benchmark that has items."""
    return {
        bench.name: RecordsReader(
            conditions.renderer.definition(bench), conditions.instruments, tokenizer
        )
        for bench in benchmarks
        if bench.name in questions
    }


def _read(
    readers: Mapping[str, RecordsReader],
    questions: Questions,
    responses: Responses,
    failures: dict[str, UnicompError],
) -> dict[str, Records]:
    """The records of each benchmark that has not failed; those that fail now are noted.

    Of one that was read while it was asked, those of the items that were read.
    """
    found: dict[str, Records] = {}
    for name, reader in readers.items():
        if name in failures:
            continue
        try:
            if not reader.n:
                reader.read(questions[name], responses)
        except UnicompError as error:
            failures[name] = error
        else:
            found[name] = reader.records()
    return found


class RecordLog:
    """The stored records of a checkpoint's benchmarks; nothing is loaded, asked or fetched."""

    def __init__(
        self, checkpoint: Checkpoint, benchmarks: Sequence[Benchmark], conditions: Conditions
    ) -> None:
        self._store = conditions.store
        self._keys: dict[str, str | None] = {}
        self.keys: dict[str, str] = {}
        """Benchmark → the key of its records, once they were read or added."""
        self.errors: dict[str, UnicompError] = {}
        """Benchmark → why its records have no key, for example because its rows are missing."""
        code = code_digests(conditions.store)
        for bench in benchmarks:
            try:
                self._keys[bench.name] = records_key(checkpoint, bench, conditions, code)
            except UnicompError as error:
                self.errors[bench.name] = error

    def read(self, skip: Collection[str] = ()) -> dict[str, Records]:
        """Benchmark → its records, if stored; those in `skip` are left out."""
        keys = {name: key for name, key in self._keys.items() if key and name not in skip}
        found = {name: self._store.recall(SCORES, key) for name, key in keys.items()}
        there = {name: Records(**value) for name, value in found.items() if value is not None}
        self.keys |= {name: keys[name] for name in there}
        return there

    def add(self, records: Records, *, whole: bool = True) -> None:
        """Store the records of a benchmark, by their key if they have one and no gap.

        A gap may be closed by installing something, which no key can know. Such records get a key
        of their content: a scorecard names it, and no later run takes them for its own. So do
        records that are not those of the `whole` benchmark.
        """
        key, values = self._keys[records.benchmark], asdict(records)
        if key is None or any(records.gaps) or not whole:
            key = content_key({"records": values})
        self._store.remember(SCORES, key, values)
        self.keys[records.benchmark] = key


def records_key(
    checkpoint: Checkpoint,
    benchmark: Benchmark,
    conditions: Conditions,
    code: Sequence[str] | None = None,
) -> str | None:
    """The key of a benchmark's records; None if they must be read in the responses again.

    That is so if its rows cannot be identified offline, or if its scorer is not part of UniComp:
    the code it depends on is not known. `code` has the digests of the files that turn responses
    into records; None: they are read here.
    """
    digest = conditions.store.digest_of
    definition = conditions.renderer.definition(benchmark)
    scorer, identity = definition.benchmark.scorer, definition.identity(digest)
    if identity is None or not is_shipped(scorer):
        return None
    return content_key(
        {
            **engine_identity(checkpoint, conditions.engine),
            "definition": identity,
            "libraries": _versions(),
            "scorer": repr(scorer),
            "instruments": None if callable(scorer) else conditions.instruments.identity,
            "code": code_digests(conditions.store) if code is None else list(code),
            "samples": conditions.samples,
        }
    )


_LIBRARIES = (
    "datasets", "if-verifiable", "langdetect", "emoji", "nltk", "syllapy", "math-verify", "sympy",
    "latex2sympy2-extended",
)  # fmt: skip
"""Distributions that read rows and answers; lm-eval is part of the engine's identity."""


@cache
def _versions() -> dict[str, str]:
    """Their versions, read once: each is a file."""
    return {name: version(name) for name in _LIBRARIES}


def code_digests(store: Store) -> list[str]:
    """The SHA-256 of each file that decides how responses become records."""
    return [store.digest_of(path) for path in _code()]


def _code() -> list[Path]:
    """The files that decide how responses become records."""
    here = Path(__file__).parent
    names = ("layout", "sources", "tokenizer", "decoding")
    data = [here / "data" / f"{name}.py" for name in names]
    stages = [*data, here / "engines" / "tokenizer.py", here / "scores.py"]
    packages = [here / name for name in ("prompts", "instruments", "scoring")]
    files = chain.from_iterable(sorted(package.rglob("*")) for package in packages)
    return [*stages, *(p for p in files if p.is_file() and p.parent.name != "__pycache__")]
