"""`--baseline`: a run is held against the scorecard of the last release."""

from __future__ import annotations

import json

import jsonschema
import pytest

from tests.plugin.test_gate import FEW, SCHEMA
from unicomp import record
from unicomp.cli import main

KNOWLEDGE = ("-m", "knowledge", *FEW, "--floor=knowledge=0")


@pytest.mark.long
def test_a_metric_below_the_last_release_shuts_the_gate_whatever_its_floor_says(gate, capsys):
    first = gate.run(*KNOWLEDGE)
    assert first.status == 0, first.text
    old = gate.write("old.json", json.dumps(first.card))
    same = gate.run(*KNOWLEDGE, "--early", "--baseline=old.json")
    assert same.status == 0, same.text
    assert "Compared with the last release, old.json: nothing changed." in same.text
    assert "--early: all benchmarks run in full, since --baseline compares" in same.text
    assert same.card["environment"]["early"] == "off"
    jsonschema.validate(same.card, json.loads(SCHEMA.read_text()))
    (metric,) = (row for row in first.card["metrics"] if row["method"] == "wanda_50")
    metric["value"] += 3
    old.write_text(json.dumps(first.card))
    run = gate.run(*KNOWLEDGE, "--baseline=old.json")
    assert run.status == 1, run.text
    assert "3.0 points below the last release (at most 1)" in run.text
    assert [one["name"] for one in run.card["comparison"]["moves"] if one["fails"]] == ["knowledge"]
    card = gate.folder / "scorecard.json"
    assert main(["verify", str(record.place_of(card)), str(card)]) == 0
    assert main(["decide", str(card)]) == 1
    assert "knowledge of embedded/wanda_50: fail" in capsys.readouterr().out


def test_a_baseline_of_another_model_is_refused_before_the_run(gate):
    first = gate.run(*KNOWLEDGE)
    first.card["environment"]["models"]["embedded"]["source"] = "org/another"
    gate.write("old.json", json.dumps(first.card))
    run = gate.run(*KNOWLEDGE, "--baseline=old.json")
    assert run.status == 4
    assert "ERROR: --baseline old.json is about another model 'embedded'" in run.text
