"""Limits on what a checkpoint itself takes: judged by its own interval, on a named machine."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_report import card_of
from unicomp import Load, Probe, record, scorecard_file
from unicomp.decision import decides, holm
from unicomp.desk import Desk
from unicomp.efficiency.fingerprint import machine_name
from unicomp.efficiency.gain import Gain
from unicomp.errors import SpecError, UnmeasuredError
from unicomp.findings import findings_of
from unicomp.framework import PAPER_PROFILE
from unicomp.policy import Limit, Policy, parse_limit
from unicomp.policy_entry import Entry
from unicomp.report import json as json_report
from unicomp.report import markdown, reasons, terminal, writers
from unicomp.report.card import render as render_model_card
from unicomp.scorecard import scorecard
from unicomp.spec import LEVEL, CheckpointId
from unicomp.verdict import Row, judged

NAME = CheckpointId("embedded", "wanda_50", "generic")
HERE = "Some GPU"
LOAD = Load(prompt_tokens=8, new_tokens=4)
LATENCY = Probe(name="latency", metric="runtime_acceleration", quantity="latency", load=LOAD)
THROUGHPUT = Probe(
    name="throughput", metric="runtime_acceleration", quantity="throughput", load=LOAD
)
MEMORY = Probe(
    name="inference_memory",
    metric="inference_efficiency",
    quantity="inference_memory",
    load=Load(prompt_tokens=8),
)
SIZE = Probe(name="model_size", metric="inference_efficiency", quantity="model_size")
MEASURED = Gain(
    probe="latency",
    unit="s",
    score=0.2,
    dense=0.3,
    value=150.0,
    low=145.0,
    high=155.0,
    n=10,
    absolute=0.2,
    absolute_low=0.19,
    absolute_high=0.21,
)


def seconds(value):
    return {"latency": Limit(value, "s")}


def desk(machine=HERE, **policy):
    named = {"machines": {"": HERE}, **policy}
    return Desk(NAME, Policy(**named), PAPER_PROFILE, machine=lambda: machine)


def row_of(limit, **policy):
    one = desk(limits=seconds(limit), **policy)
    one.gain(LATENCY, lambda: MEASURED)
    return one.rows["latency"]


# -- verdicts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "verdict"), [(0.25, "pass"), (0.21, "pass"), (0.2, "undecided"), (0.18, "fail")]
)
def test_the_whole_interval_has_to_lie_within_the_limit(limit, verdict):
    row = row_of(limit)
    assert (row.verdict, row.tier, row.limit, row.machine) == (verdict, "critical", limit, HERE)
    assert (row.absolute, row.absolute_low, row.absolute_high) == (0.2, 0.19, 0.21)
    assert decides(row)


RANKS = ("fail", "undecided", "pass")
AMOUNTS = st.floats(1e-3, 1e3)
MEASUREMENTS = st.tuples(AMOUNTS, AMOUNTS, AMOUNTS).map(sorted)


def limited(measured, limit, *, more_is_better=False, family=1):
    low, value, high = measured
    row = Row(
        **NAME._asdict(),
        benchmark="latency",
        unit="s",
        in_points=False,
        higher_is_better=more_is_better,
        tier="critical",
        score=value,
        dense=value,
        retention=100.0,
        low=99.0,
        high=101.0,
        limit=limit,
        absolute=value,
        absolute_low=low,
        absolute_high=high,
    )
    return judged(row, family=family)


@given(measured=MEASUREMENTS, limits=st.tuples(AMOUNTS, AMOUNTS), more=st.booleans())
def test_a_looser_limit_never_has_a_worse_verdict(measured, limits, more):
    loose, strict = sorted(limits, reverse=not more)
    verdicts = [limited(measured, one, more_is_better=more).verdict for one in (strict, loose)]
    assert RANKS.index(verdicts[0]) <= RANKS.index(verdicts[1])


@given(measured=MEASUREMENTS, limit=AMOUNTS, more=st.booleans())
def test_a_limit_inside_the_interval_is_undecided_and_one_beside_it_is_not(measured, limit, more):
    low, _, high = measured
    met = limit <= low if more else high <= limit
    missed = high < limit if more else limit < low
    row = limited(measured, limit, more_is_better=more)
    assert row.verdict == ("pass" if met else "fail" if missed else "undecided")
    assert row.unmet == ([] if met else ["limit"])


@given(measured=MEASUREMENTS, limit=AMOUNTS, family=st.integers(1, 50))
def test_more_rows_make_a_failure_rarer_and_leave_a_pass(measured, limit, family):
    alone, among = limited(measured, limit), limited(measured, limit, family=family)
    assert (alone.verdict == "pass") == (among.verdict == "pass")
    assert RANKS.index(alone.verdict) <= RANKS.index(among.verdict)
    assert (alone.p_pass, alone.p_fail) == (among.p_pass, among.p_fail)


@pytest.mark.parametrize("unknown", [None, math.nan])
def test_a_value_without_an_interval_passes_no_limit(unknown):
    gain = replace(MEASURED, absolute_low=unknown, absolute_high=unknown)
    one = desk(limits=seconds(1e9))
    one.gain(LATENCY, lambda: gain)
    assert one.rows["latency"].verdict == "undecided"


def test_more_throughput_is_within_its_limit_and_less_is_not():
    gain = replace(
        MEASURED,
        probe="throughput",
        unit="tokens/s",
        absolute=1000.0,
        absolute_low=950.0,
        absolute_high=1050.0,
    )
    verdicts = []
    for least in (900.0, 1000.0, 1100.0):
        one = desk(limits={"throughput": Limit(least, "tokens/s")})
        one.gain(THROUGHPUT, lambda: gain)
        verdicts.append(one.rows["throughput"].verdict)
    assert verdicts == ["pass", "undecided", "fail"]


@pytest.mark.parametrize(
    ("floor", "limit", "verdict", "unmet"),
    [
        (140, 0.25, "pass", []),
        (160, 0.25, "fail", ["floor"]),
        (140, 0.15, "fail", ["limit"]),
        (160, 0.15, "fail", ["floor", "limit"]),
        (150, 0.25, "undecided", ["floor"]),
        (150, 0.15, "fail", ["floor", "limit"]),
    ],
)
def test_a_floor_and_a_limit_must_both_be_met_and_the_row_names_what_is_not(
    floor, limit, verdict, unmet
):
    row = row_of(limit, general={"latency": floor})
    assert (row.verdict, list(row.unmet)) == (verdict, unmet)


def test_a_limit_that_is_missed_fails_the_test_that_compares_and_says_so():
    gain = desk(limits=seconds(0.1)).gain(LATENCY, lambda: MEASURED)
    assert not gain >= 0
    assert repr(gain) == (
        "<latency: 150.0 % [145.0, 155.0] of dense 300 ms (measured 200 ms), 10 rounds, "
        "limit: at most 100 ms>"
    )
    assert desk(limits=seconds(0.2)).gain(LATENCY, lambda: MEASURED) >= 0, "undecided"


def test_holm_fails_a_limit_as_it_fails_a_floor():
    held = limited([0.19, 0.2, 0.21], 0.189, family=2)
    far = limited([0.19, 0.2, 0.21], 0.1, family=2)
    assert held.verdict == "undecided"
    rows, _ = holm([held, replace(far, benchmark="other")], [], 2)
    assert [row.verdict for row in rows] == ["fail", "fail"]
    rows, _ = holm([held, replace(far, benchmark="other", verdict="pass", p_fail=1.0)], [], 2)
    assert rows[0].verdict == "undecided"


# -- the machine ----------------------------------------------------------------------------------


@pytest.mark.parametrize("machine", ["Another GPU", None])
def test_a_limit_is_not_judged_on_another_machine_and_shuts_the_gate(machine):
    one = desk(machine, limits=seconds(1e9))
    with pytest.raises(UnmeasuredError, match="not measured on Some GPU, which its limit holds"):
        one.gain(LATENCY, lambda: MEASURED)
    row = one.rows["latency"]
    assert (row.verdict, row.retention) == ("not_measured", 150.0)
    assert (row.shown, row.decided) == (True, False)
    card = scorecard([row], {"embedded": PAPER_PROFILE}, Policy())
    assert card.decision == "shut"
    reason = "there is none of them here"
    card = scorecard(
        [row, passed()], {"embedded": PAPER_PROFILE}, Policy(allow={"latency": reason})
    )
    assert (card.decision, card.rows[0].allowed) == ("open", reason)


def passed():
    return replace(row_of(0.25), benchmark="generating_latency")


def test_the_name_of_a_machine_is_compared_as_a_reader_does():
    one = desk("some  gpu", limits=seconds(0.25))
    one.gain(LATENCY, lambda: MEASURED)
    assert one.rows["latency"].verdict == "pass"


def test_a_size_is_held_to_its_limit_on_every_machine_and_memory_where_it_is_named():
    gain = replace(MEASURED, unit="bytes", absolute=1e9, absolute_low=1e9, absolute_high=1e9)
    limits = {name: Limit(1e9, "bytes") for name in ("model_size", "inference_memory")}
    elsewhere = desk("Another GPU", limits=limits)
    elsewhere.gain(SIZE, lambda: gain)
    assert elsewhere.rows["model_size"].verdict == "pass"
    with pytest.raises(UnmeasuredError):
        elsewhere.gain(MEMORY, lambda: gain)
    anywhere = desk("Another GPU", limits=limits, machines={})
    anywhere.gain(MEMORY, lambda: gain)
    assert anywhere.rows["inference_memory"].verdict == "pass"


@pytest.mark.parametrize(
    ("fingerprint", "name"),
    [
        ({"device": "cpu", "processor": "P", "gpus": [{"name": "G"}]}, "P"),
        ({"device": "cuda", "processor": "P", "gpus": [{"name": "G"}]}, "G"),
        ({"device": "cuda", "processor": "P", "gpus": [{"name": "G"}] * 4}, "4 × G"),
        ({"device": "cuda", "processor": "P", "gpus": [{"name": "G"}, {"name": "H"}]}, "G, H"),
        ({"device": "cpu", "processor": None, "gpus": []}, None),
        ({}, None),
    ],
)
def test_a_machine_has_the_name_of_what_computes(fingerprint, name):
    assert machine_name(fingerprint) == name


# -- the policy -----------------------------------------------------------------------------------


def limit_of(method="wanda_50", **policy):
    return Policy(**policy).limit_of(CheckpointId("embedded", method, "generic"), LATENCY)


def test_the_most_specific_limit_holds_and_the_dense_model_needs_its_name():
    limits = {"latency": Limit(1, "s"), "latency@gptq_w4a16": Limit(2, "s")}
    assert (limit_of(limits=limits), limit_of("gptq_w4a16", limits=limits)) == (1, 2)
    assert limit_of("dense", limits=limits) is None
    assert limit_of("dense", limits={**limits, "latency@dense": Limit(3, "s")}) == 3
    assert limit_of(limits=limits, model_limits={"embedded": {"latency": Limit(4, "s")}}) == 4
    assert limit_of(limits=limits, model_limits={"other": {"latency": Limit(4, "s")}}) == 1


def test_a_limit_makes_a_measurement_decide_unless_the_policy_says_otherwise():
    found = Policy(limits=seconds(1), machines={"": "a", "embedded": "b"})
    demand = found.demand(NAME, LATENCY, tier="guard")
    assert (demand.tier, demand.floor, demand.limit, demand.machine) == ("critical", None, 1, "b")
    advisory = Policy(limits=seconds(1), entries={"latency": Entry(tier="advisory")})
    assert advisory.demand(NAME, LATENCY, tier="guard").tier == "advisory"


def test_a_limit_in_another_unit_is_refused():
    with pytest.raises(SpecError, match="limit of latency is 16 GB, but it is measured in s"):
        limit_of(limits={"latency": Limit(16e9, "bytes")})


@pytest.mark.parametrize(
    ("name", "text", "limit"),
    [
        ("latency", "250 ms", Limit(0.25, "s")),
        ("throughput@awq_w4a16", "1000 tokens/s", Limit(1000.0, "tokens/s")),
        ("mine", "16 GiB", Limit(2.0**34, "bytes")),
        ("flops", "6.5 TFLOP", Limit(6.5e12, "FLOPs")),
    ],
)
def test_a_limit_is_read_with_its_unit(name, text, limit):
    assert parse_limit(name, text) == limit


# -- what is written of it ------------------------------------------------------------------------


@pytest.fixture
def card():
    rows = [
        row_of(0.15, general={"latency": 110}),
        replace(row_of(0.25), benchmark="time_to_first_token"),
    ]
    one = desk("Another GPU", limits=seconds(1e9))
    with pytest.raises(UnmeasuredError):
        one.gain(LATENCY, lambda: MEASURED)
    rows.append(replace(one.rows["latency"], benchmark="generating_latency"))
    return card_of(*rows)


def test_limits_survive_the_file_and_are_judged_again_as_before(card, tmp_path):
    path = tmp_path / "card.json"
    findings = findings_of(card)
    json_report.write(card, findings, path)
    schema = Path(json_report.__file__).with_name("scorecard.schema.json")
    content = json.loads(path.read_text())
    jsonschema.validate(content, json.loads(schema.read_text()))
    assert [one["verdict"] for one in content["probes"]] == ["fail", "pass", "not_measured"]
    again = scorecard_file.read(path)
    assert again.rows == card.rows
    family = len(again.rows)
    rejudged = [judged(row, level=LEVEL, family=family) for row in again.rows if row.decided]
    assert [asdict(one) for one in rejudged] == [asdict(row) for row in card.rows[:2]]


def test_the_record_holds_the_limit_and_misses_one_that_was_changed(card, tmp_path):
    path = tmp_path / "card.json"
    json_report.write(card, findings_of(card), path)
    record.write(card, path)
    made = record.read(record.place_of(path))
    schema = Path(json_report.__file__).with_name("decision.schema.json")
    jsonschema.validate(made, json.loads(schema.read_text()))
    assert [(one.get("limit"), one.get("machine")) for one in made["policy"]["asked"]] == [
        (0.15, HERE),
        (0.25, HERE),
        (1e9, HERE),
    ]
    assert record.differences(made, path) == []
    content = json.loads(path.read_text())
    content["probes"][1]["limit"] = 0.3
    path.write_text(json.dumps(content))
    found = "\n".join(record.differences(made, path))
    assert "limit of time_to_first_token" in found
    assert "0.25 in the record, 0.3 in the scorecard" in found


def test_every_report_shows_limit_and_value_with_their_units(card):
    findings = findings_of(card)
    line = reasons.describe(card.rows[0])
    assert line == (
        "200 ms against 300 ms: 150.0 % [145.0, 155.0] of dense, floor 110; 200 ms "
        "[190 ms, 210 ms], limit: at most 150 ms (not met: limit)"
    )
    page = "\n".join(terminal.render(card, findings, width=200, color=False, everything=True))
    assert "at most 150 ms ✗" in page
    assert "at most 250 ms" in page
    assert "| 110, at most 150 ms | fail |" in markdown.render(card, findings)
    for text in (page, markdown.render(card, findings)):
        assert "limit: at most 150 ms" in text
        assert "not measured on Some GPU, which its limit holds for, but on Another GPU" in text
    html = writers.text_of(card, findings, "html")
    assert "itself at most" in html
    assert "150 ms" in html
    assert "not met: limit" in html
    model_card = render_model_card(card, findings, "/".join(NAME))
    assert "at most 150 ms" in model_card
