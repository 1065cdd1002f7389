"""Multiple choice: the task's own rules say which options are right, and which one counts."""

import json

import numpy as np
import pytest

from unicomp.data.sources import Source
from unicomp.prompts.items import Renderer
from unicomp.scores import KEPT_TEXT
from unicomp.scoring.aggregate import Mean
from unicomp.scoring.task_metrics import TaskMetric
from unicomp.spec import Benchmark
from unicomp.testing import Characters, Trial

TASK = """
task: quiz
dataset_path: tiny/quiz
test_split: test
"""
BY_NUMBER = """
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: "{{options}}"
doc_to_target: "{{answer}}"
metric_list: [{metric: acc}, {metric: acc_norm}]
"""
BY_TEXT = BY_NUMBER.replace("{{answer}}", "{{options[answer]}}")
MUTUAL = BY_NUMBER.replace("{metric: acc_norm}", "{metric: acc_mutual_info}")
UNJUDGED = BY_NUMBER.replace("{metric: acc}, {metric: acc_norm}", "{metric: brier_score}")
GENERATED = """
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["\\n"]}
metric_list: [{metric: exact_match}]
"""
ROWS = [
    {"question": f"{number}?", "options": ["a", "bb", "a long answer"], "answer": number % 3}
    for number in range(30)
]


@pytest.fixture
def quiz(tmp_path):
    folder = tmp_path / "rows" / "tiny" / "quiz"
    folder.mkdir(parents=True)
    (folder / "test.jsonl").write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")

    def written(rules, metric="acc,none"):
        path = tmp_path / "quiz.yaml"
        path.write_text(TASK + rules, encoding="utf-8")
        return Benchmark(
            name="quiz",
            metric="knowledge",
            task=path,
            scorer=TaskMetric(metric),
            aggregate=Mean("correct"),
        )

    return written


class Scripted:
    """Gives each request of an item the same response, or likelihoods in order."""

    def __init__(self, *responses):
        self.responses = responses

    def answer(self, item):
        return list(self.responses)[: len(item.requests)]


@pytest.mark.parametrize("rules", [BY_NUMBER, BY_TEXT, MUTUAL], ids=["number", "text", "mutual"])
def test_the_right_option_is_the_one_the_task_calls_right(quiz, tmp_path, rules):
    renderer = Renderer(Source(str(tmp_path / "rows")))
    items = renderer.items(quiz(rules), Characters())
    assert [one.right_options for one in items] == [[one.doc["answer"]] for one in items]


def test_a_task_that_judges_no_option_calls_none_right(quiz, tmp_path):
    renderer = Renderer(Source(str(tmp_path / "rows")))
    (first, *_) = renderer.items(quiz(UNJUDGED), Characters())
    assert first.right_options == []


def test_rules_that_fail_on_made_up_answers_call_none_right(quiz, tmp_path):
    renderer = Renderer(Source(str(tmp_path / "rows")))
    (first, *_) = renderer.items(quiz(BY_NUMBER), Characters())
    first.task.process_results = lambda doc, results: results[0].text
    assert first.right_options == []


@pytest.mark.parametrize(("metric", "picked"), [("acc,none", 0), ("acc_norm,none", 2)])
def test_the_picked_option_is_the_one_that_the_score_counts(quiz, tmp_path, metric, picked):
    trial = Trial(quiz(BY_NUMBER, metric), rows=tmp_path / "rows")
    found = trial.records(Scripted((-2.0, False), (-4.5, False), (-9.0, False)))
    assert set(found.answers["picked"]) == {picked}
    assert found.answers["options"][0] == [-2.0, -4.5, -9.0]
    agrees = [picked in right for right in found.answers["right"]]
    assert found.fields["correct"] == list(map(float, agrees))


def test_requests_without_the_question_are_no_options(quiz, tmp_path):
    trial = Trial(quiz(MUTUAL), rows=tmp_path / "rows")
    likelihoods = [(-float(number), False) for number in range(1, 7)]
    found = trial.records(Scripted(*likelihoods))
    assert found.answers["options"][0] == [-1.0, -2.0, -3.0]


def test_a_long_text_is_kept_in_part_and_told_apart_as_a_whole(quiz, tmp_path):
    trial = Trial(quiz(GENERATED, "exact_match,none"), rows=tmp_path / "rows")
    one, other = (trial.records(Scripted("x" * KEPT_TEXT + end)).answers for end in "ab")
    assert one["text"] == other["text"] == ["x" * KEPT_TEXT] * len(ROWS)
    assert one["digest"] != other["digest"]


def test_some_of_the_records_keep_some_of_the_answers(quiz, tmp_path):
    trial = Trial(quiz(BY_NUMBER), rows=tmp_path / "rows")
    found = trial.records(Scripted((-2.0, False), (-4.5, False), (-9.0, False)))
    kept = found.only([place < 5 for place in range(len(ROWS))])
    assert np.shape(kept.answers["options"]) == (5, 3)
