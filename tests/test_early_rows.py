"""What stopped early is shown as such everywhere, and no figure but its own follows from it."""

import importlib
import json
import re
from dataclasses import fields, replace
from functools import cache

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.measured import full_scorecard
from tests.early_cards import ASKED, CHANCE, FULL, stopped
from tests.report import cards, page
from unicomp import churn, record
from unicomp.advice.candidates import candidates_of
from unicomp.cli import main
from unicomp.comparison import compare
from unicomp.decision import EARLY_ERROR, bound
from unicomp.findings import findings_of
from unicomp.findings.floors import supported_floors
from unicomp.findings.study import study_of_card
from unicomp.joint import joint_decision, merged, read_part
from unicomp.plugin.carried import properties_of
from unicomp.report import card as model_card
from unicomp.report import comparison as comparison_report
from unicomp.report import early as words
from unicomp.report import github, html, joint, markdown, reasons, terminal
from unicomp.report import json as json_report
from unicomp.retention import Retention
from unicomp.scorecard import STOPPED_EARLY
from unicomp.scorecard_file import read
from unicomp.spec import LEVEL
from unicomp.store import Store
from unicomp.verdict import UNSETTLED

KINDS = ("reasoning", "privacy")
COUNTS = f"{ASKED} of {FULL:,} asked"
NAME = "wanda_50 (generic)"


@cache
def whole():
    """Three checkpoints, of which nothing stopped early."""
    found = cards.varied((*cards.METHODS[:3], ("wanda_2_4", "reasoning")))
    known = {name: one for name, one in found.environment.items() if name != "instruments"}
    return replace(found, environment=known, comparison=None)


@cache
def card():
    """The same, after two metrics of one checkpoint stopped early."""
    return stopped(whole(), *KINDS)


def failing():
    """The same, but what stopped early fails."""
    return stopped(whole(), *KINDS, verdict="fail")


@pytest.fixture
def write(tmp_path):
    def write(found, name="card.json"):
        json_report.write(found, findings_of(found), tmp_path / name)
        return tmp_path / name

    return write


def shown(found, *, everything):
    lines = terminal.render(
        found, findings_of(found), width=200, color=False, everything=everything
    )
    return "\n".join(lines)


# -- no figure follows from it --------------------------------------------------------------------

PERCENT = st.floats(1.0, 150.0)
FIGURES = st.fixed_dictionaries(
    {
        **dict.fromkeys(("score", "dense", "retention", "low", "high", "parse_rate"), PERCENT),
        **dict.fromkeys(("n", "lost", "gained"), st.integers(1, FULL)),
        "details": st.dictionaries(st.sampled_from(["language.de", "f1"]), PERCENT),
        "divergence": st.sampled_from([{}, {"figures": {"changed": [30.0, 29.0, 31.0]}}]),
        "verdict": st.sampled_from(["pass", "fail", "undecided"]),
    }
)


def changed(found, figures):
    """The card with other figures of everything that stopped early."""
    of_metric = {name: figures[name] for name in ("low", "high", "verdict")}
    value = {"value": figures["retention"], "published": figures["score"]}
    return replace(
        found,
        rows=tuple(replace(row, **figures) if row.early else row for row in found.rows),
        metrics=tuple(
            replace(row, **of_metric, **value) if row.early else row for row in found.metrics
        ),
    )


def derived(found):
    """All that follows from the figures of a card, but its own rows, metrics and decision."""
    findings = findings_of(found)
    names = [one.name for one in fields(findings) if one.name != "early"]
    floors = supported_floors(found.ends, 3.0)
    moves = compare(whole(), found, most_fall=lambda *_: 1.0)
    results = model_card.render(found, findings, "embedded/wanda_50/generic")
    return {
        **{name: getattr(findings, name) for name in names},
        "floors": floors,
        "study": study_of_card(found),
        "candidates": [
            (one.name, one.figures.keys(), one.failures, one.quality, one.gains)
            for one in candidates_of(found.in_full, findings, {})
        ],
        "moves": (moves.moves, moves.others, moves.new_metrics, moves.stopped_early),
        "results": results.partition("\n---\n")[0],
    }


@settings(max_examples=8, deadline=None)
@given(FIGURES)
def test_nothing_follows_from_the_figures_of_what_stopped_early(figures):
    assert derived(changed(card(), figures)) == derived(card())


def test_what_ran_in_full_has_all_its_findings():
    other = "wanda_2_4"
    kept, all_of_it = (
        [one for one in findings_of(found).divergence if one.method == other]
        for found in (card(), whole())
    )
    assert kept == all_of_it
    assert kept


def test_a_card_of_full_runs_is_its_own_part_in_full():
    assert whole().in_full is whole()


def test_a_metric_is_not_in_full_if_a_part_of_the_gate_has_a_row_of_it_early():
    found = stopped(whole(), "reasoning")
    mixed = replace(found, metrics=whole().metrics)
    (metric,) = (
        row
        for row in mixed.in_full.metrics
        if (row.metric, row.method) == ("reasoning", "wanda_50")
    )
    assert (metric.value, metric.reason) == (None, STOPPED_EARLY)


@pytest.mark.parametrize("everything", [False, True])
def test_what_is_left_out_is_named_with_the_reason_and_the_way_to_get_it(everything):
    text = shown(card(), everything=everything)
    assert (
        f"table has reasoning, privacy of {NAME}, since asking stopped early: run without" in text
    )


def test_a_metric_that_stopped_early_gets_no_floor_but_a_comment():
    lines = supported_floors(card().ends, 3.0)
    assert f"# no floor for reasoning@wanda_50: {STOPPED_EARLY}" in lines
    assert not any(line.startswith('"reasoning@wanda_50"') for line in lines)
    assert any(line.startswith('"reasoning@gptq_w4a16"') for line in lines)
    assert any(line.startswith('"knowledge@wanda_50"') for line in lines)


def test_floors_of_a_card_that_stopped_early_altogether_are_comments_alone():
    (row,) = (row for row in card().rows if row.early and row.benchmark == "gsm8k")
    assert supported_floors([row], 3.0) == [
        '[models."embedded".floors]',
        f"# no floor for reasoning@wanda_50: {STOPPED_EARLY}",
    ]


def test_the_tables_of_the_paper_say_why_a_metric_is_missing(write, tmp_path, capsys):
    assert main(["tables", str(write(card())), "-o", str(tmp_path / "tables")]) == 0
    index = (tmp_path / "tables" / "index.md").read_text()
    assert f"reasoning: {STOPPED_EARLY} (embedded/{NAME})" in index
    named = f"reasoning of embedded/{NAME}, privacy of embedded/{NAME}, since {STOPPED_EARLY}"
    assert f"not in them: {named}" in capsys.readouterr().out


def test_a_recommendation_says_why_a_need_is_not_known_to_be_met(write, capsys):
    path = str(write(card()))
    assert main(["recommend", path, "--need", "reasoning=80", "--family", "pruning"]) == 0
    assert STOPPED_EARLY in capsys.readouterr().out


def test_no_mean_is_of_fewer_metrics_since_one_stopped_early_everywhere():
    found = whole()
    for method, calibration in dict.fromkeys((r.method, r.calibration) for r in found.rows):
        if method != "dense":
            found = stopped(found, "reasoning", method=method, calibration=calibration)
    kept = {one.method: one.value for one in findings_of(found).quality}
    assert kept == {"dense": 100.0, "gptq_w4a16": None, "wanda_50": None, "wanda_2_4": None}
    study = study_of_card(found)
    averages = [study.average(*pair, "performance") for pair in study.pairs]
    assert averages == [100.0, None, None, None]
    assert study.average(*study.pairs[1], "reliability") is not None
    (one,) = findings_of(found).decoupling
    assert one.left_out == ("reasoning",)


def test_churn_is_not_remembered_of_what_stopped_early(tmp_path):
    store = Store(tmp_path)
    early = [row for row in card().rows if row.early]
    churn.remember(store, early)
    assert {churn.observed(row) for row in early} == {None}
    assert churn.recall(store, "embedded", "gsm8k", ["wanda_50"]) == churn.Churn()


def test_no_published_figure_is_made_of_it(write):
    path = write(card())
    with pytest.raises(SystemExit, match=r"stopped early for wanda_50, .*: run without --early"):
        full_scorecard(path)
    assert full_scorecard(write(whole(), "whole.json"))["decision"] == whole().decision


@pytest.mark.parametrize(
    ("script", "files"),
    [("publish", 4), ("methods_table", 1), ("calibration_table", 1), ("students_table", 1)],
)
def test_no_script_that_writes_published_texts_takes_it(script, files, write):
    module = importlib.import_module(f"fixtures.embedded.{script}")
    with pytest.raises(SystemExit, match="run without --early"):
        module.main([str(write(card()))] * files)


# -- comparisons ----------------------------------------------------------------------------------


@pytest.mark.parametrize("newest", [True, False])
def test_a_comparison_names_what_it_did_not_compare(newest):
    old, new = (whole(), card()) if newest else (card(), whole())
    found = compare(old, new, most_fall=lambda *_: 1.0)
    assert {"reasoning of embedded/wanda_50", "gsm8k of embedded/wanda_50"} <= {
        *found.stopped_early
    }
    assert not any(one.name == "reasoning" and one.method == "wanda_50" for one in found.moves)
    assert f"Not compared, since {STOPPED_EARLY}:" in [*comparison_report.lines(found)]
    assert "5 not compared, since asking stopped early" in comparison_report.headline(found)
    assert not found.nothing


def test_a_verdict_that_changed_is_named_though_it_is_early(write, capsys):
    old, new = write(whole(), "old.json"), write(failing(), "new.json")
    assert main(["compare", str(old), str(new)]) == 1
    out = capsys.readouterr().out
    assert "reasoning of embedded/wanda_50/generic: pass → fail (asking stopped early)" in out


def test_that_one_of_two_runs_was_early_is_no_other_condition_of_a_score():
    early = replace(card(), environment={**card().environment, "early": "on"})
    full = replace(whole(), environment={**whole().environment, "early": "off"})
    assert compare(full, early, most_fall=lambda *_: 1.0).others == ()


def test_the_comparison_of_a_card_is_read_back_with_what_it_did_not_compare(write):
    found = replace(card(), comparison=compare(whole(), card(), most_fall=lambda *_: 1.0))
    assert read(write(found)).comparison == found.comparison


# -- the file and the record ----------------------------------------------------------------------


def test_early_rows_are_read_back_as_they_were(write):
    found = read(write(card()))
    early, again = ([row for row in one.rows if row.early] for one in (card(), found))
    assert [replace(row, samples=[*row.samples]) for row in early] == again
    assert len(early) == 3
    assert found.metrics == card().metrics
    assert found.bound == card().bound


def test_the_file_says_what_was_asked_of_each_checkpoint(write):
    (one,) = json.loads(write(card()).read_text())["early"]
    rows = [row for row in card().rows if row.method == "wanda_50" and row.unit is None]
    asked = sum(row.n or 0 for row in rows)
    left = sum(FULL - ASKED for row in rows if row.early)
    assert (one["asked"], one["full"]) == (asked, asked + left)
    assert one["share"] == asked / (asked + left)
    assert one["names"] == [*KINDS]


def test_the_decision_record_names_what_stopped_early(write, capsys):
    path = write(card())
    record.write(card(), path)
    place = record.place_of(path)
    found = json.loads(place.read_text())
    schema = json_report.__file__.replace("json.py", "decision.schema.json")
    with open(schema, encoding="utf-8") as file:
        jsonschema.validate(found, json.load(file))
    (stops,) = filter(None, (one["early"] for one in found["checkpoints"]))
    assert stops["gsm8k"] == {"asked": ASKED, "full": FULL, "error": CHANCE}
    assert found["bound"]["early"] == EARLY_ERROR
    assert main(["verify", str(place), str(path)]) == 0
    found["checkpoints"][2]["early"]["gsm8k"]["asked"] += 1
    place.write_text(json.dumps(found))
    capsys.readouterr()
    assert main(["verify", str(place), str(path)]) == 1
    assert "asked of gsm8k of embedded/wanda_50/generic: 85 in the record, 84" in (
        capsys.readouterr().out
    )


# -- the bound ------------------------------------------------------------------------------------


def test_the_bound_adds_the_chance_of_a_checkpoint_that_stopped_early():
    one, none = card().bound, whole().bound
    two = stopped(card(), "safety", method="gptq_w4a16").bound
    assert (none.early, one.early, two.early) == (0.0, EARLY_ERROR, EARLY_ERROR)
    for found in (one, two):
        assert found.opening == none.opening + found.early
        assert found.shutting == none.shutting + found.early


@given(st.integers(1, 6), st.integers(1, 200))
def test_no_chance_is_above_one(looks, parts):
    early = [row for row in card().metrics if row.early]
    found = bound((), early, level=LEVEL / looks, looks=looks, parts=parts)
    assert found.early == min(parts * EARLY_ERROR, 1.0)
    assert LEVEL <= found.shutting <= 1.0


INCLUDED = r"at most 3\.5 % \(of which 1 % for stopping early\)"


@pytest.mark.parametrize("form", ["short", "everything", "markdown", "card", "html"])
def test_the_printed_chances_say_what_stopping_early_adds(form):
    found, findings = card(), findings_of(card())
    text = {
        "short": lambda: shown(found, everything=False),
        "everything": lambda: shown(found, everything=True),
        "markdown": lambda: markdown.render(found, findings),
        "card": lambda: model_card.render(found, findings, "embedded/wanda_50/generic"),
        "html": lambda: page.read(drawn()).all("p", class_="sentence")[0].text,
    }[form]()
    assert len(re.findall(INCLUDED, text)) == 2
    if form != "html":
        for line in terminal.render(whole(), findings_of(whole()), width=200, color=False):
            assert "early" not in line


def test_a_gate_that_only_early_results_opened_states_the_chance_to_open_wrongly():
    metric = next(row for row in card().metrics if row.early)
    found = replace(card(), rows=(), metrics=(replace(metric, verdict="pass"),))
    text = shown(replace(found, rows=card().rows[:1]), everything=False)
    assert "Chance to open although something critical is below its floor: at most 3.5 %" in text
    assert "attained" not in text


# -- what is shown --------------------------------------------------------------------------------


@cache
def drawn():
    return html.render(card(), findings_of(card()))


def test_the_summary_counts_the_items_of_each_checkpoint_that_stopped_early():
    (one,) = findings_of(card()).early
    share = f"{100 * one.share:.1f} %"
    line = f"Stopped early: {NAME} asked {one.asked:,} of {one.full:,} items ({share})."
    for text in (shown(card(), everything=False), shown(card(), everything=True)):
        assert line in text


def test_a_failure_says_what_was_asked_its_sequence_and_the_chance_of_another_verdict():
    text = shown(failing(), everything=True)
    line = next(one for one in text.splitlines() if " gsm8k: " in one and "wanda_50 (gen" in one)
    assert line.startswith(f"fails early, {COUNTS}: embedded/{NAME} gsm8k: ≈")
    assert re.search(r"kept ≈\d+\.\d % confidence sequence \[.*\], floor 90, ", line)
    assert line.endswith("chance of another verdict at most 0.03 %")


def test_a_chance_too_small_for_digits_is_called_so():
    (row,) = (row for row in card().rows if row.early and row.benchmark == "gsm8k")
    assert words.chance(replace(row, early_error=1e-9)) == (
        "chance of another verdict less than 0.01 %"
    )
    assert words.chance(replace(row, early_error=None)) == ""


def test_an_expected_value_is_marked_in_every_table_of_metrics():
    for text in (shown(card(), everything=False), shown(card(), everything=True)):
        assert words.LEGEND in text
        assert re.search(r"≈\d+", text)
    assert words.LEGEND in markdown.render(card(), findings_of(card()))
    assert words.LEGEND in drawn()


def obstacle(found, name):
    """The line of what keeps the gate from opening about a metric of the early checkpoint."""
    lines = reasons.obstacles(found, findings_of(found))
    return next(one for one in lines if f"{NAME} {name}: " in one)


@pytest.mark.long
def test_an_undecided_result_says_that_the_full_run_would_be_undecided_too():
    found = stopped(whole(), *KINDS, verdict="undecided")
    findings = findings_of(found)
    assert not any(one.name in KINDS and one.method == "wanda_50" for one in findings.outlook)
    line = obstacle(found, "reasoning")
    assert line.startswith(f"undecided early, {COUNTS}: ")
    assert line.endswith(f"; {words.UNDECIDED}")
    assert words.UNDECIDED in html.render(found, findings)


def test_a_result_that_is_not_settled_is_not_said_to_be_undecided_in_a_full_run():
    found = stopped(whole(), *KINDS, verdict="undecided")
    unsettled = tuple(replace(row, reason=UNSETTLED) if row.early else row for row in found.metrics)
    line = obstacle(replace(found, metrics=unsettled), "reasoning")
    assert words.UNDECIDED not in line
    assert "chance of another verdict" not in line
    assert line.endswith(UNSETTLED)


def test_every_number_of_the_page_is_the_one_of_the_file():
    tables = json.loads(json.dumps(json_report.tables(card(), findings_of(card()))))
    top = page.read(drawn())
    for path, value, _ in page.numbers(top):
        assert page.value_at(tables, path) == value, path
    paths = [tuple(path) for path, _, _ in page.numbers(top)]
    assert {("early", "0", "asked"), ("early", "0", "full"), ("bound", "early")} <= {*paths}


def test_the_page_names_a_confidence_sequence_and_draws_it_dotted():
    (table,) = page.read(drawn()).all("table", id="benchmark-table")
    (line,) = (
        one
        for one in table.all("tr")
        if "gsm8k" in one.text and "(generic)" in one.text and "early" in one.text
    )
    assert f"{ASKED} of {FULL:,} asked" in line.text
    assert "confidence sequence" in line.text
    charts = page.read(drawn()).all("figure")
    forest = [one for one in charts if one.attributes.get("data-checkpoint") == NAME]
    assert "hollow and dotted: stopped early" in forest[0].text
    other = [
        one for one in charts if one.attributes.get("data-checkpoint") == "gptq_w4a16 (generic)"
    ]
    assert "hollow" not in other[0].text


def test_a_model_card_has_no_result_of_it_and_names_it():
    text = model_card.render(failing(), findings_of(failing()), "embedded/wanda_50/generic")
    metadata, _, body = text.partition("\n---\n")
    assert "arc_easy" in metadata
    assert "gsm8k" not in metadata
    recovery, _, rest = body.partition("## Stopped early")
    assert "gsm8k" not in recovery
    assert f"- gsm8k: fails early, {COUNTS}: ≈" in rest


def test_the_properties_of_a_test_do_not_call_a_sequence_an_interval():
    (row,) = (row for row in failing().rows if row.early and row.benchmark == "gsm8k")
    found = dict(properties_of([row]))
    assert (found["verdict"], found["asked"], found["asked_of"]) == ("fail", ASKED, FULL)
    assert found["chance_of_another_verdict"] == CHANCE
    assert (found["sequence_low"], found["sequence_high"]) == (row.low, row.high)
    assert not {"retention", "low", "high"} & found.keys()


def test_a_failed_comparison_says_how_many_items_were_asked():
    facts = {
        "score": 40.0,
        "dense": 80.0,
        "standard_error": 1.0,
        "dense_error": 1.0,
        "parse_rate": 100.0,
    }
    kept = Retention(
        benchmark="gsm8k", n=ASKED, value=50.0, low=41.0, high=60.0, full_n=FULL, **facts
    )
    assert f"n={ASKED} of {FULL}, stopped early>" in repr(kept)
    assert "early" not in repr(replace(kept, full_n=None))


def test_an_annotation_says_that_it_is_early():
    lines = [*github.annotated(failing())]
    assert any("reasoning%3A fails early%2C 84 of 1%2C319 asked::" in one for one in lines)


# -- several cards --------------------------------------------------------------------------------


def test_of_the_same_verdict_the_full_run_is_kept_in_either_order():
    early = stopped(whole(), "reasoning")
    for pair in ([early, whole()], [whole(), early]):
        found = merged(pair)
        assert not any(row.early for row in found.ends)
        assert [*found.rows] == [*whole().rows]


def test_one_decision_of_several_runs_says_what_stopping_early_adds(write):
    parts = [read_part(write(card(), "a.json")), read_part(write(whole(), "b.json"))]
    found = joint_decision(parts)
    assert found.early_shutting == found.early_opening == EARLY_ERROR
    text = "\n".join(joint.lines(found))
    assert "at most 3.5 % (of which 1 % for stopping early), the largest of the parts" in text
    assert "at most 6 % (of which 1 % for stopping early), the sum over 2 parts" in text


def test_early_cards_are_decided_reported_and_merged(write, capsys, tmp_path):
    path = str(write(card()))
    assert main(["decide", path, "--report", str(tmp_path / "report.md")]) == 1
    assert main(["report", path]) == 0
    asked = "Stopped early: wanda"
    assert asked in capsys.readouterr().out
    assert asked in (tmp_path / "report.md").read_text()
