"""The three efficiency metrics of a scorecard: equations 5 to 8 on rows that were measured."""

import csv
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp.findings.efficiency import efficiency_metrics
from unicomp.framework import EFFICIENCY, EMBEDDED_PROFILE
from unicomp.policy import Policy
from unicomp.rawscores import read_raw_scores
from unicomp.scorecard import Scorecard, Work, scorecard
from unicomp.verdict import Row

ROOT = os.environ.get("UNICOMP_DATASET_ROOT")
PUBLISHED = Path(ROOT).parent / "paper" if ROOT else None

UNITS = {
    **{"throughput": "tokens/s", "latency": "s", "flops": "FLOPs", "compression_time": "s"},
    **dict.fromkeys(("inference_memory", "model_size", "compression_memory"), "bytes"),
}
METRIC_OF = {name: metric for metric, parts in EFFICIENCY.items() for name in parts}


def rows_of(measured):
    """The rows of a session that measured method → probe → value."""
    for method, values in measured.items():
        for name, value in values.items():
            about = {"model": "m", "method": method, "calibration": "none", "n": 10}
            up = EFFICIENCY[METRIC_OF[name]][name] == "higher"
            if METRIC_OF[name] != "compute_cost":
                dense = measured["dense"][name]
                gain = 100.0 * (value / dense if up else dense / value)
                about |= {"dense": dense, "retention": gain, "low": gain, "high": gain}
                about |= {"floor": 0.0}
            yield Row(
                benchmark=name,
                metric=METRIC_OF[name],
                verdict="pass",
                score=value,
                unit=UNITS[name],
                higher_is_better=up,
                in_points=False,
                **about,
            )


def metrics_of(measured):
    card = scorecard(rows_of(measured), {"m": EMBEDDED_PROFILE}, Policy())
    return {(row.method, row.metric): row for row in efficiency_metrics(card)}


@pytest.mark.skipif(
    PUBLISHED is None or not PUBLISHED.is_dir(),
    reason="needs the paper's tables beside the mirror that UNICOMP_DATASET_ROOT names",
)
def test_the_papers_measurements_give_its_efficiency_metrics():
    (raw,) = read_raw_scores(PUBLISHED / "llama_3_1_8b_raw.csv").values()
    measured = {
        method: {name: value for name, value in scores.items() if name in METRIC_OF}
        for method, scores in raw.items()
    }
    found = metrics_of(measured)
    with (PUBLISHED / "llama_3_1_8b_published.csv").open(encoding="utf-8") as file:
        published = [row for row in csv.DictReader(file) if row["score"] in EFFICIENCY]
    assert len(published) == 26
    for row in published:
        value = found[row["method"], row["score"]].value
        assert value == pytest.approx(float(row["value"]), abs=0.15), row


def test_a_published_cost_is_compared_with_measured_ones_and_marked():
    student = "llama_3_1_minitron_4b_width"
    published = {"hours": 120, "gpus": 256, "gpu_memory_gb": 20480, "basis": "a paper"}
    measured = {
        "wanda_50": {"compression_time": 41.0, "compression_memory": 16e9},
        "gptq_w4a16": {"compression_time": 600.0, "compression_memory": 16e9},
    }
    work = Work(
        stage="build", model="m", method=student, cached=True, facts={"published": published}
    )
    card = replace(scorecard(rows_of(measured), {"m": EMBEDDED_PROFILE}, Policy()), work=(work,))
    found = {row.method: row for row in efficiency_metrics(card)}
    assert found[student].value == pytest.approx(0.03, abs=0.005)  # as the paper published it
    assert {name: row.published for name, row in found.items()} == {
        "wanda_50": False,
        "gptq_w4a16": False,
        student: True,
    }
    assert found["wanda_50"].compared_with == (*measured, student)


def test_a_published_cost_alone_is_compared_with_nothing():
    published = {"hours": 120, "gpu_memory_gb": 20480, "basis": "a paper"}
    work = Work(stage="build", model="m", method="s", cached=True, facts={"published": published})
    row = Row(model="m", method="s", calibration="none", benchmark="gsm8k")
    assert efficiency_metrics(Scorecard(rows=(row,), metrics=(), work=(work,))) == []


def test_the_best_has_100_and_the_others_are_named_with_it():
    found = metrics_of(
        {
            "dense": {"throughput": 100.0, "latency": 2.0},
            "fast": {"throughput": 200.0, "latency": 1.0},
        }
    )
    assert found["fast", "runtime_acceleration"].value == pytest.approx(100.0)
    assert found["dense", "runtime_acceleration"].value == pytest.approx(50.0)
    assert found["dense", "runtime_acceleration"].compared_with == ("dense", "fast")


def test_a_checkpoint_that_lacks_a_component_has_no_metric():
    found = metrics_of(
        {
            "dense": {"throughput": 100.0, "latency": 2.0},
            "half": {"throughput": 300.0},
        }
    )
    assert ("half", "runtime_acceleration") not in found
    assert found["dense", "runtime_acceleration"].value == pytest.approx(100.0)
    assert found["dense", "runtime_acceleration"].compared_with == ("dense",)


def test_compute_cost_compares_what_was_spent_and_dense_has_none():
    found = metrics_of(
        {
            "a": {"compression_time": 10.0, "compression_memory": 4e9},
            "b": {"compression_time": 40.0, "compression_memory": 4e9},
        }
    )
    assert found["a", "compute_cost"].value == pytest.approx(100.0)
    assert found["b", "compute_cost"].value == pytest.approx(50.0)


def test_the_dense_model_is_compared_also_where_its_own_tests_did_not_run():
    rows = [
        row
        for row in rows_of(
            {
                "dense": {"throughput": 100.0, "latency": 2.0},
                "slow": {"throughput": 50.0, "latency": 4.0},
            }
        )
        if row.method != "dense"
    ]
    found = efficiency_metrics(scorecard(rows, {"m": EMBEDDED_PROFILE}, Policy()))
    values = {one.method: one.value for one in found}
    assert values == {"dense": pytest.approx(100), "slow": pytest.approx(50)}
    assert found[0].compared_with == ("dense", "slow")


amounts = st.floats(min_value=1e-3, max_value=1e12)


@given(st.lists(st.tuples(amounts, amounts), min_size=1, max_size=5), amounts)
def test_what_unit_a_machine_counts_in_changes_nothing(pairs, factor):
    def measured(scale):
        return {
            name: {"throughput": scale * one, "latency": other / scale}
            for name, (one, other) in zip(("dense", "b", "c", "d", "e"), pairs, strict=False)
        }

    one, other = metrics_of(measured(1.0)), metrics_of(measured(factor))
    assert one.keys() == other.keys()
    for key, row in one.items():
        assert 0 < row.value <= 100.0 + 1e-6
        assert other[key].value == pytest.approx(row.value, rel=1e-6)
