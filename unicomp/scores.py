"""Scores: what the scorers read off the responses, kept per item, and the value they add up to.

The records of a benchmark are a function of files: the checkpoint, the task, the rows, the code
of the scorer. While none of these has changed, neither a model nor lm-eval is loaded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from unicomp.checkpoint import Checkpoint
from unicomp.data.sources import Source
from unicomp.engines import Engine, EngineSettings
from unicomp.errors import ScoringError, UnicompError
from unicomp.instruments import Instruments
from unicomp.instruments.counter import counted
from unicomp.instruments.defaults import default_instruments
from unicomp.prompts.items import Prompted, Prompts, Tokenizer, answered_items, longest, overlong
from unicomp.prompts.tasks import Definition
from unicomp.responses import Answering, Answers, ResponseLog, answer, engine_identity
from unicomp.scoring.guards import GeneratedAnswer, constancy, degeneration, mostly_refused
from unicomp.spec import Benchmark, Item, Reading
from unicomp.store import SCORES, Store, content_key

if TYPE_CHECKING:
    from numpy.typing import NDArray


T = TypeVar("T")

OpenFor = Callable[[int], AbstractContextManager[Engine]]
"""Loads a checkpoint for requests of at most so many tokens, those to be generated included."""


@dataclass(frozen=True)
class Conditions:
    """Under which a session measures: the same for every checkpoint."""

    store: Store
    source: Source
    engine: EngineSettings
    samples: int | None = None
    """Items of each benchmark, the prefix of one permutation; None for all."""
    instruments: Instruments = field(default_factory=default_instruments)
    """What generated answers are read with."""

    @cached_property
    def prompts(self) -> Prompts:
        """The items of the benchmarks, rendered once for all checkpoints."""
        return Prompts(self.source, self.samples, self.instruments.mode, self.engine.sampling)

    def definition(self, benchmark: Benchmark) -> Definition:
        """What a benchmark is under these conditions."""
        return Definition(benchmark, self.source, self.instruments.mode, self.engine.sampling)


@dataclass(frozen=True)
class Records:
    """The records of one benchmark for one checkpoint, one entry for each item."""

    benchmark: str
    items: list[str]
    """SHA-256 of the rows: how two checkpoints' records are paired."""
    clusters: list[str]
    fields: dict[str, list[float | str]]
    parsed: list[bool]
    gaps: list[str | None]
    """Why an item could not be scored; None where it was."""
    overlong: int = 0
    """Items whose prompts are longer than the model's context."""
    judged: int = 0
    """Questions about the answers that a judge decided."""
    faults: list[str] = field(default_factory=list)
    """Why this is not the benchmark as it is declared; empty where it is."""
    degenerate: str | None = None
    """Why the answers are none, so that there is no score."""
    constant: str | None = None
    """That the answers are all the same; whether they then are none, `guarded` says."""

    @cached_property
    def columns(self) -> dict[str, NDArray[Any]]:
        """The fields and `cluster` as arrays of shape (n,)."""
        import numpy as np

        return {
            name: np.asarray(values)
            for name, values in {**self.fields, "cluster": self.clusters}.items()
        }

    @property
    def parse_rate(self) -> float:
        """The share of items whose answer could be read, in percent."""
        return 100.0 * sum(self.parsed) / len(self.parsed)

    def only(self, kept: Sequence[bool]) -> Records:
        """The records of some of the items."""

        def chosen(values: list[T]) -> list[T]:
            return [value for value, keep in zip(values, kept, strict=True) if keep]

        return replace(
            self,
            items=chosen(self.items),
            clusters=chosen(self.clusters),
            fields={name: chosen(values) for name, values in self.fields.items()},
            parsed=chosen(self.parsed),
            gaps=chosen(self.gaps),
        )


@dataclass(frozen=True)
class CheckpointRecords:
    """What measuring a checkpoint gave, and what it cost."""

    records: Mapping[str, Records | UnicompError]
    """By benchmark: the records, or why there are none."""
    asked: int = 0
    seconds: float = 0.0


def measure(
    checkpoint: Checkpoint,
    benchmarks: Sequence[Benchmark],
    conditions: Conditions,
    *,
    open_for: OpenFor | None = None,
    on_progress: Callable[[Answering], None] = lambda progress: None,
    on_wait: Callable[[], None] | None = None,
) -> CheckpointRecords:
    """The records of several benchmarks for one checkpoint, which is loaded at most once.

    `opened` loads it for requests of at most so many tokens, or has it loaded already; by default
    it is loaded for this call alone.

    One process measures a checkpoint at a time; the others wait and then find everything in the
    store. A benchmark that fails does not take the others with it.
    """
    from unicomp.engines.tokenizer import load_tokenizer

    keys: dict[str, str | None] = {}
    absent: dict[str, Records | UnicompError] = {}
    for bench in benchmarks:
        try:
            keys[bench.name] = _key(checkpoint, bench, conditions)
        except UnicompError as error:
            absent[bench.name] = error
    records = {**absent, **_recall(keys, conditions.store)}
    todo = [bench for bench in benchmarks if bench.name not in records]
    if not todo:
        return CheckpointRecords(records)
    log = ResponseLog(conditions.store, checkpoint, conditions.engine)
    with conditions.store.lock(f"responses-{log.key}", on_wait):
        records |= _recall({bench.name: keys[bench.name] for bench in todo}, conditions.store)
        todo = [bench for bench in todo if bench.name not in records]
        if not todo:
            return CheckpointRecords(records)
        tokenizer = load_tokenizer(checkpoint.path, checkpoint.model)
        questions, failures = _prompt(todo, conditions, tokenizer)

        def load() -> AbstractContextManager[Engine]:
            tokens = longest(chain.from_iterable(questions.values()), tokenizer)
            if open_for is not None:
                return open_for(tokens)
            return conditions.engine.open(checkpoint.path, checkpoint.model, tokens)

        try:
            answered = answer(log, load, questions, on_progress)
        except UnicompError as error:
            unanswered = {bench.name: error for bench in todo}
            return CheckpointRecords({**records, **unanswered, **failures})
        failures |= answered.failures
        for bench in todo:
            if bench.name in failures:
                continue
            try:
                new = records_of(
                    conditions.definition(bench),
                    questions[bench.name],
                    answered.answers,
                    conditions.instruments,
                    tokenizer,
                )
            except UnicompError as error:
                failures[bench.name] = error
                continue
            records[bench.name] = new
            # a gap may be filled by installing something, which no key can know
            if (key := keys[bench.name]) and not any(new.gaps):
                conditions.store.remember(SCORES, key, asdict(new))
    return CheckpointRecords({**records, **failures}, answered.asked, answered.seconds)


def recalled(
    checkpoint: Checkpoint, benchmarks: Sequence[Benchmark], conditions: Conditions
) -> dict[str, Records]:
    """The records that are in the store, by benchmark; nothing is loaded, asked or fetched.

    Those of a benchmark that cannot be identified, such as for want of its rows, are not there.
    """
    keys: dict[str, str | None] = {}
    for bench in benchmarks:
        try:
            keys[bench.name] = _key(checkpoint, bench, conditions)
        except UnicompError:
            continue
    found = _recall(keys, conditions.store)
    return {name: value for name, value in found.items() if isinstance(value, Records)}


def guarded(benchmark: Benchmark, records: Records, benign: Records | None) -> Records:
    """The records, degenerate where a constant answer is none to the benchmark.

    Where right answers vary, it never is one. Where a refusal is right, it is one unless the same
    checkpoint refuses the harmless prompts of `benign` as well; with None nobody asked it those.
    """
    if records.degenerate or not records.constant:
        return records
    if benchmark.varied:
        return replace(records, degenerate=records.constant)
    if benign is None:
        return records
    if "kind" not in benign.fields:
        raise ScoringError(
            f"benchmark {benchmark.name}: {benign.benchmark} does not say what was refused, since "
            "its scorer gives no field 'kind'"
        )
    kinds = [str(kind) for kind in benign.fields["kind"]]
    if not mostly_refused([kind for kind in kinds if kind != "none"]):
        return records
    return replace(
        records,
        degenerate=f"{records.constant}, and the harmless prompts of {benign.benchmark} are "
        "refused as well",
    )


def _recall(keys: Mapping[str, str | None], store: Store) -> dict[str, Records | UnicompError]:
    found = {name: store.recall(SCORES, key) for name, key in keys.items() if key}
    return {name: Records(**value) for name, value in found.items() if value is not None}


def _key(checkpoint: Checkpoint, benchmark: Benchmark, conditions: Conditions) -> str | None:
    """The key of a benchmark's records, or None where they must be read off the responses again.

    That is so where the rows cannot be identified offline, and for scorers that are not ours:
    what else their code depends on cannot be known.
    """
    digest = conditions.store.digest_of
    definition = conditions.definition(benchmark).identity(digest)
    if definition is None or not type(benchmark.scorer).__module__.startswith("unicomp.scoring."):
        return None
    return content_key(
        {
            **engine_identity(checkpoint, conditions.engine),
            "definition": definition,
            "libraries": {name: version(name) for name in _LIBRARIES},
            "scorer": repr(benchmark.scorer),
            "instruments": None if callable(benchmark.scorer) else conditions.instruments.identity,
            "code": [digest(path) for path in _code()],
            "samples": conditions.samples,
        }
    )


_LIBRARIES = (
    "datasets", "if-verifiable", "langdetect", "emoji", "nltk", "syllapy", "math-verify", "sympy",
    "latex2sympy2-extended",
)  # fmt: skip
"""What else reads rows and answers; lm-eval is part of the engine's identity."""


def _code() -> list[Path]:
    """The files that decide how responses become records."""
    here = Path(__file__).parent
    names = ("data/layout", "data/sources", "engines/tokenizer", "scores")
    stages = [here / f"{name}.py" for name in names]
    packages = [here / name for name in ("prompts", "instruments", "scoring")]
    files = chain.from_iterable(sorted(package.iterdir()) for package in packages)
    return [*stages, *(path for path in files if path.is_file())]


def _prompt(
    benchmarks: Sequence[Benchmark], conditions: Conditions, tokenizer: Tokenizer
) -> tuple[dict[str, list[Prompted]], dict[str, UnicompError]]:
    """The items of each benchmark as a checkpoint is asked them, and what failed."""
    questions: dict[str, list[Prompted]] = {}
    failures: dict[str, UnicompError] = {}
    for bench in benchmarks:
        try:
            with _named(bench, "its items cannot be made"):
                questions[bench.name] = conditions.prompts.of(bench, tokenizer)
        except UnicompError as error:
            failures[bench.name] = error
    return questions, failures


@contextmanager
def _named(benchmark: Benchmark, problem: str) -> Iterator[None]:
    """Turn whatever a task's or a scorer's code raises into a ScoringError of the benchmark."""
    try:
        yield
    except UnicompError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines()
        cause = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
        raise ScoringError(f"benchmark {benchmark.name}: {problem} ({cause})") from error


def records_of(
    definition: Definition,
    prompted: Sequence[Prompted],
    answers: Answers,
    instruments: Instruments,
    tokenizer: Tokenizer,
) -> Records:
    """The records of answered items; `answers` has the responses to each item's requests by key.

    Raises ScoringError where the task's or the scorer's code fails, or gives too few fields.
    """
    benchmark = definition.benchmark
    instruments, judge = counted(instruments)
    with _named(benchmark, "its responses cannot be read"):
        items = answered_items(prompted, [answers[one.key] for one in prompted])
        scorer = benchmark.scorer
        readings = (
            [scorer(item) for item in items]
            if callable(scorer)
            else scorer.read_all(items, instruments)
        )
    for name in benchmark.aggregate.columns:
        if name != "cluster" and any(name not in reading.fields for reading in readings):
            raise ScoringError(
                f"benchmark {benchmark.name}: its aggregate needs the field {name!r}, which its "
                "scorer does not give"
            )
    cut = overlong(prompted, tokenizer)
    generated = _generated(definition, items, readings, tokenizer)
    return Records(
        benchmark=benchmark.name,
        items=[one.item for one in prompted],
        clusters=[one.cluster for one in prompted],
        fields={
            name: [_plain(reading.fields[name]) for reading in readings]
            for name in readings[0].fields
        },
        parsed=[bool(reading.parsed) for reading in readings],
        gaps=[reading.gap for reading in readings],
        overlong=cut,
        judged=judge.asked if judge else 0,
        faults=_faults(definition, readings, cut, tokenizer),
        degenerate=degeneration(generated, limit=definition.max_new_tokens),
        constant=constancy(generated),
    )


def _faults(
    definition: Definition, readings: Sequence[Reading], cut: int, tokenizer: Tokenizer
) -> list[str]:
    """What keeps the records from being those of the benchmark as it is declared."""
    n = len(readings)
    faults = [definition.fault] if definition.fault else []
    if cut:
        faults.append(
            f"{cut} of {n} prompts are longer than the context of {tokenizer.context} tokens"
        )
    gaps = Counter(reading.gap for reading in readings if reading.gap)
    faults += [
        f"{count} of {n} items could not be scored: {gap}" for gap, count in gaps.most_common()
    ]
    return faults


def _generated(
    definition: Definition,
    items: Sequence[Item],
    readings: Sequence[Reading],
    tokenizer: Tokenizer,
) -> list[GeneratedAnswer]:
    """The answers that were generated; none where there was nothing to generate."""
    if definition.settings.get("output_type") != "generate_until":
        return []
    limit = definition.max_new_tokens
    return [
        GeneratedAnswer(
            prompt=item.prompt,
            text=item.text,
            parsed=reading.parsed,
            cut=limit is not None and len(tokenizer.encode(item.text)) >= limit,
        )
        for item, reading in zip(items, readings, strict=True)
        if reading.gap is None
    ]


def _plain(value: Any) -> float | str:
    """A field as the store keeps it: numpy's numbers and truth values are numbers too."""
    return value if isinstance(value, str) else float(value)
