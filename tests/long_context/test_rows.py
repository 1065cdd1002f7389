"""Made rows fit their length for any tokenizer, hold their answers, and are the same each time."""

import re
from dataclasses import dataclass, replace
from functools import partial
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suites.shipping.test_long_context import LENGTHS, of_length, ruler_4k
from tests.long_context.golden import FOLDER, shown
from tests.suites.golden import Chat
from unicomp import (
    Answering,
    Benchmark,
    Mean,
    NamesExpected,
    RulerRows,
    SpecError,
    UnmeasuredError,
    reworded,
)
from unicomp.data.sources import Source
from unicomp.errors import ContextError
from unicomp.framework import BESIDE, SHIPPING_PROFILE
from unicomp.long_context.fitting import fitted
from unicomp.long_context.tasks import COMMON, TASKS
from unicomp.prompts.items import SPARE, Renderer
from unicomp.prompts.sizes import size_of
from unicomp.testing import Characters

TASK = ruler_4k.task


def count(split):
    """A toy tokenizer: how many pieces a pattern finds in a prompt and its prefix."""
    return lambda prompt, prefix: len(re.findall(split, f"{prompt}\n{prefix}"))


TOKENIZERS = {
    "words": count(r"\w+|\W"),
    "characters": count(r"(?s)."),
    "three letters": count(r"(?s).{1,3}"),
    "digits alone": count(r"\d|[a-zA-Z]{1,4}|\s*[^\w\s]|\s+"),
}
numbers = st.integers(0, 10_000)


@pytest.mark.parametrize("name", TASKS)
@settings(max_examples=8, deadline=None)
@given(number=numbers, length=st.integers(2600, 9000), tokens=st.sampled_from([*TOKENIZERS]))
def test_a_row_fills_its_length_and_never_more(name, number, length, tokens):
    rows = RulerRows(length=length, tasks=(name,))
    split, room = TOKENIZERS[tokens], length - 130
    row = rows.row(number, split, room)
    used = split(row.prompt, row.prefix)
    assert 0.85 * room - 400 <= used <= room
    assert row.new_tokens <= 128


@pytest.mark.parametrize("name", TASKS)
@settings(max_examples=8, deadline=None)
@given(number=numbers)
def test_a_text_holds_what_is_right_and_the_other_candidates(name, number):
    row = RulerRows(length=4000, tasks=(name,)).row(number, TOKENIZERS["words"], 3870)
    outputs, wrong = row.columns["outputs"], row.columns["wrong"]
    found = set(re.findall(r"[\w-]*\w", row.prompt))
    assert {*outputs, *wrong} <= found
    assert not {*outputs} & {*wrong}
    assert len({*outputs}) == len(outputs)
    assert not any(one in row.prefix for one in outputs)


def test_the_answers_stand_at_any_depth():
    rows = RulerRows(length=4000, tasks=("single_2",))
    made = [rows.row(number, TOKENIZERS["words"], 3870) for number in range(40)]
    depths = [one.prompt.index(one.columns["outputs"][0]) / len(one.prompt) for one in made]
    assert min(depths) < 0.2
    assert max(depths) > 0.8


def test_the_numbers_of_needles_are_those_of_ruler():
    def made(name):
        columns = RulerRows(length=4000, tasks=(name,)).row(0, TOKENIZERS["words"], 3870).columns
        return len(columns["outputs"]), len(columns["wrong"])

    assert [made(f"single_{number}") for number in (1, 2, 3)] == [(1, 0)] * 3
    assert made("multikey_1") == (1, 3)
    assert made("multikey_2")[1] > 50
    assert made("multikey_3")[1] > 20
    assert made("multivalue") == made("multiquery") == (4, 0)
    assert made("tracing")[0] == 5
    assert made("common_words")[0] == COMMON
    assert made("frequent_words")[0] == 3
    assert TASKS.keys() == {*RulerRows(length=4096).tasks}
    assert len(TASKS) == 13


@given(units=st.integers(60, 3000))
@settings(max_examples=30, deadline=None)
def test_the_three_most_frequent_words_are_more_frequent_than_any_other(units):
    text = TASKS["frequent_words"].forms[0](Random(units), units)
    words = text.prompt.split()
    least = min(words.count(word) for word in text.outputs)
    assert all(words.count(word) < least for word in text.wrong)


def test_common_words_are_more_common_than_others():
    row = RulerRows(length=8192, tasks=("common_words",)).row(3, TOKENIZERS["words"], 8000)
    words = row.prompt.rpartition("\n\n1. ")[2].split()
    counts = {word: words.count(word) for word in row.columns["outputs"]}
    assert set(counts.values()) == {30}


def test_the_same_seed_makes_the_same_rows_and_another_seed_others():
    rows, tokens = RulerRows(length=4000), TOKENIZERS["words"]
    for number in range(13):
        assert rows.row(number, tokens, 3870) == rows.row(number, tokens, 3870)
        assert rows.row(number, tokens, 3870) != replace(rows, seed=1).row(number, tokens, 3870)
        longer = replace(rows, length=4001).row(number, tokens, 3870)
        assert rows.row(number, tokens, 3870) != longer


def test_a_number_of_rows_takes_each_task_alike():
    rows = RulerRows(length=4000, each=2, tasks=("single_1", "question_1"))
    assert rows.size == 4
    made = [rows.row(number, TOKENIZERS["words"], 3870).columns["task"] for number in range(4)]
    assert made == ["single_1", "question_1"] * 2
    assert len({rows.identity_of(number) for number in range(4)}) == 4


def test_a_room_that_is_too_small_for_a_task_is_named():
    rows = RulerRows(length=300, tasks=("common_words",))
    with pytest.raises(UnmeasuredError, match="the task common_words of RULER has no text of 170"):
        rows.row(0, TOKENIZERS["characters"], 170)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"length": 0}, "at least 1"),
        ({"length": 512, "each": 0}, "at least 1"),
        ({"length": 512, "tasks": ("singel_1",)}, "RULER has no task 'singel_1'"),
        ({"length": 512, "tasks": ()}, "at least one task"),
    ],
)
def test_rows_that_cannot_be_made_are_refused(settings, message):
    with pytest.raises(SpecError, match=message):
        RulerRows(**settings)


@given(
    each=st.floats(0.5, 40), start=st.integers(0, 300), room=st.integers(1, 5000), least=st.just(5)
)
def test_a_fitted_text_is_as_long_as_its_room(each, start, room, least):
    made = []

    def tokens(units):
        made.append(units)
        return start + int(each * units)

    units = fitted(lambda units: units, tokens, room, least)
    if units is None:
        assert start + int(each * least) > room
    else:
        assert start + int(each * units) <= room
        assert start + each * (units + 4) + 0.011 * room >= room or each < 0.6
    assert sum(one > least + 64 for one in made) <= 8


@pytest.mark.parametrize("name", TASKS)
def test_the_smallest_texts_are_the_golden_ones(name):
    assert shown(TASKS[name]) == (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def test_each_golden_text_is_of_a_task():
    assert {path.stem for path in FOLDER.iterdir()} == TASKS.keys()


# -- as items -------------------------------------------------------------------------------------

small = partial(
    Benchmark,
    name="far",
    metric="long_context",
    task=TASK,
    max_new_tokens=128,
    scorer=NamesExpected(),
    aggregate=Mean("correct", by="task"),
)
FAR = small(rows=RulerRows(length=2048, each=3, tasks=("single_2", "tracing", "question_1")))
HUB = Source("hub")


@dataclass(frozen=True)
class ThinkingChat(Chat):
    identity: str = "chat <think></think>"


def test_items_are_asked_as_the_template_writes_them_and_begin_the_answer():
    for tokenizer in (Characters(), Characters(Chat())):
        for one in Renderer(HUB).items(FAR, tokenizer):
            prompt, decoding = one.requests[0].arguments
            assert len(prompt) <= 2048 - 128 - SPARE
            assert decoding["max_gen_toks"] == TASKS[one.doc["task"]].new_tokens
            assert decoding["do_sample"] is False
            begun = prompt.rpartition("\n")[2] or prompt.splitlines()[-1]
            assert begun.startswith(("The secret number", "The value", "Answer:"))
            assert ("[user]" in prompt) == (tokenizer.template is not None)
            assert one.right_answer == ", ".join(one.doc["outputs"])


def test_a_model_that_thinks_begins_its_answer_itself_and_has_the_most_tokens():
    for one in Renderer(HUB).items(FAR, Characters(ThinkingChat())):
        prompt, decoding = one.requests[0].arguments
        assert prompt.endswith("[assistant]\n")
        assert decoding["max_gen_toks"] == 128


def test_items_of_two_tokenizers_are_the_same_and_a_sample_is_a_part():
    plain = Renderer(HUB).items(FAR, Characters())
    other = Renderer(HUB).items(FAR, Characters(Chat(), identity="others"))
    assert [one.item for one in plain] == [one.item for one in other]
    assert [one.key for one in plain] != [one.key for one in other]
    assert [one.item for one in Renderer(HUB, 4).items(FAR, Characters())] == [
        one.item for one in plain[:4]
    ]


def test_a_length_beyond_the_context_is_not_asked():
    with pytest.raises(ContextError, match="far fills 2048 tokens, more than the context of 2047"):
        Renderer(HUB).items(FAR, Characters(context=2047))


def test_a_budget_for_thoughts_lies_beside_the_length():
    renderer = Renderer(HUB, answering=Answering(thinking_budget=1000))
    for one in renderer.items(FAR, Characters(ThinkingChat(), context=3048)):
        prompt, decoding = one.requests[0].arguments
        assert decoding["max_gen_toks"] == 1128
        assert 1400 < len(prompt) <= 2048 - 128 - SPARE
    with pytest.raises(ContextError, match="far fills 3048 tokens, more than the context of 3047"):
        Renderer(HUB, answering=Answering(thinking_budget=1000)).items(
            FAR, Characters(ThinkingChat(), context=3047)
        )


def test_the_size_of_a_length_is_known_without_rows():
    definition = Renderer(HUB).definition(ruler_4k)
    definition.check()
    assert size_of(definition).items == 260
    assert definition.identity(str)["rows"] == repr(ruler_4k.rows)


class OwnRows(RulerRows):
    """Rows whose code may change without a trace."""


def test_records_of_rows_that_are_made_elsewhere_are_read_again():
    definition = Renderer(HUB).definition(small(rows=OwnRows(length=2048)))
    assert definition.identity(str) is None


def test_made_rows_need_room_and_no_settings_of_data_sets():
    with pytest.raises(SpecError, match="below their length of 128"):
        small(rows=RulerRows(length=128))
    with pytest.raises(SpecError, match="made rows have no shots"):
        small(rows=RulerRows(length=512), shots=2)
    with pytest.raises(SpecError, match="its rows are made, which have one wording"):
        reworded(FAR)


def test_the_suite_has_six_lengths_of_the_metric_and_short_texts_beside_it():
    short, *lengths = LENGTHS
    assert [bench.rows.length for bench in lengths] == [4096 * 2**step for step in range(6)]
    assert tuple(bench.name for bench in lengths) == SHIPPING_PROFILE.benchmarks("long_context")
    assert short.name in BESIDE
    assert short.rows.size == 180


def test_the_docstring_shows_the_end_of_an_item():
    made = TASKS["single_1"].forms[0](Random(0), 8)
    asked = f"{made.prompt}\n{made.prefix}"
    lines = [line.strip() for line in of_length.__doc__.splitlines()[2:] if line.strip()]
    key, value = re.search(r"of (\S+) is (\d+)\.", lines[0]).groups()
    own = re.search(r"secret number of (\S+) is (\d+)\.", asked)
    expected = [line.replace(key, own[1]).replace(value, own[2]) for line in lines]
    assert expected == [line for line in asked.splitlines() if line in expected]
