"""The same task definitions on real rows, from a local mirror of the hub."""

from __future__ import annotations

import os
import shutil

import pytest

from unicomp.framework import DIMENSIONS

ROOT = os.environ.get("UNICOMP_DATASET_ROOT")

needs_mirror = pytest.mark.skipif(
    not ROOT, reason="needs a mirror of the hub's rows: set UNICOMP_DATASET_ROOT"
)


@pytest.mark.long
@needs_mirror
def test_every_benchmark_whose_rows_are_there_is_measured(gate):
    run = gate.run(
        "-m", "performance", "--method=dense", "--samples=2", f"--dataset-root={ROOT}"
    )  # fmt: skip
    rows = {row["benchmark"]: row for row in (*run.card["scores"], *run.card["missing"])}
    assert {"mmlu", "hellaswag", "bbq", "gsm8k", "math_500", "ifbench", "wikitext"} <= set(rows)
    for row in rows.values():
        if row["score"] is None:
            assert "lacks" in row["reason"]
            assert f"{row['benchmark']} will be missing" in run.text
        else:
            assert row["n"] >= 1
    assert sum(row["score"] is not None for row in rows.values()) >= 12
    assert run.card["environment"]["unpinned"]
    assert run.status == 1


@pytest.mark.long
@needs_mirror
def test_rows_of_trustllm_are_asked_with_the_same_definitions(gate):
    run = gate.run(
        "-m", "reliability", "--method=dense", "--samples=4", f"--dataset-root={ROOT}",
        "--floor=safety=0",
    )  # fmt: skip
    rows = {row["benchmark"]: row for row in (*run.card["scores"], *run.card["missing"])}
    assert len(rows) > 35
    for row in rows.values():
        if row["score"] is None:  # never guessed
            assert row["verdict"] == "not_measured"
            assert "needs a judge" in row["reason"]
    assert sum(row["score"] is not None for row in rows.values()) >= 30
    assert {row["metric"] for row in run.card["metrics"]} == set(DIMENSIONS["reliability"])
    assert run.card["environment"]["instruments"]["refusal_figures"]["f1"] > 0.95


@pytest.fixture
def part(tmp_path):
    """A root that has the embedded rows in German and French, and nothing of GSM8K."""
    from unicomp.data.sources import shipped_fixtures

    rows = shipped_fixtures() / "embedded" / "rows"
    shutil.copytree(rows / "CohereLabs", tmp_path / "part" / "CohereLabs")
    shutil.copytree(rows / "allenai", tmp_path / "part" / "allenai")
    for language in ("es", "id"):
        shutil.rmtree(tmp_path / "part/CohereLabs/Global-MMLU-Lite" / language)
    return tmp_path / "part"


def test_some_languages_are_measured_and_are_not_the_benchmark(gate, part):
    run = gate.run(
        "-k", "global_mmlu_lite", "--method=dense", "--samples=8", f"--dataset-root={part}"
    )
    row = run.score("dense", "global_mmlu_lite")
    assert row["verdict"] == "not_measured"
    assert row["score"] is not None
    assert row["retention"] is None
    assert "lacks 13 of the 15 configurations" in row["reason"]
    assert run.score("dense", "global_mmlu_lite_low")["verdict"] == "missing"
    assert run.status == 1


def test_rows_that_are_not_there_are_said_before_the_work_and_missing_after_it(gate, part):
    run = gate.run("-k", "gsm8k or arc_easy", "--method=dense", "--samples=8",
                   f"--dataset-root={part}")  # fmt: skip
    assert "gsm8k will be missing: the dataset root" in run.text
    assert run.score("dense", "gsm8k")["verdict"] == "missing"
    assert run.score("dense", "arc_easy")["score"] is not None
    assert run.status == 1


def test_a_root_that_has_none_of_the_rows_is_refused(gate, part):
    run = gate.run("-k", "gsm8k", "--method=dense", f"--dataset-root={part}")
    assert run.status == 4
    assert "lacks openai/gsm8k" in run.text
