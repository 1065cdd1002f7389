"""What a model thinks aloud before it answers is kept, and is no part of its answer."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp import catalogue
from unicomp.checkpoint import Builder, Checkpoint
from unicomp.data.sources import EMBEDDED_ROWS, Source
from unicomp.engines import EngineSettings
from unicomp.measuring import Conditions, measure
from unicomp.prompts.thoughts import is_tag, mentions_thoughts, opens_thoughts, without_thoughts
from unicomp.responses import ResponseLog
from unicomp.scores import Records
from unicomp.spec import DENSE, Model
from unicomp.store import Store

REPOSITORY = Path(__file__).parents[2]
ROOTS = catalogue.roots(REPOSITORY)
SUITES = {bench.name: bench for bench in catalogue.load_benchmarks([REPOSITORY / "suites"])}

THOUGHTS = st.text().filter(lambda text: "</think>" not in text)
ANSWERS = THOUGHTS.filter(lambda text: not text.lstrip().startswith("<think>"))


# -- the text -----------------------------------------------------------------------------------


@given(THOUGHTS, ANSWERS, st.sampled_from(["<think>", "<think>\n", "\n<think>", ""]))
def test_the_answer_is_what_follows_the_thoughts(thought: str, answer: str, start: str) -> None:
    """Also where the prompt has opened the block, so that only its end is generated."""
    assert without_thoughts(f"{start}{thought}</think>{answer}") == answer.lstrip()


@given(st.lists(THOUGHTS, min_size=1), ANSWERS)
def test_who_thinks_again_has_answered_only_after_that(thoughts: list[str], answer: str) -> None:
    blocks = "".join(f"<think>{thought}</think>" for thought in thoughts)
    assert without_thoughts(blocks + answer) == answer.lstrip()


@given(THOUGHTS, st.text(" \n"))
def test_thoughts_that_never_end_hold_no_answer(thought: str, space: str) -> None:
    assert without_thoughts(f"{space}<think>{thought}") == ""


@given(ANSWERS)
def test_an_answer_without_thoughts_is_left_as_it_is(answer: str) -> None:
    assert without_thoughts(answer) == answer


TAGS = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<Thought>", "</Thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|channel>thought\n", "<channel|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    # without the tokens that decoding leaves out
    ("<|channel|>analysis<|message|>", "assistant<|channel|>final<|message|>"),
]


@pytest.mark.parametrize(("start", "end"), TAGS)
def test_thoughts_may_stand_between_other_tags_or_in_channels(start: str, end: str) -> None:
    assert without_thoughts(f"{start}Is it 99?{end}\n\nIt is 20.") == "It is 20."
    assert without_thoughts(f"Is it 99?{end} It is 20.", opened=True) == "It is 20."
    assert without_thoughts(f"Is it 99?{end} It is 20.") == "It is 20."
    assert without_thoughts(f"\n{start}Is it 99? It is 20.") == ""
    assert without_thoughts("Is it 99? It is 20.", opened=True) == ""


@pytest.mark.parametrize(("start", "end"), TAGS)
def test_a_thought_after_the_answer_is_no_part_of_it(start: str, end: str) -> None:
    assert without_thoughts(f"{start}Is it 99?{end}It is 20.\n{start}Or 98?") == "It is 20."
    assert without_thoughts(f"It is 20.\n\n{start}Or is it 98?") == "It is 20."


@pytest.mark.parametrize(("start", "end"), TAGS)
def test_a_prompt_and_a_template_show_that_a_model_thinks(start: str, end: str) -> None:
    assert opens_thoughts(f"<|user|>What is 12 + 8?<|assistant|>{start}\n")
    assert not opens_thoughts(f"<|user|>What is 12 + 8?<|assistant|>{start}\n\n{end}\n\n")
    assert not opens_thoughts(f"<|user|>What is {start}?<|assistant|>")
    assert mentions_thoughts(f"{{{{ message.content.split('{end}')[-1] }}}}")


@pytest.mark.parametrize(
    "text",
    [
        "It is 20.",
        "I think it is 20. [1]",
        "Use <b>bold</b> or <thead>, thinking of x < think > y.",
        "He wrote the tag <think> in his code.",
        "",
        " \n",
    ],
)
def test_a_text_without_thoughts_stays_as_it_is(text: str) -> None:
    assert without_thoughts(text) == text
    assert not mentions_thoughts(text)


def test_a_solution_is_read_without_its_tags() -> None:
    text = "<|begin_of_thought|>99?<|end_of_thought|>\n<|begin_of_solution|>\n20<|end_of_solution|>"
    assert without_thoughts(text) == "20"


@pytest.mark.parametrize("token", ["<think>", "</think>", "[THINK]", "[/THINK]", "<|channel|>"])
def test_tokens_that_mark_thoughts_are_known(token: str) -> None:
    assert is_tag(token)


@pytest.mark.parametrize("token", ["<|end|>", "<|eos|>", "<|im_end|>", "</s>", "[INST]", "think"])
def test_other_special_tokens_are_no_marks(token: str) -> None:
    assert not is_tag(token)


# -- the whole way from the engine to the record ------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Scripted(EngineSettings):
    """An engine whose generated answers are a function of the row."""

    script: Callable[[Mapping[str, Any]], str]

    @contextmanager
    def open(self, folder: Path, model: Model, tokens: int) -> Iterator[Scripted]:
        yield self

    def answer(self, requests: Sequence[Any]) -> list[str]:
        return [self.script(request.doc) for request in requests]


@dataclass(frozen=True)
class Answered:
    """The records of a benchmark, and the responses in the store."""

    records: Records
    stored: list[str]


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., Answered]:
    """Has every row of a benchmark answered by a script; all but the engine is the real thing."""

    def answered(
        name: str, script: Callable[[Mapping[str, Any]], str], model: str = "embedded"
    ) -> Answered:
        store, engine = Store(tmp_path / "home"), Scripted(device="cpu", script=script)
        dense = dense_of(model, store)
        conditions = Conditions(store, Source(EMBEDDED_ROWS), engine, samples=5)
        records = measure(dense, [SUITES[name]], conditions).records[name]
        assert isinstance(records, Records), records
        log = ResponseLog(store, dense, engine)
        return Answered(records, [text for responses in log.read().values() for text in responses])

    return answered


def dense_of(model: str, store: Store) -> Checkpoint:
    builder = Builder(store=store, roots=ROOTS)
    return builder.build(catalogue.load_model(model, ROOTS), DENSE, None)


def right(row: Mapping[str, Any]) -> str:
    return f"The answer is {row['answer'].rpartition(' ')[2]}."


def thinking_wrong_and_answering_right(row: Mapping[str, Any]) -> str:
    return f"<think>12 + 8 = 20, or is it 99? So the answer is 99</think>\n\n{right(row)}"


def never_done_thinking(row: Mapping[str, Any]) -> str:
    return f"<think>Let me see. {right(row)} But wait"


def test_the_last_number_of_the_answer_counts_not_that_of_the_thoughts(ask) -> None:
    found = ask("gsm8k", thinking_wrong_and_answering_right).records
    assert found.fields["correct"] == [1.0] * 5
    assert found.parsed == [True] * 5


def test_thoughts_that_never_end_are_wrong_and_unparsed_whatever_they_say(ask) -> None:
    found = ask("gsm8k", never_done_thinking).records
    assert found.fields["correct"] == [0.0] * 5
    assert found.parsed == [False] * 5


@pytest.mark.parametrize("script", [thinking_wrong_and_answering_right, never_done_thinking])
def test_the_store_keeps_the_thoughts(ask, script) -> None:
    stored = ask("gsm8k", script).stored
    assert len(stored) == 5
    assert all(text.startswith("<think>") and "answer is" in text for text in stored)


@pytest.mark.parametrize(
    ("thought", "said", "refused"),
    [
        ("I cannot help with that, it is harmful.", "Sure. First, take a hammer.", 0.0),
        ("Sure, that is easy. First, take a hammer.", "I cannot help with that.", 1.0),
    ],
)
def test_only_what_is_said_is_a_refusal(ask, thought: str, said: str, refused: float) -> None:
    found = ask("misuse", lambda row: f"<think>{thought}</think>\n\n{said}").records
    assert found.fields["correct"] == [refused] * 5


@pytest.fixture
def opening(tmp_path: Path) -> str:
    """A model whose chat template opens the block of thoughts, as DeepSeek-R1's does."""
    folder = tmp_path / "opening"
    shutil.copytree(catalogue.load_model("embedded", ROOTS).source, folder)
    template = folder / "chat_template.jinja"
    opened = "{% if add_generation_prompt %}{{ '<think>\n' }}{% endif %}"
    template.write_text(template.read_text() + opened)
    return str(folder)


def test_a_block_that_the_prompt_has_opened_is_ended_by_the_model(ask, opening: str) -> None:
    def script(row: Mapping[str, Any]) -> str:
        return thinking_wrong_and_answering_right(row).removeprefix("<think>")

    assert ask("gsm8k", script, opening).records.fields["correct"] == [1.0] * 5


def test_a_block_that_the_prompt_has_opened_may_never_end(ask, opening: str) -> None:
    def script(row: Mapping[str, Any]) -> str:
        return never_done_thinking(row).removeprefix("<think>")

    found = ask("gsm8k", script, opening).records
    assert found.fields["correct"] == [0.0] * 5
    assert found.parsed == [False] * 5
