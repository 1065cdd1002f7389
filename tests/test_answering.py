"""How a model answers is declared once, checked when it is declared, and said in one line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp import Answering, Model, SpecError
from unicomp.answering import MOST_THOUGHTS, UNDECLARED
from unicomp.engines.answering import check_budget, read_by

SHARES = st.floats(0.01, 1.0)


def refused(**declared):
    """The message with which a declaration is refused."""
    with pytest.raises(SpecError) as refusal:
        Answering(**declared)
    message = str(refusal.value)
    assert "\n" not in message
    return message


def test_a_model_declares_nothing_by_default():
    assert Model(name="m", source="org/m").answering == UNDECLARED == Answering()
    assert UNDECLARED.declared == UNDECLARED.decoding == {}


def test_a_model_with_template_arguments_can_be_a_key():
    thinks = Answering(template={"enable_thinking": True})
    assert len({Model(name="m", source="org/m", answering=thinks)}) == 1


@given(st.floats(0.01, 10), SHARES, st.integers(1, 1000), SHARES)
def test_the_declared_sampling_reaches_engines_as_it_is(temperature, top_p, top_k, min_p):
    declared = Answering(temperature=temperature, top_p=top_p, top_k=top_k, min_p=min_p)
    neutral = {"top_p"} if top_p == 1 else set()
    assert declared.decoding.keys() == {"temperature", "top_p", "top_k", "min_p"} - neutral
    assert declared.decoding["temperature"] == temperature
    assert json.loads(json.dumps(declared.declared)) == declared.declared


def test_settings_that_change_nothing_are_not_sent():
    """A server that refuses top_k can then be asked without it."""
    neutral = Answering(temperature=1.0, top_p=1, top_k=0, min_p=0)
    assert neutral.decoding == Answering(temperature=1.0).decoding == {"temperature": 1.0}


def test_a_temperature_of_zero_is_greedy_whatever_else_is_declared():
    assert Answering(temperature=0, top_p=0.9, top_k=5).decoding == {}
    assert Answering(temperature=0).declares_sampling
    assert Answering(temperature=0).declared == {"temperature": 0}


@pytest.mark.parametrize(
    ("declared", "part"),
    [
        ({"thinking_budget": -1}, "from 0 to"),
        ({"thinking_budget": MOST_THOUGHTS + 1}, "from 0 to"),
        ({"thinking_budget": 1.5}, "whole number"),
        ({"thinking_budget": True}, "whole number"),
        ({"temperature": -0.1}, "from 0 to 10"),
        ({"temperature": float("nan")}, "from 0 to 10"),
        ({"temperature": "warm"}, "from 0 to 10"),
        ({"temperature": 1.0, "top_p": 0}, "above 0"),
        ({"temperature": 1.0, "top_p": 1.01}, "above 0"),
        ({"temperature": 1.0, "top_k": -1}, "whole number from 0"),
        ({"temperature": 1.0, "top_k": 0.5}, "whole number from 0"),
        ({"temperature": 1.0, "min_p": 2}, "from 0 to 1"),
        ({"top_p": 0.9}, "declare temperature"),
        ({"template": ["enable_thinking"]}, "a table"),
        ({"template": {"a b": 1}}, "not a name"),
        ({"template": {"messages": []}}, "set by UniComp"),
        ({"template": {"effort": {1, 2}}}, "not a JSON value"),
        ({"template": {"effort": float("inf")}}, "not a JSON value"),
    ],
)
def test_what_cannot_be_meant_is_refused(declared, part):
    message = refused(**declared)
    assert part in message
    assert any(name in message for name in (*declared, *declared.get("template", ())))


# -- the template -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "{% if enable_thinking is defined and enable_thinking is false %}</think>{% endif %}",
        "{% if not enable_thinking is defined %}{% set enable_thinking = false %}{% endif %}",
        "{% set enable_thinking = enable_thinking | default(true) %}{{ enable_thinking }}",
        "{% macro think() %}{{ enable_thinking }}{% endmacro %}{{ think() }}",
        "{% for m in messages %}{% generation %}{{ m }}{% endgeneration %}"
        "{% if enable_thinking %}{% break %}{% endif %}{% endfor %}",
    ],
)
def test_a_template_reads_an_argument_in_whatever_way_it_is_written(text):
    assert "enable_thinking" in read_by([text])


@pytest.mark.parametrize(
    "text", ["{# enable_thinking #}{{ messages }}", "enable_thinking", "{{ 'enable_thinking' }}"]
)
def test_a_name_in_a_comment_or_a_text_is_not_read(text):
    assert "enable_thinking" not in read_by([text])


def test_a_template_that_cannot_be_parsed_says_nothing_of_what_it_reads():
    assert read_by(["{% if %}"]) is None


# -- the budget -------------------------------------------------------------------------------


@given(st.integers(1, 10_000), st.integers(1, 2000), st.integers(1, 12_000))
def test_a_budget_is_refused_where_it_leaves_no_room_for_a_prompt(budget, answer, context):
    limits = {"gsm8k": answer + budget, "short": budget}
    if answer + budget < context:
        check_budget("m", budget, limits, context)
        return
    with pytest.raises(SpecError) as refusal:
        check_budget("m", budget, limits, context)
    message = str(refusal.value)
    assert f"thinking_budget of {budget}" in message
    assert f"context of {context}" in message
    if context > answer + 1:
        largest = context - answer - 1
        assert f"less than {context - answer}" in message
        check_budget("m", largest, {"gsm8k": answer + largest}, context)


def test_without_a_budget_nothing_is_refused_before_the_run():
    check_budget("m", 0, {"gsm8k": 512}, 128)
