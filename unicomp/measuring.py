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
from typing import Any

from unicomp.answering import UNDECLARED, Answering
from unicomp.asking import Jury, UntilSettled
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
    Spent,
    collect,
    engine_identity,
    one_by_one,
)
from unicomp.scores import Records, RecordsReader, blamed_on
from unicomp.scoring.scorers import is_shipped, runs_programs, why_unmeasurable
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
    answering: Answering = UNDECLARED
    """How the model and all of its checkpoints answer."""
    repeats: int = 1
    """How often each item is asked, where answers are sampled."""

    @cached_property
    def renderer(self) -> Renderer:
        """Renders each benchmark's items once for all checkpoints."""
        return Renderer(
            self.source,
            self.samples,
            self.instruments.mode,
            self.engine.sampling,
            self.answering,
            repeats=self.repeats,
        )

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
    loading: float = 0.0
    """Of the seconds, the time to load."""
    spent: Mapping[str, Spent] = field(default_factory=dict)
    """Benchmark → what its items took that were asked in this call."""


@dataclass(frozen=True)
class Inquiry:
    """What a checkpoint is asked for the records of some benchmarks."""

    questions: Mapping[str, list[RenderedItem]]
    """Benchmark → its items."""
    failures: Mapping[str, UnicompError]
    """Benchmark → why it is not asked."""
    running: Sequence[list[RenderedItem]]
    """The running texts whose next-token distributions are kept, too, as windows."""
    tokenizer: Tokenizer

    @property
    def tokens(self) -> int:
        """The tokens of the longest request, generated ones included."""
        return longest(chain.from_iterable(self.questions.values()), self.tokenizer)


def inquire(
    checkpoint: Checkpoint,
    benchmarks: Sequence[Benchmark],
    conditions: Conditions,
    without: Mapping[str, UnicompError] | None = None,
) -> Inquiry:
    """Render what a checkpoint is asked; `without` are benchmarks that failed already.

    Raises EngineError if its tokenizer cannot be loaded.
    """
    from unicomp.engines.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(checkpoint.path, checkpoint.model, conditions.answering.template)
    questions, failures = _render(benchmarks, conditions, tokenizer)
    unanswerable = _unanswerable(questions, checkpoint.endpoint)
    failures |= {name: UnmeasuredError(reason) for name, reason in unanswerable.items()}
    failures |= {name: error for name, error in (without or {}).items() if name in questions}
    asked = {name: items for name, items in questions.items() if name not in failures}
    # a server gives no distributions
    served = conditions.engine.serves or checkpoint.endpoint is not None
    running = [] if served else [items for items in asked.values() if _is_running(items)]
    return Inquiry(asked, failures, running, tokenizer)


def measure(
    checkpoint: Checkpoint,
    benchmarks: Sequence[Benchmark],
    conditions: Conditions,
    *,
    open_engine: OpenEngine | None = None,
    on_progress: Callable[[ResponseProgress], None] = lambda progress: None,
    on_wait: Say = silent,
    jury: Jury | None = None,
    failed: Mapping[str, UnicompError] | None = None,
) -> CheckpointRecords:
    """The records of several benchmarks for one checkpoint, which is loaded at most once.

    `open_engine` loads the checkpoint, or lends a loaded one; the default loads it for this call.
    One process measures a checkpoint at a time; the others wait, then read its results in the
    store. A benchmark that fails does not stop the others.

    With a `jury` the items are asked batch by batch, until it needs no more. A benchmark that it
    skips has an UnmeasuredError with the reason. Records of all items that are in the store are
    used, and the jury hears them first. If the records of earlier first items settle all the rest,
    no item is rendered.

    `failed` are benchmarks that were asked elsewhere and not answered, and why: they are not asked
    here, and have that error.
    """
    known = RecordLog(checkpoint, benchmarks, conditions)
    results: Results = {**known.errors, **known.read()}
    _hear(jury, results)
    if all(bench.name in results for bench in benchmarks):
        return CheckpointRecords(results, known.keys)
    if jury and (settled := _settled(jury, known, benchmarks, results)) is not None:
        return settled
    log = ResponseLog(conditions.store, checkpoint, conditions.engine)
    with conditions.store.lock(f"responses-{log.key}", waiting(on_wait, "measure it")):
        new = known.read(skip=results)
        _hear(jury, new)
        results |= new
        todo = [bench for bench in benchmarks if bench.name not in results]
        if not todo:
            return CheckpointRecords(results, known.keys)
        log.take()
        inquiry = inquire(checkpoint, todo, conditions, without=failed or {})
        questions, failures = inquiry.questions, {**inquiry.failures}
        readers = _readers(todo, questions, conditions, inquiry.tokenizer)
        smallest = conditions.engine.smallest_batch
        early = UntilSettled(jury, readers, smallest) if jury else None
        opened = open_engine or partial(conditions.engine.open, checkpoint.path, checkpoint.asked)

        def load() -> AbstractContextManager[Engine]:
            return opened(inquiry.tokens)

        order = early or partial(one_by_one, smallest=smallest)
        try:
            collected = collect(log, load, questions, on_progress, inquiry.running, on_wait, order)
        except UnicompError as error:
            unasked = dict.fromkeys(questions, error)
            return CheckpointRecords({**results, **unasked, **failures}, known.keys)
        failures |= {**collected.failures, **(early.errors if early else {})}
        read = _read(readers, questions, collected.responses, failures)
        sizes = {name: len(items) for name, items in questions.items()}
        full = {name: sizes[name] for name, one in read.items() if len(one.items) < sizes[name]}
        for name, records in read.items():
            known.add(records, of=sizes[name])
            log.note_records(known.keys[name])
            items = questions[name][: len(records.items)]
            keep_texts(conditions.store, records, items, conditions.written_texts)
    found = {**results, **read, **failures}
    return CheckpointRecords(
        found,
        known.keys,
        collected.asked,
        collected.seconds,
        full,
        collected.loading,
        collected.spent,
    )


def _hear(jury: Jury | None, results: Mapping[str, Records | UnicompError]) -> None:
    """Let the jury hear the records that were in the store."""
    for name, found in results.items():
        if jury and isinstance(found, Records):
            jury.hear(name, found)


def _settled(
    jury: Jury, known: RecordLog, benchmarks: Sequence[Benchmark], results: Results
) -> CheckpointRecords | None:
    """What is known of a checkpoint, if the jury needs no more answers; else None."""
    stopping = jury.waits().keys()
    found_first = known.read_first(skip=results)
    first = {name: one for name, one in found_first.items() if name in stopping}
    _hear(jury, {name: records for name, (records, _) in first.items()})
    unsettled, skipped = jury.unsettled(), jury.skipped()
    found = {name: one for name, one in first.items() if name not in (*unsettled, *skipped)}
    names = [bench.name for bench in benchmarks if bench.name not in results]
    if not all(name in found or name in skipped for name in names):
        return None
    records = {name: one for name, (one, _) in found.items()}
    errors = {name: UnmeasuredError(skipped[name]) for name in names if name not in found}
    full = {name: items for name, (_, items) in found.items()}
    return CheckpointRecords({**results, **records, **errors}, known.keys, full=full)


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
            conditions.renderer.definition(bench),
            conditions.instruments,
            tokenizer,
            of=questions[bench.name],
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
        self._checkpoint = checkpoint.key
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
        found = {
            name: self._store.recall(SCORES, key, of=self._checkpoint) for name, key in keys.items()
        }
        there = {name: Records(**value) for name, value in found.items() if value is not None}
        self.keys |= {name: keys[name] for name in there}
        return there

    def read_first(self, skip: Collection[str] = ()) -> dict[str, tuple[Records, int]]:
        """Benchmark → the most records of its first items that an early run left, and all items."""
        found: dict[str, tuple[Records, int]] = {}
        for name, key in self._keys.items():
            noted: Any = self._store.recall(SCORES, _first_key(key)) if key else None
            if name in skip or noted is None:
                continue
            value: Any = self._store.recall(SCORES, noted["first"])
            if value is not None:
                self.keys[name] = noted["first"]
                found[name] = Records(**value), noted["of"]
        return found

    def add(self, records: Records, *, of: int) -> None:
        """Store the records of a benchmark of `of` items, by their key if they have one and no gap.

        A gap may be closed by installing something, which no key can know. Such records get a key
        of their content: a scorecard names it, and no later run takes them for its own. So do
        records of the first items only, of which a note is kept for `read_first`.
        """
        name, values = records.benchmark, asdict(records)
        key, whole = self._keys[name], len(records.items) == of
        own = key is None or any(records.gaps) or not whole
        self.keys[name] = content_key({"records": values}) if own else str(key)
        self._store.remember(SCORES, self.keys[name], values)
        if key is not None and not whole and not any(records.gaps):
            noted = {"benchmark": name, "first": self.keys[name], "of": of}
            self._store.remember(SCORES, _first_key(key), noted)


def _first_key(key: str) -> str:
    """The key of the note on the records of first items, from the key of all records."""
    return content_key({"first items": key})


def records_key(
    checkpoint: Checkpoint,
    benchmark: Benchmark,
    conditions: Conditions,
    code: Sequence[str] | None = None,
) -> str | None:
    """The key of a benchmark's records; None if they must be read in the responses again.

    That is so if its rows cannot be identified offline, or if its scorer is not part of UniComp:
    the code it depends on is not known. `code` has the digests of the files that turn responses
    into records; None: they are read here. Raises UnmeasuredError if the scorer lacks a sandbox or
    a judge, so that nothing is asked in vain.
    """
    digest = conditions.store.digest_of
    definition = conditions.renderer.definition(benchmark)
    scorer, identity = definition.benchmark.scorer, definition.identity(digest)
    sandbox, judge = conditions.instruments.sandbox, conditions.instruments.judge
    times = conditions.renderer.samples_of(definition)
    if reason := why_unmeasurable(scorer, sandbox, judged=judge is not None):
        raise UnmeasuredError(reason)
    if identity is None or not is_shipped(scorer):
        return None
    return content_key(
        {
            **engine_identity(checkpoint, conditions.engine),
            "definition": identity,
            "libraries": _versions(),
            "scorer": repr(scorer),
            "instruments": None if callable(scorer) else conditions.instruments.identity,
            "sandbox": sandbox.identity if runs_programs(scorer) else None,
            "code": code_digests(conditions.store) if code is None else list(code),
            "samples": conditions.samples,
            **({"repeats": times} if times > 1 else {}),
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


_PACKAGES = ("long_context", "prompts", "sandbox", "instruments", "scoring")
"""The folders whose code decides how rows become prompts, and responses records."""


def _code() -> list[Path]:
    """The files that decide how responses become records."""
    here = Path(__file__).parent
    names = ("layout", "sources", "tokenizer", "decoding")
    data = [here / "data" / f"{name}.py" for name in names]
    stages = [*data, here / "engines" / "tokenizer.py", here / "scores.py"]
    packages = [here / name for name in _PACKAGES]
    files = chain.from_iterable(sorted(package.rglob("*")) for package in packages)
    return [*stages, *(p for p in files if p.is_file() and p.parent.name != "__pycache__")]
