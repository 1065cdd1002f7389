"""Several workers: the same scores, each checkpoint built once and loaded by one of them."""

from __future__ import annotations

import json

import pytest

FEW = ("-m", "knowledge or safety", "--samples=40", "--method=dense", "--method=wanda_50")
FLOORS = ("--floor=performance=0", "--floor=reliability=0")


def _scores(run):
    return sorted((*run.card["scores"], *run.card["metrics"]), key=lambda row: json.dumps(row))


@pytest.mark.long
def test_two_workers_and_one_write_the_same_scores(new_gate, tmp_path):
    alone = new_gate(tmp_path / "alone").run(*FEW, *FLOORS)
    together = new_gate(tmp_path / "together").run("-n2", *FEW, *FLOORS)
    assert alone.status == together.status == 0, together.text
    assert _scores(alone) == _scores(together)
    built = [piece for piece in together.card["work"] if piece["stage"] == "build"]
    asked = [piece for piece in together.card["work"] if piece["items"]]
    assert [piece["cached"] for piece in built] == [False]
    assert sorted(piece["method"] for piece in asked) == ["dense", "wanda_50"]


@pytest.mark.long
def test_a_killed_worker_leaves_missing_rows_and_a_shut_gate(gate):
    gate.run(*FEW)
    gate.write(
        "conftest.py",
        "import os, pytest\n"
        "@pytest.fixture(autouse=True)\n"
        "def die(request):\n"
        "    if 'wanda_50-misuse' in request.node.nodeid:\n"
        "        os.kill(os.getpid(), 9)\n",
    )
    run = gate.run("-n2", *FEW, *FLOORS)
    assert run.status == 1
    assert [(row["method"], row["benchmark"]) for row in run.card["missing"]] == [
        ("wanda_50", "misuse")
    ]
    metric = next(
        row
        for row in run.card["metrics"]
        if (row["method"], row["metric"]) == ("wanda_50", "safety")
    )
    assert metric["verdict"] == "missing"


def test_a_failing_build_is_a_missing_row_for_each_benchmark(gate):
    gate.write(
        "fixtures/methods/broken.py",
        "from unicomp import Guarantees, Method\n"
        "def compress(source, target, calibration):\n"
        "    raise ValueError('the tensor cores are on strike')\n"
        "method = Method(name='broken', family='pruning', compress=compress,\n"
        "                guarantees=Guarantees(sparsity=0.5))\n",
    )
    run = gate.run(*FEW[:3], "--method=dense", "--method=broken", *FLOORS)
    assert run.status == 1
    missing = {row["benchmark"]: row["reason"] for row in run.card["missing"]}
    assert set(missing) == {"arc_easy", "misuse", "xstest"}
    assert all("the tensor cores are on strike" in reason for reason in missing.values())
    assert "Traceback" not in run.text
