"""A scorecard's file is read back whole, and anything that is not one is refused in one line."""

import json
from dataclasses import replace

import pytest

from tests.test_looks import PROFILE, PRUNED, answered, knowledge, safety
from unicomp.errors import SpecError
from unicomp.findings import findings_of
from unicomp.framework import EMBEDDED_PROFILE, PAPER_PROFILE
from unicomp.joint import merged, read_merged
from unicomp.policy import Policy
from unicomp.report import json as json_report
from unicomp.scorecard import Work, scorecard
from unicomp.scorecard_file import read
from unicomp.spec import LEVEL

ABOUT = {"source": "m", "kind": "normal"}
COST = {"seconds": 2.0, "cpu_seconds": 1.5, "peak_rss_bytes": 10, "device": "cpu", "threads": 1}
BUILD = Work(**PRUNED._asdict(), stage="build", cached=False, seconds=2.0, facts=COST)


def card_of(*rows, **about):
    judged = scorecard(rows, {"m": PROFILE}, Policy(), {"models": {"m": ABOUT}})
    return replace(judged, **{"work": (BUILD,), **about})


@pytest.fixture
def write(tmp_path):
    def write(card, name="card.json"):
        json_report.write(card, findings_of(card), tmp_path / name)
        return tmp_path / name

    return write


def test_all_that_a_file_says_is_read_back(write):
    figures = {"changed": [9.0, 7.0, 11.0]}
    flipped = {"lost": ["0" * 12], "gained": [], "p_value": 1.0, "figures": figures}
    card = card_of(*knowledge(divergence=flipped), *safety(), looks={PRUNED: 2})
    found = read(write(card))
    assert found == card
    assert json_report.tables(found, findings_of(found)) == json_report.tables(
        card, findings_of(card)
    )


@pytest.mark.parametrize("profile", [PAPER_PROFILE, EMBEDDED_PROFILE], ids=lambda one: one.name)
def test_a_profile_is_read_back_with_its_sub_scores(write, profile):
    assert read(write(card_of(profiles={"m": profile}))).profiles == {"m": profile}


def change(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_decision_that_the_rows_contradict_is_refused(write):
    path = write(card_of(*knowledge()))
    change(path, decision="shut")
    with pytest.raises(SpecError, match="says that the gate is shut, but its rows"):
        read(path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_refused(write, share):
    path = write(card_of(*knowledge()))
    text = path.read_text()
    path.write_text(text[: int(share * len(text))])
    with pytest.raises(SpecError, match="is not JSON, or not all of it"):
        read(path)


@pytest.mark.parametrize(
    ("column", "value"),
    [("low", "97"), ("verdict", "good"), ("n", -1), ("n", 1.5), ("method", ""), ("more", 1)],
)
def test_a_value_that_no_run_writes_is_refused_and_named(write, column, value):
    path = write(card_of(*knowledge()))
    rows = json.loads(path.read_text())["scores"]
    change(path, scores=[{**row, column: value} for row in rows])
    with pytest.raises(SpecError, match=r"is damaged: \$\.scores\[0\]") as caught:
        read(path)
    assert column in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_none_is_refused(write, number):
    path = write(card_of(*knowledge()))
    path.write_text(path.read_text().replace('"low": 98.0', f'"low": {number}', 1))
    with pytest.raises(SpecError, match="is not JSON"):
        read(path)


# -- several as one -------------------------------------------------------------------------------


def test_parts_of_a_gate_are_one_scorecard(write):
    speed = answered("mine", None, tier="critical")
    one, other = card_of(*knowledge()), card_of(speed)
    found = read_merged([write(one, "a.json"), write(other, "b.json")])
    assert found.rows == (*one.rows, *other.rows)
    assert found.metrics == one.metrics
    assert found.bound.shutting == 2 * LEVEL
    assert found.bound.opening == LEVEL


def test_what_two_parts_have_is_there_once_with_the_worse_verdict():
    good, bad = card_of(answered("mine", None)), card_of(answered("mine", None, verdict="fail"))
    bad = replace(bad, rows=tuple(replace(row, verdict="fail") for row in bad.rows))
    assert merged([good, bad]).rows == merged([bad, good]).rows == bad.rows


def test_one_scorecard_stays_as_it_is():
    card = card_of(*knowledge())
    assert merged([card]) is card


def test_the_environments_of_all_parts_are_kept():
    one = card_of(environment={"python": "3", "notes": ["a"], "measuring": {}, "samples": None})
    other = card_of(environment={"python": "4", "notes": ["b"], "measuring": {"machine": "x"}})
    assert merged([one, other]).environment == {
        "python": "3",
        "notes": ["a", "b"],
        "measuring": {"machine": "x"},
        "samples": None,
    }
