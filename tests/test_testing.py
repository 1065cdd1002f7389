"""What ships for tests of benchmarks: engines that prove a definition, or expose a faulty one.

The benchmarks here are a user's: a task file, rows in the hub's layout, a scorer, and a function
that knows the answers.
"""

import doctest
import inspect
import json
import math
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp import (
    Benchmark,
    Mean,
    Part,
    Perplexity,
    Reading,
    Recipe,
    TaskMetric,
    TokenLikelihood,
    testing,
)
from unicomp.errors import JudgeError, ScoringError, SpecError
from unicomp.instruments import Question
from unicomp.instruments.assembly import default_instruments
from unicomp.testing import (
    COLLAPSED,
    NATS,
    AntiOracle,
    Characters,
    Honest,
    KnownAnswer,
    Oracle,
    ScriptedJudge,
    Trial,
    drawn,
    score,
)

ANIMALS = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen")
GENERATED = """
task: legs
dataset_path: me/legs
test_split: test
output_type: generate_until
doc_to_text: "How many legs have {{count}} {{animal}}s?\\nLegs:"
doc_to_target: "{{COLUMN}}"
generation_kwargs: {until: ["\\n"]}
metric_list: [{metric: exact_match}]
"""
CHOSEN = """
task: legs_choice
dataset_path: me/legs
test_split: test
output_type: multiple_choice
doc_to_text: "How many legs have {{count}} {{animal}}s?"
doc_to_choice: options
doc_to_target: COLUMN
metric_list: [{metric: acc}]
"""
CERTAIN = """
task: legs_certain
dataset_path: me/legs
test_split: test
output_type: loglikelihood
doc_to_text: "How many legs have {{count}} {{animal}}s?"
doc_to_target: "{{COLUMN}}"
metric_list: [{metric: acc}]
"""
RUNNING = """
task: pages
dataset_path: me/legs
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{page}}"
metric_list: [{metric: word_perplexity}]
"""


def rows():
    for number, animal in enumerate(ANIMALS * 10):
        legs = (number + 2) * 4
        yield {
            "animal": animal,
            "count": number + 2,
            "legs": str(legs),
            "options": [str(legs), str(legs + 1), str(legs + 2), str(legs + 3)],
            "label": 0,
            "hint": 3,
            "page": f"{animal} number {number}",
        }


@pytest.fixture
def mirror(tmp_path):
    """A folder in the hub's layout that holds one data set."""
    folder = tmp_path / "rows" / "me" / "legs"
    folder.mkdir(parents=True)
    lines = [json.dumps(row) for row in rows()]
    (folder / "test.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path / "rows"


@pytest.fixture
def legs(tmp_path):
    """A user's benchmark, from its task file and the column of its right answers."""

    def written(task=GENERATED, column="legs", scorer=None, aggregate=None, **settings):
        path = tmp_path / "legs.yaml"
        path.write_text(task.replace("COLUMN", column), encoding="utf-8")
        metric = "exact_match,none" if "generate_until" in task else "acc,none"
        return Benchmark(
            name="legs",
            metric="reasoning",
            task=path,
            scorer=scorer or TaskMetric(metric),
            aggregate=aggregate or Mean("correct"),
            **settings,
        )

    return written


def known(row):
    return KnownAnswer(row["legs"], "none")


def chosen(row):
    return KnownAnswer(row["label"], 2)


# -- a benchmark that is right --------------------------------------------------------------------


def test_the_examples_of_the_documentation_hold():
    assert doctest.testmod(testing).failed == 0


@pytest.mark.parametrize(
    ("task", "column", "answers"), [(GENERATED, "legs", known), (CHOSEN, "label", chosen)]
)
def test_right_answers_score_100_wrong_ones_0_and_honest_ones_what_their_errors_leave(
    legs, mirror, task, column, answers
):
    bench = legs(task, column)
    assert score(bench, Oracle(answers), rows=mirror) == 100
    assert score(bench, AntiOracle(answers), rows=mirror) == 0
    assert 80 < score(bench, Honest(answers, error=0.1), rows=mirror) < 100


@pytest.mark.parametrize("engine", COLLAPSED, ids=str)
@pytest.mark.parametrize(
    ("task", "column", "answers"), [(GENERATED, "legs", known), (CHOSEN, "label", chosen)]
)
def test_what_has_collapsed_scores_far_below_the_honest(
    legs, mirror, task, column, answers, engine
):
    trial = Trial(legs(task, column), rows=mirror)
    assert trial.score(engine) < trial.score(Honest(answers)) / 2


def test_a_single_continuation_is_likely_only_to_who_knows_it(legs, mirror):
    trial = Trial(legs(CERTAIN), rows=mirror)
    assert trial.score(Oracle(known)) == 100
    assert {trial.score(engine) for engine in (AntiOracle(known), *COLLAPSED)} == {0}


def test_running_text_is_certain_to_who_knows_it_and_a_surprise_to_all_others(legs, mirror):
    bench = legs(
        RUNNING, scorer=TokenLikelihood(), aggregate=Perplexity("tokens"), in_points=False,
        higher_is_better=False,
    )  # fmt: skip
    trial = Trial(bench, rows=mirror)
    assert trial.score(Oracle(known)) == 1
    for engine in (AntiOracle(known), *COLLAPSED):
        assert trial.score(engine) == pytest.approx(math.exp(NATS))


def test_a_row_may_be_given_by_the_text_of_its_option(legs, mirror):
    bench = legs(CHOSEN, "label")
    assert score(bench, Oracle(known), rows=mirror, samples=5) == 100


def test_a_row_without_a_known_answer_is_wrong(legs, mirror):
    assert score(legs(), Oracle(lambda row: None), rows=mirror) == 0
    assert score(legs(CHOSEN, "hint"), Oracle(lambda row: None), rows=mirror) == 0


def test_an_honest_engine_errs_in_the_same_rows_each_time(legs, mirror):
    trial = Trial(legs(), rows=mirror)
    first, second = (trial.records(Honest(known, error=0.5)) for _ in range(2))
    assert first == second
    assert 30 < trial.score(Honest(known, error=0.5)) < 70


def test_an_honest_engine_has_its_own_words(legs, mirror):
    loud = Honest(known, error=0.0, reword=lambda text, random: f"{text}!")
    assert score(legs(), loud, rows=mirror) == 0


def test_samples_limit_the_items(legs, mirror):
    assert len(Trial(legs(), rows=mirror, samples=7).items) == 7
    assert len(Trial(legs(), rows=mirror).items) == 80


def test_the_embedded_rows_are_the_default():
    bench = Benchmark(
        name="arc", metric="knowledge", task="arc/arc_easy.yaml",
        scorer=TaskMetric("acc,none"), aggregate=Mean("correct"),
    )  # fmt: skip
    right = Oracle(lambda row: KnownAnswer(row["choices"]["label"].index(row["answerKey"]), 0))
    assert score(bench, right, samples=10) == 100


# -- a benchmark that is faulty -------------------------------------------------------------------


def test_the_oracle_exposes_a_target_of_the_wrong_column(legs, mirror):
    assert score(legs(GENERATED, "count"), Oracle(known), rows=mirror) < 100
    assert score(legs(CHOSEN, "hint"), Oracle(chosen), rows=mirror) < 100


class Yes:
    """A scorer that finds everything right."""

    def __call__(self, item):
        return Reading(fields={"correct": 1.0})


def test_the_anti_oracle_and_the_collapsed_expose_a_scorer_that_always_says_yes(legs, mirror):
    trial = Trial(legs(scorer=Yes()), rows=mirror)
    assert trial.score(Oracle(known)) == 100
    assert {trial.score(engine) for engine in (AntiOracle(known), *COLLAPSED)} == {100}


class Blank:
    """A scorer that takes nothing for a refusal, and refusing for right."""

    def __call__(self, item):
        return Reading(fields={"correct": float("cannot" in item.text or not item.text.strip())})


def test_the_collapsed_expose_a_scorer_that_rewards_silence(legs, mirror):
    trial = Trial(legs(scorer=Blank()), rows=mirror)
    silent = next(engine for engine in COLLAPSED if str(engine) == "empty")
    assert trial.score(silent) == 100


def test_the_oracle_exposes_a_stop_word_that_cuts_the_answer_off(legs, mirror):
    task = GENERATED.replace('["\\n"]', '["0", "2", "4", "6", "8"]')
    assert score(legs(task), Oracle(known), rows=mirror) == 0


def test_items_that_are_asked_alike_are_answered_alike(legs, mirror):
    """As by a model: the oracle exposes a prompt that leaves out what the answer depends on."""
    task = GENERATED.replace("{{count}} {{animal}}s", "all {{animal}}s")
    assert score(legs(task), Oracle(known), rows=mirror) == 10


def test_a_scorer_that_fails_is_a_scoring_error(legs, mirror):
    with pytest.raises(ScoringError, match=r"the task has no metric 'acc'"):
        score(legs(scorer=TaskMetric("acc")), Oracle(known), rows=mirror)


def test_an_aggregate_without_its_field_is_a_scoring_error(legs, mirror):
    with pytest.raises(ScoringError, match=r"needs the field 'rigth'"):
        score(legs(aggregate=Mean("rigth")), Oracle(known), rows=mirror)


# -- mistakes of who tests ------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [4, "none"])
def test_a_known_answer_that_is_no_option_is_named(legs, mirror, wrong):
    with pytest.raises(
        ScoringError, match=rf"the known answer {wrong!r} is not one of the options"
    ):
        score(legs(CHOSEN, "label"), AntiOracle(lambda row: KnownAnswer(0, wrong)), rows=mirror)


def test_a_number_is_no_generated_text(legs, mirror):
    with pytest.raises(ScoringError, match=r"the known answer 0 is an index"):
        score(legs(), Oracle(chosen), rows=mirror)


def test_rows_that_are_not_there_are_named(legs, mirror, tmp_path):
    with pytest.raises(SpecError, match=r"nowhere is not a folder"):
        Trial(legs(), rows=tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SpecError, match=r"lacks me/legs"):
        Trial(legs(), rows=tmp_path / "empty")


# -- judges ---------------------------------------------------------------------------------------


class Judged:
    """A scorer that asks the judge."""

    def read_all(self, items, instruments):
        if instruments.judge is None:
            return [Reading(fields={"correct": 0.0}, gap="needs a judge") for _ in items]
        questions = [
            Question("Is it right?", ("yes", "no"), (("answer", item.text),)) for item in items
        ]
        found = instruments.judge.ask(questions)
        return [Reading(fields={"correct": float(verdict == "yes")}) for verdict in found]


def test_what_needs_a_judge_has_no_score_without_one(legs, mirror):
    with pytest.raises(ScoringError, match=r"80 of 80 items could not be scored: needs a judge"):
        score(legs(scorer=Judged()), Oracle(known), rows=mirror)


@pytest.mark.parametrize("verdicts", [("yes", "no"), (0, 1), (0, -1)])
def test_a_judge_says_what_its_function_decides(legs, mirror, verdicts):
    judge = ScriptedJudge(lambda texts: verdicts["none" in texts["answer"]])
    instruments = replace(default_instruments(), judge=judge)
    trial = Trial(legs(scorer=Judged()), rows=mirror, samples=10, instruments=instruments)
    assert (trial.score(Oracle(known)), trial.score(AntiOracle(known))) == (100, 0)
    assert [question.task for question in judge.asked] == ["Is it right?"] * 20


def test_a_verdict_that_is_no_choice_is_an_error(legs, mirror):
    instruments = replace(default_instruments(), judge=ScriptedJudge(lambda texts: "perhaps"))
    with pytest.raises(JudgeError, match=r"'perhaps' is not one of yes, no"):
        score(legs(scorer=Judged()), Oracle(known), rows=mirror, instruments=instruments)


# -- calibrations ---------------------------------------------------------------------------------


def test_the_text_of_a_calibration_is_that_of_the_rows(mirror):
    legs = Part(
        dataset="me/legs",
        configs=("default",),
        split="test",
        render=lambda row: f"{row['animal']} {row['legs']}",
    )
    text = drawn(Recipe(name="mine", parts=(legs,), samples=5), rows=mirror)
    assert len(text.samples) == 5
    assert set(text.samples) < {f"{row['animal']} {row['legs']}" for row in rows()}


# -- the module -----------------------------------------------------------------------------------


@given(st.text(), st.integers(1, 5))
def test_the_tokenizer_gives_back_what_it_got(text, per_token):
    tokenizer = Characters(per_token=per_token)
    tokens = tokenizer.encode(text)
    assert tokenizer.decode(tokens) == text
    assert len(tokens) == math.ceil(len(text) / per_token)
    assert per_token > 1 or tokens == [ord(character) for character in text]


def test_what_ships_is_listed_and_explains_itself():
    for name in testing.__all__:
        found = getattr(testing, name)
        assert not inspect.isclass(found) or not found.__doc__.startswith(f"{name}(")


def test_the_module_needs_no_pytest_and_loads_nothing_heavy():
    code = "import sys, unicomp.testing; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not {"pytest", "_pytest", "torch", "numpy", "lm_eval"} & set(loaded.stdout.split())
