"""What a release engineer relies on: verdicts, messages and exit statuses of whole runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

from unicomp.cli import main
from unicomp.data.sources import shipped_fixtures
from unicomp.item_records import RecordSource
from unicomp.report import json as json_report
from unicomp.scorecard_file import read

FEW = ("--samples=60", "--method=dense", "--method=wanda_50")
SCHEMA = Path(json_report.__file__).with_name("scorecard.schema.json")


def test_a_floor_above_what_was_kept_shuts_the_gate_and_says_why(gate):
    run = gate.run("-m", "reasoning", "--samples=40", "--method=wanda_50", "--floor=reasoning=180")
    row = run.score("wanda_50", "gsm8k")
    assert run.status == 1
    assert row["verdict"] == "fail"
    message = next(line for line in run.lines if line.startswith("E ") and "gsm8k" in line)
    for part in ("score", "dense", "low", "high"):
        assert f"{row[part]:.1f}" in message
    assert ">= 180" in message
    assert "the gate is shut" in run.text


def test_a_floor_of_zero_opens_the_gate(gate):
    run = gate.run("-m", "reasoning", "--samples=40", "--method=wanda_50", "--floor=reasoning=0")
    assert run.status == 0, run.text
    assert run.card["decision"] == "open"
    assert run.score("wanda_50", "gsm8k")["verdict"] == "pass"
    assert "the gate is open" in run.text


def test_the_scorecard_follows_its_schema(gate):
    run = gate.run("-m", "knowledge or safety", *FEW, "--floor=performance=50")
    jsonschema.validate(run.card, json.loads(SCHEMA.read_text()))
    assert {row["method"] for row in run.card["scores"]} == {"dense", "wanda_50"}


def test_the_answers_behind_a_scorecard_are_in_it_and_can_be_exported(gate, capsys):
    run = gate.run("-m", "knowledge or safety", *FEW, "--floor=performance=0")
    rows = [row for row in run.card["scores"] if row["method"] != "dense"]
    samples = [one for row in rows for one in row["samples"]]
    assert samples
    assert all("<|user|>" in one["prompt"] for one in samples)
    for row in rows:
        lost = [one["item"] for one in row["samples"] if one["kind"] == "lost"]
        assert len(lost) == min(row["lost"] or 0, 3)
        assert set(lost) <= set(row["divergence"]["lost"])
    card, folder = gate.folder / "scorecard.json", gate.folder / "answers"
    assert main(["export", str(card), str(folder), "--unicomp-home", str(gate.home)]) == 0
    assert capsys.readouterr().out.startswith(f"wrote {2 * sum(row['n'] for row in rows)} records")
    source = RecordSource(folder=folder)
    for row in read(card).rows:
        pair = source.behind(row)
        assert sum(pair.candidate.fields["correct"]) == pytest.approx(row.score * row.n / 100)
    assert not any(one["candidate"] in run.text for one in samples if len(one["candidate"]) > 30)


def test_the_dense_model_keeps_exactly_all_of_itself(gate):
    run = gate.run("-m", "knowledge", *FEW)
    row = run.score("dense", "arc_easy")
    assert (row["retention"], row["low"], row["high"]) == (100.0, 100.0, 100.0)


@pytest.mark.long
def test_the_dense_responses_do_not_depend_on_the_dense_tests(new_gate, tmp_path):
    gate = new_gate(tmp_path / "home")
    run = gate.run("-m", "knowledge and pruning", "--samples=20", "--method=wanda_50")
    assert run.score("wanda_50", "arc_easy")["dense"] is not None
    assert {row["method"] for row in run.card["scores"]} == {"wanda_50"}


def test_markers_select_metrics_and_families(gate):
    run = gate.run("-m", "safety and pruning", "--collect-only", "-q")
    tests = [line for line in run.lines if "::" in line]
    assert len(tests) == 2 * 4
    assert all("test_safety" in test and "gptq" not in test for test in tests)


@pytest.mark.long
def test_more_samples_ask_only_the_difference(new_gate, tmp_path):
    gate = new_gate(tmp_path / "home")
    first = gate.run("-m", "knowledge", "--method=dense", "--samples=40")
    second = gate.run("-m", "knowledge", "--method=dense", "--samples=70")
    again = gate.run("-m", "knowledge", "--method=dense", "--samples=50")
    assert [
        sum(piece["items"] for piece in run.card["work"]) for run in (first, second, again)
    ] == [
        40,
        30,
        0,
    ]


def test_an_allowed_gap_opens_the_gate_and_is_printed(gate):
    shut = gate.run("-m", "knowledge", *FEW, "--floor=knowledge=150")
    gate.write(
        "unicomp.toml", '[engine]\nbatch_size = 128\n[allow]\nknowledge = "known to be hard"\n'
    )
    run = gate.run("-m", "knowledge", *FEW, "--floor=knowledge=150")
    assert (shut.status, run.status) == (1, 0)
    assert "known to be hard" in run.text
    assert run.score("wanda_50", "arc_easy")["verdict"] == "fail"


def test_a_metric_of_which_a_benchmark_was_left_out_is_missing(gate):
    run = gate.run("-k", "misuse", *FEW, "--floor=safety=0")
    metric = next(row for row in run.card["metrics"] if row["method"] == "wanda_50")
    assert run.status == 1
    assert (metric["verdict"], metric["value"]) == ("missing", None)
    assert "xstest was not run" in metric["reason"]


def test_a_checkpoint_compressed_elsewhere_is_judged_against_the_model(gate, shared_home):
    gate.run("-m", "knowledge", *FEW)
    (built,) = {
        path.parent / "model"
        for path in (shared_home / "checkpoints").glob("*/manifest.json")
        if "wanda_50" in path.read_text()
    }
    run = gate.run(
        "-m", "knowledge", "--samples=60", f"--checkpoint={built}", "--floor=knowledge=0"
    )
    assert run.status == 0, run.text
    assert (
        run.score("model", "arc_easy")["score"]
        == gate.run("-m", "knowledge", *FEW).score("wanda_50", "arc_easy")["score"]
    )


def test_a_checkpoint_in_a_folder_called_dense_is_judged_like_any_other(gate, tmp_path):
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "dense"
    shutil.copytree(shipped_fixtures() / "embedded" / "model", broken)
    weights = load_file(broken / "model.safetensors")
    weights = {name: tensor.zero_() for name, tensor in weights.items()}
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    run = gate.run("-m", "knowledge", "--samples=60", f"--checkpoint={broken}")
    assert run.status == 1, run.text
    assert run.score("checkpoint-dense", "arc_easy")["score"] < 50


@pytest.mark.parametrize("spelled", ["--unicomp-home={}", "--unicomp-home {}"])
def test_a_folder_among_the_options_does_not_move_the_root_directory(gate, shared_home, spelled):
    shared_home.mkdir(exist_ok=True)
    run = gate.run("--collect-only", "-q", *spelled.format(shared_home).split())
    assert run.status == 0, run.text
    assert "tests collected" in run.text
