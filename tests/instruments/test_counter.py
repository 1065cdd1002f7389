"""Questions to a judge are counted, and its verdicts stay the same."""

from dataclasses import dataclass, replace
from typing import ClassVar

from unicomp.instruments import Exchange, Question
from unicomp.instruments.assembly import default_instruments
from unicomp.instruments.counter import counted
from unicomp.instruments.refusal_models import JudgeDetector

QUESTION = Question(task="Which?", choices=("this", "that"))


@dataclass(frozen=True)
class FirstChoice:
    identity: ClassVar = {"judge": "first choice"}

    def ask(self, questions):
        return [one.choices[0] for one in questions]


def test_questions_are_counted_and_the_judge_is_the_same():
    plain = replace(default_instruments(), judge=FirstChoice())
    instruments, judge = counted(plain)
    assert instruments.judge.ask([QUESTION] * 3) == ["this"] * 3
    assert judge.asked == 3
    assert instruments.identity == plain.identity


def test_a_judge_that_detects_refusals_is_counted_as_well():
    detector = JudgeDetector(judge=FirstChoice())
    instruments, judge = counted(
        replace(default_instruments(), judge=FirstChoice(), refusals=detector)
    )
    exchanges = [Exchange("Why?", "I won't say."), Exchange("Why?", "")]
    assert instruments.refusals.classify(exchanges) == ["refusal", "empty"]
    assert judge.asked == 1


def test_without_a_judge_there_is_nothing_to_count():
    assert counted(default_instruments()) == (default_instruments(), None)
