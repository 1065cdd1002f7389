"""Load a benchmark's task in lm-eval, with its rows read from the source."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unicomp.data.json_lines import joined, only_file, text_rows
from unicomp.data.sources import local_splits, visible_names
from unicomp.errors import EngineError, SpecError, UnicompError, first_line
from unicomp.prompts.tasks import Definition

if TYPE_CHECKING:
    from lm_eval.api.task import ConfigurableTask

_READING_ERRORS = (OSError, TypeError, ValueError, LookupError, RuntimeError)


def load_task(
    definition: Definition, config: str | None, rows: Sequence[Mapping[str, Any]] | None = None
) -> ConfigurableTask:
    """The lm-eval task of one configuration of the data set; None for the task's own.

    `rows` are those that the benchmark made, if it has no data set.
    Raises EngineError if the hub's rows cannot be fetched, SpecError if local rows cannot be read.
    """
    import datasets
    from lm_eval.api.task import ConfigurableTask

    datasets.disable_progress_bars()
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    _compile_templates_once()
    settings = _settings(definition, config)
    if rows is not None:
        split, listed = definition.split, [dict(row) for row in rows]
        settings["custom_dataset"] = lambda **metadata: datasets.DatasetDict(
            {split: datasets.Dataset.from_list(listed)}
        )
    try:
        return ConfigurableTask(config=settings)
    except (*_READING_ERRORS, datasets.exceptions.DatasetsError) as error:
        raise _explained(definition, error) from None


def _settings(definition: Definition, config: str | None) -> dict[str, Any]:
    """The content of the task's files, changed to read only the splits and rows that are used."""
    from lm_eval.tasks._yaml_loader import load_yaml

    settings: dict[str, Any] = {}
    for path in definition.files:
        settings |= load_yaml(path)
    for structural in ("tag", "group", "task_list", "include"):
        settings.pop(structural, None)
    settings["num_fewshot"] = definition.shots
    if settings.get("test_split"):
        settings["validation_split"] = None
    if definition.fewshot_split is None:
        settings["training_split"] = settings["fewshot_split"] = None
    if config is not None:
        settings["dataset_name"] = config
    if where := definition.benchmark.where:
        settings["process_docs"] = _selecting(where, settings.get("process_docs"))
    if definition.nested_as_text:
        settings.pop("dataset_kwargs", None)
        settings["custom_dataset"] = lambda **metadata: _text_rows(definition)
    elif definition.benchmark.rows is None and definition.rows.folder is not None:
        options = settings.pop("dataset_kwargs", None) or {}
        splits = {definition.split, definition.fewshot_split} - {None}
        settings["custom_dataset"] = lambda **metadata: _local_rows(
            definition.rows.path(definition.dataset),
            settings.get("dataset_name"),
            splits,
            options,
        )
    elif revision := definition.rows.revision(definition.dataset):
        options = settings.get("dataset_kwargs") or {}
        settings["dataset_kwargs"] = {**options, "revision": revision}
    if definition.generates:
        decoding = {"do_sample": False, **settings.get("generation_kwargs", {})}
        if definition.max_new_tokens is not None:
            decoding["max_gen_toks"] = definition.max_new_tokens
        if definition.decoding:
            decoding |= {"do_sample": True, **definition.decoding}
        settings["generation_kwargs"] = decoding
    return settings


def _explained(definition: Definition, error: Exception) -> UnicompError:
    """The error for rows that cannot be had, with the reason in one line."""
    name, source = definition.benchmark.name, definition.rows
    reason = first_line(error.__cause__ or error)
    if source.folder is None:
        return EngineError(
            f"benchmark {name}: {definition.dataset} could not be fetched from the hub ({reason}): "
            "go online, or give a local copy with --dataset-root DIR"
        )
    return SpecError(
        f"benchmark {name}: the rows of {definition.dataset} in {source.name} cannot be read "
        f"({reason})"
    )


def _selecting(where: Mapping[str, str], then: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """A `process_docs` that keeps the rows with the values of `where`, and then calls `then`."""

    def process(rows: Any) -> Any:
        kept = rows.filter(lambda row: all(str(row[name]) == text for name, text in where.items()))
        return then(kept) if then is not None else kept

    return process


def _compile_templates_once() -> None:
    """Let lm-eval compile each prompt template once, not once for each row."""
    from lm_eval import utils

    if not hasattr(utils.env.from_string, "cache_info"):
        utils.env.from_string = lru_cache(utils.env.from_string)


def _text_rows(definition: Definition) -> Any:
    """The items of a task whose nested values stay JSON text, as a DatasetDict.

    Their rows are joined with those of the other named splits, if the task says by which column.
    """
    import datasets

    paths, fetched = _paths(definition)
    rows = {
        split: [row for name in names for row in text_rows(fetched(only_file(name, paths)))]
        for split, names in definition.named_files.items()
    }
    items = rows.pop(definition.split)
    if definition.joined_by is not None:
        for others in rows.values():
            items = joined(items, others, definition.joined_by)
    return datasets.DatasetDict({definition.split: datasets.Dataset.from_list(items)})


def _paths(definition: Definition) -> tuple[Collection[str], Callable[[str], Path]]:
    """The paths of a data set's files, and how one of them is fetched."""
    source, dataset = definition.rows, definition.dataset
    if source.folder is not None:
        folder = Path(source.path(dataset))
        return visible_names(folder), lambda name: folder / name
    from huggingface_hub import hf_hub_download, list_repo_files

    at: dict[str, Any] = {"repo_type": "dataset", "revision": source.revision(dataset)}
    paths = list_repo_files(dataset, **at)
    return paths, lambda name: Path(hf_hub_download(dataset, name, **at))


def _local_rows(
    path: str, name: str | None, splits: Collection[str | None], options: Mapping[str, Any]
) -> Any:
    """The given splits of a data set in a local folder, as a DatasetDict."""
    import datasets

    with local_splits(path, name, options) as streams:
        return datasets.DatasetDict(
            {
                split: datasets.Dataset.from_list(list(stream))
                for split, stream in streams.items()
                if split in splits
            }
        )
