"""`unicomp plan --cluster`: the cost of a run, and what it refuses before anything is built."""

import json

import pytest

from tests import cost_check
from unicomp.cli import main
from unicomp.store import FIGURES, Store

LLAMA = ("--model", "llama_3_1_8b", "--method", "wanda_50", "--method", "gptq_w4a16")


@pytest.fixture
def plan(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UNICOMP_DATASET_ROOT", raising=False)

    def run(*arguments):
        home = ("--unicomp-home", str(tmp_path / "home"))
        status = main(["plan", *arguments, *home])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return run


def bill(plan, *arguments):
    status, text = plan(*arguments, "--json")
    assert status == 0, text
    return json.loads(text)


def test_a_run_on_gpus_is_planned_from_published_figures(plan):
    status, text = plan(*LLAMA, "--cluster", "8xH100", "--metric", "knowledge")
    assert status == 0
    assert "llama_3_1_8b: dense, and 2 methods on each" in text
    assert "wall time" in text
    assert "on 8 × H100" in text
    assert "published" in text
    assert "critical path" in text
    assert "llama_3_1_8b/gptq_w4a16: building it" in text
    assert "money" not in text  # no price is known, and none is made up


def test_the_parts_of_a_bill_add_up(plan):
    arguments = ("--cluster", "2 x 4xA100", "--metric", "reasoning", "--price", "2.5")
    found = bill(plan, *LLAMA, *arguments)
    stages = found["stages"]
    assert [stage["kind"] for stage in stages] == ["build", "answer"]
    for stage in stages:
        assert sum(stage["bases"].values()) == pytest.approx(stage["seconds"])
    hours = sum(stage["accelerator_seconds"] for stage in stages) / 3600
    assert found["gpu_hours"] == pytest.approx(hours)
    assert found["held_gpu_hours"] == pytest.approx(8 * found["seconds"] / 3600)
    assert found["money"] == pytest.approx(2.5 * found["held_gpu_hours"])
    assert found["utilisation"] == pytest.approx(found["gpu_hours"] / found["held_gpu_hours"])
    assert found["seconds"] >= found["critical_path"]["seconds"]


def test_fewer_items_cost_less(plan):
    options = ("--cluster", "8xH100", "--metric", "knowledge", "--metric", "multilingual")
    everything, some = (
        bill(plan, *LLAMA, *options, *samples) for samples in ((), ("--samples", "50"))
    )
    assert some["gpu_hours"] < everything["gpu_hours"] / 2


def test_items_that_benchmarks_share_are_asked_once(plan):
    found = bill(plan, "--model", "llama_3_1_8b", "--method", "dense", "--cluster", "1xH100")
    asked = found["items"]
    assert "global_mmlu_lite" in asked
    assert "global_mmlu_lite_high" not in asked
    assert "enron_refusal" in asked
    assert "enron_total_disclosure" not in asked
    assert asked["mmlu"] == 14_042


def test_the_price_of_the_settings_counts_unless_one_is_given(plan, tmp_path):
    (tmp_path / "unicomp.toml").write_text("[hardware.H100]\nprice = 4\n")
    options = (*LLAMA, "--cluster", "1xH100", "--metric", "reasoning")
    assert bill(plan, *options)["price"] == 4
    assert bill(plan, *options, "--price", "3")["price"] == 3


def test_a_method_that_does_not_support_a_model_is_left_out(plan):
    arguments = ("--model", "qwen3_30b_a3b", "--method", "minitron_depth", "--method", "wanda_50")
    found = bill(plan, *arguments, "--cluster", "8xH100", "--metric", "reasoning")
    ((reason, names),) = found["left_out"].items()
    assert "mixtures of experts" in reason
    assert names == ["qwen3_30b_a3b/minitron_depth"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--cluster", "8xH10"), "did you mean 'H100'"),
        (("--cluster", "many"), "such as 8xH100"),
        (("--cluster", "8xH100", "--price", "0"), "--price 0 is no price"),
        (("--cluster", "8xH100", "--samples", "0"), "--samples 0 is not possible"),
        (("--cluster", "8xH100", "--metric", "reasonin"), "did you mean 'reasoning'"),
        (("--cluster", "8xH100", "--metric", "practice"), "has no such metric"),
        (("--cluster", "8xH100", "--floor", "reasoning=90"), "--floor plans no run"),
        (("--cluster", "8xH100", "--devices", "2"), "--devices plans no run"),
        (("--price", "2"), "give --cluster MACHINES"),
        (("--method", "wanda_50"), "give --cluster MACHINES"),
    ],
)
def test_bad_input_is_refused_in_one_line(plan, arguments, why):
    status, text = plan("--model", "llama_3_1_8b", *arguments)
    assert status == 4
    assert why in text
    assert len(text.splitlines()) == 1


def test_a_model_that_fits_nowhere_is_refused_with_the_arithmetic(plan):
    status, text = plan("--model", "llama_3_1_70b", "--cluster", "1xH100")
    assert status == 4
    assert "llama_3_1_70b fits nowhere on 1 × H100 (85.5 GB): it needs 141 GB of weights" in text
    assert len(text.splitlines()) == 1


def test_what_cannot_be_loaded_beside_the_dense_model_is_not_timed(plan):
    arguments = ("--model", "llama_3_1_70b", "--method", "wanda_50", "--cluster", "2xH100")
    found = bill(plan, *arguments, "--metric", "runtime_acceleration", "--metric", "reasoning")
    assert [stage["kind"] for stage in found["stages"]] == ["build", "answer"]
    assert ["llama_3_1_70b/wanda_50"] in found["left_out"].values()


def test_cpus_without_recorded_times_name_the_command_that_measures_them(plan):
    status, text = plan("--model", "embedded", "--method", "wanda_50", "--cluster", "16 CPU")
    assert status == 4
    assert "pytest --pyargs unicomp.suites --model embedded --method wanda_50" in text
    assert len(text.splitlines()) == 1


@pytest.mark.long
def test_a_run_of_others_is_known_from_an_earlier_run(plan, tmp_path):
    """Another method, and benchmarks that were not run before, and no rate is assumed."""
    cost_check.ran(tmp_path / "first", *cost_check.EARLIER)
    (tmp_path / "first" / FIGURES).rename(Store(tmp_path / "home").home / FIGURES)
    found = bill(plan, *cost_check.asked(), "--cluster", "1 CPU")
    assert all(set(stage["bases"]) == {"measured"} for stage in found["stages"])
    assert found["seconds"] > 0
