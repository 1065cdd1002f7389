"""Equality: `unicomp verdict` on lm-eval's own logs gives the results of a run, digit for digit.

The embedded model and a compression answer the same rows twice: in a run of the suites, and by
`python -m lm_eval run` with the suites' task files. Only likelihoods may differ, from the seventh
digit on, since the two put other items into a batch.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from unicomp import catalogue
from unicomp.cli import main
from unicomp.data.sources import EMBEDDED_ROWS, Source, shipped_fixtures
from unicomp.framework import EMBEDDED_PROFILE
from unicomp.prompts.tasks import Definition, task_file

pytestmark = pytest.mark.long

CLONE = Path(__file__).parents[2]
MODEL = shipped_fixtures() / "embedded" / "model"
METHOD = "wanda_50"
METRICS = ("knowledge", "reasoning", "safety", "truthfulness")
OF_THE_STORE = {"calibration", "candidate", "baseline", "prompts", "records", "samples"}
"""What only a run knows: its calibration, its checkpoints, their tokens and texts."""


def write_tasks(folder: Path) -> list[str]:
    """The suites' tasks with their embedded rows, as files that lm-eval reads; their names."""
    folder.mkdir()
    source = Source(EMBEDDED_ROWS)
    wanted = {name for metric in METRICS for name in EMBEDDED_PROFILE.benchmarks(metric)}
    tasks = {}
    for bench in catalogue.load_benchmarks(catalogue.suite_folders(CLONE)):
        if bench.name not in wanted:
            continue
        definition = Definition(bench, source)
        changes = [path for path in definition.files if path.parent.parent.name == "embedded"]
        for config in definition.configs:
            task = {
                "include": [str(path) for path in (task_file(bench), *changes)],
                "task": "_".join(filter(None, (definition.settings["task"], config))),
                "dataset_path": source.path(definition.dataset),
                "num_fewshot": 0,
                "training_split": None,
                "fewshot_split": None,
                "tag": None,
                **({"dataset_name": config} if config else {}),
            }
            if definition.settings.get("test_split"):
                task["validation_split"] = None
            if definition.settings["output_type"] == "generate_until":
                decoding = {"do_sample": False, **definition.settings.get("generation_kwargs", {})}
                task["generation_kwargs"] = {**decoding, "max_gen_toks": definition.max_new_tokens}
            tasks[task["task"]] = task
    for name, task in tasks.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(task))
    return list(tasks)


def run(folder: Path, *command: str) -> None:
    environment = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "cache"),
                   "OMP_NUM_THREADS": "1", "UNICOMP_HOME": str(folder / "home")}  # fmt: skip
    # it is no worker of the run of these tests
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=CLONE,
        env={**inherited, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1, 10), done.stdout


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A folder with the scorecard of a run, and lm-eval's logs of the same checkpoints."""
    folder = tmp_path_factory.mktemp("both")
    asked = [f"--method={name}" for name in ("dense", METHOD)]
    run(
        folder,
        *("pytest", "suites", "-q", "-p", "no:cacheprovider", "-m", " or ".join(METRICS), *asked),
        f"--scorecard={folder / 'run.json'}",
    )
    models = {"dense": MODEL}
    for manifest in (folder / "home" / "checkpoints").glob("*/manifest.json"):
        label = json.loads(manifest.read_text())["facts"]["label"]
        models[label.removeprefix("embedded/")] = manifest.parent / "model"
    tasks = write_tasks(folder / "tasks")
    for name in ("dense", METHOD):
        run(
            folder,
            *("lm_eval", "run", "--model=hf", "--device=cpu", "--batch_size=64"),
            f"--model_args=pretrained={models[name]},dtype=float32",
            f"--tasks={','.join(tasks)}",
            f"--include_path={folder / 'tasks'}",
            f"--output_path={folder / name}",
            *("--log_samples", "--apply_chat_template"),
        )
    return folder


def test_logs_of_lm_eval_give_the_retentions_and_verdicts_of_a_run(measured, monkeypatch):
    monkeypatch.chdir(CLONE)
    monkeypatch.setenv("UNICOMP_HOME", str(measured / "home"))
    card = measured / f"{METHOD}.json"
    both = [str(measured / "dense"), str(measured / METHOD)]
    named = ["--model", "embedded", "--method", METHOD, "--scorecard", str(card)]
    main(["verdict", *both, *named])
    ours, theirs = (tables_of(path) for path in (measured / "run.json", card))
    assert ours.keys() == theirs.keys()
    assert len(ours) > 10
    for name, row in ours.items():
        figures, others = row.pop("divergence", {}), theirs[name].pop("divergence", {})
        assert row == theirs[name], name
        assert figures.get("lost") == others.get("lost"), name
        assert limits_of(figures, without=OF_TOKENS) == {
            key: pytest.approx(value, rel=1e-6, abs=1e-6)
            for key, value in limits_of(others).items()
        }


OF_TOKENS = ("length", "cut", "dense.cut")
"""The figures that need the model's tokenizer, which a log does not have."""


def limits_of(divergence: dict, without: tuple[str, ...] = ()) -> dict[str, list[float]]:
    """The figures of the answers with their limits; -1 where there is no limit."""
    figures = divergence.get("figures", {})
    return {
        key: [-1.0 if x is None else x for x in one]
        for key, one in figures.items()
        if key not in without
    }


def tables_of(path: Path) -> dict[str, dict]:
    """The rows and metrics of the compression by name, without what only a run knows."""
    content = json.loads(path.read_text())
    return {
        f"{kind} {row.get('benchmark') or row['metric']}": {
            key: value for key, value in row.items() if key not in OF_THE_STORE
        }
        for kind in ("scores", "missing", "metrics")
        for row in content[kind]
        if row["method"] == METHOD
    }
