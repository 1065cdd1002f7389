"""A collapsed model passes no length; nor does one that copies a part of the text.

Each engine answers as candidate; an honest engine that errs in a tenth of the rows is its baseline.
"""

from dataclasses import replace
from functools import cache

import pytest

from suites.shipping.test_long_context import ruler_4k
from tests.known_answers.answers import ANSWERS
from unicomp import RulerRows
from unicomp.retention import retention
from unicomp.scores import guarded
from unicomp.testing import COLLAPSED, ENDLESS_THOUGHT, Collapsed, Honest, Oracle, Trial

FLOOR = 90
SHORT = replace(ruler_4k, rows=RulerRows(length=1024, each=4))
KNOWN = ANSWERS["ruler_4k"]

COPIES = (
    Collapsed("the begin of the prompt", lambda prompt, random: prompt[:600]),
    Collapsed("the end of the prompt", lambda prompt, random: prompt[-600:]),
    Collapsed("the middle of the prompt", lambda prompt, random: prompt[1500:2100]),
    Collapsed("all words of the prompt", lambda prompt, random: _shuffled(prompt, random)),
)


def _shuffled(prompt, random):
    words = [*dict.fromkeys(prompt.split())]
    random.shuffle(words)
    return " ".join(words)


@cache
def trial():
    return Trial(SHORT)


@cache
def records(engine=None):
    return guarded(SHORT, trial().records(engine or Honest(KNOWN)), None)


@pytest.mark.parametrize("engine", [*COLLAPSED, ENDLESS_THOUGHT, *COPIES], ids=str)
def test_no_collapsed_model_passes_a_length(engine):
    kept = retention(SHORT, records(engine), records())
    assert kept.incomparable is None
    assert kept.degenerate or kept.value < FLOOR


def test_a_perfect_and_an_honest_model_pass():
    for engine in (None, Oracle(KNOWN)):
        kept = retention(SHORT, records(engine), records())
        assert kept.degenerate is None
        assert kept.value >= FLOOR


def test_each_task_weighs_the_same():
    found = trial().records(Oracle(KNOWN))
    fields = {**found.fields, "correct": [float(one == "tracing") for one in found.fields["task"]]}
    only = replace(found, fields=fields)
    assert retention(SHORT, only, only).score == pytest.approx(100 / 13)
