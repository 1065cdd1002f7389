"""Without a sandbox or a judge, what needs one is refused or not measured, and nothing is built."""

from pathlib import Path

import pytest

ROWS = Path(__file__).parents[1] / "suites" / "rows"
HOW = "generated code runs in bubblewrap only, which is not installed: install it with `apt install"


def run(new_gate, tmp_path, monkeypatch, *arguments):
    """A run on a machine that has no bubblewrap."""
    monkeypatch.setenv("PATH", str(tmp_path))
    chosen = ("--method=dense", "--samples=2", f"--dataset-root={ROWS}")
    return new_gate(tmp_path / "home").run(*chosen, *arguments)


def test_a_run_of_nothing_but_programs_is_refused(new_gate, tmp_path, monkeypatch):
    refused = run(new_gate, tmp_path, monkeypatch, "-m", "code", "suites/shipping")
    assert refused.status == 4
    assert HOW in refused.text
    assert not (tmp_path / "home" / "checkpoints").exists()


@pytest.mark.long
def test_other_benchmarks_are_measured_and_programs_are_no_zero(new_gate, tmp_path, monkeypatch):
    gate = run(
        new_gate, tmp_path, monkeypatch, "-m", "code or knowledge", "-k", "humaneval or arc_easy"
    )
    assert f"humaneval, humaneval_plus will not be measured: {HOW}" in gate.text
    assert gate.score("dense", "arc_easy")["score"] is not None
    row = gate.score("dense", "humaneval")
    assert row["verdict"] == "not_measured"
    assert row["reason"].startswith(HOW)
    assert row.get("score") is None


def test_a_run_of_nothing_but_judged_answers_is_refused_without_a_judge(new_gate, tmp_path):
    gate = new_gate(tmp_path / "home")
    chosen = ("--method=dense", f"--dataset-root={ROWS}", "-m", "practice", "-k", "alpaca_eval")
    refused = gate.run(*chosen, "suites/shipping")
    assert refused.status == 4
    assert "needs a judge: set [judge] in unicomp.toml" in refused.text
    assert not (tmp_path / "home" / "checkpoints").exists()
