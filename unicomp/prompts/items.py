"""A benchmark's items as requests to a model: rows, prompts and filters, by lm-eval's tasks."""

from __future__ import annotations

import hashlib
import json
import logging
import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from unicomp.data.sources import Source, local_splits
from unicomp.errors import AbsentError, EngineError, ScoringError, SpecError
from unicomp.instruments import Mode
from unicomp.prompts.tasks import FEWSHOT_SEED, SEED, WINDOW, Definition
from unicomp.spec import Benchmark, Item

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance
    from lm_eval.api.task import ConfigurableTask

WINDOWS = "loglikelihood_window"
"""The request for the log-likelihood of a window of tokens, given its first one. lm-eval's own
`loglikelihood_rolling` never lets a window span two rows."""

THINK_END = "</think>"
THINK_START = "<think>"


class ChatTemplate(Protocol):
    """Renders a conversation to a prompt."""

    @property
    def identity(self) -> str:
        """Equal for templates that render alike."""
        ...

    def __call__(self, messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The prompt."""
        ...


class Tokenizer(Protocol):
    """A checkpoint's tokenizer, as far as prompts depend on it."""

    @property
    def identity(self) -> str:
        """Equal for tokenizers that split texts alike."""
        ...

    @property
    def template(self) -> ChatTemplate | None:
        """The chat template, if the tokenizer has one."""
        ...

    @property
    def context(self) -> int:
        """Tokens that the model can see at once."""
        ...

    def encode(self, text: str) -> list[int]:
        """The tokens of a prompt, as the engine sees them."""
        ...

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of some tokens."""
        ...


@dataclass(frozen=True)
class Prompted:
    """One item, ready to be asked: a row and its requests."""

    item: str
    """SHA-256 of the row: the same for every checkpoint."""
    key: str
    """SHA-256 of the rendered requests: prompts, continuations, decoding settings."""
    cluster: str
    doc: Mapping[str, Any]
    """The row, with the configuration it comes from as the column `config`, if there are any."""
    task: ConfigurableTask
    requests: tuple[Instance, ...]


class Prompts:
    """The items of benchmarks as they are asked; each benchmark is rendered once for a template.

    `samples` keeps the shortest prefix, of one seeded permutation of clusters, that holds as many
    items; None keeps all. In the mode `compat` a benchmark asks its published task.
    """

    def __init__(
        self,
        source: Source,
        samples: int | None = None,
        mode: Mode = "strict",
        sampling: str = "greedy",
    ) -> None:
        self._source = source
        self._mode = mode
        self._sampling = sampling
        self._samples = samples
        self._rendered: dict[tuple[str, str], list[Prompted]] = {}

    def of(self, benchmark: Benchmark, tokenizer: Tokenizer) -> list[Prompted]:
        """The items in the order of the permutation.

        Raises SpecError or EngineError where the rows cannot be read or fetched.
        """
        definition = Definition(benchmark, self._source, self._mode, self._sampling)
        definition.check()
        template = tokenizer.template if definition.chat else None
        windows = definition.settings.get("output_type") == "loglikelihood_rolling"
        rendering = f"{tokenizer.identity} {tokenizer.context}" if windows else ""
        key = (benchmark.name, template.identity if template and not windows else rendering)
        if key not in self._rendered:
            items = (
                _windows(definition, tokenizer)
                if windows
                else (
                    prompted
                    for config in definition.configs
                    for prompted in _render(definition, config, template)
                )
            )
            self._rendered[key] = self._sample(definition, items)
        return self._rendered[key]

    def _sample(self, definition: Definition, items: Iterator[Prompted]) -> list[Prompted]:
        # all items, in lm-eval's order: its choice of examples depends on the items before
        clusters: dict[str, list[Prompted]] = {}
        for prompted in items:
            clusters.setdefault(prompted.cluster, []).append(prompted)
        if not clusters:
            raise AbsentError(
                f"benchmark {definition.benchmark.name}: {definition.dataset} in "
                f"{definition.source.name} has no rows"
            )
        names = list(clusters)
        random.Random(SEED).shuffle(names)
        chosen: list[Prompted] = []
        for name in names:
            if self._samples is not None and len(chosen) >= self._samples:
                break
            chosen.extend(clusters[name])
        return chosen


def _render(
    definition: Definition, config: str | None, chat_template: ChatTemplate | None
) -> Iterator[Prompted]:
    benchmark = definition.benchmark
    task = _load(definition, config)
    if not len(task.eval_docs):
        return
    task.set_fewshot_seed(FEWSHOT_SEED)
    task.build_all_requests(
        apply_chat_template=chat_template is not None,
        fewshot_as_multiturn=chat_template is not None,
        chat_template=chat_template,
    )
    groups: dict[int, list[Instance]] = {}
    for instance in task.instances:
        groups.setdefault(int(instance.doc_id or 0), []).append(instance)
    for number, requests in groups.items():
        if chat_template is not None and THINK_END in chat_template.identity:
            _let_think(requests)
        doc = dict(requests[0].doc)
        # the position counts, since data sets do hold equal rows
        item = _sha([config, number, doc])
        cluster = _cluster(benchmark, config, doc) or item
        if config is not None:
            doc["config"] = config
        yield Prompted(
            item=item,
            key=_sha([[r.request_type, r.arguments] for r in requests]),
            cluster=cluster,
            doc=doc,
            task=task,
            requests=tuple(requests),
        )


def _cluster(benchmark: Benchmark, config: str | None, doc: Mapping[str, Any]) -> str | None:
    """The cluster that a row belongs to; None where each item stands by itself."""
    columns = (benchmark.cluster,) if isinstance(benchmark.cluster, str) else benchmark.cluster
    if columns is None:
        return None
    for column in columns:
        if column not in doc:
            raise ScoringError(
                f"benchmark {benchmark.name}: its rows have no column {column!r}; "
                f"they have {', '.join(doc)}"
            )
    name = "/".join(str(doc[column]) for column in columns)
    return name if benchmark.parallel else f"{config}/{name}"


def _let_think(requests: Sequence[Instance]) -> None:
    """Take the stop words out of requests: they would end a thought, and the answer with it.

    The end of the turn ends the answer; what follows a stop word in it is cut off when it is read.
    """
    for request in requests:
        if request.request_type == "generate_until":
            prompt, decoding = request.arguments
            request.arguments = (prompt, {**decoding, "until": []})


def _windows(definition: Definition, tokenizer: Tokenizer) -> Iterator[Prompted]:
    """The whole text of a data set, cut into windows that do not overlap.

    As the authors of GPTQ, SparseGPT and Wanda measure perplexity, but that they join lines where
    the rows here are pages, and drop the last window, which is kept here.
    """
    from lm_eval.api.instance import Instance

    tasks = [_load(definition, config) for config in definition.configs]
    texts = [task.doc_to_target(doc) for task in tasks for doc in task.eval_docs]
    tokens = tokenizer.encode("\n\n".join(texts))
    size = min(WINDOW, tokenizer.context)
    for number, start in enumerate(range(0, len(tokens), size)):
        window = tokens[start : start + size]
        if len(window) < 2:
            continue  # nothing to predict
        doc = {
            "window": number,
            "tokens": len(window) - 1,
            "words": len(tokenizer.decode(window[1:]).split()),
        }
        request = Instance(request_type=WINDOWS, doc=doc, arguments=(tuple(window),), idx=0)
        key = _sha([WINDOWS, window])
        yield Prompted(item=key, key=key, cluster=key, doc=doc, task=tasks[0], requests=(request,))


def _load(definition: Definition, config: str | None) -> ConfigurableTask:
    """One lm-eval task that reads its rows from the source."""
    import datasets
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.tasks._yaml_loader import load_yaml

    datasets.disable_progress_bars()
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    _remember_templates()
    benchmark = definition.benchmark
    settings: dict[str, Any] = {}
    for path in definition.files:
        settings |= load_yaml(path)
    for structural in ("tag", "group", "task_list", "include"):
        settings.pop(structural, None)
    settings["num_fewshot"] = definition.shots
    # only the splits that are used have to be there
    if settings.get("test_split"):
        settings["validation_split"] = None
    if definition.fewshot_split is None:
        settings["training_split"] = settings["fewshot_split"] = None
    if config is not None:
        settings["dataset_name"] = config
    if benchmark.where:
        settings["process_docs"] = _only(benchmark.where, settings.get("process_docs"))
    if definition.source.folder is not None:
        options = settings.pop("dataset_kwargs", None) or {}
        splits = {definition.split, definition.fewshot_split} - {None}
        settings["custom_dataset"] = lambda **metadata: _local_rows(
            definition.source.path(definition.dataset),
            settings.get("dataset_name"),
            splits,
            options,
        )
    elif revision := definition.source.revision(definition.dataset):
        options = settings.get("dataset_kwargs") or {}
        settings["dataset_kwargs"] = {**options, "revision": revision}
    if settings.get("output_type") == "generate_until":
        decoding = {"do_sample": False, **settings.get("generation_kwargs", {})}
        if definition.max_new_tokens is not None:
            decoding["max_gen_toks"] = definition.max_new_tokens
        if definition.temperature:
            decoding |= {"do_sample": True, "temperature": definition.temperature}
        settings["generation_kwargs"] = decoding
    try:
        return ConfigurableTask(config=settings)
    except (
        OSError,
        TypeError,
        ValueError,
        LookupError,
        RuntimeError,
        datasets.exceptions.DatasetsError,
    ) as error:
        cause = str(error.__cause__ or error).strip().splitlines()
        reason = cause[0] if cause else type(error).__name__
        if definition.source.folder is None:
            raise EngineError(
                f"benchmark {benchmark.name}: {definition.dataset} could not be fetched from the "
                f"hub ({reason}): go online, or give a local copy with --dataset-root DIR"
            ) from None
        raise SpecError(
            f"benchmark {benchmark.name}: the rows of {definition.dataset} in "
            f"{definition.source.name} cannot be read ({reason})"
        ) from None


def _only(where: Mapping[str, str], then: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """Keeps the rows whose columns have the values of `where`, and then does what a task does."""

    def process(rows: Any) -> Any:
        kept = rows.filter(lambda row: all(str(row[name]) == text for name, text in where.items()))
        return then(kept) if then is not None else kept

    return process


def _remember_templates() -> None:
    """Let lm-eval compile each template of a prompt once; it does so for each row otherwise."""
    from lm_eval import utils

    if not hasattr(utils.env.from_string, "cache_info"):
        utils.env.from_string = lru_cache(utils.env.from_string)


def _local_rows(
    path: str, name: str | None, splits: Collection[str | None], options: Mapping[str, Any]
) -> Any:
    """Some splits of a data set in a local folder, as a table."""
    import datasets

    with local_splits(path, name, options) as streams:
        return datasets.DatasetDict(
            {
                split: datasets.Dataset.from_list(list(stream))
                for split, stream in streams.items()
                if split in splits
            }
        )


def overlong(prompted: Sequence[Prompted], tokenizer: Tokenizer) -> int:
    """How many items do not fit the model's context whole: engines cut the start of their prompts.

    A prompt to be continued needs room for the longest answer too.
    """
    return sum(
        any(_exceeds(text, room, tokenizer) for text, room in _needs(one, tokenizer.context))
        for one in prompted
    )


def longest(prompted: Iterable[Prompted], tokenizer: Tokenizer) -> int:
    """Tokens of the longest request, those to be generated included; at most the context."""
    from lm_eval.models.utils import normalize_gen_kwargs

    most, texts = 0, set()
    for request in (request for one in prompted for request in one.requests):
        if request.request_type == WINDOWS:
            most = max(most, len(request.arguments[0]))
        elif request.request_type == "generate_until":
            text, decoding = request.arguments
            texts.add((text, int(normalize_gen_kwargs(decoding)["max_gen_toks"])))
        else:
            texts.add(("".join(request.arguments), 1))  # for a prompt that is nothing but BOS
    bounds = [(len(text.encode()) + 8 + new, text, new) for text, new in texts]
    for bound, text, new in sorted(bounds, reverse=True):
        if bound <= most:  # nor is any that follows longer
            break
        most = max(most, len(tokenizer.encode(text)) + new)
    return min(most, tokenizer.context)


def _needs(prompted: Prompted, context: int) -> Iterator[tuple[str, int]]:
    """The distinct texts of an item with the tokens that each may have."""
    from lm_eval.models.utils import normalize_gen_kwargs

    for request in prompted.requests:
        if request.request_type == "generate_until":
            text, decoding = request.arguments
            yield text, context - normalize_gen_kwargs(decoding)["max_gen_toks"]
        elif request.request_type == "loglikelihood":
            text, continuation = request.arguments
            yield text + continuation, context + 1  # the last token is only predicted


def _exceeds(text: str, room: int, tokenizer: Tokenizer) -> bool:
    # a token stands for a byte at least, but for a few special ones
    return len(text.encode()) + 8 > room and len(tokenizer.encode(text)) > room


def answered_items(prompted: Sequence[Prompted], responses: Sequence[Sequence[Any]]) -> list[Item]:
    """The items with their responses, after the tasks' filters and rules.

    What a reasoning model thought aloud before it answered is no part of its answer.
    """
    read = [
        [
            _spoken(one, request, answer) if isinstance(answer, str) else answer
            for request, answer in zip(one.requests, answers, strict=True)
        ]
        for one, answers in zip(prompted, responses, strict=True)
    ]
    for one, answers in zip(prompted, read, strict=True):
        for request, answer in zip(one.requests, answers, strict=True):
            request.resps = [tuple(answer) if isinstance(answer, list) else answer]
            request.filtered_resps = {}
    by_task: dict[int, list[Prompted]] = {}
    for one in prompted:
        by_task.setdefault(id(one.task), []).append(one)
    for group in by_task.values():
        requests = [request for one in group for request in one.requests]
        for ensemble in group[0].task._filters:
            ensemble.apply(requests)
    return [_item(one, answers) for one, answers in zip(prompted, read, strict=True)]


def _spoken(one: Prompted, request: Instance, text: str) -> str:
    """A generated text as the task's rules get to see it."""
    prompt, decoding = request.arguments
    answer = without_thoughts(text, opened=prompt.rstrip().endswith(THINK_START))
    stops = (one.task.config.generation_kwargs or {}).get("until", ())
    if not decoding.get("until"):  # the engine did not stop at them
        for stop in [stops] if isinstance(stops, str) else stops:
            answer = answer.partition(stop)[0]
    return answer


def without_thoughts(text: str, *, opened: bool = False) -> str:
    """A generated text after its last `</think>`; nothing where the thinking never ends.

    `opened` says that the prompt has begun the thinking, as some chat templates do.
    """
    if THINK_END in text:
        return text.rpartition(THINK_END)[2].lstrip()
    return "" if opened or text.lstrip().startswith(THINK_START) else text


def _item(one: Prompted, responses: Sequence[Any]) -> Item:
    results: dict[str, Any] = {}
    answers: dict[str, Any] = {}
    text = one.requests[0].request_type != WINDOWS
    if text:
        for name in one.requests[0].filtered_resps:
            filtered = [request.filtered_resps[name] for request in one.requests]
            answers[name] = filtered[0] if len(filtered) == 1 else filtered
            for metric, value in one.task.process_results(dict(one.doc), filtered).items():
                results[f"{metric},{name}"] = value
    return Item(
        doc=one.doc,
        prompt=str(one.requests[0].arguments[0]) if text else "",
        responses=tuple(responses),
        answers=answers,
        results=results,
    )


def _sha(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
