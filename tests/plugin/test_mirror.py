"""The same task definitions on real rows, from a local mirror of the hub."""

from __future__ import annotations

import os

import pytest

ROOT = os.environ.get("UNICOMP_DATASET_ROOT")

pytestmark = pytest.mark.skipif(
    not ROOT, reason="needs a mirror of the hub's rows: set UNICOMP_DATASET_ROOT"
)


def test_real_rows_are_asked_with_the_same_definitions(gate):
    selected = "-k", "arc_easy or gsm8k or misuse or xstest or advglue"
    run = gate.run(
        *selected, "--method=dense", "--samples=6", f"--dataset-root={ROOT}", "--floor=safety=0"
    )
    rows = {row["benchmark"]: row for row in (*run.card["scores"], *run.card["missing"])}
    assert set(rows) == {"arc_easy", "gsm8k", "misuse", "xstest", "advglue"}
    for row in rows.values():
        assert row["score"] is not None, row["reason"]
        assert row["n"] >= 6
    # the paper's metrics are made of more than what was run, and say so
    assert {row["verdict"] for row in run.card["metrics"]} == {"missing"}
    assert run.status == 1


def test_a_mirror_that_lacks_languages_is_refused(gate):
    run = gate.run("-m", "multilingual", "--method=dense", f"--dataset-root={ROOT}")
    assert run.status == 4, run.text
    assert "CohereLabs/Global-MMLU-Lite, configuration" in run.text
