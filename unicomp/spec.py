"""Models, methods, calibrations, benchmarks and probes, as frozen values.

A value is checked when it is created: `SpecError` says what is wrong and how to mend it. None
holds anything expensive, such as weights or rows. Every later stage is a function of these values.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, Self, get_args

from unicomp.answering import UNDECLARED, Answering
from unicomp.errors import SpecError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Family = Literal["pruning", "quantization", "distillation"]
FAMILIES: tuple[Family, ...] = get_args(Family)

ModelKind = Literal["normal", "reasoning", "moe"]
MODEL_KINDS: tuple[ModelKind, ...] = get_args(ModelKind)
"""The kinds of models that the paper averages separately: ordinary models, models that write down
their reasoning before they answer, and mixtures of experts."""

NumberType = Literal["int", "float"]

Message = Mapping[str, str]
"""One chat turn: `{"role": "user" | "assistant" | "system", "content": TEXT}`."""

Sample = str | tuple[Message, ...]
"""One calibration sample: plain text, or a conversation that gets the model's chat template."""

LEVEL = 0.025
"""The nominal error of each side: of passing below a floor, and of failing a checkpoint whose rows
and metrics are all at or above theirs. Two limits with this error are the 95 % interval."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")


def check_name(kind: str, name: str) -> None:
    """Raise SpecError unless `name` is usable in a test id, a file name and a table."""
    if not _NAME.fullmatch(name):
        raise SpecError(
            f"{kind} name {name!r} is not usable: letters, digits, '_', '-' and '.' only, "
            "starting with a letter or digit"
        )


def _check_one_of(what: str, value: str, known: Iterable[str]) -> None:
    """Raise SpecError unless `value` is known."""
    if value not in known:
        raise SpecError(f"{what} {value!r} is not one of {', '.join(known)}")


class _Named:
    """A value that is shown by its name."""

    name: str

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lower()} {self.name}>"


@dataclass(frozen=True, kw_only=True)
class Served:
    """A model at a server that is already running, with an OpenAI-compatible API. Raises SpecError.

    All but `url` and `model` is found by a probe at the start of a run.

    >>> Served.parse("http://localhost:8000/v1#my-model").model
    'my-model'
    """

    url: str
    """The base, like https://host/v1, without a key."""
    model: str
    """The model's name at the server; empty until the probe has found its only one."""
    version: str | None = None
    """The server's version; None where it does not give one."""
    digest: str = ""
    """SHA-256 of its greedy answers to fixed prompts."""
    context: int | None = None
    """The most tokens of a request with its answer; None where the server does not give them."""
    takes_tokens: bool = True
    """Whether it takes prompts as token ids; otherwise it gets texts."""
    extended: bool = True
    """Whether it takes the fields that vLLM adds to the API."""
    no_likelihoods: str = ""
    """Why it gives no log-likelihoods of texts; empty if it does."""

    def __post_init__(self) -> None:
        netloc = self.url.partition("://")[2].partition("/")[0]
        if "@" in netloc or "?" in self.url:  # an address is printed and stored
            raise SpecError(
                "the address of an endpoint has no key, login or query in it: put the key into an "
                "environment variable, and name the variable under [endpoint], key_env"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """The model of `URL#MODEL`; `URL` alone leaves its name open. Raises SpecError."""
        url, _, model = text.partition("#")
        return cls(url=url.rstrip("/"), model=model.strip())

    @property
    def identity(self) -> dict[str, Any]:
        """What decides its answers, as JSON values."""
        return {
            "url": self.url.partition("://")[2],
            "served": self.model,
            "version": self.version,
            "probe": self.digest,
            "tokens": self.takes_tokens,
        }

    def __str__(self) -> str:
        version = f", version {self.version}" if self.version else ""
        return f"{self.model or 'the model'} at {self.url}{version}"


@dataclass(frozen=True, kw_only=True)
class Model(_Named):
    """A base language model: a Hugging Face folder, or an id on the hub. Raises SpecError.

    >>> Model(name="qwen3_8b", source="Qwen/Qwen3-8B", kind="reasoning").folder is None
    True
    """

    name: str
    source: str
    """A folder (absolute path) or a hub id (`ORG/NAME`)."""
    revision: str | None = None
    """A commit, tag or branch on the hub; None for its default."""
    dtype: str = "auto"
    """The precision to run it in: `float32`, `bfloat16`, `float16`, or `auto`, which is the stored
    one; on a CPU the engine decides."""
    trust_remote_code: bool = False
    kind: ModelKind = "normal"
    endpoint: Served | None = None
    """The running server that answers for it; its files then give tokenizer and template only."""
    answering: Answering = UNDECLARED
    """How it and all of its checkpoints answer."""

    def __post_init__(self) -> None:
        check_name("model", self.name)
        _check_one_of(f"model {self.name}: kind", self.kind, MODEL_KINDS)
        dtypes = ("auto", "float32", "bfloat16", "float16")
        _check_one_of(f"model {self.name}: dtype", self.dtype, dtypes)

    @property
    def folder(self) -> Path | None:
        """The local folder, or None for a model on the hub."""
        path = Path(self.source)
        return path if path.is_absolute() else None


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """How activations, or keys and values in the cache, are rounded. Raises SpecError.

    >>> Rounding(bits=8, type="float").dynamic
    True
    """

    bits: int
    type: NumberType = "int"
    dynamic: bool | Literal["local"] = True
    """Whether scales are computed while the model runs; False: they were measured on calibration
    text; `local`: a scale for each group is computed, on top of one that was measured."""

    def __post_init__(self) -> None:
        if self.bits < 1:
            raise SpecError(f"{self.bits} bits are not possible: give 1 or more")
        _check_one_of("the type of a rounding", self.type, get_args(NumberType))


@dataclass(frozen=True, kw_only=True)
class Guarantees:
    """The properties of a compressed checkpoint that a build checks. Raises SpecError.

    >>> Guarantees(bits=4, group_size=128, exceptions={"down_proj": 8}).bits_of("mlp.down_proj")
    8
    """

    sparsity: float | None = None
    """The share of zero weights, in [0, 1)."""
    pattern: tuple[int, int] | None = None
    """(n, m): at most m - n of each m consecutive input weights are non-zero."""
    bits: int | None = None
    """Bits of each weight."""
    exceptions: Mapping[str, int] = field(default_factory=dict)
    """Module name → its bits, where they differ: `{"down_proj": 8}`. A name is one or more whole
    parts of a dotted module name; the first that matches counts."""
    type: NumberType = "int"
    """The type of the weights' numbers, where `bits` are guaranteed."""
    group_size: int | None = None
    """Input weights that share one quantization scale."""
    block: tuple[int, int] | None = None
    """(outputs, inputs) of the weights that share one scale; the last ones may be smaller."""
    activations: Rounding | None = None
    """How the inputs of quantized matrices are rounded; None: not at all."""
    cache: Rounding | None = None
    """How keys and values are rounded; None: not at all."""
    format: str | None = None
    """The format of compressed-tensors that the weights are stored in; None: any."""
    shape: Mapping[str, float | int] | None = None
    """A student's widths and depth, as shares (floats) or numbers, and `multiple`, which widths are
    rounded to; see `unicomp.distillation.shape.Shape.scaled`. Its weights are counted, too."""

    def __post_init__(self) -> None:
        if self.exceptions and self.bits is None:
            raise SpecError("exceptions need bits, which all other matrices have: give bits, too")
        if self.bits is None and (self.activations or self.cache or self.block or self.format):
            raise SpecError("activations, cache, block and format need bits: give bits, too")
        if self.sparsity is not None and not 0.0 <= self.sparsity < 1.0:
            raise SpecError(f"a sparsity of {self.sparsity} is not in [0, 1): 0.5 means 50 %")
        if self.pattern is not None and not 0 < self.pattern[0] < self.pattern[1]:
            raise SpecError(f"the pattern {self.pattern} is not n:m with 0 < n < m")

    def bits_of(self, module: str) -> int | None:
        """The bits of the weights of a module, given by its dotted name."""
        fitting = (bits for name, bits in self.exceptions.items() if f".{name}." in f".{module}.")
        return next(fitting, self.bits)


@dataclass(frozen=True, kw_only=True)
class Method(_Named):
    """A way to compress: a function from a source folder to a target folder. Raises SpecError.

    >>> def copied(source, target, calibration):
    ...     shutil.copytree(source, target)
    >>> method = Method(name="copied", family="pruning", compress=copied, calibrated=False)
    """

    name: str
    family: Family | None
    """None for `dense`, the identity."""
    also: Family | None = None
    """The family of the second method, where two are applied one after the other."""
    compress: Callable[..., Mapping[str, Any] | None] | None = None
    """`compress(source, target, calibration)` reads the Hugging Face folder `source` and writes the
    folder `target`, in a process of its own. It may return measured facts as JSON values."""
    guarantees: Guarantees = field(default_factory=Guarantees)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """All that decides the result, as JSON values: part of the checkpoint's identity."""
    why_unsupported: Callable[[Mapping[str, Any]], str | None] = lambda config: None
    """Gets a model's `config.json`; returns why the method cannot compress it, or None."""
    calibrated: bool = True
    """Whether the calibration text changes the result."""
    corpus: str | None = None
    """The calibration recipe whose text the method trains on, as a stream; None: it does not train.
    If set, `compress` gets a `Workshop` as its fourth argument."""
    endpoint: Served | None = None
    """The running server that answers for the checkpoint that the method stands for."""

    def __post_init__(self) -> None:
        check_name("method", self.name)
        for family in (self.family, self.also):
            if family is not None:
                _check_one_of(f"method {self.name}: family", family, FAMILIES)
        try:
            json.dumps(dict(self.parameters))
        except (TypeError, ValueError):
            reason = "parameters must be JSON values, since they identify the checkpoint"
            raise SpecError(f"method {self.name}: {reason}") from None


@dataclass(frozen=True, kw_only=True)
class MethodGroup(_Named):
    """Methods that are asked for together, by one name. Raises SpecError.

    >>> group = MethodGroup(name="ours", methods=("fp8_dynamic", "w8a8"))
    """

    name: str
    methods: tuple[str, ...]
    """Their names; the dense model is measured in any case."""

    def __post_init__(self) -> None:
        check_name("group", self.name)
        if not self.methods or isinstance(self.methods, str):
            raise SpecError(f"group {self.name}: methods must be a tuple of at least one name")


DENSE = Method(name="dense", family=None, calibrated=False)
"""The identity: the baseline of every retention."""


class CheckpointId(NamedTuple):
    """A checkpoint by its names: what identifies it in a session and in a scorecard."""

    model: str
    method: str
    calibration: str
    """With its seed (`reasoning@43`) where that is not the default; `none` if no text was seen."""


@dataclass(frozen=True, kw_only=True)
class OfCheckpoint:
    """Part of a scorecard that is about one checkpoint."""

    model: str
    method: str
    calibration: str

    @property
    def checkpoint(self) -> CheckpointId:
        """The checkpoint that it is about."""
        return CheckpointId(self.model, self.method, self.calibration)


@dataclass(frozen=True, kw_only=True)
class PublishedCost:
    """The cost of making a checkpoint as its authors state it: not measured. Raises SpecError.

    >>> PublishedCost(tokens=94e9, hours=120, gpus=256, basis="the paper, table 3").gpus
    256
    """

    basis: str
    """Where the figures are from: the paper and its section, or how they were estimated."""
    tokens: float | None = None
    """Training tokens, including those that corrected the teacher; None: not stated."""
    hours: float | None = None
    """Wall-clock hours on all `gpus`; not GPU-hours."""
    gpus: int | None = None
    gpu_memory_gb: float | None = None
    """Memory of all `gpus` together, in GB."""

    def __post_init__(self) -> None:
        if not self.basis.strip():
            raise SpecError("a cost needs its basis: where the figures are from")
        for name in ("tokens", "hours", "gpus", "gpu_memory_gb"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise SpecError(f"a cost of {value} {name} is not a positive number")


@dataclass(frozen=True, kw_only=True)
class Published(_Named):
    """A checkpoint that others compressed and published, with its cost. Raises SpecError.

    >>> cost = PublishedCost(tokens=18e9, basis="the model card")
    >>> p = Published(name="s", source="A/S", family="distillation", base="B/L", cost=cost)
    """

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
        _check_one_of(f"checkpoint {self.name}: family", self.family, FAMILIES)
        if not re.fullmatch(r"[\w.\-]+/[\w.\-]+", self.base):
            raise SpecError(
                f"checkpoint {self.name}: its base {self.base!r} is not a hub id ORG/NAME"
            )


@dataclass(frozen=True, kw_only=True)
class Calibration(_Named):
    """The text that a method sees while it compresses. Raises SpecError.

    >>> Calibration(name="two", samples=("Some text.", "More text."), tokens=512).digest[:8]
    'b5073922'
    """

    name: str
    samples: tuple[Sample, ...]
    """Plain texts, or conversations as tuples of messages."""
    tokens: int = 1024
    """Each sample is cut to this many tokens."""

    def __post_init__(self) -> None:
        check_name("calibration", self.name)
        if not self.samples:
            raise SpecError(f"calibration {self.name}: it has no samples")
        if self.tokens < 1:
            raise SpecError(f"calibration {self.name}: tokens must be at least 1")
        for number, sample in enumerate(self.samples, start=1):
            texts = [sample] if isinstance(sample, str) else [turn["content"] for turn in sample]
            if half := next(filter(None, map(half_character, texts)), None):
                raise SpecError(
                    f"calibration {self.name}: {half} in sample {number} is half of a character"
                )

    @property
    def digest(self) -> str:
        """SHA-256 of the samples and `tokens`, not of the name."""
        content = json.dumps([self.tokens, self.samples], ensure_ascii=False, default=dict)
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Item:
    """One item of a benchmark with a checkpoint's responses, as a scorer gets it.

    >>> Item(doc={"q": "1+1"}, prompt="1+1=", responses=("2",)).text
    '2'
    """

    doc: Mapping[str, Any]
    """The row of the data set, column → value."""
    prompt: str
    """The rendered prompt of the first request."""
    responses: tuple[Any, ...]
    """One for each request: the generated text, `(log-likelihood in nats, is_greedy)` of a
    continuation, or the log-likelihood of running text."""
    answers: Mapping[str, Any] = field(default_factory=dict)
    """Filter of the lm-eval task → the answer that it reads off the responses."""
    results: Mapping[str, Any] = field(default_factory=dict)
    """`metric,filter` of the lm-eval task → the value of the answers."""
    cut: bool = False
    """Whether a generated answer reached its limit of new tokens, so that its end is missing."""

    @property
    def text(self) -> str:
        """The generated text of an item with one request."""
        return str(self.responses[0])


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The result of a scorer for one answered item.

    >>> unreadable = Reading(fields={"correct": 0.0, "language": "de"}, parsed=False)
    """

    fields: Mapping[str, float | str]
    """Column → value: at least the columns that the benchmark's aggregate reads."""
    parsed: bool = True
    """Whether an answer could be read off the response."""
    gap: str | None = None
    """Why the item could not be scored, such as missing data or judge; None if it was. One gap
    makes the benchmark not measured; items with a gap do not count in the score."""
    means: str | None = None
    """The answer's meaning, where different texts are one answer, such as any text without a call.
    The guard against constant answers then compares meanings; None: it compares texts."""


class Scorer(Protocol):
    """Reads one answered item; any function will do.

    >>> def exact(item: Item) -> Reading:
    ...     return Reading(fields={"correct": float(item.text == item.doc["answer"])})
    """

    def __call__(self, item: Item) -> Reading:
        """Read the item's responses. Any exception becomes a ScoringError of the benchmark."""
        ...


class InstrumentScorer(Protocol):
    """Reads all items at once, with a judge, a detector of refusals or a measure of similarity.

    >>> class NotRefused:
    ...     def read_all(self, items, instruments):
    ...         asked = [Exchange(item.prompt, item.text) for item in items]
    ...         kinds = instruments.refusals.classify(asked)
    ...         return [Reading(fields={"correct": float(kind == "answer")}) for kind in kinds]

    The reading of an item may depend on the others. If it does not, set `compares_items = False`:
    then items can be read in blocks, and `--early` can stop before the last one. If it can read
    nothing without a judge, set `needs_judge = True`: then nothing is asked in vain.
    """

    def read_all(self, items: Sequence[Item], instruments: Any) -> list[Reading]:
        """One reading for each item, in order; `instruments` is an `Instruments`."""
        ...


class Aggregate(Protocol):
    """Turns the readings of n items into a score, for any number of draws at once.

    A plain score is one draw of ones; a jackknife has a draw without each cluster. So means, F1,
    correlations and differences of rates are all resampled by the same code. A score that can fall
    below 0 has an attribute `least`, the lowest one in points.

    >>> import numpy as np
    >>> Mean("correct")({"correct": np.array([1.0, 0.0])}, np.array([[1.0, 1.0], [2.0, 0.0]]))
    array([ 50., 100.])
    """

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads: fields of the readings, `cluster`, or `item`.

        Samples of one item have the same `item`.
        """
        ...

    def __call__(
        self, columns: Mapping[str, NDArray[Any]], weights: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The scores of shape (draws,), in the benchmark's unit (points for most).

        `columns` are arrays of shape (n,). `weights` has the shape (draws, n): how often each item
        counts in each draw; one of K samples of an item counts as 1 / K of it.
        """
        ...


@dataclass(frozen=True, repr=False)
class Wording(_Named):
    """Another way to ask the same items, which leaves the right answers as they are.

    Raises SpecError.

    >>> Wording("excited", lambda request: f"{request} Quick!")
    <wording excited>
    """

    name: str
    request: Callable[[str], str] | None = None
    """Rewrites the text of a request, before the chat template; None: it stays. Equal texts must
    become equal texts."""
    examples: bool = False
    """Whether the requests of examples are rewritten alike, as other labels must be."""
    before: tuple[tuple[str, str], ...] = ()
    """Earlier turns of the conversation: what the user said, and the answer."""
    reorders: bool = False
    """Whether the options, which the prompt lists, are in another order."""
    generated: bool = False
    """Whether it suits generated answers only."""

    def __post_init__(self) -> None:
        check_name("wording", self.name)
        if self.request is not None and not callable(self.request):
            raise SpecError(f"wording {self.name}: request must be a function of a text")

    def asked(self, request: str) -> str:
        """The text of a request in this wording. Raises SpecError if it is no text."""
        if self.request is None:
            return request
        asked = self.request(request)
        if not isinstance(asked, str):
            raise SpecError(f"wording {self.name} gives {asked!r}: return a text")
        return asked


class MadeRow(NamedTuple):
    """A row that was made for a tokenizer.

    >>> MadeRow("Mia came. Who came?", "It was", 8, {"outputs": ["Mia"]}).new_tokens
    8
    """

    prompt: str
    """The request of a user."""
    prefix: str
    """How the answer begins; it is no part of the answer."""
    new_tokens: int
    """The most tokens of the answer."""
    columns: Mapping[str, Any]
    """What a scorer reads, as JSON values."""


class RowMaker(Protocol):
    """Makes the rows of a benchmark, which fill a number of tokens of a model's own tokenizer.

    A frozen value, and a pure function: its repr names all that decides the rows.
    """

    @property
    def length(self) -> int:
        """The tokens of a prompt and its longest answer."""
        ...

    @property
    def size(self) -> int:
        """The number of rows."""
        ...

    def identity_of(self, number: int) -> str:
        """The name of a row, from 0; equal for all tokenizers, so that items can be paired."""
        ...

    def row(self, number: int, tokens: Callable[[str, str], int], room: int) -> MadeRow:
        """A row whose prompt and prefix have at most `room` tokens, which `tokens` counts."""
        ...


@dataclass(frozen=True, kw_only=True, repr=False)
class Benchmark(_Named):
    """A data set with its prompt, scorer and direction. Raises SpecError.

    >>> exact = TaskMetric("exact_match,none")
    >>> path = Path("riddles.yaml")
    >>> Benchmark(name="r", metric="reasoning", task=path, scorer=exact, aggregate=Mean("correct"))
    <benchmark r>
    """

    name: str
    metric: str | None
    """The metric that it is reported with. The profile decides what the metric consists of."""
    dimension: str | None = None
    """Without a metric: the dimension whose floor and allowed gaps apply."""
    task: Path | str
    """An lm-eval task: a YAML file, or a path inside lm-eval's own task folder
    (`gsm8k/gsm8k-cot.yaml`)."""
    scorer: Scorer | InstrumentScorer
    aggregate: Aggregate
    published_task: Path | str | None = None
    """The task that the mode `compat` asks: the published one, where it gives answers away."""
    published_scorer: Scorer | InstrumentScorer | None = None
    """The scorer of the published rules, used in the mode `compat`; None: the same."""
    published_aggregate: Aggregate | None = None
    """The aggregate of the published rules, used in the mode `compat`; None: the same."""
    configs: tuple[str, ...] = ()
    """Data set configurations that are run as one benchmark, such as languages; empty: the
    task's own."""
    where: Mapping[str, str] = field(default_factory=dict)
    """Column → the value that a row must have to be an item; empty: every row is an item."""
    rows: RowMaker | None = None
    """Makes the rows for each tokenizer, instead of a data set, such as `RulerRows`."""
    shots: int = 0
    """Examples in each prompt."""
    max_new_tokens: int | None = None
    """The longest generated answer; None: as long as the task allows."""
    temperature: float = 0.0
    """The published sampling temperature, used if `sampling = "declared"` under [engine] and the
    model declares none."""
    cluster: str | tuple[str, ...] | None = None
    """Columns whose equal values make items one cluster: they are not independent, so they are
    sampled and resampled together. None: each item is its own cluster."""
    parallel: bool = False
    """Whether equal clusters of different configurations are one, such as translations."""
    chat: bool = True
    """Whether prompts get the model's chat template, if it has one."""
    tools: str | None = None
    """The column of functions that the answer may call, as a list or its JSON text. They go into
    the chat template if it takes tools, otherwise into the prompt; see `unicomp.prompts.tools`."""
    wordings: tuple[Wording, ...] = ()
    """The wordings in which each item is asked; empty: as the task words it. See `reworded`."""
    chance: float | None = None
    """The score of guessing, in points; a dense score at or below it has no retention."""
    higher_is_better: bool = True
    in_points: bool = True
    """Whether scores lie between 0 and 100. Where lower is better, a score s becomes 100 - s for
    ratios, or 1 / s if it is not in points, such as a perplexity."""
    varied: bool = True
    """Whether right answers differ between items. If so, constant answers are degenerate."""
    benign: str | None = None
    """Where refusing is right: the benchmark of harmless prompts that look alike. A constant
    refusal is degenerate if those are refused as well. Where calling no tool is right: the
    benchmark of requests that need a call."""
    details: Mapping[str, Aggregate] = field(default_factory=dict)
    """Further scores of the same records, by name: reported, never gated."""
    advisory: str | None = None
    """Why the score is reported but decides nothing, such as that it has no valid interval; None
    if it may decide."""

    def __post_init__(self) -> None:
        check_name("benchmark", self.name)
        if self.benign is not None and self.varied:
            raise SpecError(
                f"benchmark {self.name}: benign needs varied=False: if right answers vary, a "
                "constant one is never right"
            )
        if self.chance is not None and not self.in_points:
            raise SpecError(f"benchmark {self.name}: only a score in points has a chance level")
        for name in self.details:
            check_name(f"benchmark {self.name}: detail", name)
        if self.shots < 0:
            raise SpecError(f"benchmark {self.name}: shots must not be negative")
        if self.tools is not None and self.shots:
            raise SpecError(
                f"benchmark {self.name}: tools needs shots=0: no template writes calls of examples"
            )
        if self.max_new_tokens is not None and self.max_new_tokens < 1:
            raise SpecError(f"benchmark {self.name}: max_new_tokens must be at least 1")
        if self.rows is not None:
            self._check_made(self.rows)

    def _check_made(self, rows: RowMaker) -> None:
        """Raise SpecError for settings that need a data set, or leave a prompt no room."""
        if self.configs or self.where or self.shots or self.tools or self.cluster:
            raise SpecError(
                f"benchmark {self.name}: made rows have no configs, where, shots, tools and cluster"
            )
        if self.max_new_tokens is None or self.max_new_tokens >= rows.length:
            raise SpecError(
                f"benchmark {self.name}: made rows need max_new_tokens below their length of "
                f"{rows.length}"
            )

    def scored_in(self, mode: Literal["strict", "compat"]) -> Benchmark:
        """The benchmark with the scorer and the aggregate of a mode of scoring."""
        if mode == "strict":
            return self
        return replace(
            self,
            scorer=self.published_scorer or self.scorer,
            aggregate=self.published_aggregate or self.aggregate,
        )


Timed = Literal["throughput", "latency", "time_to_first_token", "inter_token_latency"]
Spent = Literal["compression_time", "compression_memory"]
Quantity = Literal[Timed, "inference_memory", "model_size", "flops", Spent]
"""The quantity that a probe measures."""

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
TIMINGS: tuple[Quantity, ...] = get_args(Timed)
"""Quantities that are timed while requests are answered: they are valid on one machine only."""
BENCHED: tuple[Quantity, ...] = ("throughput", "latency")
"""Quantities that `vllm bench` measures, too."""
BENCH_PREFIX = "vllm_bench_"
"""The prefix of the names of probes by `vllm bench`, so that no table mixes them with ours."""
OF_BUILDING: tuple[Quantity, ...] = get_args(Spent)
"""Quantities that only a compressed checkpoint has; they have budgets instead of floors."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """Requests of equal shape that are sent at the same time. Raises SpecError.

    >>> Load(prompt_tokens=128, new_tokens=16, concurrency=8).tokens
    1152
    """

    prompt_tokens: int
    new_tokens: int = 0
    """Exactly this many are generated for each prompt; 0: prompts are only read."""
    concurrency: int = 1
    """Requests at a time: one batch in this process, or requests in flight at a server."""

    def __post_init__(self) -> None:
        for name, least in (("prompt_tokens", 1), ("new_tokens", 0), ("concurrency", 1)):
            if getattr(self, name) < least:
                raise SpecError(f"a load needs {name} of at least {least}")

    @property
    def tokens(self) -> int:
        """The tokens of all its requests, read and generated."""
        return self.concurrency * (self.prompt_tokens + self.new_tokens)

    @property
    def shape(self) -> str:
        """Requests, and the tokens that each reads and generates: `8 × 128/16 tokens`."""
        return f"{self.concurrency} × {self.prompt_tokens}/{self.new_tokens} tokens"


@dataclass(frozen=True, kw_only=True, repr=False)
class Probe(_Named):
    """One efficiency measurement of a checkpoint. Raises SpecError.

    >>> Probe(name="weights", metric="inference efficiency", quantity="model_size").unit
    'bytes'
    """

    name: str
    metric: str
    """The efficiency metric that it is part of, or reported with."""
    quantity: Quantity
    load: Load | None = None
    """The requests during the measurement; a single prompt for `inference_memory` and `flops`."""
    served: bool = False
    """Whether only a server has it, so that the in-process engine does not measure it."""
    bench: bool = False
    """Whether `vllm bench` measures it; its name then begins with `BENCH_PREFIX`."""
    dimension: ClassVar[None] = None
    """Its metric's; see `Benchmark.dimension`."""

    def __post_init__(self) -> None:
        check_name("probe", self.name)
        _check_one_of(f"probe {self.name}: quantity", self.quantity, UNITS)
        if (self.load is None) == (self.quantity in (*TIMINGS, "inference_memory", "flops")):
            needs = "needs a load" if self.load is None else "has no load"
            raise SpecError(f"probe {self.name}: {self.quantity} {needs}")
        if self.quantity == "inference_memory" and self.load and self.load.concurrency > 1:
            raise SpecError(f"probe {self.name}: inference_memory needs a load with concurrency=1")
        if self.timed and self.load is not None and self.load.new_tokens < 1:
            raise SpecError(f"probe {self.name}: {self.quantity} needs a load with new_tokens")
        if self.bench and self.quantity not in BENCHED:
            raise SpecError(f"probe {self.name}: vllm bench measures {' and '.join(BENCHED)} only")
        if self.bench != self.name.startswith(BENCH_PREFIX):
            raise SpecError(
                f"probe {self.name}: a name begins with {BENCH_PREFIX} if bench is set, and only "
                "then"
            )

    @property
    def unit(self) -> Unit:
        """The unit of its values."""
        return UNITS[self.quantity]

    @property
    def higher_is_better(self) -> bool:
        """Whether more of the quantity is better."""
        return self.quantity == "throughput"

    @property
    def timed(self) -> bool:
        """Whether it is a timing, which depends on the machine."""
        return self.quantity in TIMINGS

    @property
    def on_one_machine(self) -> bool:
        """Whether its values hold for the machine that they were measured on only."""
        return self.timed or self.quantity == "inference_memory"

    def is_timed_by(self, *, serves: bool) -> bool:
        """Whether an engine times it in rounds; `serves` if the engine is a server."""
        return self.timed and not self.bench and (serves or not self.served)


def half_character(text: str) -> str | None:
    r"""The first lone surrogate in a text, as it is written in JSON: `\\ud800`; None if none.

    >>> half_character("whole") is None
    True
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"\\u{ord(text[error.start]):04x}"
    return None


def nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean 'X'?` for a mistyped name, or else all known names."""
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
            todo[:0] = one.values() if isinstance(one, dict) else one
    return found
