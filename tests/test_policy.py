"""Floors are percentages; the most specific one holds; only a whole interval above it passes."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unicomp.errors import SpecError
from unicomp.framework import DIMENSIONS, METRICS
from unicomp.policy import (
    DEFAULT_FLOOR,
    Policy,
    check_name_given,
    parse_floor,
    parse_floor_option,
)
from unicomp.spec import CheckpointId
from unicomp.verdict import decide

percent = st.floats(0, 200)


# -- the syntax -----------------------------------------------------------------------------------


@given(st.floats(min_value=1, exclude_min=True, allow_nan=False, allow_infinity=False))
@settings(deadline=None)
def test_any_percentage_above_one_is_a_floor(value):
    assert parse_floor("gsm8k", value) == value
    assert parse_floor_option(f"gsm8k={value!r}") == ("gsm8k", value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("reasoning=90", ("reasoning", 90.0)),
        ("reasoning = 99.9", ("reasoning", 99.9)),
        ("gsm8k@wanda_50=0", ("gsm8k@wanda_50", 0.0)),
        ("safety=1e2", ("safety", 100.0)),
    ],
)
def test_a_floor_is_a_name_and_a_percentage(text, expected):
    assert parse_floor_option(text) == expected


@pytest.mark.parametrize("text", ["reasoning", "", "=90", "  =90"])
def test_a_floor_without_a_name_or_a_number_is_refused(text):
    with pytest.raises(SpecError, match="NAME=PERCENT"):
        parse_floor_option(text)


@pytest.mark.parametrize("value", ["ninety", "", "90 %", "9,5", None, True, [90], "0x5A"])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(SpecError, match=r"the floor of safety is .* not a number"):
        parse_floor("safety", value)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", math.nan, math.inf, -1, "-0.5"])
def test_a_floor_is_finite_and_not_negative(value):
    with pytest.raises(SpecError, match="percentage of 0 or more"):
        parse_floor("safety", value)


@pytest.mark.parametrize(
    ("value", "meant"), [("0.95", "95"), (0.9, "90"), ("1", "100"), (0.5, "50")]
)
def test_a_fraction_is_refused_with_what_was_meant(value, meant):
    with pytest.raises(SpecError, match=rf"did you mean {meant}\?"):
        parse_floor("reasoning", value)


# -- the names ------------------------------------------------------------------------------------


def test_every_benchmark_metric_and_dimension_may_have_a_floor():
    names = ["gsm8k", "gsm8k@wanda_50", *METRICS, *DIMENSIONS, "reliability@wanda_50"]
    for name in names:
        check_name_given("--floor", name, ["gsm8k"], ["wanda_50"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("reasonning", "no benchmark, metric or dimension 'reasonning'; did you mean 'reasoning'"),
        ("gsm8", "did you mean 'gsm8k'"),
        ("gsm8k@wanda_5", "no method 'wanda_5'; did you mean 'wanda_50'"),
        ("gsm8k@", "no method ''"),
        ("@wanda_50", "no benchmark, metric or dimension ''"),
    ],
)
def test_a_mistyped_name_is_refused_with_the_nearest(name, message):
    with pytest.raises(SpecError, match=message):
        check_name_given("--floor", name, ["gsm8k"], ["wanda_50", "gptq_w4a16"])


def test_a_name_that_a_test_may_still_bring_is_looked_at_later():
    later = []
    check_name_given("--floor", "mine@wanda_50", ["gsm8k"], ["wanda_50"], later)
    check_name_given("--floor", "gsm8k", ["gsm8k"], ["wanda_50"], later)
    assert later == [("--floor", "mine")]
    with pytest.raises(SpecError, match="no method"):
        check_name_given("--floor", "mine@wanda", ["gsm8k"], ["wanda_50"], later)


# -- which floor holds ----------------------------------------------------------------------------

MOST_SPECIFIC_FIRST = (
    "gsm8k@wanda_50",
    "gsm8k",
    "reasoning@wanda_50",
    "reasoning",
    "performance@wanda_50",
    "performance",
)


def checkpoint(method="wanda_50", model="m"):
    return CheckpointId(model, method, "generic")


def floor(policy, **changed):
    return policy.floor(checkpoint(), **{"metric": "reasoning", "benchmark": "gsm8k"} | changed)


@pytest.mark.parametrize("kept", range(len(MOST_SPECIFIC_FIRST)))
def test_the_most_specific_floor_holds(kept):
    layer = {name: 50.0 + i for i, name in enumerate(MOST_SPECIFIC_FIRST) if i >= kept}
    for policy in (Policy(general=layer), Policy(command_line=layer), Policy(models={"m": layer})):
        assert floor(policy) == 50.0 + kept


@given(st.dictionaries(st.sampled_from(MOST_SPECIFIC_FIRST), percent))
@settings(deadline=None)
def test_the_order_of_the_floors_in_the_file_does_not_matter(layer):
    expected = next((layer[name] for name in MOST_SPECIFIC_FIRST if name in layer), DEFAULT_FLOOR)
    assert floor(Policy(general=layer)) == expected


def test_a_benchmark_outranks_its_metric():
    assert floor(Policy(general={"reasoning": 95, "gsm8k": 80})) == 80


def test_the_command_line_outranks_the_model_and_the_model_the_general_table():
    least, most = {"performance": 10.0}, {"gsm8k@wanda_50": 99.0}
    assert floor(Policy(command_line=least, models={"m": most}, general=most)) == 10
    assert floor(Policy(models={"m": least}, general=most)) == 10
    assert floor(Policy(models={"another": least}, general=most)) == 99


def test_a_floor_of_zero_is_a_floor():
    assert floor(Policy(command_line={"gsm8k": 0.0}, general={"gsm8k": 95.0})) == 0


def test_a_floor_of_another_method_metric_or_benchmark_does_not_count():
    others = {"gsm8k@wanda_2_4": 1.5, "math_500": 2.0, "knowledge": 3.0, "reliability": 4.0}
    assert floor(Policy(general=others)) == DEFAULT_FLOOR


def test_a_metric_is_not_held_to_the_floor_of_its_benchmark():
    policy = Policy(general={"gsm8k": 10.0, "reasoning": 80.0})
    assert floor(policy, benchmark=None) == 80


def test_a_benchmark_beside_no_metric_has_only_its_own_floor():
    policy = Policy(general={"mine": 70.0, "performance": 99.0})
    assert floor(policy, metric=None, benchmark="mine") == 70
    assert floor(policy, metric=None, benchmark="yours") == DEFAULT_FLOOR


@pytest.mark.parametrize("name", MOST_SPECIFIC_FIRST)
def test_a_gap_is_allowed_by_the_same_names(name):
    policy = Policy(allow={name: "known"})
    about = {"metric": "reasoning", "benchmark": "gsm8k"}
    assert policy.allowed(checkpoint("wanda_50"), **about) == "known"
    other = policy.allowed(checkpoint("gptq_w4a16"), **about)
    assert other == (None if "@" in name else "known")


def test_a_gap_that_is_allowed_for_one_model_is_so_for_no_other():
    policy = Policy(allow={"safety": "all"}, model_allow={"small": {"ethics": "it collapses"}})
    small, large = (checkpoint("wanda_2_4", model) for model in ("small", "large"))
    assert policy.allowed(small, metric="ethics", benchmark=None) == "it collapses"
    assert policy.allowed(large, metric="ethics", benchmark=None) is None
    assert policy.allowed(small, metric="safety", benchmark=None) == "all"


# -- the verdict ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (95.0, 99.0, "pass"),
        (94.6, 99.0, "inconclusive"),
        (94.999999999, 95.0, "inconclusive"),
        (90.0, 94.999999999, "fail"),
        (95.0, 95.0, "pass"),
        (100.0, math.inf, "pass"),
    ],
)
def test_the_whole_interval_is_compared_and_nothing_is_rounded(low, high, verdict):
    assert decide(low, high, 95.0) == verdict


def test_two_digits_are_not_enough_to_pass():
    assert decide(94.6, 94.6, 95.0) == "fail"
    assert decide(94.9999, 94.9999, 95.0) == "fail"


@pytest.mark.parametrize("low", [math.nan, 99.0])
@pytest.mark.parametrize("high", [math.nan, 99.0])
@pytest.mark.parametrize("least", [math.nan, 0.0, 95.0])
def test_nan_never_passes(low, high, least):
    numbers = not any(map(math.isnan, (low, high, least)))
    assert (decide(low, high, least) == "pass") == numbers


@given(percent, percent, percent)
@settings(deadline=None)
def test_a_higher_floor_never_helps(one, other, least):
    low, high = sorted((one, other))
    order = ["fail", "inconclusive", "pass"]
    before, after = decide(low, high, least), decide(low, high, least + 1)
    assert order.index(after) <= order.index(before)


def test_a_benchmark_of_no_metric_has_the_floor_of_its_dimension():
    policy = Policy(general={"performance": 50.0}, allow={"performance@gptq": "widths"})
    about = {"metric": None, "benchmark": "wikitext", "dimension": "performance"}
    assert policy.floor(checkpoint("gptq"), **about) == 50.0
    assert policy.allowed(checkpoint("gptq"), **about) == "widths"
    assert policy.allowed(checkpoint("awq"), **about) is None
