"""A truncated answer is wrong and said so, where the answer is what a text ends in."""

from dataclasses import replace
from pathlib import Path

import pytest

from suites.performance.test_reasoning import gpqa_diamond, gsm8k, math_500
from tests.known_answers.answers import ANSWERS
from unicomp import FinalNumber, Item, MathAnswer, TaskMetric
from unicomp.scores import LONG_TEXT, SPLIT_AGAIN, _reaches
from unicomp.testing import Characters, Oracle, Trial

INVENTED = Path(__file__).parents[1] / "suites" / "rows"
SUM = {"answer": "3 + 4 = 7\n#### 7"}
POWER = {"solution": "So it is $\\boxed{8}$.", "answer": "8"}


def item(doc, text, *, cut):
    return Item(doc=doc, prompt="", responses=(text,), cut=cut)


@pytest.mark.parametrize(
    ("scorer", "doc", "text"),
    [
        (FinalNumber(), SUM, "3 + 4 = 7. The answer is 7"),
        (FinalNumber(), SUM, "First, 3 + 4 = 7."),
        (MathAnswer(), POWER, "$2^3 = 8$, so the answer is $\\boxed{8}$"),
        (MathAnswer(), POWER, "We have 2^3 = 8."),
    ],
)
def test_no_final_answer_is_read_off_a_text_that_was_cut(scorer, doc, text):
    """What stands last need not be what the answer would have ended in."""
    whole, cut = (scorer(item(doc, text, cut=one)) for one in (False, True))
    assert (whole.fields["correct"], whole.parsed) == (1.0, True)
    assert (cut.fields["correct"], cut.parsed) == (0.0, False)


@pytest.mark.parametrize(
    "text",
    [
        "The answer is 7.\n\nQuestion: What is 5 + 5?\nAnswer: It is",
        "The answer is 7.<|im_end|> and so on",
    ],
)
def test_an_answer_that_ended_before_the_text_was_cut_counts(text):
    """A base model asks itself the next question, up to its limit."""
    reading = FinalNumber()(item(SUM, text, cut=True))
    assert (reading.fields["correct"], reading.parsed) == (1.0, True)


def test_a_metric_of_the_task_says_whether_its_answer_stands_at_the_end():
    cut = replace(
        item({}, "So it is (B)", cut=True),
        answers={"none": "So it is (B)"},
        results={"exact_match,none": 1.0, "parsed,none": 1.0},
    )
    anywhere, at_end = (TaskMetric("exact_match,none", at_end=one)(cut) for one in (False, True))
    assert (anywhere.fields["correct"], anywhere.parsed) == (1.0, True)
    assert (at_end.fields["correct"], at_end.parsed) == (0.0, False)


def limited(bench, limit, reword=lambda text, random: text):
    """Score and records of right answers within a limit; tokens are characters."""
    bench = replace(bench, max_new_tokens=limit)
    trial = Trial(bench, rows=INVENTED, tokenizer=Characters())
    engine = Oracle(ANSWERS[bench.name], reword=reword)
    return trial.score(engine), trial.records(engine)


@pytest.mark.parametrize("bench", [gsm8k, math_500, gpqa_diamond], ids=str)
def test_a_truncated_answer_is_wrong_on_its_whole_way(bench):
    """Right answers of any length are read as long as they end before the limit."""
    score, records = limited(bench, 10_000)
    assert (score, any(records.answers["cut"])) == (100, False)
    shortest = min(records.answers["tokens"])
    score, records = limited(bench, shortest)
    assert (score, all(records.answers["cut"]), any(records.parsed)) == (0, True, False)


def test_an_unended_thought_is_wrong_whether_or_not_it_reached_its_limit():
    for limit in (20, 10_000):
        score, records = limited(gsm8k, limit, lambda text, random: f"<think>{text}")
        assert (score, any(records.parsed)) == (0, False)


def test_the_published_rules_read_what_there_is():
    """`compat` is upstream's reading, bit for bit."""
    scorer = gpqa_diamond.scored_in("compat").scorer
    assert isinstance(scorer, TaskMetric)
    assert not scorer.at_end


def test_a_long_text_may_lose_a_few_tokens_when_it_is_split_again():
    assert _reaches(512, 512)
    assert not _reaches(511, 512)
    limit = 16 * LONG_TEXT
    assert _reaches(limit - limit // SPLIT_AGAIN, limit)
    assert not _reaches(limit - limit // SPLIT_AGAIN - 1, limit)
