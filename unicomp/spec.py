"""What is measured: models, methods, calibrations and benchmarks, as plain frozen values.

A specification is checked when it is created (`SpecError` says what is wrong with it) and holds
nothing that is expensive: no weights, no rows, no torch. Everything downstream is a function of
these values.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from unicomp.errors import SpecError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Family = Literal["pruning", "quantization", "distillation"]
FAMILIES: tuple[Family, ...] = ("pruning", "quantization", "distillation")

ModelKind = Literal["normal", "reasoning", "moe"]
MODEL_KINDS: tuple[ModelKind, ...] = ("normal", "reasoning", "moe")
"""Kinds of models that the paper sums up apart: ordinary ones, those that think aloud before they
answer, and mixtures of experts."""

Message = Mapping[str, str]
"""One chat turn: `{"role": "user" | "assistant" | "system", "content": TEXT}`."""

Sample = str | tuple[Message, ...]
"""One calibration sample: plain text, or a conversation that gets the model's chat template."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")


def check_name(kind: str, name: str) -> None:
    """Raise SpecError unless `name` can stand in a test id, a file name and a table."""
    if not _NAME.fullmatch(name):
        raise SpecError(
            f"{kind} name {name!r} is not usable: letters, digits, '_', '-' and '.' only, "
            "starting with a letter or digit"
        )


@dataclass(frozen=True, kw_only=True)
class Model:
    """A base language model: a Hugging Face folder, or an id on the hub."""

    name: str
    source: str
    """A folder (absolute path) or a hub id (`ORG/NAME`)."""
    revision: str | None = None
    dtype: str = "auto"
    """The precision it is run in: `auto` (float32 on CPU, the stored one elsewhere) or a torch
    dtype's name."""
    trust_remote_code: bool = False
    kind: ModelKind = "normal"

    def __post_init__(self) -> None:
        check_name("model", self.name)
        if self.kind not in MODEL_KINDS:
            raise SpecError(
                f"model {self.name}: the kind {self.kind!r} is none of {', '.join(MODEL_KINDS)}"
            )
        if self.dtype not in ("auto", "float32", "bfloat16", "float16"):
            raise SpecError(
                f"model {self.name}: dtype {self.dtype!r} is none of "
                "auto, float32, bfloat16, float16"
            )

    @property
    def folder(self) -> Path | None:
        """The local folder, or None for a model on the hub."""
        path = Path(self.source)
        return path if path.is_absolute() else None

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, kw_only=True)
class Guarantees:
    """What a method says of every weight matrix it compresses; the checkpoint is held to it."""

    sparsity: float | None = None
    """The share of zero weights, in [0, 1)."""
    pattern: tuple[int, int] | None = None
    """(n, m): at most m - n of each m consecutive input weights are non-zero."""
    bits: int | None = None
    exceptions: Mapping[str, int] = field(default_factory=dict)
    """Names → bits of the matrices that have others: `{"down_proj": 8}`. A name stands for the
    modules that have it, whole parts between dots, in their own; the first that fits counts."""
    group_size: int | None = None
    """Input weights that share one quantization scale."""
    shape: Mapping[str, float | int] | None = None
    """Of a student: its widths and its depth as shares or numbers, and what widths are multiples
    of; see `unicomp.distillation.shape.Shape.scaled`. Its weights are counted, too."""

    def __post_init__(self) -> None:
        if self.exceptions and self.bits is None:
            raise SpecError("exceptions to the bits need bits that they are exceptions to")
        if self.sparsity is not None and not 0.0 <= self.sparsity < 1.0:
            raise SpecError(f"a sparsity of {self.sparsity} is not in [0, 1): 0.5 means 50 %")
        if self.pattern is not None and not 0 < self.pattern[0] < self.pattern[1]:
            raise SpecError(f"the pattern {self.pattern} is not n:m with 0 < n < m")

    def bits_of(self, module: str) -> int | None:
        """The bits of the weights of a module, given by its dotted name."""
        fitting = (bits for name, bits in self.exceptions.items() if f".{name}." in f".{module}.")
        return next(fitting, self.bits)


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to compress: a function from a source folder to a target folder.

    `compress(source, target, calibration)` reads a Hugging Face folder and writes another one.
    It runs in a process of its own, and may return what it measured, as JSON values.
    `refuse(config)` gets the model's `config.json` as a mapping and returns why the method cannot
    take such a model, or None.
    """

    name: str
    family: Family | None
    """None for `dense`, the identity."""
    also: Family | None = None
    """The family of the second of two methods, one after the other."""
    compress: Callable[..., Mapping[str, Any] | None] | None = None
    guarantees: Guarantees = field(default_factory=Guarantees)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Everything that decides the result, JSON-able: part of the checkpoint's identity."""
    why_unsupported: Callable[[Mapping[str, Any]], str | None] = lambda config: None
    calibrated: bool = True
    """Whether the calibration text changes the result."""
    corpus: str | None = None
    """The calibration recipe that the method trains on as a stream; None: it trains on nothing. One
    that trains is called with a fourth argument, a `unicomp.methods.distillation.Workshop`."""

    def __post_init__(self) -> None:
        check_name("method", self.name)
        for family in (self.family, self.also):
            if family is not None and family not in FAMILIES:
                raise SpecError(
                    f"method {self.name}: family {family!r} is none of {', '.join(FAMILIES)}"
                )
        try:
            json.dumps(dict(self.parameters))
        except (TypeError, ValueError):
            raise SpecError(
                f"method {self.name}: parameters must be JSON values, since "
                "they identify the checkpoint"
            ) from None

    def __str__(self) -> str:
        return self.name


DENSE = Method(name="dense", family=None, calibrated=False)
"""The identity: the baseline of every retention."""


class CheckpointId(NamedTuple):
    """A checkpoint by its names: what identifies it in a session and in a scorecard."""

    model: str
    method: str
    calibration: str
    """With its seed (`reasoning@43`) where that is not the default; `none` if no text was seen."""


@dataclass(frozen=True, kw_only=True)
class PublishedCost:
    """What making a checkpoint cost, by the word of somebody: nothing here was measured."""

    basis: str
    """Where the figures are from: the paper and its section, or how they were estimated."""
    tokens: float | None = None
    """Tokens trained on, those that corrected the teacher included."""
    hours: float | None = None
    """Hours by the clock, on all `gpus`."""
    gpus: int | None = None
    gpu_memory_gb: float | None = None
    """Memory of all `gpus` together, in GB."""

    def __post_init__(self) -> None:
        if not self.basis.strip():
            raise SpecError("a cost needs its basis: where the figures are from")
        for name in ("tokens", "hours", "gpus", "gpu_memory_gb"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise SpecError(f"a cost of {value} {name} is none")


@dataclass(frozen=True, kw_only=True)
class Published:
    """A checkpoint that somebody else compressed and published, with what it cost them."""

    name: str
    source: str
    """A hub id (`ORG/NAME`), or a folder (absolute path)."""
    family: Family
    base: str
    """The hub id of the model that it was made from, as its authors state it."""
    cost: PublishedCost
    revision: str | None = None

    def __post_init__(self) -> None:
        check_name("checkpoint", self.name)
        if self.family not in FAMILIES:
            raise SpecError(
                f"checkpoint {self.name}: family {self.family!r} is none of {', '.join(FAMILIES)}"
            )
        if not re.fullmatch(r"[\w.\-]+/[\w.\-]+", self.base):
            raise SpecError(f"checkpoint {self.name}: its base {self.base!r} is no hub id ORG/NAME")

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The text that a method sees while it compresses."""

    name: str
    samples: tuple[Sample, ...]
    tokens: int = 1024
    """Tokens kept of each sample."""

    def __post_init__(self) -> None:
        check_name("calibration", self.name)
        if not self.samples:
            raise SpecError(f"calibration {self.name}: there is no text in it")
        if self.tokens < 1:
            raise SpecError(f"calibration {self.name}: tokens must be at least 1")

    @property
    def digest(self) -> str:
        """SHA-256 of the content; the name does not count."""
        content = json.dumps([self.tokens, self.samples], ensure_ascii=False, default=dict)
        return hashlib.sha256(content.encode()).hexdigest()

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, kw_only=True)
class Item:
    """One item of a benchmark with what a checkpoint answered to it."""

    doc: Mapping[str, Any]
    prompt: str
    responses: tuple[Any, ...]
    """Per request: the generated text, or `(log-likelihood, is_greedy)` of a continuation."""
    answers: Mapping[str, Any]
    """What each filter of the lm-eval task reads off the responses: filter → answer."""
    results: Mapping[str, Any]
    """What the lm-eval task makes of the answers: `metric,filter` → value."""

    @property
    def text(self) -> str:
        """The generated text of an item with one request."""
        return str(self.responses[0])


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a scorer reads off one answered item."""

    fields: Mapping[str, float | str]
    """The columns that the benchmark's aggregate needs."""
    parsed: bool = True
    """Whether an answer could be read off the response at all."""
    gap: str | None = None
    """Why the item could not be scored at all, such as data that is not installed. It does not
    count in the score, and the benchmark then counts as not measured."""


class Scorer(Protocol):
    """Reads one answered item."""

    def __call__(self, item: Item) -> Reading:
        """What the item's responses say."""
        ...


class InstrumentScorer(Protocol):
    """Reads all answered items of a benchmark at once, with a judge, a detector of refusals or a
    measure of similarity.
    """

    def read_all(self, items: Sequence[Item], instruments: Any) -> list[Reading]:
        """What the responses of each item say, in order; `instruments` are `unicomp.instruments`'
        `Instruments`.
        """
        ...


class Aggregate(Protocol):
    """Turns records into one score.

    Called with the columns of n records (the fields, and `cluster`) and a matrix of weights, shape
    (draws, n): how often each record counts in each draw. Returns the scores in points, shape
    (draws,). A plain score is one draw of ones; a bootstrap is many draws of cluster counts. So
    means, F1, correlations and differences of rates are all resampled by the same code.
    """

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields it reads."""
        ...

    def __call__(
        self, columns: Mapping[str, NDArray[Any]], weights: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The scores of all draws."""
        ...


@dataclass(frozen=True, kw_only=True, repr=False)
class Benchmark:
    """One dataset with its prompt, its scorer and its direction."""

    name: str
    metric: str | None
    """The metric beside which it is reported. What a metric is made of is the profile's matter."""
    dimension: str | None = None
    """For a benchmark of no metric: where its floor and what it is allowed are looked up."""
    task: Path | str
    """An lm-eval task: a YAML file, or a path inside lm-eval's own task folder
    (`gsm8k/gsm8k-cot.yaml`)."""
    scorer: Scorer | InstrumentScorer
    aggregate: Aggregate
    published_task: Path | str | None = None
    """The task as the published evaluation asks it, where that gives right answers away and `task`
    does not: what is asked in the mode `compat`."""
    published_aggregate: Aggregate | None = None
    """The aggregate of the published rules, used in the mode `compat`; None: the same."""
    configs: tuple[str, ...] = ()
    """Data set configurations that are run as one benchmark, such as languages; empty: the
    task's own."""
    where: Mapping[str, str] = field(default_factory=dict)
    """Columns with the values that a row must have to be an item; empty: every row is one."""
    shots: int = 0
    max_new_tokens: int | None = None
    temperature: float = 0.0
    """Of sampling in the published evaluation; used with `sampling = "declared"` under [engine]."""
    cluster: str | tuple[str, ...] | None = None
    """The column or columns whose equal values make a cluster: items that are not independent, and
    are sampled and resampled together. None: each item by itself."""
    parallel: bool = False
    """Whether equal clusters of different configurations are one, as an item's translations are."""
    chat: bool = True
    """Whether the prompts get the model's chat template, if it has one."""
    chance: float | None = None
    """The score, in points, of a model that guesses; at or below it there is no retention."""
    higher_is_better: bool = True
    in_points: bool = True
    """Whether scores lie between 0 and 100. Where less is better, a score s in points is turned
    into 100 - s, and one that is not in points, such as a perplexity, into 1 / s."""
    varied: bool = True
    """Whether right answers differ from item to item; where they do, a constant one is a sign of
    collapse."""
    benign: str | None = None
    """Where refusals are right: the benchmark of harmless prompts that look alike. A constant
    refusal is a sign of collapse where those are refused as well."""
    details: Mapping[str, Aggregate] = field(default_factory=dict)
    """Further scores of the same records, by name: reported beside the score, never gated."""

    def __post_init__(self) -> None:
        check_name("benchmark", self.name)
        if self.benign is not None and self.varied:
            raise SpecError(
                f"benchmark {self.name}: a benign benchmark is for one with varied=False: where "
                "right answers vary, a constant one is never right"
            )
        if self.chance is not None and not self.in_points:
            raise SpecError(f"benchmark {self.name}: only a score in points has a chance level")
        for name in self.details:
            check_name(f"benchmark {self.name}: detail", name)
        if self.shots < 0:
            raise SpecError(f"benchmark {self.name}: shots must not be negative")
        if self.max_new_tokens is not None and self.max_new_tokens < 1:
            raise SpecError(f"benchmark {self.name}: max_new_tokens must be at least 1")

    def scored_in(self, mode: Literal["strict", "compat"]) -> Benchmark:
        """The benchmark with the aggregate of a mode of scoring."""
        if mode == "compat" and self.published_aggregate is not None:
            return replace(self, aggregate=self.published_aggregate)
        return self

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<benchmark {self.name}>"


Quantity = Literal[
    "throughput",
    "latency",
    "time_to_first_token",
    "inter_token_latency",
    "inference_memory",
    "model_size",
    "flops",
    "compression_time",
    "compression_memory",
]
"""What an efficiency measurement measures."""

Unit = Literal["tokens/s", "s", "bytes", "FLOPs"]

UNITS: Mapping[Quantity, Unit] = {
    "throughput": "tokens/s",
    "latency": "s",
    "time_to_first_token": "s",
    "inter_token_latency": "s",
    "inference_memory": "bytes",
    "model_size": "bytes",
    "flops": "FLOPs",
    "compression_time": "s",
    "compression_memory": "bytes",
}
TIMINGS: tuple[Quantity, ...] = (
    "throughput",
    "latency",
    "time_to_first_token",
    "inter_token_latency",
)
"""Quantities that are timed while requests are answered, and belong to one machine."""
BENCHED: tuple[Quantity, ...] = ("throughput", "latency")
"""Quantities that vLLM's own benchmark takes, too."""
BENCH_PREFIX = "vllm_bench_"
"""What names of its figures begin with, so that no table mixes them with ours."""
OF_BUILDING: tuple[Quantity, ...] = ("compression_time", "compression_memory")
"""Quantities that only a compressed checkpoint has; they are held to budgets, not to floors."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """Requests of equal shape that are sent at the same time."""

    prompt_tokens: int
    new_tokens: int = 0
    """Exactly as many are generated; with 0 the prompts are only read."""
    concurrency: int = 1
    """Requests at a time: of a batch in one process, or in flight at a server."""

    def __post_init__(self) -> None:
        for name, least in (("prompt_tokens", 1), ("new_tokens", 0), ("concurrency", 1)):
            if getattr(self, name) < least:
                raise SpecError(f"a load needs {name} of at least {least}")

    @property
    def tokens(self) -> int:
        """All tokens of its requests, read and generated."""
        return self.concurrency * (self.prompt_tokens + self.new_tokens)


@dataclass(frozen=True, kw_only=True, repr=False)
class Probe:
    """One efficiency measurement of a checkpoint."""

    name: str
    metric: str
    """One of the efficiency metrics, which it is part of or reported beside."""
    quantity: Quantity
    load: Load | None = None
    """What is asked while it is measured; of `inference_memory` and `flops` one prompt."""
    served: bool = False
    """Whether it is a server's property, which the in-process engine does not have."""
    bench: bool = False
    """Whether it is taken by vLLM's own benchmark, `vllm bench`; its name says so then."""

    def __post_init__(self) -> None:
        check_name("probe", self.name)
        if self.quantity not in UNITS:
            raise SpecError(f"probe {self.name}: {self.quantity!r} is none of {', '.join(UNITS)}")
        if (self.load is None) == (self.quantity in (*TIMINGS, "inference_memory", "flops")):
            needs = "needs a load" if self.load is None else "has no load"
            raise SpecError(f"probe {self.name}: {self.quantity} {needs}")
        if self.quantity == "inference_memory" and self.load and self.load.concurrency > 1:
            raise SpecError(f"probe {self.name}: inference_memory is of one prompt at a time")
        if self.timed and self.load is not None and self.load.new_tokens < 1:
            raise SpecError(f"probe {self.name}: {self.quantity} needs new tokens to be timed")
        if self.bench and self.quantity not in BENCHED:
            raise SpecError(f"probe {self.name}: vllm bench takes {' and '.join(BENCHED)} only")
        if self.bench != self.name.startswith(BENCH_PREFIX):
            raise SpecError(
                f"probe {self.name}: what vllm bench takes, and nothing else, has a name that "
                f"begins with {BENCH_PREFIX}"
            )

    @property
    def unit(self) -> Unit:
        """Of its values."""
        return UNITS[self.quantity]

    @property
    def higher_is_better(self) -> bool:
        """Which way it is better."""
        return self.quantity == "throughput"

    @property
    def timed(self) -> bool:
        """Whether it is a timing, for which there is no floor unless one is set."""
        return self.quantity in TIMINGS

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<probe {self.name}>"


def nearest(name: str, known: Iterable[str]) -> str:
    """` Did you mean X?` for a mistyped name, or the names there are."""
    import difflib

    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


def measures_in(value: object) -> list[Benchmark | Probe]:
    """All benchmarks and probes in a value, or in the lists, tuples and tables it is made of."""
    found: list[Benchmark | Probe] = []
    seen: set[int] = set()  # a list may contain itself
    todo = [value]
    while todo:
        one = todo.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Benchmark | Probe) and one not in found:
            found.append(one)
        elif isinstance(one, dict | list | tuple):
            todo.extend(one.values() if isinstance(one, dict) else one)
    return found
