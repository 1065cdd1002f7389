"""Small logs as lm-eval 0.4.13 writes them, for tests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unicomp import catalogue
from unicomp.data.sources import HUB, Source
from unicomp.elsewhere.evidence import Reader
from unicomp.instruments.assembly import default_instruments
from unicomp.prompts.tasks import Definition

DATE = "2026-01-02T03-04-05.678901"
LATER = "2026-02-02T03-04-05.678901"
BENCHMARKS = catalogue.load_benchmarks(catalogue.suite_folders(Path("/nowhere")))


def reader(**settings: Any) -> Reader:
    """A reader with the shipped suites."""
    return Reader(benchmarks=lambda: BENCHMARKS, instruments=default_instruments, **settings)


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task with its logged items."""

    name: str
    items: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    version: float = 1.0
    shots: int = 0


def suite_task(benchmark: str, items: Sequence[Mapping[str, Any]], **changes: Any) -> Task:
    """The task of a benchmark of the suites, with its wording."""
    bench = next(bench for bench in BENCHMARKS if bench.name == benchmark)
    definition = Definition(bench, Source(HUB))
    wording = {
        name: definition.settings.get(name)
        for name in ("output_type", "doc_to_text", "doc_to_choice", "metric_list", "dataset_name")
    }
    settings = {**wording, "dataset_path": definition.dataset, **changes}
    return Task(
        name=str(definition.settings["task"]),
        items=items,
        settings=settings,
        shots=definition.shots,
    )


def generated(
    number: int, doc: Mapping[str, Any], text: str, values: Mapping[str, Any], target: str = ""
) -> dict[str, Any]:
    """An item with one generated answer."""
    decoding = {"until": ["\n\n"], "do_sample": False, "max_gen_toks": 512}
    return {
        "doc_id": number,
        "doc": dict(doc),
        "target": target,
        "arguments": {"gen_args_0": {"arg_0": f"Q: {number}", "arg_1": decoding}},
        "resps": [[text]],
        "filtered_resps": [text],
        "filter": "none",
        "metrics": list(values),
        **values,
    }


def chosen(
    number: int, likelihoods: Sequence[float], right: int, values: Mapping[str, float]
) -> dict[str, Any]:
    """An item of multiple choice; `values` are those of the task's metrics."""
    options = [f" option {place}" for place in range(len(likelihoods))]
    return {
        "doc_id": number,
        "doc": {"question": f"question {number}"},
        "target": str(right),
        "arguments": {
            f"gen_args_{place}": {"arg_0": f"question {number}", "arg_1": option}
            for place, option in enumerate(options)
        },
        "resps": [[[str(one), "False"]] for one in likelihoods],
        "filtered_resps": [[str(one), "False"] for one in likelihoods],
        "filter": "none",
        "metrics": list(values),
        **values,
    }


def riddles(right: Sequence[bool], metrics: Sequence[str] = ("acc",)) -> Task:
    """A task that the suites do not have: three options, of which the first is right."""
    items = [
        chosen(number, [-1.0, -2.0, -3.0] if one else [-2.0, -1.0, -3.0], 0,
               dict.fromkeys(metrics, float(one)))
        for number, one in enumerate(right)
    ]  # fmt: skip
    metric_list = [
        {"metric": name, "aggregation": "mean", "higher_is_better": True} for name in metrics
    ]
    return Task(
        name="riddles",
        items=items,
        settings={"output_type": "multiple_choice", "metric_list": metric_list},
    )


def write(
    folder: Path,
    *tasks: Task,
    model: str = "mine",
    date: str = DATE,
    run: Mapping[str, Any] | None = None,
) -> Path:
    """Write the logs of a run below a folder, in the folder of its model; returns `folder`."""
    home = folder / model
    home.mkdir(parents=True, exist_ok=True)
    for task in tasks:
        lines = [json.dumps(_hashed(item), ensure_ascii=False) for item in task.items]
        path = home / f"samples_{task.name}_{date}.jsonl"
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    results = {
        "results": {},
        "configs": {task.name: {"task": task.name, **task.settings} for task in tasks},
        "versions": {task.name: task.version for task in tasks},
        "n-shot": {task.name: task.shots for task in tasks},
        "higher_is_better": {
            task.name: {
                one["metric"]: one.get("higher_is_better", True)
                for one in task.settings.get("metric_list") or ()
            }
            for task in tasks
        },
        "config": {"model": "hf", "limit": None, "gen_kwargs": {}, "fewshot_seed": 1234},
        "model_source": "hf",
        "model_name": f"models/{model}",
        "chat_template_sha": None,
        "fewshot_as_multiturn": False,
        "system_instruction_sha": None,
        "lm_eval_version": "0.4.13",
        "transformers_version": "5.17.0",
        **(run or {}),
    }
    (home / f"results_{date}.json").write_text(json.dumps(results), encoding="utf-8")
    return folder


def _hashed(item: Mapping[str, Any]) -> dict[str, Any]:
    hashes = {
        name: hashlib.sha256(json.dumps(item[of]).encode()).hexdigest()
        for name, of in (
            ("doc_hash", "doc"),
            ("prompt_hash", "arguments"),
            ("target_hash", "target"),
        )
    }
    return {**item, **hashes}
