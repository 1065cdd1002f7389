"""Prompts with functions: the template's own form where it takes tools, otherwise a description."""

import json
import shutil

import pytest

from tests.suites.golden import Chat, ToolChat
from unicomp.data.sources import shipped_fixtures
from unicomp.engines.tokenizer import load_tokenizer
from unicomp.errors import SpecError
from unicomp.prompts.tools import ToolPrompts, functions_of, tool_of
from unicomp.scoring.aggregate import Mean
from unicomp.spec import Benchmark, Model
from unicomp.testing import Characters, Trial

EMBEDDED = shipped_fixtures() / "embedded" / "model"
GOATS = {
    "name": "barn.count",
    "description": "Count goats.",
    "parameters": {
        "type": "dict",
        "properties": {
            "share": {"type": "float", "description": "A share.", "default": 0.5},
            "corner": {"type": "tuple", "items": {"type": "float"}},
            "gate": {"type": "dict", "properties": {"type": {"type": "any"}}},
            "counts": {"type": "dict", "additionalProperties": {"type": "float"}},
            "lame": {"type": "boolean"},
        },
        "required": ["share"],
    },
}
QUESTION = "How many goats are in the barn?"

TAKES_TOOLS = """{%- if tools %}<tools>{% for one in tools %}{{ one | tojson }}{% endfor %}</tools>
{% endif %}{% for message in messages %}<{{ message.role }}>{{ message.content }}{% endfor %}\
{% if add_generation_prompt %}<assistant>{% endif %}"""
NO_SYSTEM = """{% if messages[0].role == 'system' %}{{ raise_exception('no system message') }}\
{% endif %}{% for message in messages %}<{{ message.role }}>{{ message.content }}{% endfor %}\
<assistant>"""


@pytest.fixture
def templated(tmp_path):
    """The prompts of a tokenizer with a chat template, and with one for tools alone."""

    def make(text, for_tools=None):
        folder = tmp_path / "model"
        shutil.copytree(EMBEDDED, folder)
        (folder / "chat_template.jinja").write_text(text, encoding="utf-8")
        if for_tools:
            (folder / "additional_chat_templates").mkdir()
            path = folder / "additional_chat_templates" / "tool_use.jinja"
            path.write_text(for_tools, encoding="utf-8")
        template = load_tokenizer(folder, Model(name="m", source=str(folder))).template
        return ToolPrompts(template)

    return make


def test_a_template_that_takes_tools_gets_them(templated):
    prompts = templated(TAKES_TOOLS)
    assert prompts.native
    text = prompts.prompt(QUESTION, json.dumps([GOATS]))
    assert text.endswith(f"\n<user>{QUESTION}<assistant>")
    tool = json.loads(text.partition("<tools>")[2].partition("</tools>")[0])
    assert tool == tool_of(GOATS)


def test_a_template_without_tools_gets_a_system_message():
    prompts = ToolPrompts(Chat())
    assert not prompts.native
    text = prompts.prompt(QUESTION, [GOATS])
    assert text.startswith("[system]\nYou can call functions.")
    assert json.dumps([GOATS], indent=4) in text
    assert text.endswith(f"\n[user]\n{QUESTION}\n[assistant]\n")


def test_a_template_that_refuses_system_messages_gets_all_in_the_request(templated):
    prompts = templated(NO_SYSTEM)
    assert not prompts.native
    text = prompts.prompt(QUESTION, [GOATS])
    assert text.startswith("<user>You can call functions.")
    assert text.endswith(f"\n\n{QUESTION}<assistant>")


def test_a_tokenizer_may_have_a_template_for_tools_alone(templated):
    prompts = templated(NO_SYSTEM, for_tools=TAKES_TOOLS)
    assert prompts.native
    assert prompts.prompt(QUESTION, [GOATS]).startswith('<tools>{"type": "function"')
    assert TAKES_TOOLS in prompts.template.identity
    # other prompts do not change
    assert prompts.template([{"role": "user", "content": "Hello."}]) == "<user>Hello.<assistant>"


def test_without_a_template_the_prompt_is_a_text():
    text = ToolPrompts(None).prompt(QUESTION, [GOATS])
    assert text.startswith("You can call functions.")
    assert text.endswith(f"\n\nRequest: {QUESTION}\nCalls:")


def test_the_types_of_a_template_are_those_of_json_schema():
    schema = tool_of(GOATS)["function"]["parameters"]
    assert schema == {
        "type": "object",
        "properties": {
            "share": {"type": "number", "description": "A share.", "default": 0.5},
            "corner": {"type": "array", "items": {"type": "number"}},
            "gate": {"type": "object", "properties": {"type": {"type": "string"}}},
            "counts": {"type": "object", "additionalProperties": {"type": "number"}},
            "lame": {"type": "boolean"},
        },
        "required": ["share"],
    }
    assert GOATS["parameters"]["type"] == "dict"


def test_a_function_may_be_wrapped_as_servers_send_it():
    assert functions_of([tool_of(GOATS)]) == functions_of(json.dumps([tool_of(GOATS)]))
    native = ToolPrompts(ToolChat())
    assert native.prompt(QUESTION, [tool_of(GOATS)]) == native.prompt(QUESTION, [GOATS])


@pytest.mark.parametrize("column", ["{}", "5", "[5]", '["f"]', "[{}]", '[{"name": 5}]', "no JSON"])
def test_a_column_without_functions_is_refused(column):
    with pytest.raises(ValueError, match=r"column of functions|Expecting value"):
        functions_of(column)


# -- benchmarks with tools ------------------------------------------------------------------------

TASK = """
task: offered
dataset_path: ./rows
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: ""
generation_kwargs: {until: []}
metric_list: [{metric: bypass, aggregation: bypass, higher_is_better: true}]
"""


@pytest.fixture
def offered(tmp_path):
    """The items of a benchmark of one row, whose column `tools` is given."""

    def make(tools, column="tools", tokenizer=None):
        (tmp_path / "rows").mkdir()
        row = {"question": QUESTION, "tools": tools}
        (tmp_path / "rows" / "test.jsonl").write_text(json.dumps(row), encoding="utf-8")
        (tmp_path / "offered.yaml").write_text(TASK, encoding="utf-8")
        bench = Benchmark(
            name="offered", metric="reasoning", task=tmp_path / "offered.yaml", tools=column,
            scorer=lambda item: None, aggregate=Mean("correct"),
        )  # fmt: skip
        return Trial(bench, tokenizer=tokenizer).items

    return make


def test_rows_of_a_user_may_have_functions(offered):
    (item,) = offered([GOATS], tokenizer=Characters(ToolChat()))
    assert item.prompt == ToolPrompts(ToolChat()).prompt(QUESTION, [GOATS])


@pytest.mark.parametrize(
    ("tools", "column", "message"),
    [
        ([GOATS], "functions", "its rows have no column 'functions' of functions; they have quest"),
        ("none", "tools", "benchmark offered: Expecting value"),
        ([{"description": "nameless"}], "tools", "benchmark offered: a function in the column"),
    ],
)
def test_rows_without_functions_are_refused_in_one_line(offered, tools, column, message):
    with pytest.raises(SpecError, match=message) as error:
        offered(tools, column)
    assert "\n" not in str(error.value)


def test_tools_and_examples_are_refused():
    with pytest.raises(SpecError, match="tools needs shots=0"):
        Benchmark(
            name="b", metric=None, task="t.yaml", tools="tools", shots=1,
            scorer=lambda item: None, aggregate=Mean("correct"),
        )  # fmt: skip
