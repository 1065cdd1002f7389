"""Guards: most answers of one bad kind make a benchmark degenerate, and honest ones never do."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unicomp.guards import FEWEST, Answer, degeneration, is_echo, is_loop

TEXT = "the river stands below a quiet hill where old boats wait for wind and rain"
WORDS = TEXT.split()


def answers(texts, *, parsed=True, cut=False):
    prompts = (f"Question number {i}: what stands by the water?" for i in range(len(texts)))
    return [
        Answer(prompt=prompt, text=text, parsed=parsed, cut=cut)
        for prompt, text in zip(prompts, texts, strict=True)
    ]


def of(texts, *, varied=True, limit=128, **about):
    return degeneration(answers(texts, **about), varied=varied, limit=limit)


HONEST = [f"{WORDS[i % 15]} {WORDS[(3 * i + 1) % 15]} {i}" for i in range(40)]


def test_honest_answers_are_not_degenerate():
    assert of(HONEST) is None


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ([""] * 40, "empty"),
        ([" \n"] * 40, "empty"),
        (["A"] * 40, "the same, 'a'"),
        (["yes yes yes yes yes yes yes yes yes yes"] * 40, "a loop"),
        ([f"Question number {i}: what stands by the water?" for i in range(40)], "copies"),
    ],
)
def test_most_answers_of_one_bad_kind_are_degenerate(texts, reason):
    assert reason in of(texts)
    half = len(texts) // 2
    if "the same" not in reason:
        assert reason in of([*texts[: half + 1], *HONEST[half + 1 :]])


def test_a_constant_answer_is_right_where_right_answers_do_not_vary():
    assert of(["I cannot help with that."] * 40, varied=False) is None
    assert "the same" in of(["I cannot help with that."] * 40)


def test_answers_that_cannot_be_read_are_degenerate():
    assert "without an answer that can be read" in of(HONEST, parsed=False)


def test_a_short_limit_cuts_long_answers_and_a_long_one_stops_loops():
    assert of(HONEST, cut=True, limit=128) is None
    assert "cut off at 512 tokens" in of(HONEST, cut=True, limit=512)


@given(st.integers(0, FEWEST - 1))
def test_of_few_answers_nothing_is_said(n):
    assert of([""] * n) is None


@given(st.integers(FEWEST, 60), st.data())
@settings(max_examples=50)
def test_half_of_the_answers_may_be_bad(n, data):
    bad = data.draw(st.integers(0, n // 2))
    texts = [""] * bad + [f"{WORDS[i % 15]} {i}" for i in range(n - bad)]
    assert of(texts) is None


@given(st.lists(st.sampled_from(WORDS), max_size=7))
def test_a_few_words_are_no_loop(words):
    assert not is_loop(" ".join(words))


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3), st.integers(8, 40))
def test_the_same_few_words_over_and_over_are_a_loop(words, times):
    assert is_loop(" ".join(words * times)) or len(set(words)) >= len(words * times) / 4


@given(st.lists(st.sampled_from(WORDS), min_size=4, max_size=30), st.integers(4, 30))
def test_a_prompt_or_its_beginning_is_an_echo(words, length):
    assert is_echo(" ".join(words[:length]), " ".join(words))
    assert not is_echo("Something else entirely, I think.", " ".join(words))
