"""Whole runs with `--engine vllm`: one server for each checkpoint, and none left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import jsonschema
import pytest

from tests.engines.conftest import REAL, Double, until
from tests.plugin.test_efficiency import PROBES, SCHEMA, SETTINGS

pytestmark = pytest.mark.long

TWO = ("--method=dense", "--method=wanda_50")
BOTH = ("-m", "reasoning or runtime_acceleration", "--samples=12", "--floor=performance=0")


@pytest.fixture
def served(new_gate, shared_home, tmp_path, monkeypatch):
    """A gate whose server is the double, which computes what the checkpoint computes."""
    double = Double(tmp_path)
    monkeypatch.setenv("DOUBLE_RECORD", str(double.record))
    monkeypatch.delenv("DOUBLE", raising=False)
    home = tmp_path / "home"
    home.mkdir()
    (shared_home / "checkpoints").mkdir(parents=True, exist_ok=True)
    (home / "checkpoints").symlink_to(shared_home / "checkpoints")  # what is built need not be anew
    settings = SETTINGS.replace("[engine]\n", f'[engine]\nvllm = "{double.path}"\n')
    gate = new_gate(home, settings)
    gate.write("test_probes.py", PROBES)
    yield gate, double
    assert until(lambda: not double.left, 30), "a server was left behind"


def test_each_checkpoint_is_served_once_for_its_answers_and_its_timings(served):
    gate, double = served
    run = gate.run("--engine=vllm", *TWO, *BOTH)
    assert run.status == 0, run.text
    assert len(double.starts) == 2
    assert {row["benchmark"] for row in run.card["probes"]} >= {"latency", "throughput"}
    assert run.score("wanda_50", "gsm8k")["n"] == 12
    again = gate.run("--engine=vllm", *TWO, *BOTH)
    assert again.status == 0, again.text
    assert len(double.starts) == 2  # everything was found
    assert again.card["probes"] == run.card["probes"]


def test_a_load_of_many_requests_is_measured_where_there_is_a_server(served):
    gate, _ = served
    run = gate.run("--engine=vllm", *TWO, "-m", "concurrency", "-k", "test_served")
    assert run.status == 0, run.text
    assert {row["benchmark"] for row in run.card["probes"]} == {"throughput_at_4"}


BENCH = ("--engine=vllm", *TWO, "-m", "vllm_bench")


def kinds(double):
    return [start["act"] for start in double.starts]


def test_what_vllms_benchmark_says_is_told_beside_what_is_measured(served):
    gate, double = served
    run = gate.run("-v", *BENCH, "-k", "throughput")
    assert run.status == 0, run.text
    assert kinds(double) == ["bench_throughput"] * 3  # the dense one runs again after the others
    jsonschema.validate(run.card, json.loads(SCHEMA.read_text()))
    rows = {row["method"]: row for row in run.card["probes"]}
    assert {row["benchmark"] for row in rows.values()} == {"vllm_bench_throughput"}
    assert (rows["dense"]["low"], rows["dense"]["high"]) == (100.0, 100.0)
    one = rows["wanda_50"]
    assert (one["score"], one["retention"]) == (pytest.approx(1000), pytest.approx(100))
    assert (one["low"], one["high"], one["n"]) == (0.0, None, 1)
    assert "no interval" in run.text
    assert "measured by `vllm bench`" in run.text
    assert run.card["efficiency"] == []  # it is no part of the metric
    again = gate.run(*BENCH, "-k", "throughput")
    assert again.card["probes"] == run.card["probes"]
    assert len(double.starts) == 3  # everything was found


def test_one_figure_of_a_benchmark_meets_no_floor(served):
    gate, _ = served
    chosen = (*BENCH, "-k", "throughput")
    run = gate.run(*chosen, "--floor=vllm_bench_throughput=50")
    assert run.status == 10
    rows = {row["method"]: row for row in run.card["probes"]}
    assert rows["wanda_50"]["verdict"] == "undecided"
    assert rows["dense"]["verdict"] == "pass"


def test_a_benchmark_that_draws_other_tokens_than_the_model_has_is_not_measured(served):
    gate, double = served
    run = gate.run(*BENCH, "-k", "latency")
    assert run.status == 1
    assert {row["verdict"] for row in run.card["missing"]} == {"not_measured"}
    assert all("draws token ids below 10,000" in row["reason"] for row in run.card["missing"])
    assert not double.starts


def test_no_server_of_ours_is_left_up_while_the_benchmark_runs(served):
    gate, double = served
    chosen = "(vllm_bench or runtime_acceleration) and not concurrency"
    run = gate.run("--engine=vllm", *TWO, "-m", chosen, "-k", "throughput")
    assert run.status == 0, run.text
    assert kinds(double) == ["serve_completions"] * 2 + ["bench_throughput"] * 3
    benches = [start for start in double.starts if start["act"] == "bench_throughput"]
    assert [start["others"] for start in benches] == [[], [], []]


def test_a_benchmark_that_fails_is_told_with_its_last_words(served, monkeypatch):
    gate, _ = served
    monkeypatch.setenv("DOUBLE", "fails")
    run = gate.run("--engine=vllm", "--method=dense", "-m", "vllm_bench", "-k", "throughput")
    assert run.status == 1
    (row,) = run.card["missing"]
    assert "vllm bench throughput failed: ValueError: the weights do not fit" in row["reason"]
    assert "Traceback" not in run.text


def test_scores_by_both_engines_are_told_side_by_side(served):
    gate, _ = served
    chosen = (*TWO, "-m", "reasoning", "--samples=12", "--floor=performance=0")
    assert gate.run(*chosen).card["crosschecks"] == []
    run = gate.run("-v", "--engine=vllm", *chosen)
    found = {one["method"]: one for one in run.card["crosschecks"]}
    assert found.keys() == {"dense", "wanda_50"}
    for one in found.values():
        assert (one["benchmark"], one["engine"], one["other"]) == ("gsm8k", "vllm", "hf")
        assert (one["score"], one["differing"], one["n"]) == (one["other_score"], 0, 12)
    assert "gsm8k by vllm and by hf" in run.text


def test_a_server_that_does_not_start_is_told_with_its_last_words(served, monkeypatch):
    gate, double = served
    monkeypatch.setenv("DOUBLE", "fails")
    run = gate.run("--engine=vllm", "--method=dense", *BOTH)
    assert run.status == 1
    reasons = {row["reason"] for row in run.card["missing"]}
    assert any("the weights do not fit the memory" in reason for reason in reasons)
    assert "Traceback" not in run.text
    assert len(double.starts) == 1  # the timings do not try again


@pytest.mark.parametrize("moment", ["starting", "answering"])
def test_an_interrupted_run_leaves_no_server(served, monkeypatch, moment):
    gate, double = served
    if moment == "starting":
        monkeypatch.setenv("DOUBLE", "hangs")
    process = subprocess.Popen(
        replace(gate, python=sys.executable).command("--engine=vllm", "--method=dense", *BOTH),
        cwd=gate.folder,
        env={**gate.environment(), **{k: v for k, v in os.environ.items() if k.startswith("DOUB")}},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert until(lambda: double.starts if moment == "starting" else double.requests, 120)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 2, text
    assert "KeyboardInterrupt" in text
    assert until(lambda: not double.left, 30)


@pytest.mark.skipif(REAL not in os.environ, reason=f"{REAL} does not name an executable of vLLM")
def test_the_real_one_answers_and_is_timed_likewise(new_gate, shared_home):
    gate = new_gate(
        shared_home, SETTINGS.replace("[engine]", f'[engine]\nvllm = "{os.environ[REAL]}"')
    )
    gate.write("test_probes.py", PROBES)
    run = gate.run("--engine=vllm", *TWO, *BOTH)
    assert run.status == 0, run.text
    assert {row["benchmark"] for row in run.card["probes"]} >= {"latency", "throughput"}
