"""Render a benchmark's items: each row becomes the requests that a model is asked."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from unicomp.answering import UNDECLARED, Answering
from unicomp.data.sources import Source
from unicomp.errors import AbsentError, ContextError, ScoringError, SpecError, first_line
from unicomp.instruments import Mode
from unicomp.prompts.choices import MULTIPLE_CHOICE, right_options
from unicomp.prompts.loading import load_task
from unicomp.prompts.tasks import FEWSHOT_SEED, SAMPLING_SEED, WINDOW, Definition
from unicomp.prompts.thoughts import mentions_thoughts
from unicomp.prompts.tokenizers import ChatTemplate, Tokenizer
from unicomp.prompts.tools import ToolPrompts
from unicomp.prompts.wordings import PLAIN, WORDING, worded
from unicomp.spec import Benchmark, RowMaker, Wording

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance
    from lm_eval.api.task import ConfigurableTask

WINDOWS = "loglikelihood_window"
"""The request for the log-likelihood of a window of tokens, given its first token. In lm-eval's
`loglikelihood_rolling` a window never spans two rows."""

SPARE = 2
"""Tokens that a made prompt leaves free: a server may put one before it."""

SEED = "seed"
"""The setting of decoding that holds the number of the sample; without it, it is the first."""


@dataclass(frozen=True)
class RenderedItem:
    """One row and its requests, ready to be asked."""

    item: str
    """SHA-256 of the row: the same for every checkpoint, and for all samples of an item. `@` and
    the wording follow, if its benchmark has several."""
    key: str
    """SHA-256 of the rendered requests: prompts, continuations, decoding settings."""
    cluster: str
    doc: Mapping[str, Any]
    """The row; where configurations are named, with its own as the column `config`. Where there are
    wordings, the column `wording` has the name of this one."""
    task: ConfigurableTask
    requests: tuple[Instance, ...]
    sample: int = 0
    """Which sample of its item this is, from 0; see `Renderer.repeats`."""

    @cached_property
    def right_options(self) -> list[int]:
        """Of multiple choice: the right options, from 0; found once for all checkpoints."""
        return right_options(self.task, self.doc)

    @property
    def prompt(self) -> str:
        """The text of the first request; empty for a window of tokens."""
        prompt = self.requests[0].arguments[0]
        return prompt if isinstance(prompt, str) else ""

    @cached_property
    def options(self) -> list[str]:
        """Of multiple choice: the options as text; else empty."""
        if self.task.OUTPUT_TYPE != MULTIPLE_CHOICE:
            return []
        return [str(option) for option in self.task.doc_to_choice(self.doc)]

    @property
    def right_answer(self) -> str | None:
        """The right answer as text; None if the task does not give one, or its code fails."""
        try:
            if self.options:
                return " / ".join(self.options[one] for one in self.right_options) or None
            target = self.task.doc_to_target(self.doc)
        except Exception:  # a user's code; no score needs this
            return None
        texts = target if isinstance(target, list | tuple) else [target]
        return " / ".join(text.strip() for text in texts if isinstance(text, str)) or None


@dataclass
class Renderer:
    """Renders the items of benchmarks, each benchmark once for each chat template."""

    source: Source
    samples: int | None = None
    """Keep the shortest prefix of one seeded permutation of clusters with as many items."""
    mode: Mode = "strict"
    """`compat` renders a benchmark's published task, if it has one."""
    sampling: str = "greedy"
    answering: Answering = UNDECLARED
    repeats: int = 1
    """How often each item is asked, where answers are sampled."""
    _rendered: dict[tuple[str, str], list[RenderedItem]] = field(default_factory=dict, init=False)

    def definition(self, benchmark: Benchmark) -> Definition:
        """The definition of a benchmark in the mode of this renderer."""
        scored = benchmark.scored_in(self.mode)
        return Definition(scored, self.source, self.mode, self.sampling, self.answering)

    def items(self, benchmark: Benchmark, tokenizer: Tokenizer) -> list[RenderedItem]:
        """The benchmark's items in the order of the permutation.

        Raises SpecError or EngineError if the rows cannot be read or fetched, ContextError if made
        rows are longer than the model's context.
        """
        definition, maker = self.definition(benchmark), benchmark.rows
        template = tokenizer.template if definition.chat else None
        rendering = template.identity if template else ""
        if maker is not None:
            _check_context(definition, maker, tokenizer)
            key = (benchmark.name, f"{tokenizer.identity} {rendering}")
            chosen = partial(self._made, definition, maker, tokenizer)
        elif definition.settings.get("output_type") == "loglikelihood_rolling":
            key = (benchmark.name, f"{tokenizer.identity} {tokenizer.context}")
            chosen = partial(self._sample, definition, _windows(definition, tokenizer))
        else:
            key = (benchmark.name, rendering)
            rendered = (
                one
                for config in definition.configs
                for one in _render(definition, config, template)
            )
            chosen = partial(self._sample, definition, rendered)
        definition.check()
        if key not in self._rendered:
            self._rendered[key] = list(repeated(chosen(), self.samples_of(definition)))
        return self._rendered[key]

    def samples_of(self, definition: Definition) -> int:
        """How often each item of a benchmark is asked: once, unless its answers are sampled."""
        return self.repeats if is_sampled(definition) else 1

    def _made(
        self, definition: Definition, maker: RowMaker, tokenizer: Tokenizer
    ) -> list[RenderedItem]:
        """The items of a benchmark that makes its rows; no more are made than are asked."""
        names = [maker.identity_of(number) for number in range(maker.size)]
        return _filled(definition, maker, permutation(names, self.samples), tokenizer)

    def _sample(
        self, definition: Definition, rendered: Iterator[RenderedItem]
    ) -> list[RenderedItem]:
        # render all items in lm-eval's order: its choice of examples depends on the items before
        items = list(rendered)
        if not items:
            raise AbsentError(
                f"benchmark {definition.benchmark.name}: {definition.dataset} in "
                f"{definition.rows.name} has no rows"
            )
        samples = self.samples
        if samples is not None:  # an item counts once, in however many wordings it is asked
            samples *= max(len(definition.benchmark.wordings), 1)
        return [items[place] for place in permutation([one.cluster for one in items], samples)]


def is_sampled(definition: Definition) -> bool:
    """Whether a benchmark's answers are drawn at random, so that the same prompt gets others."""
    return definition.generates and bool(definition.decoding)


def repeated(items: Sequence[RenderedItem], times: int) -> Iterator[RenderedItem]:
    """All items, then their second samples, and so on.

    So the first samples are asked in the batches of a run without repeats, and more of them later
    cost only the difference. A seed among the settings of decoding makes their draws differ.
    """
    yield from items
    for sample in range(1, times):
        for one in items:
            requests = tuple(_seeded(request, sample) for request in one.requests)
            yield replace(one, sample=sample, requests=requests, key=_key(requests))


def _seeded(request: Instance, seed: int) -> Instance:
    """A request of another sample."""
    prompt, decoding = request.arguments
    return replace(request, arguments=(prompt, {**decoding, SEED: seed}))


def permutation(clusters: Sequence[str], samples: int | None = None) -> list[int]:
    """The places of items in one seeded permutation of their clusters.

    `samples`: its shortest prefix with as many items; None for all.
    """
    members: dict[str, list[int]] = {}
    for place, name in enumerate(clusters):
        members.setdefault(name, []).append(place)
    names = list(members)
    random.Random(SAMPLING_SEED).shuffle(names)
    chosen: list[int] = []
    for name in names:
        if samples is not None and len(chosen) >= samples:
            break
        chosen.extend(members[name])
    return chosen


def _render(
    definition: Definition, config: str | None, template: ChatTemplate | None
) -> Iterator[RenderedItem]:
    """The items of one configuration, in lm-eval's order; each in all wordings, the plain first."""
    task = load_task(definition, config)
    if not len(task.eval_docs):
        return
    wordings = definition.benchmark.wordings
    ways = [list(_asked(definition, config, template, task, one)) for one in wordings or (PLAIN,)]
    if not wordings:
        yield from ways[0]
        return
    for ways_of_item in zip(*ways, strict=True):
        plain = ways_of_item[0]
        for wording, one in zip(wordings, ways_of_item, strict=True):
            yield replace(
                one,
                item=f"{plain.item}@{wording.name}",
                cluster=plain.cluster,
                doc={**one.doc, WORDING: wording.name},
            )


def _asked(
    definition: Definition,
    config: str | None,
    template: ChatTemplate | None,
    task: ConfigurableTask,
    wording: Wording,
) -> Iterator[RenderedItem]:
    """The items of a task in one wording."""
    task.set_fewshot_seed(FEWSHOT_SEED)
    thinks = template is not None and mentions_thoughts(template.identity)
    if thinks:
        task.config.gen_prefix = None  # an answer that is begun leaves no room for thoughts
    with worded(task, wording, definition.benchmark):
        task.build_all_requests(
            apply_chat_template=template is not None,
            fewshot_as_multiturn=template is not None,
            chat_template=template,
        )
    prompts = ToolPrompts(template)
    groups: dict[int, list[Instance]] = {}
    for instance in task.instances:
        groups.setdefault(int(instance.doc_id or 0), []).append(instance)
    for number, requests in groups.items():
        if thinks:
            _let_think(requests)
        elif wording.examples:
            _stop_alike(requests, wording)
        doc = dict(requests[0].doc)
        if (column := definition.benchmark.tools) is not None:
            _offer(requests, column, prompts, task, definition.benchmark, wording)
        item = item_digest(config, number, doc)
        cluster = cluster_of(definition.benchmark, config, doc) or item
        if config is not None:
            doc["config"] = config
        yield RenderedItem(
            item=item,
            key=_key(requests),
            cluster=cluster,
            doc=doc,
            task=task,
            requests=tuple(requests),
        )


def item_digest(config: str | None, number: int, doc: Mapping[str, Any]) -> str:
    """The SHA-256 of a row; its position counts, since data sets contain equal rows."""
    return _sha([config, number, doc])


def cluster_of(benchmark: Benchmark, config: str | None, doc: Mapping[str, Any]) -> str | None:
    """The cluster of a row; None if each item is its own."""
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
    """Remove the stop words from requests: they would end a thought, and the answer with it.

    The end of the turn then ends the answer; text after a stop word is cut off when it is read.
    """
    for request in requests:
        if request.request_type == "generate_until":
            prompt, decoding = request.arguments
            request.arguments = (prompt, {**decoding, "until": []})


def _stop_alike(requests: Sequence[Instance], wording: Wording) -> None:
    """Let requests stop at the labels of their wording, too: a model may go on with the next item.

    A stop word that is rewritten is a label, such as `Q:`.
    """
    for request in requests:
        if request.request_type == "generate_until":
            prompt, decoding = request.arguments
            stops = decoding.get("until") or []
            stops = [stops] if isinstance(stops, str) else list(stops)
            until = list(dict.fromkeys([*stops, *map(wording.asked, stops)]))
            request.arguments = (prompt, {**decoding, "until": until})


def _offer(
    requests: Sequence[Instance],
    column: str,
    prompts: ToolPrompts,
    task: ConfigurableTask,
    benchmark: Benchmark,
    wording: Wording,
) -> None:
    """Rewrite the prompts of one row, so that they offer the functions in a column.

    lm-eval gives a chat template no tools. Raises SpecError.
    """
    doc = requests[0].doc
    try:
        prompt = prompts.prompt(wording.asked(task.doc_to_text(doc)), doc[column])
    except KeyError:
        raise SpecError(
            f"benchmark {benchmark.name}: its rows have no column {column!r} of functions; they "
            f"have {', '.join(doc)}"
        ) from None
    except ValueError as error:
        raise SpecError(f"benchmark {benchmark.name}: {first_line(error)}") from None
    for request in requests:
        request.arguments = (prompt, *request.arguments[1:])


def _check_context(definition: Definition, maker: RowMaker, tokenizer: Tokenizer) -> None:
    """Raise ContextError if made prompts with their answers are longer than the context."""
    beside = _most(definition) - (definition.benchmark.max_new_tokens or 0)
    needed = maker.length + max(beside, 0)
    if needed > tokenizer.context:
        raise ContextError(
            f"{definition.benchmark.name} fills {needed} tokens, more than the context of "
            f"{tokenizer.context}"
        )


def _most(definition: Definition) -> int:
    """The most new tokens of an answer to a made row, which its benchmark always limits."""
    assert definition.max_new_tokens is not None
    return definition.max_new_tokens


def _filled(
    definition: Definition, maker: RowMaker, places: Sequence[int], tokenizer: Tokenizer
) -> list[RenderedItem]:
    """The made rows at some places, as a model with a tokenizer is asked them.

    An item keeps its columns and its rendered prompt only: long prompts take memory.
    """
    from lm_eval.api.instance import Instance

    template = tokenizer.template if definition.chat else None
    thinks = template is not None and mentions_thoughts(template.identity)
    most, room = _most(definition), maker.length - (definition.benchmark.max_new_tokens or 0)

    def asked(prompt: str, prefix: str) -> str:
        if template is None:
            return f"{prompt}\n{prefix}"
        turns = [{"role": "user", "content": prompt}]
        if thinks:  # an answer that is begun leaves no room for thoughts
            return template(turns)
        begun = {"role": "assistant", "content": prefix}
        return template([*turns, begun], add_generation_prompt=False)

    def tokens(prompt: str, prefix: str) -> int:
        return len(tokenizer.encode(asked(prompt, prefix)))

    made = []
    for place in places:
        row = maker.row(place, tokens, room - SPARE)
        limit = most if thinks else min(row.new_tokens, most)
        made.append((place, dict(row.columns), asked(row.prompt, row.prefix), limit))
    task = load_task(definition, None, rows=[columns for _, columns, _, _ in made])
    rendered = []
    for place, columns, prompt, limit in made:
        decoding = {**task.config.generation_kwargs, "max_gen_toks": limit}
        item = _sha(maker.identity_of(place))
        request = Instance(
            request_type="generate_until", doc=columns, arguments=(prompt, decoding), idx=0
        )
        rendered.append(
            RenderedItem(
                item=item,
                key=_key([request]),
                cluster=item,
                doc=columns,
                task=task,
                requests=(request,),
            )
        )
    return rendered


def _windows(definition: Definition, tokenizer: Tokenizer) -> Iterator[RenderedItem]:
    """The whole text of a data set, cut into windows that do not overlap.

    The authors of GPTQ, SparseGPT and Wanda measure perplexity this way, with two differences: they
    join lines, here rows are pages; they drop the last window, here it counts.
    """
    from lm_eval.api.instance import Instance

    tasks = [load_task(definition, config) for config in definition.configs]
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
        yield RenderedItem(
            item=key, key=key, cluster=key, doc=doc, task=tasks[0], requests=(request,)
        )


def _key(requests: Sequence[Instance]) -> str:
    return _sha([[request.request_type, request.arguments] for request in requests])


def _sha(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
