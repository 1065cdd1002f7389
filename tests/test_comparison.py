"""A release against the last one: what moved, what else changed, and what shuts the gate."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.comparison_simulations import BEGIN, END, PAGE, Case, run
from tests.comparison_simulations import cases as simulated
from tests.releases import BENCHMARKS, CANDIDATE, ENVIRONMENT, METRICS, release, right
from unicomp import record, scorecard_file
from unicomp.changes import Move, VerdictChange
from unicomp.cli import main
from unicomp.comparison import check_comparable, compare, gated, most_fall_of
from unicomp.errors import SpecError
from unicomp.findings import findings_of
from unicomp.policy import Policy
from unicomp.report import comparison as report
from unicomp.report import json as json_report
from unicomp.report.terminal import render
from unicomp.spec import DENSE
from unicomp.verdict import Row

N = 200


def answers(**wrong):
    """All benchmarks with N items, of which the candidate has some wrong; the dense model ten."""
    dense = right(N, *range(10))
    return {name: (right(N, *wrong.get(name, range(14))), dense) for name in METRICS}


FIRST = release(answers())


def behind(row, *releases):
    """The records of the release that a row belongs to."""
    own = (one for one in releases if any(row is other for other in one.card.rows))
    return next(own).behind(row)


def compared(new, old=FIRST, *, paired=True, most_fall=1.0, **about):
    """The comparison, with the records of both releases if `paired`."""
    return compare(
        old.card,
        new.card,
        most_fall=lambda checkpoint, metric: most_fall,
        behind=(lambda row: behind(row, new, old)) if paired else (lambda row: None),
        benchmarks=BENCHMARKS,
        **about,
    )


def edited(card, metric, **change):
    """A copy of a scorecard with another value in one metric."""
    metrics = (replace(row, **change) if row.metric == metric else row for row in card.metrics)
    return replace(card, metrics=tuple(metrics))


def lowered(metric, points, *keys):
    """The first release with one metric lowered by hand."""
    (row,) = (row for row in FIRST.card.metrics if row.metric == metric)
    names = keys or ("value", "low", "high")
    change = {name: getattr(row, name) - points for name in names}
    return replace(FIRST, card=edited(FIRST.card, metric, **change))


def failing(found):
    return [(one.unit, one.name) for one in found.failures]


def move(found, name, unit="metric") -> Move:
    (one,) = (one for one in found.moves if (one.name, one.unit) == (name, unit))
    return one


# -- the same release -----------------------------------------------------------------------------


def test_a_release_compared_with_itself_has_nothing_to_report():
    found = compared(FIRST)
    assert found.nothing
    assert found.failures == ()
    assert list(report.lines(found))[1:] == ["nothing changed."]


@settings(max_examples=15, deadline=None)
@given(st.dictionaries(st.sampled_from(list(METRICS)), st.sets(st.integers(0, N - 1)), min_size=1))
def test_any_release_compared_with_itself_has_nothing_to_report(wrong):
    one = release({name: (right(N, *places), right(N, 3)) for name, places in wrong.items()})
    assert compared(one, one).nothing


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_and_metrics_does_not_matter(random):
    new = release(answers(arc_easy=range(60), xstest=range(8)), weights="second")
    shuffled = replace(
        new.card,
        rows=tuple(random.sample(new.card.rows, len(new.card.rows))),
        metrics=tuple(random.sample(new.card.metrics, len(new.card.metrics))),
    )
    first, second = compared(new), compared(replace(new, card=shuffled))
    assert set(first.moves) == set(second.moves)
    assert set(first.verdicts) == set(second.verdicts)
    assert set(first.failures) == set(second.failures)


# -- lowered by hand ------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", [("value", "low", "high"), ("value",)])
@pytest.mark.parametrize("metric", ["knowledge", "safety", "ethics"])
def test_a_lowered_metric_alone_is_named(metric, keys):
    found = compared(lowered(metric, 3.0, *keys))
    assert failing(found) == [("metric", metric)]
    assert [one.name for one in found.moved] == [metric]
    assert move(found, metric).way == "exact"
    assert "same weights and items: not chance" in "\n".join(report.lines(found))


@settings(max_examples=20, deadline=None)
@given(
    metric=st.sampled_from(sorted(set(METRICS.values()))),
    most_fall=st.floats(0.0, 20.0),
    further=st.floats(0.01, 30.0),
)
def test_any_metric_that_is_lowered_by_more_than_it_may_fall_is_named(metric, most_fall, further):
    found = compared(lowered(metric, most_fall + further), most_fall=most_fall)
    assert failing(found) == [("metric", metric)]


def test_a_metric_that_fell_by_what_it_may_fall_does_not_fail():
    found = compared(lowered("safety", 1.0), most_fall=1.0)
    assert found.failures == ()
    assert move(found, "safety").direction == "worse"


# -- ways -----------------------------------------------------------------------------------------


def test_answers_of_the_same_items_are_compared_in_pairs():
    new = release(answers(gsm8k=range(30)), weights="second")
    paired, apart = compared(new), compared(new, paired=False)
    assert move(paired, "reasoning").way == "paired"
    assert move(apart, "reasoning").way == "intervals"
    assert failing(paired) == [("metric", "reasoning")]
    widths = [one.high - one.low for one in (move(c, "reasoning") for c in (paired, apart))]
    assert widths[0] < widths[1]
    assert move(paired, "reasoning").points == pytest.approx(move(apart, "reasoning").points)
    text = "\n".join((*report.lines(paired), *report.lines(apart)))
    assert "paired by item" in text
    assert "from the two intervals" in text


def test_a_fall_within_chance_is_named_and_fails_nothing():
    new = release(answers(gsm8k=range(17)), weights="second")
    found = compared(new)
    assert move(found, "reasoning").points < -1
    assert found.failures == ()
    assert [one.name for one in found.unclear] == ["reasoning"]
    assert any("which chance may explain" in line for line in report.lines(found))


def test_a_rise_beyond_chance_is_reported():
    found = compared(release(answers(gsm8k=()), weights="second"))
    assert move(found, "reasoning").direction == "better"
    assert found.failures == ()


def test_other_items_are_not_paired():
    longer = {name: (right(300, *range(21)), right(300, *range(10))) for name in METRICS}
    found = compared(release(longer, weights="second"))
    assert move(found, "knowledge").way == "intervals"
    assert not move(found, "knowledge").same_items
    assert {one.aspect for one in found.others} == {"weights", "items", "dense"}


def test_records_that_do_not_give_the_score_of_a_row_are_not_used():
    new = release(answers(gsm8k=range(30)), weights="second")
    other = release(answers(gsm8k=range(5)), weights="second")
    found = compared(replace(new, records=other.records))
    assert move(found, "reasoning").way == "intervals"
    assert move(found, "knowledge").way == "paired"


def test_changed_dense_answers_count_in_the_pairs():
    """A new engine answers otherwise for the dense model, too."""
    upgraded = {name: (right(N, *range(16)), right(N, *range(12))) for name in METRICS}
    found = compared(release(upgraded, environment=other_engine()))
    one = move(found, "reasoning")
    assert one.way == "paired"
    assert one.low < one.points < one.high
    assert found.failures == ()


@settings(max_examples=20, deadline=None)
@given(st.sets(st.integers(0, N - 1), max_size=80), st.sets(st.integers(0, N - 1), max_size=80))
def test_the_interval_of_a_change_holds_its_estimate(before, now):
    dense = right(N, *range(10))
    first, second = (
        release({"gsm8k": (right(N, *wrong), dense)}, weights=name)
        for wrong, name in ((before, "first"), (now, "second"))
    )
    for paired in (True, False):
        one = move(compared(second, first, paired=paired), "reasoning")
        assert one.low <= one.points + 1e-9
        assert one.points <= one.high + 1e-9
        assert one.points == pytest.approx(one.new - one.old)


# -- what else changed ----------------------------------------------------------------------------


def other_engine():
    about = {**ENVIRONMENT["models"]["m"], "vllm": "2"}
    return {**ENVIRONMENT, "models": {"m": about}}


def test_another_version_of_the_engine_is_said():
    found = compared(release(answers(), environment=other_engine()))
    assert found.failures == ()
    (change,) = found.others
    assert (change.aspect, change.name, change.old, change.new) == ("engine", "m.vllm", "1", "2")


def test_a_score_that_moved_with_the_engine_is_not_blamed_on_the_weights():
    found = compared(release(answers(gsm8k=range(30)), environment=other_engine()))
    assert failing(found) == [("metric", "reasoning")]
    (line,) = (line for line in report.lines(found) if line.startswith("  reasoning"))
    assert "the weights are the same, so look at m.vllm" in line


def test_a_fall_of_both_sides_is_said_though_no_retention_shows_it():
    both = right(N, *range(60))
    fallen = dict.fromkeys(METRICS, (both, both))
    first = {name: (right(N), right(N)) for name in METRICS}
    found = compared(release(fallen, environment=other_engine()), release(first))
    assert move(found, "reasoning").points == 0
    dense = [(one.name, one.old, one.new) for one in found.others if one.aspect == "dense"]
    assert ("score of gsm8k of m", "100", "70") in dense


def test_what_was_not_used_in_one_run_did_not_change():
    with_instruments = {**ENVIRONMENT, "instruments": {"mode": "strict"}}
    assert compared(release(answers(), environment=with_instruments)).others == ()


def test_the_command_line_is_no_condition_and_another_revision_of_a_data_set_is_one():
    about = {"command": ["pytest -m safety"], "datasets": {"m": {"gsm8k": {"openai/gsm8k": "a"}}}}
    then = {**ENVIRONMENT, **about}
    now = {**then, "command": [], "datasets": {"m": {"gsm8k": {"openai/gsm8k": "b"}}}}
    found = compared(release(answers(), environment=now), release(answers(), environment=then))
    assert [(one.aspect, one.old, one.new) for one in found.others] == [("data", "a", "b")]
    assert found.conditions == ()


def test_another_floor_is_said_and_the_digest_only_if_nothing_explains_it():
    policy = Policy(general={"performance": 50.0, "reliability": 40.0})
    names = [one.name for one in compared(release(answers(), policy=policy)).others]
    assert "floor of safety of m/wanda_50" in names
    assert "digest" not in names
    found = compared(replace(FIRST, card=replace(FIRST.card, policy="other")))
    assert [one.name for one in found.others] == ["digest"]


# -- verdicts and what is gone --------------------------------------------------------------------


def with_verdict(metric, verdict, **about):
    return replace(FIRST, card=edited(FIRST.card, metric, verdict=verdict, **about))


def test_a_pass_that_became_a_failure_is_worse():
    found = compared(with_verdict("safety", "fail"))
    assert failing(found) == [("metric", "safety")]
    assert isinstance(found.failures[0], VerdictChange)


def test_an_allowed_failure_is_reported_and_is_not_worse():
    found = compared(with_verdict("safety", "fail", allowed="known"))
    assert found.failures == ()
    assert [one.name for one in found.verdicts] == ["safety"]


def test_a_metric_that_is_not_measured_any_more_is_worse():
    left = {name: both for name, both in answers().items() if name != "gsm8k"}
    found = compared(release(left))
    assert failing(found) == [("metric", "reasoning")]


def test_a_metric_that_lost_a_benchmark_is_worse():
    left = {name: both for name, both in answers().items() if name != "xstest"}
    assert failing(compared(release(left))) == [("metric", "safety")]


def test_a_new_metric_and_other_checkpoints_are_named():
    old = release({"gsm8k": answers()["gsm8k"]})
    found = compared(FIRST, old)
    assert found.failures == ()
    assert "knowledge of m/wanda_50" in found.new_metrics
    renamed = replace(
        FIRST.card, rows=tuple(replace(row, method="gptq") for row in FIRST.card.rows), metrics=()
    )
    found = compared(replace(FIRST, card=renamed))
    assert found.gone == (CANDIDATE,)
    assert found.added == (CANDIDATE._replace(method="gptq"),)
    assert found.verdicts == ()


# -- efficiency -----------------------------------------------------------------------------------


def timed(gain, processor="xeon", **about):
    """The first release with a timing and a size, as gains over the dense model."""
    probes = (
        Row(
            **CANDIDATE._asdict(),
            benchmark=name,
            verdict="pass",
            tier="advisory",
            unit=unit,
            score=1.0,
            dense=gain / 100,
            retention=gain,
            low=gain - 2,
            high=gain + 2,
            n=9,
        )
        for name, unit in (("latency", "s"), ("model_size", "bytes"))
    )
    measuring = {"machine": {"processor": processor}}
    environment = {**FIRST.card.environment, "measuring": measuring}
    rows = (*FIRST.card.rows, *probes)
    return replace(FIRST, card=replace(FIRST.card, rows=rows, environment=environment))


def test_a_slower_checkpoint_is_reported_and_shuts_nothing():
    found = compared(timed(80.0), timed(120.0))
    assert move(found, "latency", "probe").direction == "worse"
    assert found.failures == ()
    assert move(compared(timed(119.0), timed(120.0)), "latency", "probe").direction is None


def test_timings_of_another_machine_are_not_compared():
    found = compared(timed(80.0, "epyc"), timed(120.0))
    assert move(found, "latency", "probe").way is None
    assert move(found, "model_size", "probe").direction == "worse"
    lines = list(report.lines(found))
    assert any("latency" in line and "another machine" in line for line in lines)
    assert any("machine: measuring.machine.processor: xeon → epyc" in line for line in lines)


# -- bad input ------------------------------------------------------------------------------------


def check(card, **model):
    origin = {"source": "org/m", "revision": None, **model}
    origins = {"m": (origin["source"], origin["revision"])}
    check_comparable("old.json", card, origins, [CANDIDATE])


def test_a_baseline_of_another_model_is_refused():
    check(FIRST.card)
    with pytest.raises(SpecError, match="another model 'm': org/m there, org/m at abc here"):
        check(FIRST.card, revision="abc")
    with pytest.raises(SpecError, match="is about m, not about n"):
        check_comparable("old.json", FIRST.card, {"n": ("n", None)}, [])


def test_a_baseline_without_a_checkpoint_in_common_is_refused():
    dense = CANDIDATE._replace(method=DENSE.name, calibration="none")
    with pytest.raises(SpecError, match="no compressed checkpoint in common"):
        check_comparable("old.json", FIRST.card, FIRST.card.origins, [dense])


# -- the gate -------------------------------------------------------------------------------------


def held(new, policy=None):
    policy = policy or Policy()
    found = compare(FIRST.card, new.card, most_fall=most_fall_of(policy), baseline="old.json")
    return gated(new.card, found, FIRST.card, policy)


def test_a_metric_that_fell_too_far_shuts_the_gate_whatever_its_floor_says(tmp_path):
    card = held(lowered("safety", 3.0))
    assert (FIRST.card.decision, card.decision) == ("open", "shut")
    (row,) = (row for row in card.metrics if row.metric == "safety")
    assert row.verdict == "fail"
    assert "3.0 points below the last release" in row.reason
    path = tmp_path / "card.json"
    json_report.write(card, findings_of(card), path)
    record.write(card, path)
    schema = json.loads(Path(json_report.__file__).with_name("decision.schema.json").read_text())
    made = record.read(record.place_of(path))
    jsonschema.validate(made, schema)
    assert made["decision"] == "shut"
    asked = [one for one in made["policy"]["asked"] if one.get("metric") == "safety"]
    assert [one["most_fall"] for one in asked] == [1.0]
    assert record.differences(made, path) == []
    for everything in (False, True):
        page = render(card, findings_of(card), width=100, color=False, everything=everything)
        text = "\n".join(page)
        assert "Compared with the last release, old.json:" in text
        assert "safety of m/wanda_50/generic" in text


def test_a_comparison_is_read_back_from_the_scorecard(tmp_path):
    new = release(answers(gsm8k=range(30)), weights="second", environment=other_engine())
    card = held(new)
    path = tmp_path / "card.json"
    json_report.write(card, findings_of(card), path)
    assert scorecard_file.read(path).comparison == card.comparison


def test_a_metric_that_is_not_run_any_more_is_missing():
    left = {name: both for name, both in answers().items() if name != "gsm8k"}
    card = held(release(left))
    (row,) = (row for row in card.metrics if row.metric == "reasoning")
    assert (row.verdict, card.decision) == ("missing", "shut")


def test_a_gap_that_is_allowed_does_not_fail_by_the_comparison():
    card = held(lowered("safety", 3.0), Policy(allow={"safety@wanda_50": "known"}))
    assert card.decision == "open"
    assert [one.name for one in card.comparison.moved] == ["safety"]


def test_the_points_that_a_metric_may_fall_are_set_by_name_and_method():
    policy = Policy(last_release={"reliability": 4.0, "safety@other": 0.0})
    assert held(lowered("safety", 3.0), policy).decision == "open"
    policy = Policy(last_release={"reliability": 4.0, "safety@wanda_50": 2.0})
    assert held(lowered("safety", 3.0), policy).decision == "shut"


# -- the command ----------------------------------------------------------------------------------


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes scorecards; returns the path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNICOMP_HOME", str(tmp_path / "home"))

    def write(name, one):
        path = tmp_path / name
        json_report.write(one.card, findings_of(one.card), path)
        return path

    return write


def command(capsys, *arguments):
    status = main(("compare", *map(str, arguments)))
    captured = capsys.readouterr()
    return status, captured.out + captured.err


def test_the_command_ends_with_1_if_something_is_worse(write, capsys):
    old, new = write("old.json", FIRST), write("new.json", lowered("safety", 3.0))
    status, text = command(capsys, old, old)
    assert (status, "nothing changed." in text) == (0, True)
    status, text = command(capsys, old, new)
    assert status == 1
    assert text.endswith("worse than the last release: safety of m/wanda_50/generic\n")
    assert command(capsys, old, new, "--max-drop", "3.5")[0] == 0
    Path("unicomp.toml").write_text("[last_release]\nsafety = 4\n")
    assert command(capsys, old, new)[0] == 0


def test_the_command_says_which_library_is_another(write, capsys):
    old = write("old.json", FIRST)
    new = write("new.json", release(answers(), environment=other_engine()))
    status, text = command(capsys, old, new)
    assert status == 0
    assert "engine: m.vllm: 1 → 2" in text


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "not JSON"),
        ('{"schema": "unicomp/scorecard/1"}', "not a scorecard of this version"),
        ('{"schema": "unicomp/scorecard/4"}', "damaged"),
    ],
)
def test_a_file_that_is_no_scorecard_is_refused_in_one_line(write, capsys, content, why):
    good, bad = write("old.json", FIRST), Path("bad.json")
    bad.write_text(content)
    for pair in ((good, bad), (bad, good)):
        status, text = command(capsys, *pair)
        assert status == 4
        assert why in text
        assert text.count("\n") == 1


def test_a_folder_that_is_no_export_is_refused(write, capsys, tmp_path):
    card = write("old.json", FIRST)
    status, text = command(capsys, card, card, "--items", tmp_path / "none")
    assert status == 4
    assert text.count("\n") == 1


# -- chance ---------------------------------------------------------------------------------------


def test_an_unchanged_candidate_does_not_fail_by_its_flips():
    """A small sample of the long simulation: many flips either way, no change in truth."""
    case = Case("nothing became worse", 100, 0.1, paired=True)
    assert run(case, 20).others <= 0.1


@pytest.mark.long
@pytest.mark.parametrize("case", [one for one in simulated() if one.n <= 1000], ids=str)
def test_the_error_rates_of_a_comparison_are_the_stated_ones(case):
    """At most 2.5 % in truth: more than 6 of 60 have a chance of 0.1 %."""
    rates = run(case, 60)
    assert rates.others <= 6 / 60
    if case.fall >= 5:
        assert rates.named >= 0.8


def test_the_table_of_the_page_has_all_cases():
    lines = PAGE.read_text().partition(BEGIN)[2].partition(END)[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [(name, int(n.replace(",", ""))) for name, n, *_ in cells] == [
        (case.name, case.n) for case in simulated()
    ]
    assert max(float(others) for *_, others in cells) <= 4.0
