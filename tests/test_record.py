"""A decision record follows from its scorecard; whatever was changed in either is found."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from tests.test_looks import PROFILE, PRUNED, knowledge, safety
from unicomp import record
from unicomp.cli import main
from unicomp.errors import SpecError, StoreError
from unicomp.findings import findings_of
from unicomp.looks import PolicyChange
from unicomp.policy import Policy
from unicomp.report import json as json_report
from unicomp.scorecard import scorecard

CHANGE = PolicyChange(
    **PRUNED._asdict(), name="knowledge", key="floor", old=95.0, new=90.0, seen=100, date="2026"
)


def card_of(*rows, changes=(), **about):
    card = scorecard(rows, {"m": PROFILE}, Policy(general={"knowledge": 90.0}), **about)
    return replace(card, policy_changes=tuple(changes))


@pytest.fixture
def written(tmp_path):
    """Writes a scorecard and its record; returns both paths."""

    def write(card=None, name="card.json"):
        card = card or card_of(*knowledge(), *safety())
        path = tmp_path / name
        json_report.write(card, findings_of(card), path)
        record.write(card, path)
        return record.place_of(path), path

    return write


def rewrite(path, change):
    """Change the content of a JSON file."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def verify(capsys, *paths):
    status = main(("verify", *map(str, paths)))
    captured = capsys.readouterr()
    return status, (captured.out + captured.err).splitlines()


# -- the record -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("card", "place"),
    [("card.json", "card.decision.json"), ("card", "card.decision.json")],
)
def test_a_record_lies_beside_its_scorecard(card, place):
    assert record.place_of(Path("folder", card)) == Path("folder", place)


def test_a_record_follows_its_schema_and_holds_what_was_decided(written):
    card = card_of(*knowledge(), *safety(), looks={PRUNED: 2}, changes=[CHANGE])
    place, _ = written(card)
    found = json.loads(place.read_text())
    schema = Path(json_report.__file__).with_name("decision.schema.json")
    jsonschema.validate(found, json.loads(schema.read_text()))
    assert found["decision"] == card.decision
    assert found["bound"]["looks"] == 2
    assert found["policy"]["digest"] == card.policy
    assert {"metric": "knowledge", "tier": "critical", "floor": 90.0}.items() <= found["policy"][
        "asked"
    ][0].items()
    (checkpoint,) = found["checkpoints"]
    row = knowledge()[0]
    assert checkpoint["look"] == 2
    assert (checkpoint["candidate"], checkpoint["baseline"]) == (row.candidate, row.baseline)
    assert checkpoint["items"]["arc_easy"] == row.items
    assert found["policy"]["changes"][0]["old"] == 95.0


def test_a_record_that_cannot_be_written_says_so(tmp_path, written):
    place, card = written()
    place.unlink()
    place.mkdir()
    with pytest.raises(StoreError, match=r"decision record .* cannot be written"):
        record.write(card_of(*knowledge()), card)


# -- verification ---------------------------------------------------------------------------------


def test_a_record_and_its_scorecard_belong_together(written, capsys):
    assert verify(capsys, *written()) == (0, ["they belong together: the gate is open"])


def test_a_changed_policy_is_named_by_verify(written, capsys):
    status, lines = verify(capsys, *written(card_of(*knowledge(), changes=[CHANGE])))
    assert status == 0
    assert any("floor of knowledge of m/wanda_50/generic: 95 -> 90" in line for line in lines)


def test_another_byte_in_the_scorecard_is_found(written, capsys):
    place, card = written()
    card.write_text(card.read_text() + "\n")
    status, lines = verify(capsys, place, card)
    assert status == 1
    (line,) = lines
    assert "SHA-256 of the scorecard" in line


def lower_the_floor(card):
    card["metrics"][0]["floor"] = 50.0


def swap_the_candidate(card):
    for row in card["scores"]:
        row["candidate"] = "c" * 32


def swap_the_rows(card):
    card["scores"][0]["items"] = "c" * 32


def swap_the_policy(card):
    card["policy"] = "c" * 32


def fail_a_metric(card):
    card["metrics"][0]["verdict"] = "fail"


def claim_another_decision(card):
    card["decision"] = "shut"


def drop_a_row(card):
    card["scores"].pop()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lower_the_floor, "floor of knowledge of m/wanda_50/generic: 90 in the record, 50 in"),
        (swap_the_candidate, "candidate of m/wanda_50/generic"),
        (swap_the_rows, "items of arc_easy of m/wanda_50/generic"),
        (swap_the_policy, "policy digest"),
        (fail_a_metric, "decision: open in the record, shut in the scorecard"),
        (claim_another_decision, "says shut, but its rows and metrics make it open"),
        (drop_a_row, "items of xstest of m/wanda_50/generic"),
    ],
)
def test_each_difference_has_a_line(written, capsys, change, named):
    place, card = written()
    rewrite(card, change)
    status, lines = verify(capsys, place, card)
    assert status == 1
    assert any(named in line for line in lines), lines
    assert all(line.startswith("differs: ") for line in lines)


def test_a_record_that_was_changed_is_found(written, capsys):
    place, card = written()
    rewrite(place, lambda content: content.update(decision="shut"))
    status, lines = verify(capsys, place, card)
    assert (status, len(lines)) == (1, 1)
    assert "decision: shut in the record, open in the scorecard" in lines[0]


def test_the_record_of_another_run_is_found(written, capsys):
    place, _ = written()
    _, other = written(card_of(*knowledge(200), *safety(200)), name="other.json")
    status, lines = verify(capsys, place, other)
    assert status == 1
    assert sum("items of" in line for line in lines) == 3


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"schema": "unicomp/decision/0"}'])
@pytest.mark.parametrize("which", [0, 1])
def test_a_file_of_another_kind_is_refused_in_one_line(written, capsys, which, text):
    paths = written()
    paths[which].unlink()
    if text is not None:
        paths[which].write_text(text)
    status, lines = verify(capsys, *paths)
    assert (status, len(lines)) == (4, 1)
    assert str(paths[which]) in lines[0]


@pytest.mark.parametrize("key", ["bound", "policy", "checkpoints", "scorecard", "decision"])
def test_a_damaged_record_is_refused_in_one_line(written, capsys, key):
    place, card = written()
    rewrite(place, lambda content: content.pop(key))
    status, lines = verify(capsys, place, card)
    assert (status, len(lines)) == (4, 1)
    assert "damaged" in lines[0]


@pytest.mark.parametrize("key", ["bound", "looks", "scores", "metrics", "policy"])
def test_a_damaged_scorecard_is_refused(written, key):
    place, card = written()
    rewrite(card, lambda content: content.pop(key))
    with pytest.raises(SpecError, match="damaged"):
        record.differences(record.read(place), card)
