"""Equality: in `compat`, scores equal those of lm-eval's own command line, to the last digit.

The embedded model answers a few real rows of each benchmark twice: by `python -m lm_eval run`,
whose own tasks only get the place of the rows, and by this project. The test also compares all
prompts and answers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from fixtures.models.embedded import model
from suites.performance import test_knowledge as knowledge
from suites.performance import test_multilingual as multilingual
from suites.performance import test_reasoning as reasoning
from tests.scoring.scripted import instruments
from unicomp import Benchmark
from unicomp.checkpoint import Builder
from unicomp.data.sources import Source
from unicomp.engines import EngineSettings
from unicomp.engines.tokenizer import load_tokenizer
from unicomp.measuring import Conditions, measure
from unicomp.prompts.tasks import Definition
from unicomp.responses import ResponseLog
from unicomp.scores import Records
from unicomp.spec import DENSE, Model
from unicomp.store import Store

ROOT = os.environ.get("UNICOMP_DATASET_ROOT")

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not ROOT, reason="needs a mirror of the hub's rows: set UNICOMP_DATASET_ROOT"
    ),
]

TASKS = Path(find_spec("lm_eval").origin).parent / "tasks"
BATCH_SIZE = 16
SUBJECTS = ("abstract_algebra", "high_school_psychology")


@dataclass(frozen=True)
class Pair:
    """A benchmark and its counterpart in lm-eval."""

    bench: Benchmark
    metric: str
    """lm-eval's, which the benchmark takes over."""
    rows: int
    files: dict[str | None, str]
    """Configuration → file of lm-eval's task."""


def pair(bench: Benchmark, metric: str, rows: int) -> Pair:
    return Pair(bench, metric, rows, {None: bench.task})


PLAIN = (
    pair(knowledge.arc_easy, "acc_norm,none", 16),
    pair(knowledge.arc_challenge, "acc_norm,none", 16),
    pair(knowledge.hellaswag, "acc_norm,none", 16),
    pair(knowledge.piqa, "acc_norm,none", 16),
    pair(knowledge.winogrande, "acc,none", 16),
    pair(multilingual.bbq, "acc,none", 8),
    Pair(
        replace(knowledge.mmlu, configs=SUBJECTS),
        "acc,none",
        6,
        {subject: f"mmlu/default/mmlu_{subject}.yaml" for subject in SUBJECTS},
    ),
)
CHAT = (
    pair(reasoning.gsm8k, "exact_match,flexible-extract", 4),
    pair(replace(reasoning.math_500, max_new_tokens=512), "math_verify,none", 2),
)
CHAT_ARGUMENTS = (
    "--apply_chat_template",
    "--fewshot_as_multiturn=true",
    "--gen_kwargs=max_gen_toks=512",
)


@dataclass(frozen=True)
class Answered:
    """One item, answered by one of the two programs."""

    requests: list[list[Any]]
    responses: list[Any]
    correct: float


Answers = dict[tuple[str | None, int], Answered]
"""(configuration, position of the row) → the requests and the answers."""


# -- rows -----------------------------------------------------------------------------------------


def mirror(pairs: tuple[Pair, ...], root: Path) -> None:
    """The first rows of each split; lm-eval often needs a split `train` that it does not use."""
    from pyarrow import parquet

    for one in pairs:
        dataset = Definition(one.bench, Source("hub")).dataset
        configs: dict[str, list[dict[str, str]]] = {}
        for path in sorted((Path(ROOT) / dataset).rglob("*.parquet")):
            config, split = path.parent.name, path.stem
            if None not in one.files and config not in one.files:
                continue
            target = root / dataset / config / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            parquet.write_table(parquet.read_table(path).slice(0, one.rows), target)
            splits = configs.setdefault(config, [])
            for name in {split, "train"} - {known["split"] for known in splits}:
                splits.append({"split": name, "path": f"{config}/{path.name}"})
        matter = [{"config_name": name, "data_files": files} for name, files in configs.items()]
        readme = f"---\n{json.dumps({'configs': matter})}\n---\n"
        (root / dataset / "README.md").write_text(readme)


# -- both -----------------------------------------------------------------------------------------


def by_lm_eval(
    pairs: tuple[Pair, ...],
    arguments: tuple[str, ...],
    root: Path,
    folder: Path,
    model: Model = model,
) -> dict[str, tuple[dict[str | None, float], Answers]]:
    """Benchmark → its scores by configuration, and its answers."""
    tasks = {
        f"mirrored_{one.bench.name}_{config}": (one, config)
        for one in pairs
        for config in one.files
    }
    (folder / "tasks").mkdir(parents=True)
    for name, (one, config) in tasks.items():
        dataset = Definition(one.bench, Source("hub")).dataset
        (folder / "tasks" / f"{name}.yaml").write_text(
            f"include: {TASKS / one.files[config]}\n"
            f"task: {name}\n"
            f"dataset_path: {root / dataset}\n"
            f"num_fewshot: {one.bench.shots}\n"
        )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "lm_eval", "run", "--model=hf", "--device=cpu"),
            f"--model_args=pretrained={model.source},dtype=float32",
            f"--batch_size={BATCH_SIZE}",
            f"--tasks={','.join(tasks)}",
            f"--include_path={folder / 'tasks'}",
            f"--output_path={folder / 'results'}",
            "--log_samples",
            *arguments,
        ],
        env={
            **os.environ,
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_CACHE": str(folder / "cache"),
            "OMP_NUM_THREADS": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    (written,) = (folder / "results").rglob("results_*.json")
    results = json.loads(written.read_text())["results"]
    found = {one.bench.name: ({}, {}) for one in pairs}
    for name, (one, config) in tasks.items():
        scores, answers = found[one.bench.name]
        scores[config] = 100 * results[name][one.metric]
        metric, wanted = one.metric.split(",")
        (samples,) = written.parent.glob(f"samples_{name}_*.jsonl")
        for sample in map(json.loads, samples.read_text().splitlines()):
            if sample["filter"] == wanted:
                answers[config, sample["doc_id"]] = Answered(
                    requests=[list(one.values()) for one in sample["arguments"].values()],
                    responses=[response for (response,) in sample["resps"]],
                    correct=float(sample[metric]),
                )
    return found


def by_unicomp(
    pairs: tuple[Pair, ...], root: Path, folder: Path, model: Model = model
) -> dict[str, tuple[dict[str | None, float], Answers]]:
    """The same, by this project."""
    import numpy as np

    store = Store(folder / "home")
    engine = EngineSettings(device="cpu", batch_size=BATCH_SIZE)
    published = instruments("compat")
    conditions = Conditions(store, Source(str(root)), engine, instruments=published)
    checkpoint = Builder(store=store, roots=()).find(model, DENSE, None)
    measured = measure(checkpoint, [one.bench for one in pairs], conditions)
    responses = ResponseLog(store, checkpoint, engine).read()
    tokenizer = load_tokenizer(checkpoint.path, model)
    found = {}
    for one in pairs:
        records = measured.records[one.bench.name]
        assert isinstance(records, Records), records
        prompted = conditions.renderer.items(one.bench, tokenizer)
        configs = [item.doc.get("config") for item in prompted]
        answers = {
            (config, item.requests[0].doc_id): Answered(
                requests=[list(request.arguments) for request in item.requests],
                responses=responses[item.key],
                correct=correct,
            )
            for config, item, correct in zip(
                configs, prompted, records.fields["correct"], strict=True
            )
        }
        scores = {}
        for config in one.files:
            chosen = records.only([config == other for other in configs])
            weights = np.ones((1, len(chosen.items)))
            scores[config] = float(one.bench.aggregate(chosen.columns, weights)[0])
        found[one.bench.name] = (scores, answers)
    return found


def alike(ours: list[Any], theirs: list[Any]) -> bool:
    """Whether texts are equal, and likelihoods up to the order in which floats are added."""
    if isinstance(ours[0], str):
        return ours == theirs
    return [bool(greedy) for _, greedy in ours] == [greedy == "True" for _, greedy in theirs] and [
        likelihood for likelihood, _ in ours
    ] == pytest.approx([float(likelihood) for likelihood, _ in theirs], rel=1e-5, abs=1e-3)


@pytest.mark.parametrize(
    ("pairs", "arguments"), [(PLAIN, ()), (CHAT, CHAT_ARGUMENTS)], ids=["plain", "chat"]
)
def test_lm_eval_asks_the_same_and_comes_to_the_same_scores(pairs, arguments, tmp_path):
    mirror(pairs, tmp_path / "rows")
    stock = by_lm_eval(pairs, arguments, tmp_path / "rows", tmp_path / "lm_eval")
    assert_same(by_unicomp(pairs, tmp_path / "rows", tmp_path / "unicomp"), stock)


Found = dict[str, tuple[dict[str | None, float], Answers]]
"""Benchmark → its scores by configuration, and its answers."""


def assert_same(ours: Found, stock: Found) -> None:
    """Check that scores, prompts and answers of each benchmark are equal."""
    for name, (scores, answers) in ours.items():
        their_scores, their_answers = stock[name]
        assert scores == pytest.approx(their_scores, rel=1e-12), name
        assert answers.keys() == their_answers.keys()
        for key, answer in answers.items():
            theirs = their_answers[key]
            assert answer.requests == theirs.requests, (name, key)
            assert answer.correct == theirs.correct, (name, key)
            assert alike(answer.responses, theirs.responses), (name, key)
