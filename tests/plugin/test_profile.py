"""The option --profile: the metrics of practice run where they are asked for."""

import re

import pytest

from unicomp.framework import EMBEDDED_PROFILE, EMBEDDED_SHIPPING_PROFILE

SUITE = """
from pathlib import Path

from unicomp import Benchmark, Mean, TaskMetric

humaneval = Benchmark(
    name="humaneval", metric="code", task="arc/arc_easy.yaml", scorer=TaskMetric("acc,none"),
    aggregate=Mean("correct"), chance=25.0,
)

hard = Benchmark(
    name="aime_2024", metric="reasoning", task="arc/arc_easy.yaml", scorer=TaskMetric("acc,none"),
    aggregate=Mean("correct"), chance=25.0,
)

import pytest

@pytest.mark.practice
@pytest.mark.parametrize("bench", [hard], ids=str)
def test_reasoning_is_retained(bench, retention, floor):
    assert retention(bench) >= floor(bench)

@pytest.mark.parametrize("bench", [humaneval], ids=str)
def test_code_is_retained(bench, retention, floor):
    assert retention(bench) >= floor(bench)
"""
SHIPPING = "[gate]\nprofile = 'shipping'\n"


@pytest.fixture
def asked(new_gate, tmp_path):
    """Whether a run of a test of the metric `code` has it, for a model with rows of the hub."""

    def ask(*arguments, settings=""):
        gate = new_gate(tmp_path / "home", settings)
        gate.write("test_own.py", SUITE)
        gate.write("rows/README.md", "no rows are read while tests are collected")
        chosen = ("--collect-only", "-q", "test_own.py", "--method=dense")
        return gate.run_plain(*chosen, *arguments)

    return ask


def test_a_metric_of_practice_is_not_in_the_default_run(asked):
    run = asked()
    assert "is_retained" not in run.text
    assert "2 deselected" in run.text


def test_the_profile_of_shipping_has_the_metrics_of_practice(asked):
    asked_for = "the dataset root rows lacks allenai/ai2_arc"  # only a test that runs needs rows
    of_the_hub = ("--model=org/m", "--dataset-root=rows")
    assert asked_for in asked(*of_the_hub, "--profile=shipping").text
    assert asked_for in asked(*of_the_hub, settings=SHIPPING).text
    paper = asked(*of_the_hub, "--profile=paper", settings=SHIPPING).text
    assert asked_for not in paper
    assert "2 deselected" in paper


def test_shipping_asks_embedded_models_for_what_there_are_rows_for(new_gate, tmp_path):
    chosen = ("--collect-only", "-q", "suites/shipping", "--method=dense", "--profile=shipping")
    text = new_gate(tmp_path / "home").run_plain(*chosen).text
    names = set(re.findall(r"embedded-dense-(\w+)\]", text))
    of_practice = {*EMBEDDED_SHIPPING_PROFILE.names} - {*EMBEDDED_PROFILE.names}
    assert names == of_practice
    assert "ruler_512" in names
    asked = new_gate(tmp_path / "home").run_plain(*chosen, "-m", "long_context").text
    assert "embedded-dense-ruler_8k]" in asked


def test_a_marker_asks_for_a_metric_of_practice(asked):
    assert "test_code_is_retained" in asked("-m", "code").text
    practice = asked("-m", "practice").text
    assert "test_code_is_retained" in practice
    assert "test_reasoning_is_retained" in practice


def test_a_metric_of_the_paper_has_the_papers_benchmarks_unless_the_profile_has_more(asked):
    assert "is_retained" not in asked("-m", "reasoning").text
    more = asked("-m", "reasoning", "--model=org/m", "--dataset-root=rows", "--profile=shipping")
    assert "the dataset root rows lacks allenai/ai2_arc" in more.text


def test_an_unknown_profile_is_refused_in_one_line(asked):
    run = asked("--profile=shiping")
    assert run.status == 4
    assert "there is no profile 'shiping'; did you mean 'shipping'?" in run.text


def test_an_unknown_profile_in_the_settings_is_refused(asked):
    run = asked(settings="[gate]\nprofile = 'embedded'\n")
    assert run.status == 4
    assert "gate.profile: there is no profile 'embedded'" in run.text
