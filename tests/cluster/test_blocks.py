"""Blocks are the batches of one process, grouped: no rate of a worker changes what is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp.cluster.blocks import BLOCK_SECONDS, FIRST_SECONDS, Pace, blocks
from unicomp.prompts.items import RenderedItem
from unicomp.responses import one_by_one


def item(name):
    return RenderedItem(item=name, key=name, cluster=name, doc={}, task=None, requests=(name,))


def pace_of(each):
    pace = Pace()
    pace.note("a", 10, 10 * each)
    return pace


def of_one_process(questions, known, smallest):
    """The batches that one process asks, one after the other."""
    answered = dict(known)
    for benchmark, batch in one_by_one(questions, answered, {}, smallest):
        yield benchmark, [one.key for one in batch]
        answered |= {one.key: [] for one in batch}


NAMES = st.lists(st.integers(0, 500).map(str), max_size=700, unique=True)


@given(
    st.dictionaries(st.sampled_from("abc"), NAMES, max_size=3),
    st.sets(st.integers(0, 500).map(str)),
    st.floats(1e-4, 5.0),
    st.integers(1, 128),
)
def test_the_batches_are_those_of_one_process(names, known, each, smallest):
    questions = {bench: [item(name) for name in own] for bench, own in names.items()}
    there = {key: [0] for key in known}
    found = list(blocks(questions, there, pace_of(each), smallest))
    asked = [
        (block.benchmark, [one.key for one in batch]) for block in found for batch in block.batches
    ]
    assert asked == list(of_one_process(questions, there, smallest))
    assert all(block.batches for block in found)


@pytest.mark.parametrize("each", [0.001, 0.05, 2.0])
def test_a_block_is_some_seconds_of_work(each):
    questions = {"a": [item(str(number)) for number in range(14_042)]}
    seconds = [block.seconds for block in blocks(questions, {}, pace_of(each))]
    assert sum(seconds) == pytest.approx(14_042 * each)
    longest = max(BLOCK_SECONDS, 140 * each)  # a batch is the least
    assert max(seconds) <= 2 * longest
    assert len(seconds) >= 14_042 * each / longest


def test_the_pace_is_that_of_the_benchmark_then_of_all_then_a_guess():
    pace = Pace()
    assert pace.of("a") == FIRST_SECONDS
    pace.note("a", 10, 5.0)
    assert (pace.of("a"), pace.of("b")) == (0.5, 0.5)
    pace.note("b", 10, 15.0)
    assert (pace.of("a"), pace.of("b"), pace.of("c")) == (0.5, 1.5, 1.0)
