"""A user's own models in a gate: compressed, or the reason why not, for each method."""

from __future__ import annotations

import pytest

from tests.families import write_model


@pytest.mark.long
def test_models_of_other_shapes_are_compressed_or_told_why_not(new_gate, tmp_path):
    models = {
        "mixture": write_model(tmp_path / "mixture", "qwen3_moe"),
        "narrow": write_model(tmp_path / "narrow", "llama", hidden_size=64, head_dim=16),
    }
    gate = new_gate(tmp_path / "home")
    gate.write("mine.txt", "A lamp stands on the table.\n\nWhat is 7 plus 5? It is 12.")
    run = gate.run(
        "-k", "arc_easy", "--samples=8", "--dataset-root=embedded", "--calibration=mine.txt",
        "--method=wanda_2_4", "--method=gptq_w4a16",
        *(f"--model={folder}" for folder in models.values()),
    )  # fmt: skip
    rows = {
        (row["model"], row["method"]): row
        for row in (*run.card["scores"], *run.card["missing"])
        if row["benchmark"] == "arc_easy"
    }
    refused = rows.pop(("narrow", "gptq_w4a16"))
    assert refused["verdict"] == "unsupported"
    assert refused["score"] is None
    assert refused["reason"] == (
        "gptq_w4a16 cannot compress narrow: hidden_size 64 is not divisible by groups of 128"
    )
    assert set(rows) == {(model, "wanda_2_4") for model in models} | {("mixture", "gptq_w4a16")}
    new = [p for p in run.card["work"] if p["stage"] == "build" and not p["cached"]]
    assert {(p["model"], p["method"]) for p in new} == set(rows)
    for row in rows.values():
        # an untrained model guesses: it has scores, and nothing can be said to be kept
        assert 0.0 <= row["score"] <= 100.0
        assert row["verdict"] in ("not_comparable", "undecided", "fail")
    assert run.status == 1
    assert "Traceback" not in run.text
