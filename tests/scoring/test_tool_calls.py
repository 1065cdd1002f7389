"""Tool calls: which are the expected ones by BFCL's rules, and what abstains from calling."""

import json
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp.scoring.call_syntax import Call
from unicomp.scoring.tool_calls import NoToolCall, RightToolCalls, calls_match
from unicomp.spec import Item


def parameters(required=(), **types):
    properties = {
        name: kind if isinstance(kind, dict) else {"type": kind} for name, kind in types.items()
    }
    return {"type": "dict", "properties": properties, "required": list(required)}


TEXTS = {"type": "array", "items": {"type": "string"}}
FLOATS = {"type": "array", "items": {"type": "float"}}
TABLES = {"type": "array", "items": {"type": "dict"}}
FUNCTIONS = [
    {
        "name": "barn.count",
        "parameters": parameters(
            ["barn"], barn="string", most="integer", share="float", lame="boolean", names=TEXTS,
            posts=FLOATS, gate="dict", letters=TABLES, corner="tuple", other="any",
        ),
    },
    {"name": "well", "parameters": parameters()},
]  # fmt: skip


def fits(possible, **arguments):
    """Whether a call with these arguments is the expected one; `barn` need not be said."""
    expected = {"barn": ["north"], **possible}
    call = Call("barn.count", {"barn": "north", **arguments})
    return calls_match([call], [{"barn.count": expected}], FUNCTIONS)


@pytest.mark.parametrize(
    ("possible", "value", "right"),
    [
        ({"barn": ["the north-barn", "N."]}, {"barn": "The North Barn"}, True),
        ({"barn": ["the north-barn", "N."]}, {"barn": "n"}, True),
        ({"barn": ["it's"]}, {"barn": 'it"s'}, True),
        ({"barn": ["north"]}, {"barn": "south"}, False),
        ({"barn": ["5"]}, {"barn": 5}, False),
        ({"most": [5]}, {"most": 5}, True),
        ({"most": [5]}, {"most": 6}, False),
        ({"most": [5]}, {"most": 5.0}, False),
        ({"most": [5]}, {"most": "5"}, False),
        ({"most": [1]}, {"most": True}, False),
        ({"most": ["n"]}, {"most": "n"}, True),
        ({"share": [5.0]}, {"share": 5}, True),
        ({"share": [5]}, {"share": 5.0}, True),
        ({"share": [1.0]}, {"share": True}, False),
        ({"lame": [True]}, {"lame": True}, True),
        ({"lame": [True]}, {"lame": "true"}, False),
        ({"lame": [True]}, {"lame": 1}, False),
        ({"lame": [True]}, {"lame": None}, False),
        ({"names": [["Ida", "Bo"]]}, {"names": ["ida", "bo."]}, True),
        ({"names": [["Ida", "Bo"]]}, {"names": ["Bo", "Ida"]}, False),
        ({"names": [["Ida", "Bo"], ["Bo", "Ida"]]}, {"names": ["Bo", "Ida"]}, True),
        ({"names": [["Ida"]]}, {"names": "Ida"}, False),
        ({"names": [["Ida"]]}, {"names": [["Ida"]]}, False),
        ({"names": [["1"]]}, {"names": [1]}, False),
        ({"posts": [[0.0, 2.5]]}, {"posts": [0, 2.5]}, True),
        ({"posts": [[0.0, 2.5]]}, {"posts": [False, 2.5]}, False),
        ({"corner": [[3, 4]]}, {"corner": [3, 4]}, True),
        ({"gate": [{"width": [1.2], "colour": ["green", ""]}]}, {"gate": {"width": 1.2}}, True),
        (
            {"gate": [{"width": [1.2], "colour": ["green", ""]}]},
            {"gate": {"width": 1.2, "colour": "GREEN"}},
            True,
        ),
        ({"gate": [{"width": [1.2]}]}, {"gate": {"width": 1.2, "colour": "green"}}, False),
        ({"gate": [{"width": [1.2], "colour": ["green"]}]}, {"gate": {"width": 1.2}}, False),
        ({"gate": [{"width": [1.2]}, {"width": [2]}]}, {"gate": {"width": 2}}, True),
        ({"letters": [[{"to": ["Ida"]}, {"to": ["Bo"]}]]}, {"letters": [{"to": "Ida"}]}, False),
        (
            {"letters": [[{"to": ["Ida"]}, {"to": ["Bo"]}]]},
            {"letters": [{"to": "Ida"}, {"to": "bo"}]},
            True,
        ),
        ({"gate": [{"a": [{"b": [1]}]}]}, {"gate": {"a": {"b": 1}}}, True),
        ({"gate": [{"a": [{"b": [1]}]}]}, {"gate": {"a": {"b": 2}}}, False),
        ({"other": ["x"]}, {"other": "x"}, True),
        ({"most": ["", 5]}, {}, True),
        ({"most": [5]}, {}, False),
        ({"most": ["", 5]}, {"most": 5}, True),
        ({"most": ["", 5]}, {"most": 4}, False),
        ({}, {"most": 5}, False),
        ({}, {"unknown": 5}, False),
        ({"unknown": [5]}, {"unknown": 5}, False),
        ({}, {"0": "north"}, False),
    ],
)
def test_an_argument_is_of_its_type_and_one_of_the_possible_values(possible, value, right):
    assert fits(possible, **value) is right


def test_a_required_argument_is_needed_even_where_the_answer_may_lack_it():
    assert not calls_match([Call("barn.count", {})], [{"barn.count": {"barn": [""]}}], FUNCTIONS)
    assert calls_match([Call("well", {})], [{"well": {}}], FUNCTIONS)


def test_another_function_is_wrong():
    assert not calls_match([Call("barn.counts", {"barn": "north"})],
                           [{"barn.count": {"barn": ["north"]}}], FUNCTIONS)  # fmt: skip
    assert not calls_match([Call("mill", {})], [{"mill": {}}], FUNCTIONS)


THREE = [Call("barn.count", {"barn": name}) for name in ("a", "b", "c")]
POSSIBLE = [{"barn.count": {"barn": names}} for names in (["a", "b", "c"], ["a", "b"], ["a"])]


@pytest.mark.parametrize("calls", permutations(THREE))
@pytest.mark.parametrize("expected", permutations(POSSIBLE))
def test_calls_match_in_any_order_if_any_assignment_fits(calls, expected):
    assert calls_match(calls, expected, FUNCTIONS)


@given(st.lists(st.sampled_from("abc"), max_size=4))
def test_only_as_many_calls_as_expected_match(names):
    calls = [Call("barn.count", {"barn": name}) for name in names]
    assert calls_match(calls, POSSIBLE, FUNCTIONS) == (
        len(names) == 3 and names.count("a") >= 1 and names.count("c") <= 1
        and names.count("a") + names.count("b") >= 2
    )  # fmt: skip


# -- readings -------------------------------------------------------------------------------------

ROW = {
    "prompt": "How many goats are in the north barn?",
    "function": json.dumps(FUNCTIONS),
    "ground_truth": json.dumps([{"barn.count": {"barn": ["north"]}}]),
}


def read(scorer, text, **row):
    doc = {**ROW, **row}
    reading = scorer(Item(doc=doc, prompt=f"Functions. {doc['prompt']}", responses=(text,)))
    return reading.fields["correct"], reading.fields["kind"], reading.parsed


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ('[barn.count(barn="north")]', (1.0, "call", True)),
        ('[barn.count(barn="south")]', (0.0, "call", True)),
        ('[barn.count(barn="north"), barn.count(barn="north")]', (0.0, "call", True)),
        ('[barn.count(barn="north"', (0.0, "unreadable", False)),
        ('Here it is: [barn.count(barn="north")]', (0.0, "no call", False)),
        ("There are twelve goats.", (0.0, "no call", False)),
        ("", (0.0, "unreadable", False)),
    ],
)
def test_an_answer_without_a_readable_call_is_wrong(text, read_as):
    assert read(RightToolCalls(), text) == read_as


def test_columns_may_hold_lists_and_wrapped_functions():
    wrapped = [{"type": "function", "function": one} for one in FUNCTIONS]
    given = {"tools": wrapped, "expected": json.loads(ROW["ground_truth"])}
    scorer = RightToolCalls(functions="tools", answers="expected")
    assert read(scorer, '[barn.count(barn="north")]', **given)[0] == 1.0


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("None of the functions tells the colour of a door.", (1.0, "no call", True)),
        ("I'm sorry, but I cannot help with that.", (1.0, "no call", True)),
        ("[]", (0.0, "unreadable", False)),
        ('[barn.count(barn="north")]', (0.0, "call", True)),
        ('[barn.count(barn="north"', (0.0, "unreadable", False)),
        ("<tool_call>{}</tool_call>", (0.0, "unreadable", False)),
        ("xkq zzt#; wvb qpl kkr mnb vvx; zrt plk", (0.0, "unreadable", False)),
        ("the cat and " * 20, (0.0, "unreadable", False)),
        (ROW["prompt"], (0.0, "unreadable", False)),
        (f"Functions. {ROW['prompt']}", (0.0, "unreadable", False)),
        ("", (0.0, "unreadable", False)),
        ("<|endoftext|>", (0.0, "unreadable", False)),
    ],
)
def test_only_a_text_abstains(text, read_as):
    assert read(NoToolCall(), text) == read_as


@pytest.mark.parametrize("text", ["No function fits.", "That cannot be told.", "Green."])
def test_all_abstentions_mean_the_same(text):
    reading = NoToolCall()(Item(doc=ROW, prompt="", responses=(text,)))
    assert reading.means == "no call"
    assert NoToolCall()(Item(doc=ROW, prompt="", responses=("f(a=1)",))).means is None
