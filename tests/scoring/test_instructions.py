"""Instructions: every conforming answer passes, and each single violation fails by itself."""

import json
import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.embedded.world import instructions as world
from unicomp.data.sources import Source
from unicomp.errors import ScoringError
from unicomp.scoring.instructions import InstructionsFollowed
from unicomp.scoring.tiny_instructions import CHECKS
from unicomp.spec import Item

ROWS = [
    json.loads(line)
    for line in (Source("embedded").folder / "allenai/IFBench_test/default/train.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
KEYS = ("words", "word", "count", "separator", "phrase", "left", "right")


def row_of(task):
    """The row of a task, with IFBench's columns: the same keys for each instruction."""
    content = {"words": list(task.words), "word": task.word, "count": task.count}
    forms = {
        "case": lambda value: {},
        "separator": lambda value: {"separator": value},
        "starts_with": lambda value: {"phrase": value},
        "ends_with": lambda value: {"phrase": value},
        "wrapped": lambda value: {"left": value[0], "right": value[1]},
    }
    given = [content, *(forms[kind](value) for kind, value in task.forms)]
    return {
        "instruction_id_list": [world.PREFIX + name for name in task.names()],
        "kwargs": [{key: one.get(key) for key in KEYS} for one in given],
    }


def read(doc, text):
    return InstructionsFollowed()(
        Item(doc=doc, prompt="", responses=(text,), answers={}, results={})
    )


def followed(doc, text):
    """Which instructions a text follows, one by one."""
    return {
        name: read({"instruction_id_list": [name], "kwargs": [arguments]}, text).fields["correct"]
        == 1.0
        for name, arguments in zip(doc["instruction_id_list"], doc["kwargs"], strict=True)
    }


def one(name, text, **arguments):
    """Whether a text follows a single instruction."""
    kwargs = {key: arguments.get(key) for key in KEYS}
    return read({"instruction_id_list": [name], "kwargs": [kwargs]}, text).fields["correct"] == 1.0


# -- each instruction -----------------------------------------------------------------------------

THREE = ["lamp", "stone", "river"]


@pytest.mark.parametrize(
    ("name", "arguments", "right", "wrong"),
    [
        (
            "tiny:copy",
            {"words": THREE},
            ["lamp, stone, river", "LAMP-STONE-RIVER", 'List: "lamp stone river"!'],
            [
                "stone, lamp, river",
                "lamp, stone",
                "lamp, stone, river, river",
                "lamps, stone, river",
            ],
        ),
        (
            "tiny:reverse_order",
            {"words": THREE},
            ["river, stone, lamp", "[River; Stone; Lamp]..."],
            ["lamp, stone, river", "river, lamp, stone", "river stone"],
        ),
        (
            "tiny:alphabetical",
            {"words": ["stone", "lamp", "river"]},
            ["lamp, river, stone", "Lamp River Stone?"],
            ["stone, lamp, river", "lamp, stone, river", "lamp, river"],
        ),
        (
            "tiny:omit",
            {"words": THREE, "word": "stone"},
            ["lamp, river", "(lamp + river)~"],
            ["lamp, stone, river", "stone", "river, lamp", "lamp"],
        ),
        (
            "tiny:first_words",
            {"words": THREE, "count": 2},
            ["lamp, stone", "Here: lamp / stone."],
            ["lamp", "stone, river", "lamp, stone, river"],
        ),
        (
            "tiny:repeat",
            {"words": ["lamp"], "count": 3},
            ["lamp, lamp, lamp", "LAMP LAMP LAMP!"],
            ["lamp, lamp", "lamp", "lamp, lamp, lamp, lamp", "lamplamplamp"],
        ),
        (
            "tiny:uppercase",
            {},
            ["LAMP, STONE", "Answer: LAMP!", "[LAMP - RIVER]"],
            ["Lamp, STONE", "lamp", "", "!!!", "Answer: Lamp", "123"],
        ),
        (
            "tiny:title_case",
            {},
            ["Lamp, Stone", "Done: Lamp...", "(Lamp; River)"],
            ["LAMP, STONE", "lamp", "Lamp, stone", "", "LaMp", "..."],
        ),
        (
            "tiny:separator",
            {"separator": "; "},
            ["lamp; stone; river", 'List: "lamp; stone"!', "lamp"],
            ["lamp;stone", "lamp, stone", "lamp; stone;", "lamp;  stone", "lamp; stone, river"],
        ),
        (
            "tiny:starts_with",
            {"phrase": "Answer:"},
            ["Answer: lamp", "  Answer: LAMP!"],
            ["Answer:lamp", "answer: lamp", "lamp Answer: ", "The Answer: lamp", "Answer:"],
        ),
        (
            "tiny:ends_with",
            {"phrase": "..."},
            ["lamp...", "lamp, stone...\n", "(lamp)..."],
            ["lamp", "lamp..", "lamp....", "lamp...!", "...lamp", "lamp… "],
        ),
        (
            "tiny:wrapped",
            {"left": "[", "right": "]"},
            ["[lamp, stone]", "[lamp]!", "Words: [lamp, stone]..."],
            ["(lamp)", "[lamp", "lamp]", "lamp, stone", "[lamp], [stone] and", "[lamp)"],
        ),
    ],
)
def test_each_instruction_is_checked_by_itself(name, arguments, right, wrong):
    for text in right:
        assert one(name, text, **arguments), text
    for text in wrong:
        assert not one(name, text, **arguments), text


def test_every_instruction_of_the_world_has_a_check():
    documented = set(re.findall(r"^tiny:\w+", world.__doc__, re.MULTILINE))
    measured = {name for row in ROWS for name in row["instruction_id_list"]}
    assert documented == set(CHECKS)
    assert measured <= documented


def test_marks_that_differ_left_and_right_or_not_are_both_known():
    for left, right in (('"', '"'), ("[", "]"), ("(", ")"), ("*", "*")):
        assert one("tiny:wrapped", f"{left}lamp{right}", left=left, right=right)


# -- agreement with the generator -----------------------------------------------------------------

tasks = st.integers(0, 2**32 - 1).map(lambda seed: world.task(Random(seed)))


@given(tasks)
@settings(deadline=None, max_examples=200)
def test_every_conforming_answer_passes(task):
    reading = read(row_of(task), task.answer())
    assert reading.fields == {"correct": 1.0, "prompt_level_strict": 1.0, "followed": 1.0}
    assert reading.parsed


def violations(task):
    """(instruction, answer) pairs; each answer breaks only that instruction."""
    forms = dict(task.forms)
    words = task.result()
    case = {
        "uppercase": [word.upper() for word in words],
        "title_case": [word.capitalize() for word in words],
    }.get(forms.get("case"), words)

    def answer(words=case, **changed):
        now = {**forms, **changed}
        left, right = now.get("wrapped") or ("", "")
        opener = f"{now['starts_with']} " if now.get("starts_with") else ""
        core = now.get("separator", ", ").join(words)
        return f"{opener}{left}{core}{right}{now.get('ends_with') or ''}"

    assert answer() == task.answer()
    yield task.content, answer([*case, case[0]])
    if len(case) > 1:
        yield task.content, answer(case[:-1])
    if "case" in forms:
        yield forms["case"], answer(words)
        yield forms["case"], answer([case[0], *words[1:]] if len(words) > 1 else words)
    if "separator" in forms and len(case) > 1:
        for other in {*world.SEPARATORS, ", ", " "} - {forms["separator"]}:
            yield "separator", answer(separator=other)
    if "starts_with" in forms:
        for other in {*world.OPENERS, None} - {forms["starts_with"]}:
            yield "starts_with", answer(starts_with=other)
    if "ends_with" in forms:
        for other in {*world.CLOSERS, "..", None} - {forms["ends_with"]}:
            yield "ends_with", answer(ends_with=other)
    if "wrapped" in forms:
        for other in {*world.WRAPPERS, None} - {forms["wrapped"]}:
            yield "wrapped", answer(wrapped=other)


@given(tasks)
@settings(deadline=None, max_examples=200)
def test_each_single_violation_fails_and_fails_alone(task):
    doc = row_of(task)
    for name, text in violations(task):
        found = followed(doc, text)
        assert [key for key, kept in found.items() if not kept] == [world.PREFIX + name], text
        reading = read(doc, text)
        assert reading.fields["correct"] == 0.0
        assert reading.fields["followed"] == pytest.approx(1 - 1 / len(found))


def test_the_prompt_as_an_answer_fails_every_row():
    assert not any(read(row, row["prompt"]).fields["correct"] for row in ROWS)


def test_the_listed_words_as_an_answer_fail_every_row():
    """Every row has an instruction on the form, so words alone are not enough."""
    for row in ROWS:
        words = row["kwargs"][0]["words"]
        assert not read(row, ", ".join(words)).fields["correct"]


@given(st.sampled_from(ROWS), st.text())
@settings(deadline=None)
def test_gibberish_fails_and_never_crashes(row, text):
    assert read(row, text).fields["correct"] == 0.0


@given(st.sampled_from(ROWS), st.sampled_from(ROWS))
@settings(deadline=None)
def test_the_answer_to_another_prompt_is_not_good_enough(row, other):
    words = [set(one["kwargs"][0]["words"]) for one in (row, other)]
    if words[0] & words[1]:
        return
    text = " ".join(other["kwargs"][0]["words"])
    assert read(row, text).fields["correct"] == 0.0


def test_an_answer_without_words_is_unparsed():
    assert not read(ROWS[0], "...!?").parsed
    assert not read(ROWS[0], "").parsed


def test_an_unknown_instruction_is_refused():
    with pytest.raises(ScoringError, match="'tiny:sing' has no check"):
        read({"instruction_id_list": ["tiny:sing"], "kwargs": [None]}, "la")
