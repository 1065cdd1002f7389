"""Rows cross to the reporting process whole, and JUnit XML has their numbers."""

from __future__ import annotations

import math

import junitparser
import pytest

from tests.plugin.test_gate import FEW
from unicomp.plugin.carried import Carried, properties_of
from unicomp.scorecard import Work
from unicomp.verdict import Row

NAMES = {"model": "m", "method": "wanda_50", "calibration": "generic"}
ROW = Row(
    **NAMES,
    benchmark="gsm8k",
    metric="reasoning",
    verdict="fail",
    retention=80.5,
    low=70.25,
    high=math.inf,
    floor=90.0,
    divergence={"changed": {"value": 9.0, "interval": [7.0, 11.0]}},
    prompts={"differ": 3, "why": {"another template": 3}},
    details={"dense.x": 1.5},
)


def across(carried):
    """What arrives on a report that pytest-xdist sent."""
    report = pytest.TestReport("t.py::t", ("t.py", 1, "t"), {}, "passed", None, "call")
    carried.put_on(report)
    return Carried.by(pytest.TestReport._from_json(report._to_json()))


def test_what_a_report_carries_crosses_to_the_reporting_process():
    work = Work(stage="answer", model="m", method="dense", cached=False, items=7, facts={"a": [1]})
    carried = Carried(rows=[ROW], work=[work], unpinned=["openai/gsm8k"])
    assert across(carried) == carried
    assert across(Carried()) == Carried(rows=[], work=[])


def test_the_properties_of_a_test_are_plain_values():
    assert dict(properties_of([ROW])) == {
        **NAMES,
        "benchmark": "gsm8k",
        "metric": "reasoning",
        "verdict": "fail",
        "retention": 80.5,
        "low": 70.25,
        "high": math.inf,
        "floor": 90.0,
    }


def test_rows_of_one_test_have_their_names_before_their_properties():
    other = Row(**NAMES, benchmark="latency")
    found = dict(properties_of([ROW, other]))
    assert (found["gsm8k.retention"], found["latency.verdict"]) == (80.5, "missing")
    assert "retention" not in found


@pytest.mark.long
@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_junit_reader_finds_the_numbers_of_the_scorecard(gate, workers):
    run = gate.run("-m", "knowledge", *FEW, "--junit-xml=junit.xml", *workers)
    suites = junitparser.JUnitXml.fromfile(str(gate.folder / "junit.xml"))
    cases = [case for suite in suites for case in suite]
    rows = run.card["scores"]
    assert len(cases) == len(rows) > 1
    for case in cases:
        found = {one.name: one.value for one in case.child(junitparser.Properties)}
        row = run.score(found["method"], found["benchmark"])
        assert found.pop("verdict") == row["verdict"]
        for name in ("model", "method", "calibration", "benchmark", "metric"):
            assert found.pop(name) == row[name]
        numbers = {name: float(value) for name, value in found.items()}
        wanted = ("retention", "low", "high", "floor")
        assert numbers == {name: row[name] for name in wanted if row[name] is not None}
