"""A benchmark's items as requests to a model: rows, prompts and filters, by lm-eval's tasks.

A task is a YAML file of lm-eval's kind. Its `dataset_path` names a data set of the hub; which
source the rows are read from is decided here, so one definition serves all three.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import yaml

from unicomp.errors import EngineError, ScoringError, SpecError
from unicomp.sources import Source
from unicomp.spec import Benchmark, Item

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance
    from lm_eval.api.task import ConfigurableTask

SEED = 42
"""Of the permutation of which `--samples N` takes the first N items."""

EMBEDDED_TOKENS = 128
"""No answer to an embedded row is longer, so that a model that never stops costs little."""


class ChatTemplate(Protocol):
    """Renders a conversation to a prompt."""

    @property
    def identity(self) -> str:
        """Equal for templates that render alike."""
        ...

    def __call__(self, messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The prompt."""
        ...


class _Loader(yaml.SafeLoader):
    """Reads task files without importing the functions that they name."""


_Loader.add_constructor("!function", lambda loader, node: str(node.value))


def task_file(benchmark: Benchmark) -> Path:
    """The YAML file of a benchmark's task; SpecError where there is none."""
    if isinstance(benchmark.task, Path):
        path = benchmark.task
    else:
        spec = importlib.util.find_spec("lm_eval")
        if spec is None or spec.origin is None:
            raise SpecError("lm-eval is not installed: pip install unicomp brings it")
        path = Path(spec.origin).parent / "tasks" / benchmark.task
    if not path.is_file():
        raise SpecError(f"benchmark {benchmark.name}: there is no task file {path}")
    return path


def _files(path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A task file and those that it includes, the outermost last."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        cause = str(error).splitlines()[0]
        raise SpecError(f"the task file {path} cannot be read: {cause}") from None
    if not isinstance(content, dict):
        raise SpecError(f"the task file {path} is not a table of settings")
    included = content.get("include", ())
    for name in [included] if isinstance(included, str) else included:
        yield from _files(path.parent / name)
    yield path, content


def _functions(path: Path) -> list[Path]:
    """The modules beside a task file whose functions it names."""
    names = re.findall(r"!function\s+([\w.]+)\.\w+", path.read_text(encoding="utf-8"))
    modules = {path.parent / f"{name.replace('.', '/')}.py" for name in names}
    return sorted(module for module in modules if module.is_file())


@dataclass(frozen=True)
class Definition:
    """What a benchmark is on a source, known without importing lm-eval."""

    benchmark: Benchmark
    source: Source

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What the task file and those that it includes say, functions by their names."""
        merged: dict[str, Any] = {}
        for _, content in _files(task_file(self.benchmark)):
            merged |= content
        return merged

    @property
    def dataset(self) -> str:
        """The data set's id on the hub."""
        if "dataset_path" not in self.settings:
            raise SpecError(f"benchmark {self.benchmark.name}: its task names no dataset_path")
        return str(self.settings["dataset_path"])

    @cached_property
    def configs(self) -> tuple[str | None, ...]:
        """The configurations that are run; (None,) for the task's own."""
        if not self.benchmark.configs:
            return (None,)
        return self.source.configs(self.dataset, self.benchmark.configs)

    @property
    def shots(self) -> int:
        """Examples in the prompt; the embedded model was trained without any."""
        return 0 if self.source.is_embedded else self.benchmark.shots

    @property
    def max_new_tokens(self) -> int | None:
        """The longest answer; those of the embedded world are short."""
        declared = self.benchmark.max_new_tokens
        if self.source.is_embedded and declared is not None:
            return min(declared, EMBEDDED_TOKENS)
        return declared

    def check(self) -> None:
        """Raise SpecError where a local source lacks the rows."""
        if not self.configs:
            raise SpecError(f"the dataset root {self.source.name} lacks {self.dataset}")
        for config in self.configs:
            self.source.check(self.dataset, config or self.settings.get("dataset_name"))
        files = (self.settings.get("dataset_kwargs") or {}).get("data_files") or {}
        for file in files.values() if isinstance(files, dict) else [files]:
            for pattern in [file] if isinstance(file, str) else file:
                self.source.check_file(self.dataset, pattern)

    def identity(self, digest: Callable[[Path], str]) -> dict[str, Any] | None:
        """Everything that decides the items, as JSON values; None for unpinned hub rows.

        `digest` gives the SHA-256 of a file.
        """
        rows = self.source.files(self.dataset)
        if rows is None:
            return None
        folder = Path(self.source.path(self.dataset))
        texts = [path for path, _ in _files(task_file(self.benchmark))]
        code = [path for text in texts for path in _functions(text)]
        return {
            "task": [digest(path) for path in (*texts, *code)],
            "rows": {str(path.relative_to(folder)): digest(path) for path in rows},
            "configs": self.configs,
            "shots": self.shots,
            "max_new_tokens": self.max_new_tokens,
            "cluster": self.benchmark.cluster,
            "chat": self.benchmark.chat,
            "seed": SEED,
        }


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
    items; None keeps all.
    """

    def __init__(self, source: Source, samples: int | None = None) -> None:
        self._source = source
        self._samples = samples
        self._rendered: dict[tuple[str, str], list[Prompted]] = {}

    def of(self, benchmark: Benchmark, template: ChatTemplate | None) -> list[Prompted]:
        """The items in the order of the permutation.

        Raises SpecError or EngineError where the rows cannot be read or fetched.
        """
        template = template if benchmark.chat else None
        key = (benchmark.name, template.identity if template else "")
        if key not in self._rendered:
            self._rendered[key] = self._render(Definition(benchmark, self._source), template)
        return self._rendered[key]

    def _render(self, definition: Definition, template: ChatTemplate | None) -> list[Prompted]:
        # all items, in lm-eval's order: its choice of examples depends on the items before
        clusters: dict[str, list[Prompted]] = {}
        for config in definition.configs:
            for prompted in _render(definition, config, template):
                clusters.setdefault(prompted.cluster, []).append(prompted)
        if not clusters:
            raise SpecError(
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
    task.build_all_requests(
        apply_chat_template=chat_template is not None,
        fewshot_as_multiturn=chat_template is not None,
        chat_template=chat_template,
    )
    groups: dict[int, list[Instance]] = {}
    for instance in task.instances:
        groups.setdefault(int(instance.doc_id or 0), []).append(instance)
    for number, requests in groups.items():
        doc = dict(requests[0].doc)
        if benchmark.cluster is not None and benchmark.cluster not in doc:
            raise ScoringError(
                f"benchmark {benchmark.name}: its rows have no column {benchmark.cluster!r}; "
                f"they have {', '.join(doc)}"
            )
        # the position counts, since data sets do hold equal rows
        item = _sha([config, number, doc])
        if config is not None:
            doc["config"] = config
        yield Prompted(
            item=item,
            key=_sha([[r.request_type, r.arguments] for r in requests]),
            cluster=f"{config}/{doc[benchmark.cluster]}" if benchmark.cluster else item,
            doc=doc,
            task=task,
            requests=tuple(requests),
        )


def _load(definition: Definition, config: str | None) -> ConfigurableTask:
    """One lm-eval task that reads its rows from the source."""
    import datasets
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.tasks._yaml_loader import load_yaml

    datasets.disable_progress_bars()
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    benchmark = definition.benchmark
    settings = load_yaml(task_file(benchmark))
    for structural in ("tag", "group", "task_list"):
        settings.pop(structural, None)
    settings["num_fewshot"] = definition.shots
    if config is not None:
        settings["dataset_name"] = config
    if definition.source.folder is not None:
        options = settings.pop("dataset_kwargs", None) or {}
        settings["custom_dataset"] = lambda **metadata: _local_rows(
            definition.source.path(definition.dataset), settings.get("dataset_name"), options
        )
    if settings.get("output_type") == "generate_until":
        decoding = {"do_sample": False, **settings.get("generation_kwargs", {})}
        if definition.max_new_tokens is not None:
            decoding["max_gen_toks"] = definition.max_new_tokens
        settings["generation_kwargs"] = decoding
    try:
        return ConfigurableTask(config=settings)
    except (
        OSError,
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


def _local_rows(path: str, name: str | None, options: Mapping[str, Any]) -> Any:
    """All splits of a data set in a local folder, read anew.

    The library's cache is passed by: it knows local files by their names, and keeps giving the
    rows of a file that has since been replaced.
    """
    import datasets

    streams = datasets.load_dataset(path, name, streaming=True, **options)
    return datasets.DatasetDict(
        {split: datasets.Dataset.from_list(list(stream)) for split, stream in streams.items()}
    )


def answered_items(prompted: Sequence[Prompted], responses: Sequence[Sequence[Any]]) -> list[Item]:
    """The items with their responses, after the tasks' filters and rules."""
    for one, answers in zip(prompted, responses, strict=True):
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
    return [_item(one, answers) for one, answers in zip(prompted, responses, strict=True)]


def _item(one: Prompted, responses: Sequence[Any]) -> Item:
    results: dict[str, Any] = {}
    answers: dict[str, Any] = {}
    for name in one.requests[0].filtered_resps:
        filtered = [request.filtered_resps[name] for request in one.requests]
        answers[name] = filtered[0] if len(filtered) == 1 else filtered
        for metric, value in one.task.process_results(dict(one.doc), filtered).items():
            results[f"{metric},{name}"] = value
    return Item(
        doc=one.doc,
        prompt=str(one.requests[0].arguments[0]),
        responses=tuple(responses),
        answers=answers,
        results=results,
    )


def _sha(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
