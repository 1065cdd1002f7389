"""Definitions: a benchmark that is not an lm-eval task asks the same as lm-eval's task."""

import os
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from suites.performance.test_knowledge import SUBJECTS, mmlu
from suites.performance.test_multilingual import HIGH, LOW, global_mmlu_lite
from suites.performance.test_reasoning import gpqa_diamond
from suites.shipping.test_code import humaneval, mbpp
from suites.shipping.test_requests import ifeval
from suites.shipping.test_thinking import AIME, gpqa_diamond_zero_shot
from tests.suites.golden import BENCHMARKS, RENDERER, ROWS
from unicomp.instruments import MODES
from unicomp.instruments.assembly import default_instruments
from unicomp.prompts.answers import answered_items
from unicomp.prompts.items import WINDOWS
from unicomp.prompts.tasks import Definition
from unicomp.scores import readings_of
from unicomp.testing import Characters

STOCK = Path(find_spec("lm_eval").origin).parent / "tasks"
NAMES = ("task", "task_alias", "tag", "metadata", "include", "dataset_name")
"""Settings that only name or group a task; and the configuration, which we choose."""


def settings(bench, task=None):
    """The settings of a benchmark's task, or of one of lm-eval's."""
    named = replace(bench, task=task) if task else bench
    return Definition(named, ROWS).settings


def asking(found, *but):
    return {name: value for name, value in found.items() if name not in (*NAMES, *but)}


def subjects():
    files = sorted((STOCK / "mmlu/default").glob("mmlu_*.yaml"))
    return {found["dataset_name"]: found for found in (settings(mmlu, file) for file in files)}


def test_mmlu_has_the_subjects_of_lm_eval():
    assert sorted(SUBJECTS) == sorted(subjects())
    assert len(SUBJECTS) == 57


def test_each_subject_is_introduced_as_lm_eval_does():
    from lm_eval.utils import apply_template

    ours = settings(mmlu)["description"]
    for subject, stock in subjects().items():
        assert apply_template(ours, {"subject": subject}) == stock["description"]


def test_mmlu_is_asked_as_lm_eval_does():
    ours = asking(settings(mmlu), "description")
    for stock in subjects().values():
        assert asking(stock, "description") == ours


@pytest.mark.skipif(
    "UNICOMP_DATASET_ROOT" not in os.environ, reason="needs the hub's rows: UNICOMP_DATASET_ROOT"
)
def test_the_rows_of_a_subject_name_it():
    from pyarrow import parquet

    root = Path(os.environ["UNICOMP_DATASET_ROOT"])
    for path in sorted(root.glob("cais/mmlu/*/*.parquet")):
        named = set(parquet.read_table(path, columns=["subject"])["subject"].to_pylist())
        assert named == {path.parent.name}


def test_each_language_is_asked_as_lm_eval_does():
    templates = sorted((STOCK / "global_mmlu/default").glob("*/_*_template_yaml"))
    found = [settings(global_mmlu_lite, path) for path in templates]
    assert sorted(stock["dataset_name"] for stock in found) == sorted(HIGH + LOW)
    ours = settings(global_mmlu_lite)
    # some templates still have the former name of the organisation; no examples are given
    others = ("dataset_path", "fewshot_split", "fewshot_config")
    for stock in found:
        assert asking(stock, *others) == asking(ours, *others)
        assert Path(stock["dataset_path"]).name == Path(ours["dataset_path"]).name


def test_gpqa_is_asked_as_lm_eval_does_but_for_the_options():
    ours = settings(gpqa_diamond)
    stock = settings(gpqa_diamond, "gpqa/cot_n_shot/gpqa_diamond_cot_n_shot.yaml")
    for name in ("dataset_path", "dataset_name", "training_split", "validation_split"):
        assert ours[name] == stock[name]
    options = {f"choices[{i}]": f"choice{i + 1}" for i in range(4)}
    text = ours["doc_to_text"].replace("Question.strip()", "Question")
    for here, there in options.items():
        text = text.replace(here, there)
    assert text == stock["doc_to_text"].rstrip(" ")


@pytest.mark.parametrize(
    ("bench", "task"),
    [(humaneval, "humaneval/humaneval_instruct.yaml"), (mbpp, "mbpp/mbpp_plus_instruct.yaml")],
    ids=str,
)
def test_code_is_asked_as_lm_eval_does_but_for_blanks(bench, task):
    ours, stock = settings(bench), settings(bench, task)
    for name in ("doc_to_text", "gen_prefix"):
        asked = ours[name].replace("prompt.strip()", "prompt")
        there = stock[name].replace("prompt if prompt is defined else text", "prompt")
        assert asked.strip() == there.strip()


def test_ifeval_is_asked_as_lm_eval_does():
    ours, stock = settings(ifeval), settings(ifeval, "ifeval/ifeval.yaml")
    for name in ("dataset_path", "test_split"):
        assert ours[name] == stock[name]
    assert ours["doc_to_text"] == f"{{{{{stock['doc_to_text']}}}}}"
    assert ifeval.max_new_tokens == stock["generation_kwargs"]["max_gen_toks"]


def test_the_years_of_aime_are_those_of_lm_eval():
    for bench, year in zip(AIME, ("aime24", "aime25"), strict=True):
        ours, stock = settings(bench), settings(bench, f"aime/{year}.yaml")
        for name in ("dataset_path", "test_split"):
            assert ours[name] == stock[name]


def test_gpqa_without_examples_has_the_rows_and_the_rules_of_gpqa():
    ours, theirs = settings(gpqa_diamond_zero_shot), settings(gpqa_diamond)
    changed = ("doc_to_text", "doc_to_target", "generation_kwargs", "training_split")
    assert asking(ours, *changed) == asking(theirs, *changed)


@pytest.mark.parametrize("bench", BENCHMARKS.values(), ids=str)
def test_a_scorer_finds_what_it_reads_and_gives_what_is_added_up(bench):
    prompted = RENDERER.items(bench, Characters())
    answers = {"generate_until": "no idea", "loglikelihood": (-1.0, False), WINDOWS: -1.0}
    items = answered_items(
        prompted, [[answers[r.request_type] for r in one.requests] for one in prompted]
    )
    needed = {
        column
        for mode in MODES
        for aggregate in (bench.scored_in(mode).aggregate, *bench.details.values())
        for column in aggregate.columns
    }
    for item in items:
        (reading,) = readings_of(bench, [item], default_instruments())
        assert needed <= {*reading.fields, "cluster"}
