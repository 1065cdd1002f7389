"""Calls in an answer: each syntax gives the same calls, and no text is executed or breaks it."""

import json
import keyword
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unicomp.scoring.call_syntax import Call, UnreadableCall, read_calls

ARGUMENTS = '{"base": 3, "unit": "m"}'
AREA = Call("shape.area", {"base": 3, "unit": "m"})
DEEPSEEK = "<｜tool▁calls▁begin｜>{}<｜tool▁calls▁end｜>"

ONE = {
    "Python": 'shape.area(base=3, unit="m")',
    "a Python list": '[shape.area(base=3, unit="m")]',
    "a fence": '```python\n[shape.area(base=3, unit="m")]\n```',
    "a plain fence": '```\nshape.area(base=3, unit="m")\n```',
    "Llama 4": '<|python_tag|>[shape.area(base=3, unit="m")]',
    "Hermes": f'<tool_call>\n{{"name": "shape.area", "arguments": {ARGUMENTS}}}\n</tool_call>',
    "Hermes, ended": f'<tool_call>{{"name": "shape.area", "arguments": {ARGUMENTS}}}',
    "text around": f'I call it.\n<tool_call>{{"name": "shape.area", "arguments": {ARGUMENTS}}}'
    "</tool_call>\nThat is all.",
    "Nemotron": f'<TOOLCALL>[{{"name": "shape.area", "arguments": {ARGUMENTS}}}]</TOOLCALL>',
    "Phi": f'<|tool_call|>[{{"name": "shape.area", "arguments": {ARGUMENTS}}}]<|/tool_call|>',
    "Llama 3": f'{{"name": "shape.area", "parameters": {ARGUMENTS}}}',
    "Llama 3, tagged": f'<|python_tag|>{{"name": "shape.area", "parameters": {ARGUMENTS}}}',
    "Llama 3, typed": '{"type": "function", "name": "shape.area", "parameters": ' + ARGUMENTS + "}",
    "wrapped": f'{{"function": {{"name": "shape.area", "arguments": {ARGUMENTS}}}}}',
    "as text": json.dumps({"name": "shape.area", "arguments": ARGUMENTS}),
    "Mistral": f'[TOOL_CALLS] [{{"name": "shape.area", "arguments": {ARGUMENTS}}}]',
    "Mistral, new": f"[TOOL_CALLS]shape.area[ARGS]{ARGUMENTS}",
    "Mistral, new, no special tokens": f"shape.area{ARGUMENTS}",
    "spread": f'[\n  {{\n "name": "shape.area",\n "arguments": {ARGUMENTS}}}\n]',
    "DeepSeek": DEEPSEEK.format(
        f"<｜tool▁call▁begin｜>shape.area<｜tool▁sep｜>{ARGUMENTS}<｜tool▁call▁end｜>"
    ),
    "DeepSeek, old": DEEPSEEK.format(
        f"<｜tool▁call▁begin｜>function<｜tool▁sep｜>shape.area\n```json\n{ARGUMENTS}\n```"
        "<｜tool▁call▁end｜>"
    ),
}


@pytest.mark.parametrize("form", ONE)
def test_each_syntax_gives_the_same_call(form):
    assert read_calls(ONE[form]) == (AREA,)


@pytest.mark.parametrize(
    "text",
    [
        "[f(a=1), g(b=2)]",
        "f(a=1), g(b=2)",
        '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>'
        '<tool_call>{"name": "g", "arguments": {"b": 2}}</tool_call>',
        '{"name": "f", "parameters": {"a": 1}}; {"name": "g", "parameters": {"b": 2}}',
        '[{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {"b": 2}}]',
        '[TOOL_CALLS]f[ARGS]{"a": 1}[TOOL_CALLS]g[ARGS]{"b": 2}',
    ],
)
def test_several_calls_keep_their_order(text):
    assert read_calls(text) == (Call("f", {"a": 1}), Call("g", {"b": 2}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "There is no function for that.",
        "The function shape.area(base) needs a base, which is missing.",
        "I would call [f(a=1)], but the unit is missing.",
        "table",
        "[]",
        "[1, 2]",
        "42",
        '{"answer": 42}',
        "[{'answer': 42}]",
        "Note: {x}",
        "I'm sorry, but I cannot help with that.",
        "(none)",
    ],
)
def test_a_text_without_calls_calls_nothing(text):
    assert read_calls(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "[f(a=1)",
        "f(a=1",
        "[f(a=1), 5]",
        "[f(a=1, a=2)]",
        "[f(**given)]",
        "f()(a=1)",
        "[f(a=1)] [g(b=2)]",
        "f(a=1)\ng(b=2)",
        "f(a=1) is the call.",
        '{"name": "f", "arguments": {"a": 1}',
        '{"name": "f"}',
        '{"name": "f", "arguments": 5}',
        "{'name': 'f', 'arguments': {'a': 1}}",
        '{"name": "f", "arguments": {"a": NaN}}',
        "<tool_call>f(a=1)</tool_call>",
        "<tool_call></tool_call>",
        '<tool_call>{"name": "f", "arguments": {"a": 1}}<tool_call>{"name": "g"}</tool_call>',
        "[TOOL_CALLS] none",
        "<|python_tag|>",
        "<｜tool▁calls▁begin｜>",
        "<｜tool▁call▁begin｜>f<｜tool▁sep｜>{}",
    ],
)
def test_a_call_that_is_begun_and_not_readable_is_unreadable(text):
    with pytest.raises(UnreadableCall):
        read_calls(text)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("-5", -5),
        ("+2.5", 2.5),
        ("1e3", 1000.0),
        ("5 * 2 + 1", 11),
        ("1 / 0", "1 / 0"),
        ("True", True),
        ("None", None),
        ("(3, 4)", [3, 4]),
        ("{'a': [1, -2], 'b': {'c': 'd'}}", {"a": [1, -2], "b": {"c": "d"}}),
        ("radius", "radius"),
        ("x ** 2", "x ** 2"),
        ("lambda x: x ** 2", "lambda x: x ** 2"),
        ("9 ** 9 ** 9", "9 ** 9 ** 9"),
        ("math.sqrt(2)", "math.sqrt(2)"),
        ("__import__('os').system('true')", "__import__('os').system('true')"),
    ],
)
def test_an_argument_is_its_value_and_any_other_expression_its_source(written, value):
    (call,) = read_calls(f"[f(a={written})]")
    assert call.arguments == {"a": value}
    assert type(call.arguments["a"]) is type(value)


def test_an_argument_without_a_name_has_the_number_of_its_place():
    assert read_calls("f(3, unit='m')") == (Call("f", {"0": 3, "unit": "m"}),)


# -- round trips ----------------------------------------------------------------------------------

NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name)
)
DOTTED = st.lists(NAMES, min_size=1, max_size=3).map(".".join)
PLAIN = (
    st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab:"), inner),
    max_leaves=6,
)
CALLS = st.lists(
    st.builds(Call, DOTTED, st.dictionaries(NAMES, VALUES, max_size=3)), min_size=1, max_size=3
)


def _tables(calls, arguments):
    return [{"name": call.name, arguments: dict(call.arguments)} for call in calls]


def _python(calls):
    def written(call):
        return f"{call.name}({', '.join(f'{n}={v!r}' for n, v in call.arguments.items())})"

    return f"[{', '.join(map(written, calls))}]"


WRITTEN = {
    "Python": _python,
    "Hermes": lambda calls: "\n".join(
        f"<tool_call>\n{json.dumps(one)}\n</tool_call>" for one in _tables(calls, "arguments")
    ),
    "Llama": lambda calls: "; ".join(map(json.dumps, _tables(calls, "parameters"))),
    "Mistral": lambda calls: f"[TOOL_CALLS] {json.dumps(_tables(calls, 'arguments'))}",
    "Mistral, new": lambda calls: "".join(
        f"[TOOL_CALLS]{call.name}[ARGS]{json.dumps(dict(call.arguments))}" for call in calls
    ),
    "DeepSeek": lambda calls: DEEPSEEK.format(
        "\n".join(
            f"<｜tool▁call▁begin｜>{call.name}<｜tool▁sep｜>{json.dumps(dict(call.arguments))}"
            "<｜tool▁call▁end｜>"
            for call in calls
        )
    ),
}


@pytest.mark.parametrize("form", WRITTEN)
@given(CALLS)
@settings(max_examples=40, deadline=None)
def test_calls_that_are_written_are_read_again(form, calls):
    assert read_calls(WRITTEN[form](calls)) == tuple(calls)


PIECES = st.lists(
    st.sampled_from(
        [*"()[]{}=,;:'\"\\ \n-", "f", "a=1", '"name"', '"arguments"', "<tool_call>", "</tool_call>",
         "[TOOL_CALLS]", "[ARGS]", "<|python_tag|>", "<｜tool▁call▁begin｜>", "```", "lambda"]
    )
).map("".join)  # fmt: skip


@given(PIECES | st.text())
def test_any_text_is_read_or_unreadable(text):
    try:
        calls = read_calls(text)
    except UnreadableCall:
        return
    assert all(isinstance(call.arguments, dict) for call in calls)


@pytest.mark.parametrize(
    "sign",
    ["(", "[", "{", "f(", "f(a=", "-", "not ", '{"a":', "[[1,", "<tool_call>", "f{", "a.", "```",
     "1+", "1*9", "<｜tool▁call▁begin｜>f<｜tool▁sep｜>"],
)  # fmt: skip
def test_endless_answers_take_no_endless_time(sign):
    start = time.process_time()
    for text in (sign * (20_000 // len(sign)), "f(a=" + sign * (20_000 // len(sign)) + "1)"):
        with suppress(UnreadableCall):
            read_calls(text)
    assert time.process_time() - start < 5
