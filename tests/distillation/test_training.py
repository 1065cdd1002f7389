"""A training is a value: its number of steps, and its learning rate at each."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp.distillation.training import Training
from unicomp.errors import SpecError

MINITRON = Training(
    tokens=94_000_000_000,
    sequence=8192,
    batch=768,
    learning_rate=1e-4,
    final_rate=1e-5,
    warm_up=100,
    schedule="cosine",
)


def test_the_budget_makes_the_steps():
    assert MINITRON.steps == 14_941
    assert replace(MINITRON, tokens=1).steps == 1


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_the_rate_rises_in_the_warm_up_and_ends_where_it_should(schedule):
    training = replace(MINITRON, schedule=schedule)
    rates = [training.rate(step) for step in range(training.steps)]
    assert rates[0] == pytest.approx(1e-6)
    assert max(rates) == rates[100] == 1e-4
    assert rates[-1] == pytest.approx(1e-4 if schedule == "constant" else 1e-5, rel=1e-2)
    assert all(a >= b for a, b in pairwise(rates[100:]))


def test_a_warm_up_below_one_is_a_share_of_the_steps():
    training = replace(MINITRON, warm_up=0.005)
    assert training.rate(73) < training.rate(74) == pytest.approx(1e-4, rel=1e-3)


@given(st.integers(1, 5000), st.floats(0, 0.9), st.sampled_from(["linear", "cosine"]))
def test_no_rate_leaves_the_bounds(steps, warm_up, schedule):
    training = Training(
        tokens=8 * steps,
        sequence=8,
        batch=1,
        learning_rate=1e-3,
        final_rate=1e-5,
        warm_up=warm_up,
        schedule=schedule,
    )
    assert training.steps == steps
    for step in {0, steps // 2, steps - 1}:
        assert 0 < training.rate(step) <= 1e-3 * (1 + 1e-9)


def test_it_is_read_back_from_json_as_it_was():
    assert Training.from_json(json.loads(json.dumps(MINITRON.as_json()))) == MINITRON


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tokens": 0}, "tokens above 0"),
        ({"learning_rate": float("nan")}, "learning_rate above 0"),
        ({"schedule": "steep"}, "'steep' of a training is unknown: give linear, cosine, constant"),
        ({"precision": "float8"}, "'float8' of a training is unknown: give auto"),
        ({"sequence": 1}, "at least 2 tokens"),
        ({"at_once": 0}, "at least one row"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(SpecError, match=message):
        replace(MINITRON, **settings)
