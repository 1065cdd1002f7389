"""From run to run: looks are remembered, a changed policy is named, each scorecard has a record."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from tests.plugin.test_calibrations import COPY
from unicomp.cli import main
from unicomp.report import json as json_report

SCHEMA = json.loads(Path(json_report.__file__).with_name("decision.schema.json").read_text())
COPIED = ("-m", "knowledge", "--method=dense", "--method=copy_it")


@pytest.fixture
def copied(gate):
    """Runs a method that changes nothing, on some items with some floor."""
    gate.write("fixtures/methods/copy_it.py", COPY)

    def run(samples, floor, *arguments):
        return gate.run(*COPIED, f"--samples={samples}", f"--floor=knowledge={floor}", *arguments)

    return run


def looks_of(run):
    return {row["method"]: row["look"] for row in run.card["looks"]}


@pytest.mark.long
def test_more_items_are_another_look_and_a_lowered_floor_is_named(copied, gate, capsys):
    first = copied(40, 60)
    assert first.status == 0, first.text
    assert looks_of(first) == {"dense": 1, "copy_it": 1}
    assert first.card["policy_changes"] == []

    again = copied(40, 60, "-n2")
    assert looks_of(again) == {"dense": 1, "copy_it": 1}
    assert again.card["policy"] == first.card["policy"]

    second = copied(60, 50, "-n2")
    assert second.status == 0, second.text
    assert looks_of(second) == {"dense": 1, "copy_it": 2}
    assert "this is look 2 at the same candidate" in second.text
    assert [
        (change["name"], change["key"], change["old"], change["new"], change["seen"])
        for change in second.card["policy_changes"]
        if change["name"] == "knowledge"
    ] == [("knowledge", "floor", 60.0, 50.0, 40)]
    (line,) = [line for line in second.lines if "policy was changed" in line]
    assert "floor of knowledge@copy_it (embedded) 60 -> 50" in line

    place = gate.folder / "scorecard.decision.json"
    found = json.loads(place.read_text())
    jsonschema.validate(found, SCHEMA)
    assert found["bound"]["looks"] == 2
    assert main(("verify", str(place), str(gate.folder / "scorecard.json"))) == 0
    out = capsys.readouterr().out
    assert "floor of knowledge of embedded/copy_it/generic: 60 -> 50" in out
    assert "they belong together: the gate is open" in out


def test_a_record_that_cannot_be_written_shuts_the_gate(copied, gate):
    (gate.folder / "scorecard.decision.json").mkdir()
    run = copied(20, 50)
    assert run.status == 1
    (line,) = [line for line in run.lines if "decision record" in line]
    assert "cannot be written" in line


def test_looks_that_cannot_be_read_shut_the_gate(copied, gate):
    assert copied(20, 0).status == 0
    (known,) = (gate.home / "looks").iterdir()
    known.write_text("{}")
    run = copied(20, 0)
    assert run.status == 1
    assert any(f"{known} is damaged" in line for line in run.lines)
