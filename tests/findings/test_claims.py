"""What the paper claims is shown, not shown or contradicted by measurements, whatever they are."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.embedded.claims import embedded_claims, listed, tabled
from fixtures.embedded.figures import CALIBRATIONS, PRUNED, QUANTIZED, SCORES, STUDENTS, stored
from unicomp.findings.claims import paper_claims
from unicomp.report import claims as claims_report
from unicomp.scorecard import Scorecard, Work
from unicomp.verdict import MetricRow, Row

SCORED, LEARNT, CALIBRATED = (stored(file) for file in (SCORES, STUDENTS, CALIBRATIONS))


def statuses(scored=SCORED, learnt=LEARNT, calibrated=CALIBRATED):
    return {one.name: one.status for one in embedded_claims(scored, learnt, calibrated)}


def with_values(figures, change):
    """Figures whose metrics `change` has rewritten: row → retention or None."""
    found = copy.deepcopy(figures)
    for row in found["metrics"]:
        value = change(row)
        if value is not None and row["value"] is not None:
            row.update(value=value, low=value - 1.0, high=value + 1.0)
    return found


def languages(*pairs):
    """A card of checkpoints that kept (high, low) of the languages, give or take 2 points."""
    rows = [
        Row(
            model="m",
            method=f"method_{number}",
            calibration="none",
            benchmark=f"global_mmlu_lite_{group}",
            verdict="pass",
            retention=value,
            low=value - 2.0,
            high=value + 2.0,
        )
        for number, pair in enumerate(pairs)
        for group, value in zip(("high", "low"), pair, strict=True)
    ]
    return Scorecard(rows=tuple(rows), metrics=())


def claim_of(card, name):
    return next(one for one in paper_claims(card) if one.name == name)


def test_the_embedded_model_shows_some_claims_and_contradicts_decoupling():
    assert statuses() == {
        "knowledge_bias_reasoning": "shown",
        "knowledge_bias_multilingual": "shown",
        "knowledge_bias_instruction_following": "shown",
        "decoupling": "contradicted",
        "four_bits_keep_most": "shown",
        "four_bits_trade_off": "shown",
        "distillation_fastest": "not measured",
        "distillation_dearest": "shown",
        "two_four_not_worth_it": "shown",
        "calibration_lifts_reasoning": "shown",
        "languages": "not shown",
    }


def test_every_claim_is_written_with_its_figures():
    found = embedded_claims(SCORED, LEARNT, CALIBRATED)
    for claim, line in zip(found, listed(found), strict=True):
        assert all(one.subject in line for one in claim.figures)
        assert claim.status in line
    assert len(list(tabled(found))) == 2 + len(found)
    shown = list(claims_report.lines(found))
    assert len(shown) == sum(one.status != "not measured" for one in found)


@pytest.mark.parametrize("metric", ["reasoning", "multilingual", "instruction_following"])
def test_a_capability_that_compression_keeps_contradicts_the_bias(metric):
    values = {"knowledge": 50.0, metric: 99.0}
    scored, learnt = (
        with_values(one, lambda row: values.get(row["metric"])) for one in (SCORED, LEARNT)
    )
    assert statuses(scored, learnt)[f"knowledge_bias_{metric}"] == "contradicted"


def test_a_harmless_pattern_contradicts_its_cost():
    kept = with_values(SCORED, lambda row: 100.0 if row["method"].endswith("2_4") else None)
    assert statuses(kept)["two_four_not_worth_it"] == "contradicted"


def test_a_lossy_quantization_contradicts_its_trade_off():
    kept = with_values(SCORED, lambda row: 20.0 if row["method"] in QUANTIZED else None)
    found = statuses(kept)
    assert found["four_bits_keep_most"] == "contradicted"
    assert found["four_bits_trade_off"] == "not shown"  # they are still the smallest


def test_students_that_are_made_faster_contradict_the_cost_of_distillation():
    seconds = dict.fromkeys(("minitron_width", "minitron_depth", "low_rank_clone"), 1.0)
    learnt = LEARNT | {"seconds": LEARNT["seconds"] | seconds}
    assert statuses(learnt=learnt)["distillation_dearest"] == "contradicted"


def test_reliability_that_falls_as_performance_rises_shows_decoupling():
    order = {method: place for place, method in enumerate((*PRUNED, *QUANTIZED))}
    performance = ("knowledge", "multilingual", "reasoning", "instruction_following")

    def change(row):
        place = order.get(row["method"], 7)
        return 50.0 + place if row["metric"] in performance else 90.0 - place

    scored, learnt = (with_values(one, change) for one in (SCORED, LEARNT))
    assert statuses(scored, learnt)["decoupling"] == "shown"


def test_a_published_time_makes_a_student_the_dearest():
    metrics = tuple(
        MetricRow(model="m", method=name, calibration="none", metric="knowledge", verdict="pass",
                  value=90.0, low=89.0, high=91.0, floor=90.0, tier="critical")
        for name in ("wanda_50", "llama_3_1_minitron_4b_width")
    )  # fmt: skip
    rows = tuple(
        Row(model="m", method=one.method, calibration="none", benchmark="arc_easy")
        for one in metrics
    )
    work = (
        Work(stage="build", model="m", method="wanda_50", cached=False, facts={"seconds": 3600.0}),
        Work(
            stage="build",
            model="m",
            method="llama_3_1_minitron_4b_width",
            cached=True,
            facts={"published": {"hours": 128, "basis": "a paper"}},
        ),
    )
    found = claim_of(Scorecard(rows=rows, metrics=metrics, work=work), "distillation_dearest")
    assert found.status == "shown"
    assert found.figures[0].value == pytest.approx(7.0)  # 128 = 2 ** 7 times the time


def test_a_card_without_a_compressed_checkpoint_has_no_claims():
    row = Row(model="m", method="dense", calibration="none", benchmark="gsm8k")
    assert paper_claims(Scorecard(rows=(row,), metrics=())) == []


KEPT = st.floats(1.0, 130.0)


@given(st.lists(st.tuples(KEPT, KEPT), min_size=1, max_size=6))
def test_the_status_is_that_of_the_mean_effect(pairs):
    found = claim_of(languages(*pairs), "languages")
    mean = sum(high - low for high, low in pairs) / len(pairs)
    reach = 8.0**0.5  # of a difference of two that are known to 2 points
    assert found.figures[-1].value == pytest.approx(mean, abs=1e-9)
    if abs(abs(mean) - reach) > 1e-6:
        expected = "not shown" if abs(mean) < reach else "shown" if mean > 0 else "contradicted"
        assert found.status == expected


@given(st.lists(st.tuples(KEPT, KEPT), min_size=1, max_size=6))
def test_a_claim_is_shown_where_its_opposite_is_contradicted(pairs):
    opposite = {"shown": "contradicted", "contradicted": "shown", "not shown": "not shown"}
    found = claim_of(languages(*pairs), "languages")
    turned = claim_of(languages(*((low, high) for high, low in pairs)), "languages")
    assert turned.status == opposite[found.status]
