"""The reports: JSON that holds to its schema, and a table that nothing can break out of."""

import json
import math
from dataclasses import fields, replace
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import unicomp.report.json as json_report
from unicomp.changes import OtherChange, VerdictChange
from unicomp.data.sources import Source
from unicomp.decision import Bound
from unicomp.engines import EngineSettings
from unicomp.errors import StoreError
from unicomp.findings import findings_of
from unicomp.findings.calibrations import CalibrationEffect, SeedSpread
from unicomp.findings.claims import Claim
from unicomp.findings.costs import CompressionCost
from unicomp.findings.decoupling import Decoupling, KnowledgeBias
from unicomp.findings.divergence import DivergenceFigure, Flips, SilentChange, Truncation
from unicomp.findings.efficiency import EfficiencyMetric
from unicomp.findings.engines import CrossCheck
from unicomp.findings.outlook import Outlook
from unicomp.findings.perplexity import (
    OverallPerplexity,
    RetainedPerplexity,
    overall_perplexity,
    retained_perplexity,
)
from unicomp.framework import EMBEDDED_PROFILE, METRICS
from unicomp.looks import PolicyChange
from unicomp.plugin import environment
from unicomp.policy import Policy
from unicomp.report.efficiency import describe
from unicomp.report.terminal import render
from unicomp.scorecard import Scorecard, Work, scorecard
from unicomp.spec import Model
from unicomp.verdict import MetricRow, Row

SCHEMA = json.loads(
    Path(json_report.__file__).with_name("scorecard.schema.json").read_text(encoding="utf-8")
)
COMPARISON = SCHEMA["properties"]["comparison"]["properties"]
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
"""Built once: to check the schema itself takes longer than to check a scorecard."""
METHODS = (
    "dense", "awq_w4a16", "gptq_w4a16", "sparsegpt_2_4", "sparsegpt_50", "wanda_2_4", "wanda_50",
)  # fmt: skip

WORK = [
    Work(stage="build", model="m", method="wanda_50", cached=False, seconds=12.4),
    Work(stage="build", model="m", method="gptq", cached=True),
    Work(stage="answer", model="m", method="wanda_50", cached=False, seconds=3.0, items=1200),
    Work(stage="answer", model="m", method="dense", cached=True),
]


PUBLISHED = {
    "tokens": 194e9,
    "hours": 120,
    "gpus": 256,
    "gpu_memory_gb": 20480,
    "basis": "a paper,\x1b[31m appendix [A.4]",
}
ESTIMATE = {"tokens": 3e6, "hours": 0.75, "gpu_memory_gb": 7.5, "basis": "its first 20 steps"}
BUILD = {
    "seconds": 12.3,
    "cpu_seconds": 9.5,
    "other_load": 0.03,
    "shared_machine": False,
    "peak_rss_bytes": 1_530_000_000,
    "peak_accelerator_bytes": None,
    "device": "cpu",
    "threads": 1,
}
ON_GPU = BUILD | {"peak_accelerator_bytes": 61_200_000_000, "device": "NVIDIA H100", "threads": 8}


def build(method, cached=True, model="m", **facts):
    return Work(stage="build", model=model, method=method, cached=cached, facts=facts)


SPENT = [
    build("wanda_50", cached=False, **BUILD),
    build("wanda_50", **BUILD),
    build("gptq_w4a16", **ON_GPU),
    build("minitron_width", **BUILD, estimate=ESTIMATE),
    build("llama_3_1_minitron_4b_width", published=PUBLISHED, base="o/base", judged_against="m"),
    build("mine"),
]


def row(benchmark="gsm8k", metric="reasoning", **about):
    found = {
        "model": "embedded",
        "method": "wanda_50",
        "calibration": "generic",
        "verdict": "pass",
        "score": 76.8,
        "dense": 80.0,
        "retention": 96.0,
        "low": 95.4,
        "high": 100.3,
        "n": 1000,
        "floor": 90.0,
        "standard_error": 1.3,
        "parse_rate": 99.9,
        "lost": 50,
        "gained": 18,
    }
    found = {**found, **about}
    if "score" not in about and abs(found["retention"] or 0.0) < 1e6:
        found["score"] = found["dense"] * (found["retention"] or 0.0) / 100.0
    return Row(benchmark=benchmark, metric=metric, **found)


def gap(benchmark="gsm8k", metric="reasoning", verdict="missing", **about):
    names = {"model": "embedded", "method": "wanda_50", "calibration": "generic", **about}
    return Row(benchmark=benchmark, metric=metric, verdict=verdict, **names)


def card_of(*rows, environment=None, **policy):
    models = {one.model: EMBEDDED_PROFILE for one in rows}
    return scorecard(rows, models, Policy(**policy), environment)


def full_card():
    """Dense and six methods over the metrics of the embedded profile."""
    return card_of(
        *(
            row(name, metric, method=method)
            for method in METHODS
            for metric in EMBEDDED_PROFILE
            for name in EMBEDDED_PROFILE.benchmarks(metric)
        ),
        environment=environment.describe(
            [Model(name="embedded", source="/a/folder")],
            {"embedded": Source("hub")},
            lambda model: EngineSettings(),
            None,
        ),
    )


def tables(card, work=()):
    card = replace(card, work=tuple(work))
    return json_report.tables(card, findings_of(card))


def read(card, work=()):
    """What a program gets to see, held to the schema."""

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    text = json.dumps(tables(card, work), allow_nan=False)
    found = json.loads(text, parse_constant=refuse)
    VALIDATOR.validate(found)
    return found


def lines_of(card, work=(), width=80, *, color=False, everything=True):
    card = replace(card, work=tuple(work))
    found = findings_of(card)
    return render(card, found, width=width, color=color, everything=everything)


# -- JSON -----------------------------------------------------------------------------------------


def test_the_schema_is_a_schema_of_this_version():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == SCHEMA["properties"]["schema"]["const"] == json_report.SCHEMA


ADDED = {"repeats", "limit", "machine", "absolute", "absolute_low", "absolute_high", "unmet"}
"""Columns of a row that files of this version may lack, since they were added to it."""


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        (Row, SCHEMA["$defs"]["row"]),
        (MetricRow, SCHEMA["$defs"]["metric"]),
        (Work, SCHEMA["properties"]["work"]["items"]),
        (CompressionCost, SCHEMA["properties"]["costs"]["items"]),
        (RetainedPerplexity, SCHEMA["properties"]["retained_perplexity"]["items"]),
        (KnowledgeBias, SCHEMA["properties"]["knowledge_bias"]["items"]),
        (CalibrationEffect, SCHEMA["properties"]["calibration_effects"]["items"]),
        (SeedSpread, SCHEMA["properties"]["seed_spreads"]["items"]),
        (Decoupling, SCHEMA["properties"]["decoupling"]["items"]),
        (EfficiencyMetric, SCHEMA["properties"]["efficiency"]["items"]),
        (CrossCheck, SCHEMA["properties"]["crosschecks"]["items"]),
        (DivergenceFigure, SCHEMA["properties"]["divergence"]["items"]),
        (Flips, SCHEMA["properties"]["flips"]["items"]),
        (SilentChange, SCHEMA["properties"]["silent_changes"]["items"]),
        (Truncation, SCHEMA["properties"]["truncations"]["items"]),
        (OverallPerplexity, SCHEMA["properties"]["overall_perplexity"]["items"]),
        (Claim, SCHEMA["properties"]["claims"]["items"]),
        (Outlook, SCHEMA["properties"]["undecided"]["items"]),
        (PolicyChange, SCHEMA["properties"]["policy_changes"]["items"]),
        (Bound, SCHEMA["properties"]["bound"]),
        (VerdictChange, COMPARISON["verdicts"]["items"]),
        (OtherChange, COMPARISON["others"]["items"]),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_the_schema_names_exactly_the_columns(kind, table):
    columns = [field.name for field in fields(kind)]
    assert sorted(table["properties"]) == sorted(columns)
    # a file that was written before is read all the same
    added = ADDED if kind is Row else {"ceiling"} if kind is MetricRow else set()
    assert sorted(table["required"]) == sorted({*columns} - added)
    assert table["additionalProperties"] is False


def test_the_schema_knows_the_metrics():
    assert SCHEMA["$defs"]["metric_name"]["enum"] == list(METRICS)


def test_a_full_scorecard_holds_to_the_schema():
    found = read(full_card())
    assert found["decision"] == "open"
    assert len(found["scores"]) == 7 * sum(
        len(EMBEDDED_PROFILE.benchmarks(one)) for one in EMBEDDED_PROFILE
    )
    assert len(found["metrics"]) == 7 * len(list(EMBEDDED_PROFILE)) == 7 * 10
    assert found["missing"] == []


def test_the_work_is_listed_as_it_was_done():
    found = read(full_card(), WORK)
    assert [Work(**piece) for piece in found["work"]] == WORK


def test_the_columns_that_were_promised_are_there():
    (score,) = read(card_of(row()))["scores"]
    names = "model method calibration benchmark metric score dense retention low high n floor"
    assert {*names.split(), "verdict"} <= set(score)
    (metric,) = read(card_of(row()))["metrics"]
    assert {"model", "method", "calibration", "metric", "value", "floor", "verdict"} <= set(metric)


@pytest.mark.parametrize("verdict", ["missing", "unsupported", "not_measured", "not_comparable"])
def test_what_has_no_retention_is_listed_as_missing_with_its_reason(verdict):
    found = read(
        card_of(row("arc_easy", "knowledge"), gap(verdict=verdict, reason="a width of 64"))
    )
    assert [one["benchmark"] for one in found["scores"]] == ["arc_easy"]
    (missing,) = found["missing"]
    assert (missing["benchmark"], missing["verdict"]) == ("gsm8k", verdict)
    assert missing["reason"] == "a width of 64"
    assert found["decision"] == "shut"  # nothing else was measured of reasoning


def test_rows_come_back_as_they_were():
    card = card_of(row(), row("mine", None, verdict="fail", higher_is_better=False))
    found = read(card)
    assert tuple(Row(**one) for one in found["scores"]) == card.rows
    assert tuple(MetricRow(**one) for one in found["metrics"]) == card.metrics


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("column", ["retention", "low", "high"])
def test_what_is_no_finite_number_is_null(column, number):
    rows = (row("arc_easy", "knowledge"), row(**{column: number}))
    found = read(card_of(*rows))
    assert found["scores"][1][column] is None


finite = st.none() | st.floats()


@given(retention=finite, low=finite, high=finite, above_chance=finite, reason=st.text())
@settings(deadline=None, max_examples=50)
def test_any_row_holds_to_the_schema(retention, low, high, above_chance, reason):
    if None in (retention, low, high):
        retention = low = high = None
    verdict = "not_comparable" if retention is None else "fail"
    numbers = {"retention": retention, "low": low, "high": high, "above_chance": above_chance}
    read(card_of(row(verdict=verdict, reason=reason.encode(errors="ignore").decode(), **numbers)))


@pytest.mark.parametrize(
    "damage",
    [
        {"verdict": "passed"},
        {"score": "76.8"},
        {"surplus": 1},
        {"metric": "wit"},
        {"verdict": "missing"},
        {"n": 1.5},
    ],
)
def test_the_schema_is_strict(damage):
    found = read(card_of(row()))
    found["scores"][0] |= damage
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(found)


COLUMNS = [field.name for field in fields(Row) if field.name not in {"divergence", *ADDED}]
"""The divergence of a row has tables of its own."""


@pytest.mark.parametrize("column", COLUMNS)
def test_the_schema_misses_every_column(column):
    found = read(card_of(row()))
    del found["scores"][0][column]
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(found)


def test_how_answers_differ_has_tables_of_its_own():
    figures = {"changed": [9.0, 7.0, 11.0], "first_difference": [4.0, None, None]}
    about = {"lost": ["0" * 12], "gained": [], "p_value": 1.0, "figures": figures}
    found = read(card_of(row(divergence=about)))
    (score,) = found["scores"]
    assert score["divergence"] == about
    of = {name: score[name] for name in ("model", "method", "calibration", "benchmark")}
    assert found["divergence"] == [
        {**of, "figure": "changed", "unit": "%", "value": 9.0, "low": 7.0, "high": 11.0},
        {
            **of,
            "figure": "first_difference",
            "unit": "characters",
            "value": 4.0,
            "low": None,
            "high": None,
        },
    ]
    assert found["flips"] == [{**of, "n": 1000, "lost": ["0" * 12], "gained": [], "p_value": 1.0}]
    assert found["silent_changes"] == [{**of, "n": 1000, "changed": 9.0, "low": 7.0, "high": 11.0}]


def test_an_unmoved_score_is_warned_about_where_many_answers_changed():
    about = {"figures": {"changed": [9.0, 7.0, 11.0]}}
    assert any("did not move, 9.0 %" in line for line in lines_of(card_of(row(divergence=about))))
    assert not any("did not move" in line for line in lines_of(card_of(row())))


def test_the_file_is_the_tables(tmp_path):
    path = tmp_path / "new" / "scorecard.json"
    json_report.write(full_card(), findings_of(full_card()), path)
    assert json.loads(path.read_text(encoding="utf-8")) == read(full_card())
    assert [one.name for one in path.parent.iterdir()] == ["scorecard.json"]


def test_a_file_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"the scorecard .* cannot be written") as refusal:
        json_report.write(full_card(), findings_of(full_card()), tmp_path / "file" / "card.json")
    assert "\n" not in str(refusal.value)


def test_the_environment_names_no_path_of_this_machine(tmp_path):
    models = [Model(name="mine", source=str(tmp_path))]
    on_cpu = EngineSettings(device="cpu")
    found = environment.describe(models, {"mine": Source(str(tmp_path))}, lambda model: on_cpu, 200)
    assert str(tmp_path.parent) not in json.dumps(found)
    assert found["models"]["mine"]["rows"] == "mirror"
    assert found["models"]["mine"]["dtype"] == "float32"
    assert found["samples"] == 200
    assert found["packages"]["pytest"]
    read(card_of(row(), environment=found))


def test_costs_are_of_each_checkpoint_once_and_keep_their_kinds_apart():
    found = read(full_card(), SPENT)
    costs = {cost["method"]: cost for cost in found["costs"]}
    assert list(costs) == [
        *("wanda_50", "gptq_w4a16", "minitron_width", "llama_3_1_minitron_4b_width"),
    ]
    assert costs["wanda_50"]["measured"] == BUILD
    assert costs["wanda_50"]["estimated"] is costs["wanda_50"]["published"] is None
    assert costs["minitron_width"]["measured"] == BUILD
    assert costs["minitron_width"]["estimated"] == ESTIMATE
    assert costs["llama_3_1_minitron_4b_width"]["measured"] is None
    assert costs["llama_3_1_minitron_4b_width"]["published"] == PUBLISHED


# -- the terminal ---------------------------------------------------------------------------------


def test_six_metrics_and_seven_methods_fit_80_columns():
    sentences = (
        "Knowledge bias",
        "The paper",
        "Sub-score",
        "Performance/reliability",
        "Decided by",
        "Chance to",
    )  # they wrap
    lines = [line for line in lines_of(full_card()) if not line.startswith(sentences)]
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for method in METHODS:
        assert method in text
    for whole in ("96.0", "95.4–100.3", "reasoning", "instruction", "lingual", "robustness"):
        assert text.count(whole) >= 1, whole


@pytest.mark.parametrize("verdict", ["missing", "unsupported", "not_measured", "not_comparable"])
def test_a_method_without_any_value_fits_too(verdict):
    rows = [
        row(name, metric) if method == "dense" else gap(name, metric, verdict, method=method)
        for method in METHODS
        for metric in EMBEDDED_PROFILE
        for name in EMBEDDED_PROFILE.benchmarks(metric)
    ]
    lines = lines_of(card_of(*rows))
    table = lines[: next(i for i, line in enumerate(lines) if line.startswith(f"{verdict[:3]}"))]
    assert max(map(len, table)) <= 80
    assert "\n".join(table).count(verdict.removeprefix("not_").removeprefix("un")) >= 6 * 6


def test_no_value_is_broken_over_lines():
    assert "\n".join(lines_of(full_card())).count("95.4–100.3") == 7 * 5  # safety has its own


def test_the_last_line_says_how_the_gate_stands():
    assert lines_of(full_card())[-1] == "the gate is open"
    assert lines_of(card_of(gap()))[-1] == "the gate is shut"


def test_a_failure_names_benchmark_scores_interval_and_floor():
    failed = row(
        verdict="fail", score=61.2, retention=79.7, low=75.0, high=84.0, dense=76.8, floor=99.9
    )
    (line,) = [line for line in lines_of(card_of(failed)) if "gsm8k" in line]
    for part in ("fail", "embedded/wanda_50", "61.2", "76.8", "79.7", "[75.0, 84.0]", "99.9"):
        assert part in line


def test_an_allowed_gap_is_printed_with_its_reason():
    card = card_of(
        row("arc_easy", "knowledge"),
        gap(verdict="unsupported", reason="a width of 64"),
        allow={"gsm8k": "no groups of 128"},
    )
    text = "\n".join(lines_of(card, width=200))
    assert "unsupported: embedded/wanda_50 gsm8k: a width of 64 (allowed: no groups of 128)" in text
    assert lines_of(card)[-1] == "the gate is open"


@pytest.mark.parametrize(
    "reason",
    [
        "[bold red]all is well[/]",
        "[/]",
        "[link=https://example.org]x[/link]",
        "a\\",
        "[",
        ":smile:",
    ],
)
def test_markup_in_what_a_model_said_is_only_text(reason):
    text = "\n".join(lines_of(card_of(gap(reason=reason))))
    assert reason in text


@pytest.mark.parametrize(
    "reason", ["\x1b]0;title\x07", "\x1b[2Jgone", "one\ntwo", "a\rb", "\x9b31m"]
)
@pytest.mark.parametrize("color", [False, True])
def test_control_characters_in_what_a_model_said_reach_no_terminal(reason, color):
    plain, spoiled = (lines_of(card_of(gap(reason=text)), color=color) for text in ("fine", reason))
    assert len(plain) == len(spoiled)
    own = "".join(plain)
    assert "".join(spoiled).count("\x1b") == own.count("\x1b")
    assert not any(character in "".join(spoiled) for character in "\x07\r\x9b")


def test_no_colour_means_no_escape_sequence():
    assert not any("\x1b" in line for line in lines_of(full_card()))
    assert any("\x1b" in line for line in lines_of(full_card(), color=True))


def test_many_gaps_are_counted_rather_than_printed():
    card = card_of(*(gap(f"mine{i}", None) for i in range(100)))
    lines = lines_of(card)
    assert sum(line.startswith("missing: ") for line in lines) == 20
    assert any("and 80 more" in line for line in lines)


def biases(card):
    return [line for line in lines_of(card, width=200) if line.startswith("Knowledge bias")]


def test_the_knowledge_bias_is_one_line_for_each_metric():
    card = card_of(
        row("arc_easy", "knowledge", retention=98.0, low=97.0, high=99.0),
        row(retention=70.0, low=66.0, high=75.0),
        row("ifbench", "instruction_following", retention=97.0, low=94.0, high=99.5),
    )
    assert biases(card) == [
        "Knowledge bias (points that reasoning fell further than knowledge): "
        "wanda_50 +28.0 [+22.9, +32.1] biased",
        "Knowledge bias (points that instruction following fell further than knowledge): "
        "wanda_50 +1.0 [-1.7, +4.2]",
    ]


def test_a_bias_within_the_noise_is_not_named():
    card = card_of(row("arc_easy", "knowledge", retention=99.9), row(retention=99.7))
    (line,) = biases(card)
    assert "biased" not in line
    assert "?" not in line
    (bias,) = read(card)["knowledge_bias"]
    assert bias["biased"] is False


def correlated(count):
    """A card of checkpoints whose performance and reliability fall in the same order."""
    return card_of(
        *(
            row(name, metric, method=f"m{number}", retention=kept, low=kept - 1, high=kept + 1)
            for number in range(count)
            for name, metric, kept in (
                ("gsm8k", "reasoning", 95.0 - number / 10),
                ("advglue", "robustness", 90.0 - number / 10),
            )
        )
    )


@pytest.mark.long
@pytest.mark.parametrize(
    ("count", "end"),
    [
        (3, "rank correlation 1.00 (p = 0.33, 3 checkpoints)"),
        (5, "rank correlation 1.00 (p = 0.017, 5 checkpoints)"),
        (7, "rank correlation 1.00 (p < 0.001, 7 checkpoints)"),
        (10, "rank correlation 1.00 [0.92, 1.00]"),
        (200, "rank correlation 1.00 [0.99, 1.00]"),
    ],
)
def test_no_correlation_is_certain(count, end):
    card = correlated(count)
    (line,) = [line for line in lines_of(card) if line.startswith("Performance/reliability")]
    assert line.endswith(end)
    read(card)


def test_the_cost_says_what_was_done_and_what_was_found():
    text = "\n".join(lines_of(full_card(), WORK, width=200))
    assert "built 1 checkpoints in 12 s" in text
    assert "found 1 checkpoints in the store" in text
    assert "1,200 items in 3 s" in text
    assert "found the answers of 1 in the store" in text


def test_an_empty_scorecard_is_a_shut_gate():
    first, *_, last = lines_of(Scorecard(rows=(), metrics=()))
    assert first == "Nothing decides here: no metric was measured, and no floor is set."
    assert last == "the gate is shut"


# -- calibrations ---------------------------------------------------------------------------------


def calibration_card(*draws, metrics=("knowledge", "reasoning"), **policy):
    """Two methods with each draw: (calibration, retention of all its metrics)."""
    names = {metric: EMBEDDED_PROFILE.benchmarks(metric) for metric in metrics}
    return card_of(
        *(
            row(
                name, metric, method=method, calibration=draw,
                retention=kept, low=kept - 2.0, high=kept + 2.0,
            )
            for method in ("wanda_50", "wanda_2_4")
            for draw, kept in draws
            for metric in metrics
            for name in names[metric]
        ),
        **policy,
    )  # fmt: skip


def test_the_default_calibration_alone_is_named_nowhere():
    assert not any("generic" in line for line in lines_of(full_card()))


def test_with_several_each_checkpoint_is_told_by_its_calibration():
    text = "\n".join(lines_of(calibration_card(("generic", 95.0), ("reasoning", 85.0)), width=200))
    expected = "wanda_50 (generic) +0.0 [-2.8, +2.8], wanda_50 (reasoning) +0.0 [-2.8, +2.8]"
    assert expected in text
    assert "fail: embedded/wanda_50 (reasoning) reasoning: kept 85.0 %" in text


def test_the_gains_of_a_calibration_name_their_control():
    card = calibration_card(("generic", 90.0), ("reasoning", 70.0))
    lines = lines_of(card, width=200)
    what = "points of retention, and % of the control's"
    start = lines.index(f"Calibration reasoning instead of generic, {what}:")
    assert lines[start + 1].split() == ["method", "knowledge", "reasoning"]
    assert lines[start + 3].split() == ["wanda_50", "-20.0", "-22%", "-20.0", "-22%"]
    assert lines[start + 4].split() == ["-22.8…-17.2"] * 2
    found = read(card)["calibration_effects"]
    assert [(one["method"], one["metric"], one["control"]) for one in found] == [
        (method, metric, "generic")
        for method in ("wanda_50", "wanda_2_4")
        for metric in ("knowledge", "reasoning")
    ]


def test_the_spread_of_seeds_is_told_and_where_it_flips_a_verdict():
    card = calibration_card(
        ("reasoning", 95.0), ("reasoning@43", 93.0), ("reasoning@44", 80.0), metrics=("reasoning",)
    )
    lines = lines_of(card, width=200)
    start = next(i for i, line in enumerate(lines) if line.startswith("Means over the seeds of"))
    assert "(reasoning, reasoning@43, reasoning@44)" in lines[start]
    cells = [line.split()[-1] for line in lines[start + 3 : start + 7]]
    assert cells == ["89.3", "80.0–95.0", "±8.1", "87.3–91.3"]
    assert (
        "seed noise flips the verdict of reasoning@wanda_50: pass with 2 of 3 seeds, fail with 1"
    ) in lines
    assert [one["agree"] for one in read(card)["seed_spreads"]] == [False, False]


def test_seeds_that_agree_flip_nothing():
    card = calibration_card(("generic", 95.0), ("generic@43", 96.0))
    assert not any("flips" in line for line in lines_of(card))
    assert all(one["agree"] for one in read(card)["seed_spreads"])


def test_the_comparisons_of_six_metrics_fit_100_columns():
    card = calibration_card(
        ("generic", 95.0),
        ("generic@43", 55.0),
        ("facts", 15.0),
        metrics=tuple(EMBEDDED_PROFILE)[:6],
    )
    lines = lines_of(card, width=100)
    start = next(i for i, line in enumerate(lines) if line.startswith("Calibration facts instead"))
    end = next(i for i, line in enumerate(lines) if line.startswith("Knowledge bias"))
    assert max(map(len, lines[start:end])) <= 100
    # truthfulness and safety, of several benchmarks, have their own
    assert "\n".join(lines[start:end]).count("-82.1…-37.9") == 2 * 4


def test_what_a_session_could_not_show_is_said():
    note = "mine.txt has 2 samples, of which every seed takes all"
    card = card_of(row(), environment={"notes": [note]})
    assert note in lines_of(card)
    assert read(card)["environment"]["notes"] == [note]


# -- perplexity, further scores, unpinned rows ----------------------------------------------------

FAMILY = {"llama": "normal", "qwen": "normal", "thinker": "reasoning", "experts": "moe"}


def perplexity(model, method, dense, compressed):
    """A row of these two perplexities; without a retention if the second one is None."""
    about = {"in_points": False, "higher_is_better": False, "dense": dense, "score": compressed}
    kept = None if compressed is None else 100.0 * dense / compressed
    return row("wikitext", None, model=model, method=method, retention=kept, **about)


def perplexity_card(found):
    """`found` is model → method → (dense, compressed) perplexity."""
    return card_of(
        *(
            perplexity(model, method, *pair)
            for model, methods in found.items()
            for method, pair in methods.items()
        ),
        environment={
            "models": {
                name: {"source": name, "rows": "hub", "kind": kind} for name, kind in FAMILY.items()
            }
        },
    )


def test_retained_perplexity_is_a_ratio_of_sums_over_the_models_of_a_kind():
    card = perplexity_card(
        {
            "llama": {"awq_w4a16": (6.0, 6.25), "wanda_50": (6.0, 8.0)},
            "qwen": {"awq_w4a16": (10.0, 10.25), "wanda_50": (10.0, 12.0)},
            "thinker": {"wanda_50": (10.0, 100.0)},
            "experts": {"wanda_50": (10.0, 50.0)},
        }
    )
    found = {(one.kind, one.method): (one.models, one.value) for one in retained_perplexity(card)}
    assert found == {
        ("normal", "awq_w4a16"): (("llama", "qwen"), pytest.approx(100 * 16 / 16.5)),
        ("normal", "wanda_50"): (("llama", "qwen"), pytest.approx(100 * 16 / 20)),
        ("reasoning", "wanda_50"): (("thinker",), pytest.approx(10)),
        ("moe", "wanda_50"): (("experts",), pytest.approx(20)),
    }


def test_retained_perplexity_is_not_the_mean_of_ratios():
    card = perplexity_card({"llama": {"wanda_50": (6.0, 12.0)}, "qwen": {"wanda_50": (10.0, 10.0)}})
    assert [one.value for one in retained_perplexity(card)] == [pytest.approx(100 * 16 / 22)]


def test_the_overall_perplexity_is_the_mean_over_all_models():
    card = perplexity_card(
        {
            "llama": {"wanda_50": (6.0, 12.0)},
            "qwen": {"wanda_50": (10.0, 10.0)},
            "thinker": {"wanda_50": (10.0, 40.0)},
        }
    )
    (found,) = overall_perplexity(card)
    assert found.models == ("llama", "qwen", "thinker")
    assert found.value == pytest.approx((50 + 100 + 25) / 3)


def test_kinds_with_one_model_are_shown_too():
    card = perplexity_card(
        {
            "llama": {"awq_w4a16": (6.0, 6.0), "wanda_50": (6.0, 8.0)},
            "qwen": {"awq_w4a16": (10.0, 10.0), "wanda_50": (10.0, 12.0)},
            "thinker": {"wanda_50": (10.0, 100.0)},
        }
    )
    lines = [text for text in lines_of(card, width=200) if "retained perplexity" in text]
    assert lines == [
        "retained perplexity, normal models (llama, qwen): awq_w4a16 100.0, wanda_50 80.0",
        "retained perplexity, reasoning models (thinker): wanda_50 10.0",
        "retained perplexity, overall (llama, qwen): awq_w4a16 100.0",
        "retained perplexity, overall (llama, qwen, thinker): wanda_50 56.1",
    ]


def test_a_model_without_retention_leaves_the_sums():
    card = perplexity_card({"llama": {"wanda_50": (8.0, 10.0)}, "qwen": {"wanda_50": (10.0, None)}})
    (one,) = retained_perplexity(card)
    assert (one.models, one.value) == (("llama",), pytest.approx(80))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_perplexity_that_is_no_number_leaves_a_scorecard(value):
    rows = [
        replace(perplexity("llama", "wanda_50", 8.0, 10.0), retention=value),
        perplexity("qwen", "wanda_50", 8.0, 10.0),
    ]
    assert [row["models"] for row in read(card_of(*rows))["retained_perplexity"]] == [["qwen"]]


def test_a_benchmark_beside_is_shown_for_each_model():
    card = perplexity_card({"llama": {"wanda_50": (8.0, 10.0)}, "qwen": {"wanda_50": (7.0, 10.0)}})
    lines = [text for text in lines_of(card, width=200) if "wikitext" in text]
    assert lines[:2] == ["llama wikitext: wanda_50 80.0", "qwen wikitext: wanda_50 70.0"]


def test_further_scores_are_shown_beside_and_are_no_gap():
    details = {"bias_ambiguous": -12.5, "dense.bias_ambiguous": 3.25}
    card = card_of(row("bbq", "multilingual", details=details))
    assert read(card)["scores"][0]["details"] == details
    (line,) = [text for text in lines_of(card) if "bias_ambiguous" in text]
    assert line == "embedded bbq bias_ambiguous: wanda_50 -12.5"


def test_a_further_score_that_is_no_number_is_null():
    card = card_of(row("bbq", "multilingual", details={"bias_ambiguous": math.nan}))
    assert read(card)["scores"][0]["details"] == {"bias_ambiguous": None}


@pytest.mark.parametrize("value", [math.nan, None])
def test_a_further_score_that_is_no_number_is_not_shown(value):
    card = card_of(row("bbq", "multilingual", details={"bias_ambiguous": value}))
    assert not any("bias_ambiguous" in text for text in lines_of(card))


def test_what_is_unpinned_is_said():
    card = card_of(row(), environment={"unpinned": ["openai/gsm8k", "cais/mmlu"]})
    assert any(
        "unpinned" in text and "openai/gsm8k, cais/mmlu" in text
        for text in lines_of(card, width=200)
    )
    assert not any("unpinned" in text for text in lines_of(card_of(row())))


# -- rows that a judge had a say in ---------------------------------------------------------------

JUDGE = {"refusals": {}, "similarity": {}, "judge": {"model": "wise"}}
KNOWN = {"instruments": {**JUDGE, "judge_agreement": {"n": 77, "kappa": 0.8125}}}


def test_the_agreement_of_the_judge_stands_beside_each_score_it_had_a_say_in():
    card = card_of(
        row("sycophancy", "truthfulness", judged=40, score=50.0),
        row("misuse", "safety", judged=0),
        row("bbq", "fairness", judged=7, verdict="fail", retention=80.0, low=79.0, high=81.0),
        environment=KNOWN,
    )
    found = {one["benchmark"]: (one["judged"], one["kappa"]) for one in read(card)["scores"]}
    assert found == {"sycophancy": (40, 0.8125), "misuse": (0, None), "bbq": (7, 0.8125)}
    lines = lines_of(card, width=200)
    assert "embedded sycophancy, judged with kappa 0.81: wanda_50 50" in lines
    assert any("bbq: 64.0 of dense 80.0 (judged with kappa 0.81), kept" in text for text in lines)
    assert not any("misuse" in text for text in lines)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "(F1 0.990 on 9 labelled responses)"),
        (
            {"held_out": {"f1": 0.94, "n": 3}, "human": {"gpt": {"f1": 0.875, "n": 250}}},
            "(F1 0.990 on 9 labelled responses, 0.94 on 3 held out, "
            "0.88 on 250 of gpt with human labels)",
        ),
    ],
)
def test_how_well_refusals_are_read_stands_beside_the_instruments(more, expected):
    figures = {"f1": 0.99, "n": 9, **more}
    environment = {"instruments": {**JUDGE, "refusal_figures": figures}}
    card = card_of(row("misuse", "safety"), environment=environment)
    assert any(expected in line for line in lines_of(card, width=240))


@pytest.mark.parametrize("environment", [None, {"instruments": JUDGE}])
def test_where_the_agreement_is_not_known_nothing_is_said(environment):
    card = card_of(row("sycophancy", "truthfulness", judged=40), environment=environment)
    assert read(card)["scores"][0]["kappa"] is None
    assert not any("kappa" in text for text in lines_of(card, width=200))


# -- costs ----------------------------------------------------------------------------------------


def cost_lines(work, width=80):
    lines = lines_of(full_card(), work, width)
    start = lines.index("Cost of compression (measured, estimated, published)")
    end = next(i for i, line in enumerate(lines) if line.startswith("Decided by")) - 1  # work
    return [" ".join(line.split()) for line in lines[start + 1 : end]], lines[start:end]


def test_measured_estimated_and_published_costs_stand_on_lines_of_their_own():
    lines, _ = cost_lines(SPENT, 120)
    for line in (
        "checkpoint time memory memory tokens on",
        "wanda_50 measured 12.3 s 1.53 GB cpu, 1 thread",
        "gptq_w4a16 measured 12.3 s 1.53 GB 61.2 GB NVIDIA H100, 8 threads",
        "minitron_width measured 12.3 s 1.53 GB cpu, 1 thread",
        "estimated 45 min 7.5 GB 3 M",
        "llama_3_1_minitron_4b_width published 120 h 20,480 GB 194 B 256 GPUs",
        "llama_3_1_minitron_4b_width was made from o/base, and is judged against m",
        "minitron_width, estimated: its first 20 steps",
        "llama_3_1_minitron_4b_width, published: a paper, [31m appendix [A.4]",
    ):
        assert lines.count(line) == 1, line


def test_a_build_beside_other_work_is_marked_and_says_what_its_own_work_took():
    disturbed = BUILD | {"other_load": 0.45, "shared_machine": True}
    lines, _ = cost_lines([build("wanda_50", **disturbed), build("gptq_w4a16", **BUILD)], 120)
    assert "wanda_50 measured 12.3 s † 1.53 GB cpu, 1 thread" in lines
    assert "gptq_w4a16 measured 12.3 s 1.53 GB cpu, 1 thread" in lines
    assert (
        "† wanda_50 was built beside other work, which took 45 % of the processors; its own work "
        "took 9.5 s of processor time"
    ) in lines


@pytest.mark.parametrize(
    ("verdict", "budget", "cells"),
    [("pass", None, ["38 s †"]), ("undecided", 30.0, ["38 s †", "over 30 s"])],
)
def test_a_time_taken_beside_other_work_is_marked_where_it_is_judged(verdict, budget, cells):
    spent = row(
        "compression_time",
        "compute_cost",
        **dict.fromkeys(("dense", "retention", "low", "high", "floor"), None),
        score=38.0,
        unit="s",
        n=1,
        verdict=verdict,
        budget=budget,
        details={"other_load": 0.45},
    )
    text = lines_of(card_of(spent), width=200)
    start = text.index("compute cost of embedded: measured")
    for cell in cells:
        assert any(cell in line for line in text[start:]), cell
    assert any(line.startswith("† built beside other work, which took 45 %") for line in text)
    assert describe(spent).endswith("built beside other work, which took 45 % of the processors")


def test_costs_fit_80_columns():
    _, lines = cost_lines(SPENT)
    assert max(len(line.rstrip()) for line in lines) <= 80
    whole = ("llama_3_1_minitron_4b_width", "published", "20,480 GB", "194 B", "1.53 GB", "12.3 s")
    for value in whole:
        assert any(value in line for line in lines), value


def test_what_nothing_is_known_of_has_no_column():
    lines, _ = cost_lines([build("wanda_50", **BUILD)])
    assert lines[0] == "checkpoint time memory on"


@pytest.mark.parametrize("work", [(), WORK, [build("mine"), build("mine", base="o/base")]])
def test_without_a_cost_there_is_no_table_of_costs(work):
    assert not any("Cost of compression" in line for line in lines_of(full_card(), work))


def test_checkpoints_of_several_models_are_told_with_the_model():
    lines, _ = cost_lines([build("wanda_50", model=name, **BUILD) for name in ("a", "b")])
    assert [line.split()[0] for line in lines[-2:]] == ["a/wanda_50", "b/wanda_50"]
