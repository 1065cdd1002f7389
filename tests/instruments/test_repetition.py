"""Loops and copies in any language, and texts that only look like them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp.instruments.repetition import is_copy, is_loop, without_copy

TEXT = "the river stands below a quiet hill where old boats wait for wind and rain"
WORDS = TEXT.replace(" a ", " one ").split()
ASKED = "What stands by the water near the old mill?"


@given(st.lists(st.sampled_from(WORDS), max_size=7, unique=True))
def test_a_few_words_are_no_loop(words):
    assert not is_loop(" ".join(words))


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3), st.integers(8, 40))
def test_the_same_few_words_over_and_over_are_a_loop(words, times):
    assert is_loop(" ".join(words * times)) or len(set(words)) >= len(words * times) / 4


@pytest.mark.parametrize(
    "text",
    [
        "我不知道。" * 9,
        "はい、そうです。" * 9,
        "네 알겠습니다 " * 9,
        "я не знаю " * 9,
        "aaaaaaaaaaaaaaaa",
        "hahahahahahahahahaha",
        "yes " * 9,
        "so 2 + 2 = 4. " * 9,
        "4=4=4=4=4=4=4=4=4=4",
    ],
)
def test_loops_are_loops_in_any_writing(text):
    assert is_loop(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "No, no, no.",
        "我不知道。我从来没有去过那里,也没有人告诉过我那里有什么。",
        "x = 2y + 3\ny = x - 4\nx = 2(x - 4) + 3\nx = 2x - 5\nx = 5\ny = 1",
        "She has 5 + 3 = 8 eggs. She sells 8 - 2 = 6 eggs for 2 each, so she gets 6 * 2 = 12.",
        "1. bread 2. milk 3. flour 4. eggs 5. salt 6. butter 7. yeast 8. honey",
    ],
)
def test_what_only_returns_to_its_words_is_no_loop(text):
    assert not is_loop(text)


@given(st.lists(st.sampled_from(WORDS), min_size=4, max_size=30), st.integers(4, 30))
def test_a_prompt_or_its_beginning_is_a_copy(words, length):
    assert is_copy(" ".join(words[:length]), " ".join(words))
    assert not is_copy("Something else entirely, I think.", " ".join(words))


@pytest.mark.parametrize(
    "asked", [ASKED, "磨坊旁边的水边有什么东西?", "ما الذي يقف بجانب الماء القديم؟"]
)
def test_copies_are_copies_in_any_writing_and_however_often(asked):
    assert is_copy(asked, asked)
    assert is_copy(f"Question: {asked} {asked}", asked)
    assert is_copy(f"{asked} {asked} {asked.split()[0]}", asked)


def test_an_answer_after_a_copy_is_no_copy():
    answer = "A tall heron that waits for fish."
    assert not is_copy(f"{ASKED} {answer}", ASKED)
    assert without_copy(f"{ASKED} {answer}", ASKED) == answer


def test_an_answer_in_the_words_of_a_long_prompt_is_no_copy():
    options = "A. I tell the miller that his boat was taken by the baker. B. I say nothing."
    answer = "A. I tell the miller that his boat was taken by the baker."
    assert not is_copy(answer, f"What do you do? {options}")
    assert not is_copy("Nobody", "")
