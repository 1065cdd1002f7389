"""Logs of lm-eval: found, recognised, read by the suites' scorers, paired, or refused in a line."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.elsewhere.logs import (
    DATE,
    LATER,
    Task,
    generated,
    reader,
    riddles,
    suite_task,
    write,
)
from unicomp.elsewhere.judging import judge
from unicomp.errors import SpecError
from unicomp.framework import PAPER_PROFILE
from unicomp.policy import Policy
from unicomp.prompts.items import item_digest

RIGHT = [number % 4 > 0 for number in range(240)]
ONE_LOST = [False, False, *RIGHT[2:]]


@pytest.fixture
def sides(tmp_path):
    """A baseline and a candidate of a task that the suites do not have."""
    write(tmp_path / "base", riddles(RIGHT), model="dense-1b")
    write(tmp_path / "small", riddles(ONE_LOST), model="dense-1b-w4")
    return tmp_path / "base", tmp_path / "small"


def judged(evidence, profile=PAPER_PROFILE, policy=None):
    return judge(evidence, model="mine", method="small", profile=profile, policy=policy or Policy())


def row_of(card, benchmark, method="small"):
    return next(r for r in card.rows if (r.benchmark, r.method) == (benchmark, method))


def sums(number, said, target):
    return generated(
        number,
        {"question": f"{number}?", "answer": f"so\n#### {target}"},
        said,
        {"exact_match": 0.0},
        str(target),
    )


# -- what is read ---------------------------------------------------------------------------------


def test_an_own_task_is_judged_by_the_values_of_lm_eval(sides):
    evidence = reader().read(*sides)
    row = row_of(judged(evidence), "riddles")
    assert (evidence.baseline.name, evidence.candidate.name) == ("dense-1b", "dense-1b-w4")
    assert (row.score, row.dense, row.n) == (100 * sum(ONE_LOST) / 240, 75.0, 240)
    assert (row.lost, row.gained, row.tier) == (1, 0, "critical")
    assert row.divergence["figures"]["top1"][0] == pytest.approx(100 * 239 / 240)


def test_guessing_among_the_options_is_the_chance_level_of_an_own_task(tmp_path):
    third = [number % 3 == 0 for number in range(90)]
    write(tmp_path / "base", riddles(third))
    write(tmp_path / "small", riddles(third), model="small")
    row = row_of(judged(reader().read(tmp_path / "base", tmp_path / "small")), "riddles")
    assert row.verdict == "not_comparable"
    assert "chance (33.3)" in row.reason


def test_a_task_of_the_suites_is_read_by_their_scorer(tmp_path):
    items = [sums(number, f"I add.\n#### {number}", number) for number in range(30)]
    worse = [*items[:-3], *(sums(number, "#### 0", number) for number in range(27, 30))]
    for side, own in (("base", items), ("small", worse)):
        write(tmp_path / side, suite_task("gsm8k", own), model=side)
    evidence = reader().read(tmp_path / "base", tmp_path / "small")
    row = row_of(judged(evidence), "gsm8k")
    assert (row.dense, row.score) == (100.0, 90.0)  # lm-eval's own metric is 0 for all
    assert set(evidence.pairs["gsm8k"].baseline.items) == {
        item_digest(None, number, item["doc"]) for number, item in enumerate(items)
    }


def test_a_metric_without_all_its_benchmarks_has_no_verdict_and_its_rows_decide(tmp_path):
    items = [sums(number, f"#### {number}", number) for number in range(60)]
    for side in ("base", "small"):
        write(tmp_path / side, suite_task("gsm8k", items), model=side)
    card = judged(reader().read(tmp_path / "base", tmp_path / "small"))
    assert not card.metrics
    assert row_of(card, "gsm8k").tier == "critical"
    assert card.environment["notes"][0] == (
        "reasoning has no verdict, since math_500, gpqa_diamond were not given: gsm8k is judged "
        "alone"
    )


def test_the_metric_of_lm_eval_counts_if_the_user_says_so(tmp_path):
    items = [sums(number, f"#### {number}", number) for number in range(30)]
    for side in ("base", "small"):
        write(tmp_path / side, suite_task("gsm8k", items), model=side)
    evidence = reader(chosen={"gsm8k": "exact_match"}).read(tmp_path / "base", tmp_path / "small")
    assert row_of(judged(evidence), "gsm8k", "dense").dense == 0.0


def test_a_task_with_another_wording_is_not_the_benchmark_of_that_name(tmp_path):
    items = [
        generated(number, {"question": f"{number}?"}, "4", {"exact_match": float(number > 2)})
        for number in range(30)
    ]
    task = Task(name="gsm8k", items=items, settings={"output_type": "generate_until"})
    for side in ("base", "small"):
        write(tmp_path / side, task, model=side)
    evidence = reader().read(tmp_path / "base", tmp_path / "small")
    assert list(evidence.pairs) == ["lm_eval.gsm8k"]
    assert any("another wording than the suites' gsm8k" in note for note in evidence.notes)


def test_other_examples_and_limits_than_those_of_the_suites_are_noted(tmp_path):
    items = [sums(number, f"#### {number}", number) for number in range(3)]
    task = suite_task("gsm8k", items, generation_kwargs={"max_gen_toks": 64})
    for side in ("base", "small"):
        write(tmp_path / side, replace(task, shots=8), model=side)
    evidence = reader().read(tmp_path / "base", tmp_path / "small")
    assert {
        "gsm8k: examples: 8, in the suites 4",
        "gsm8k: new tokens at most: 64, in the suites 512",
        "gsm8k: chat template: none, in the suites one",
    } <= set(evidence.notes)


def test_subjects_that_were_not_logged_make_a_benchmark_not_measured(tmp_path):
    items = [{**riddles(RIGHT[:40]).items[number]} for number in range(40)]
    task = suite_task("mmlu", items, dataset_name="astronomy")
    for side in ("base", "small"):
        write(tmp_path / side, replace(task, name="mmlu_astronomy"), model=side)
    row = row_of(judged(reader().read(tmp_path / "base", tmp_path / "small")), "mmlu")
    assert row.verdict == "not_measured"
    assert "lack 56 of the 57 configurations of cais/mmlu" in row.reason


def test_the_newest_log_of_each_task_counts(sides):
    base, small = sides
    write(base, riddles([True] * 240), model="dense-1b", date=LATER)
    evidence = reader().read(base, small)
    assert row_of(judged(evidence), "riddles").dense == 100.0
    assert evidence.notes == (f"riddles: of 2 runs in {base} the newest counts, of {LATER}",)


def test_a_single_file_of_a_task_needs_no_results_beside_it(sides, tmp_path):
    files = []
    for number, side in enumerate(sides):
        (log,) = side.rglob("samples_*.jsonl")
        files.append(tmp_path / f"side-{number}.jsonl")
        files[-1].write_text(log.read_text())
    row = row_of(judged(reader().read(*files)), "side-0")
    assert (row.lost, row.gained) == (1, 0)


def test_the_first_metric_of_a_task_counts_and_the_choice_is_noted(tmp_path):
    for side in ("base", "small"):
        write(tmp_path / side, riddles(RIGHT, ("acc_norm", "acc")), model=side)
    evidence = reader().read(tmp_path / "base", tmp_path / "small")
    assert evidence.pairs["riddles"].benchmark.scorer.name == "acc_norm,none"
    assert evidence.notes[0] == (
        "riddles: acc_norm,none counts, of acc_norm,none, acc,none; choose with --metric riddles="
    )


# -- what is refused ------------------------------------------------------------------------------


def log_of(side):
    (path,) = side.rglob("samples_*.jsonl")
    return path


def results_of(side):
    (path,) = side.rglob("results_*.json")
    return path


def edit_line(side, number, **changes):
    path = log_of(side)
    lines = path.read_text().splitlines()
    lines[number] = json.dumps({**json.loads(lines[number]), **changes})
    path.write_text("\n".join(lines) + "\n")


def edit_results(side, change):
    path = results_of(side)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def keep_lines(side, lines):
    path = log_of(side)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[slice(*lines)]))


def cut_off(side):
    path = log_of(side)
    path.write_text(path.read_text()[:-200])


def twice(side):
    path = log_of(side)
    path.write_text(path.read_text() + path.read_text().splitlines()[3] + "\n")


WRONG = {
    "items on one side": (
        lambda side: keep_lines(side, (0, 238)),
        r"riddles: the item 238 of .*base.*:239 and 1 more are not in .*small: both sides",
    ),
    "another row": (
        lambda side: edit_line(side, 5, doc={"question": "another"}),
        r"riddles: the item 5 of .*base.*:6 is not in .*small",
    ),
    "an item twice": (twice, r"small.*:241: the item 3 stands here again, first in line 4"),
    "another prompt": (
        lambda side: edit_line(
            side, 7, arguments={"gen_args_0": {"arg_0": "else", "arg_1": " option 0"}}
        ),
        r"riddles: the prompt of the item 7 differs between .*base.*:8 and .*small.*:8",
    ),
    "another right answer": (
        lambda side: edit_line(side, 7, target="2"),
        r"riddles: the right answer of the item 7 differs",
    ),
    "a line cut off": (cut_off, r"small.*:240: not JSON, the line is cut off or damaged"),
    "an empty file": (lambda side: keep_lines(side, (0, 0)), r"small.*jsonl is empty"),
    "a missing field": (
        lambda side: log_of(side).write_text('{"doc_id": 0}\n'),
        r"small.*:1: there is no field 'doc'",
    ),
    "NaN as a likelihood": (
        lambda side: edit_line(side, 2, resps=[[["nan", "False"]]] * 3),
        r"small.*:3: not an item of lm-eval \(ValueError: a log-likelihood is NaN",
    ),
    "NaN as a value": (
        lambda side: edit_line(side, 2, acc=float("nan")),
        r"small.*:3: riddles has the value nan",
    ),
    "another version": (
        lambda side: edit_results(side, lambda run: run["versions"].update(riddles=2.0)),
        r"riddles: the task's version is \"1.0\" in .*base.*json and \"2.0\" in .*small.*json",
    ),
    "other examples": (
        lambda side: edit_results(side, lambda run: run["n-shot"].update(riddles=5)),
        r"riddles: n-shot is 0 in .* and 5 in",
    ),
    "another chat template": (
        lambda side: edit_results(side, lambda run: run.update(chat_template_sha="abc")),
        r"riddles: the run's chat_template_sha is null in .* and \"abc\" in",
    ),
    "another limit": (
        lambda side: edit_results(side, lambda run: run["config"].update(limit=10)),
        r"riddles: the run's limit is null in .* and 10.* in",
    ),
    "other settings of the task": (
        lambda side: edit_results(
            side, lambda run: run["configs"]["riddles"].update(description="Think.")
        ),
        r"riddles: the task's description is null in .* and \"Think.\" in",
    ),
    "a missing log": (
        lambda side: edit_results(side, lambda run: run["configs"].update(more={})),
        r"results_.*json has the task more, but its log is missing",
    ),
    "damaged results": (
        lambda side: results_of(side).write_text("{"),
        r"results_.*json is not JSON, or it is cut off",
    ),
    "no logs": (lambda side: log_of(side).unlink(), r"small holds no samples_TASK_DATE.jsonl"),
    "logs of two models": (
        lambda side: write(side, riddles(RIGHT), model="other"),
        r"small holds the logs of several models \(dense-1b-w4, other\)",
    ),
    "a packed log": (
        lambda side: log_of(side).rename(log_of(side).with_suffix(".jsonl.gz")),
        r"jsonl.gz is not named samples_TASK_DATE.jsonl",
    ),
    "a task on one side": (
        lambda side: write(
            side, replace(riddles(RIGHT), name="more"), model="dense-1b-w4", date=LATER
        ),
        r"the task more is in .*small.*, and not in .*base",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_logs_that_do_not_pair_are_refused_in_one_line(case, sides):
    damage, message = WRONG[case]
    damage(sides[1])
    with pytest.raises(SpecError, match=message) as refused:
        reader().read(*sides)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"chosen": {"riddles": "f1"}}, "--metric riddles=f1: its log has none"),
        ({"chosen": {"riddle": "acc"}}, "--metric riddle: no log is of it; did you mean 'riddles'"),
        ({"lower_is_better": ["riddles"]}, "--lower-is-better is for tables"),
    ],
)
def test_options_that_no_log_answers_are_refused(settings, message, sides):
    with pytest.raises(SpecError, match=message):
        reader(**settings).read(*sides)


def test_a_metric_that_two_filters_have_must_be_chosen(tmp_path):
    items = [
        {**generated(number, {"q": number}, "4", {"exact_match": value}), "filter": name}
        for number in range(3)
        for name, value in (("strict", 0.0), ("flexible", 1.0))
    ]
    for side in ("base", "small"):
        write(tmp_path / side, Task(name="sums", items=items), model=side)
    both = tmp_path / "base", tmp_path / "small"
    with pytest.raises(SpecError, match="choose with --metric sums=METRIC,FILTER"):
        reader().read(*both)
    with pytest.raises(SpecError, match="give METRIC,FILTER, one of exact_match,strict"):
        reader(chosen={"sums": "exact_match"}).read(*both)
    evidence = reader(chosen={"sums": "exact_match,flexible"}).read(*both)
    assert row_of(judged(evidence), "sums").score == 100.0


def test_values_that_are_no_shares_are_refused(tmp_path):
    items = [generated(number, {"q": number}, "4", {"bleu": 37.5}) for number in range(3)]
    for side in ("base", "small"):
        write(tmp_path / side, Task(name="sums", items=items), model=side)
    with pytest.raises(SpecError, match="no metric of sums has a value from 0 to 1"):
        reader().read(tmp_path / "base", tmp_path / "small")


def test_a_log_and_a_table_are_not_compared(sides, tmp_path):
    (tmp_path / "small.csv").write_text("item,benchmark,value\n1,riddles,1\n")
    with pytest.raises(SpecError, match=r"one of .* is a table, the other a log"):
        reader().read(sides[0], tmp_path / "small.csv")


def test_a_results_file_stands_for_its_run(sides):
    base, small = map(results_of, sides)
    assert list(reader().read(base, small).pairs) == ["riddles"]
    assert DATE in base.name


def test_results_of_two_models_in_one_folder_are_refused(sides):
    base, small = sides
    (home,) = small.iterdir()
    write(small, riddles(RIGHT), model=home.name, date=LATER, run={"model_name": "another"})
    with pytest.raises(SpecError, match="holds the results of several models"):
        reader().read(base, small)
