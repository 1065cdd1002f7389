"""Calibration as an axis: a checkpoint, rows and ids for each text that a method sees."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import jsonschema
import pytest

from tests.plugin.test_isolation import EASY
from unicomp.data.sources import shipped_fixtures
from unicomp.report import json as json_report

pytestmark = pytest.mark.long

SCHEMA = json.loads(Path(json_report.__file__).with_name("scorecard.schema.json").read_text())

FEW = ("-m", "knowledge", "--samples=40", "--method=dense", "--method=wanda_50")
BOTH = ("--calibration=generic", "--calibration=facts")
FLOORS = ("--floor=performance=0",)

COPY = """
import shutil
from unicomp import Method

def compress(source, target, calibration):
    shutil.copytree(source, target)
    (target / "seen.text").write_text(str(calibration.samples))

method = Method(name="copy_it", family="pruning", compress=compress)
"""
COPIED = ("--samples=20", "--method=dense", "--method=copy_it")


@pytest.fixture
def gate_of_copies(gate):
    """A gate with a method that only writes down what it sees, which takes less long."""
    gate.write("fixtures/methods/copy_it.py", COPY)
    return gate


def _ids(run):
    return [line.partition("[")[2].rstrip("]") for line in run.lines if "::" in line]


def _subjects(run, benchmark="arc_easy"):
    rows = [*run.card["scores"], *run.card["missing"]]
    return [(r["method"], r["calibration"]) for r in rows if r["benchmark"] == benchmark]


def test_one_calibration_is_not_named_in_test_ids(gate):
    for one in ((), ("--calibration=reasoning",)):
        run = gate.run(*FEW, *one, "--collect-only", "-q")
        assert _ids(run) == ["embedded-dense-arc_easy", "embedded-wanda_50-arc_easy"]


def test_several_are_named_in_order_and_what_sees_none_appears_once(gate):
    run = gate.run(*FEW, *BOTH, "--seeds=2", "--collect-only", "-q")
    assert _ids(run) == [
        "embedded-dense-arc_easy",
        "embedded-wanda_50-generic-arc_easy",
        "embedded-wanda_50-generic@43-arc_easy",
        "embedded-wanda_50-facts-arc_easy",
        "embedded-wanda_50-facts@43-arc_easy",
    ]


def test_each_calibration_is_a_checkpoint_with_rows_of_its_own(new_gate, tmp_path):
    chosen = ("-m", "knowledge", *COPIED, *BOTH, *FLOORS)

    def measured(name, *workers):
        gate = new_gate(tmp_path / name)
        gate.write("fixtures/methods/copy_it.py", COPY)
        return gate.run(*workers, *chosen, "--junit-xml=junit.xml")

    alone = measured("alone")
    assert alone.status == 0, alone.text
    wanted = [("dense", "none"), ("copy_it", "generic"), ("copy_it", "facts")]
    assert _subjects(alone) == wanted
    assert [(row["method"], row["calibration"]) for row in alone.card["metrics"]] == wanted
    jsonschema.validate(alone.card, SCHEMA)
    built = [p["calibration"] for p in alone.card["work"] if p["stage"] == "build"]
    assert sorted(built) == ["facts", "generic"]

    (junit,) = tmp_path.glob("gate-*/junit.xml")
    cases = ElementTree.parse(junit).iter("testcase")
    named = [
        p.get("value")
        for case in cases
        for p in case.iter("property")
        if p.get("name") == "calibration"
    ]
    assert named == ["none", "generic", "facts"]

    together = measured("together", "-n2")
    asked = [p["calibration"] for p in together.card["work"] if p["items"]]
    assert sorted(asked) == ["facts", "generic", "none"]
    assert sorted(map(json.dumps, alone.card["scores"])) == sorted(
        map(json.dumps, together.card["scores"])
    )


def test_each_seed_is_a_checkpoint_that_saw_a_text_of_its_own(gate_of_copies, shared_home):
    gate = gate_of_copies
    run = gate.run("-v", "-m", "knowledge", *COPIED, "--calibration=facts", "--seeds=2", *FLOORS)
    assert run.status == 0, run.text
    assert _subjects(run) == [("dense", "none"), ("copy_it", "facts"), ("copy_it", "facts@43")]
    (line,) = [line for line in run.lines if line.startswith("Means over the seeds of")]
    assert "facts (facts, facts@43)" in line
    (spread,) = run.card["seed_spreads"]
    assert spread["values"].keys() == {"facts", "facts@43"}
    jsonschema.validate(run.card, SCHEMA)
    seen = {path.read_text() for path in shared_home.glob("checkpoints/*/model/seen.text")}
    assert len(seen) == 2


def test_a_file_that_every_seed_takes_whole_is_measured_once_and_says_so(gate_of_copies):
    gate = gate_of_copies
    gate.write("mine.txt", "A lamp stands on the table.\n\nWhere does Zorblat live? In a city.")
    for workers in ((), ("-n2",)):
        run = gate.run("-m", "knowledge", *workers, *COPIED, "--calibration=mine.txt", "--seeds=3")
        assert _subjects(run) == [("dense", "none"), ("copy_it", "mine")]
        assert "mine.txt has 2 samples, and every seed takes all of them" in run.text


def test_a_floor_and_an_allowed_gap_of_a_method_hold_for_each_calibration(gate_of_copies):
    gate = gate_of_copies
    arguments = ("-m", "knowledge", *COPIED, *BOTH, "--floor=knowledge@copy_it=150")
    shut = gate.run(*arguments)
    rows = [row for row in shut.card["scores"] if row["method"] == "copy_it"]
    assert shut.status == 1
    assert [row["floor"] for row in rows] == [150.0, 150.0]
    gate.write(
        "unicomp.toml",
        '[engine]\nthreads = 1\nbatch_size = 128\n[allow]\n"knowledge@copy_it" = "known"\n',
    )
    run = gate.run(*arguments)
    assert run.status == 0, run.text
    rows = [row for row in run.card["scores"] if row["method"] == "copy_it"]
    assert [row["allowed"] for row in rows] == ["known", "known"]


MINE = """
import pytest
from pathlib import Path
from unicomp import Benchmark, Mean, Method, TaskMetric
from unicomp.catalogue import load_method, roots

mine = Benchmark(name="mine", metric="knowledge", task=Path(__file__).with_name("easy.yaml"),
                 scorer=TaskMetric("acc,none"), aggregate=Mean())
methods = [load_method(name, roots(Path(__file__).parents[1])) for name in ("dense", "copy_it")]
"""

OWN_METHODS = """
@pytest.mark.parametrize("method", methods, ids=str)
def test_mine(retention, method):
    assert retention(mine) >= 0
"""

OWN_CALIBRATION = """
@pytest.mark.parametrize("calibration", ["facts"])
def test_mine(retention):
    assert retention(mine) >= 0
"""


def _write_mine(gate, text):
    gate.write("mine/easy.yaml", EASY)
    gate.write("mine/test_mine.py", MINE + text)


def test_a_test_that_chooses_its_methods_sees_each_calibration(gate_of_copies):
    gate = gate_of_copies
    _write_mine(gate, OWN_METHODS)
    one = gate.run("mine", "--collect-only", "-q")
    assert _ids(one) == ["embedded-dense", "embedded-copy_it"]
    run = gate.run("mine", "--samples=20", *BOTH, *FLOORS)
    assert run.status == 0, run.text
    assert _subjects(run, "mine") == [
        ("dense", "none"),
        ("copy_it", "generic"),
        ("copy_it", "facts"),
    ]


def test_a_test_may_choose_among_the_calibrations_of_the_run(gate_of_copies):
    gate = gate_of_copies
    _write_mine(gate, OWN_CALIBRATION)
    run = gate.run("mine", *COPIED, *BOTH, *FLOORS)
    assert run.status == 0, run.text
    assert _subjects(run, "mine") == [("dense", "none"), ("copy_it", "facts")]
    refused = gate.run("mine", *COPIED)
    assert refused.status == 4
    assert "choose it on the command line, with --calibration" in refused.text


OWN_FIXTURE = """
@pytest.fixture(params=["facts"])
def calibration(request):
    return request.param


def test_mine(retention, calibration):
    assert retention(mine) >= 0
"""


def test_a_fixture_of_the_users_own_decides_what_is_seen(gate_of_copies):
    gate = gate_of_copies
    _write_mine(gate, OWN_FIXTURE)
    run = gate.run("mine", "--samples=20", "--method=copy_it", *BOTH, *FLOORS)
    assert run.status == 0, run.text
    assert _subjects(run, "mine") == [("copy_it", "facts")]
    refused = gate.run("mine", "--samples=20", "--method=copy_it")
    assert refused.status == 4
    assert "'calibration' with 'facts', which is not one of this run" in refused.text


def test_a_checkpoint_made_elsewhere_appears_once(gate):
    dense = shipped_fixtures() / "embedded" / "model"
    run = gate.run(
        "-m", "knowledge", "--method=dense", f"--checkpoint={dense}", *BOTH, "--collect-only", "-q"
    )
    assert _ids(run) == ["embedded-dense-arc_easy", "embedded-model-arc_easy"]
