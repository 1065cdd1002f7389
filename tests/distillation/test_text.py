"""The text comes in full rows, reproducibly, and contains no question of a test."""

from itertools import islice, pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.distillation import tiny
from unicomp import catalogue
from unicomp.data.sources import Source
from unicomp.distillation.text import Text, encode
from unicomp.distillation.training import Training

TRAINING = Training(tokens=10_000, sequence=24, batch=4, learning_rate=1e-3)


@pytest.fixture(scope="module")
def words():
    return tiny.tokenizer()


def rows_of(text, count):
    return [text.batch(4) for _ in range(count)]


def equal(one, other):
    return all(
        torch.equal(getattr(one, name), getattr(other, name))
        for name in ("input_ids", "weights", "positions")
    )


def pieces(batch):
    """The samples of a batch as token ids, separated by its positions."""
    for ids, places, weights in zip(batch.input_ids, batch.positions, batch.weights, strict=True):
        starts = [*(places == 0).nonzero().flatten().tolist(), len(ids)]
        for start, end in pairwise(starts):
            if ids[start] != 0:  # padding is a piece of its own
                yield ids[start:end].tolist(), weights[start:end].tolist()
            else:
                assert not weights[start:end].any()


def test_every_sample_is_whole_and_occurs_once(words):
    text = Text(tiny.stream, words, TRAINING)
    drawn = [tuple(ids) for batch in rows_of(text, 20) for ids, _ in pieces(batch)]
    known = [tuple(ids) for ids, _ in encode(words, list(islice(tiny.stream(), 2000)))]
    assert len(drawn) > 150
    for ids in set(drawn):
        assert drawn.count(ids) <= known.count(ids)
    assert sorted(drawn)[0][0] == words.bos_token_id


def test_little_room_is_left(words):
    batches = rows_of(Text(tiny.stream, words, TRAINING), 20)
    assert sum(batch.tokens for batch in batches) > 0.9 * sum(b.input_ids.numel() for b in batches)


def test_a_long_text_is_cut_and_nothing_of_it_is_lost(words):
    long = " ".join(tiny.WORDS * 9)

    def stream(start):
        while True:
            yield long

    text = Text(stream, words, TRAINING)
    lengths = [len(ids) for batch in rows_of(text, 10) for ids, _ in pieces(batch)]
    assert set(lengths) == {24, 100 % 24}, "99 words and the end of the text"


def test_the_first_token_of_a_sample_is_not_predicted(words):
    for ids, weights in pieces(Text(tiny.stream, words, TRAINING).batch(4)):
        assert weights == [0.0] + [1.0] * (len(ids) - 1)


def test_answers_weigh_what_they_should(words):
    talk = (
        {"role": "user", "content": "a colour is"},
        {"role": "assistant", "content": "red"},
        {"role": "user", "content": "and"},
        {"role": "assistant", "content": "not red and not green and not blue"},
    )
    ((ids, weights),) = encode(words, [talk], prompt_weight=0.25, answer_weight=6.0)
    said = [*["<s>", "<u>", "a", "colour", "is", "<a>"], *["red", "</s>"]]
    assert words.convert_ids_to_tokens(ids)[:8] == said
    assert weights == [0.25] * 6 + [3.0] * 2 + [0.25] * 3 + [1.0] * 9


def test_a_conversation_without_a_template_is_text():
    plain = tiny.tokenizer(template=None)
    ((ids, weights),) = encode(plain, [next(tiny.stream())])
    assert ids[-1] == plain.eos_token_id
    assert set(weights) == {1.0}


def test_no_token_sees_the_sample_beside_it(words):
    model = tiny.model().eval()
    batch = Text(tiny.stream, words, TRAINING).batch(4)
    with torch.no_grad():
        together = model(
            input_ids=batch.input_ids, position_ids=batch.positions, use_cache=False
        ).logits
        for ids, places, logits in zip(batch.input_ids, batch.positions, together, strict=True):
            starts = [*(places == 0).nonzero().flatten().tolist(), len(ids)]
            for start, end in pairwise(starts):
                alone = model(input_ids=ids[None, start:end]).logits[0]
                torch.testing.assert_close(logits[start:end], alone, rtol=1e-4, atol=1e-5)


@settings(max_examples=20)
@given(before=st.integers(0, 12), processes=st.integers(1, 3))
def test_the_text_goes_on_as_if_it_had_not_been_interrupted(words, before, processes):
    for rank in range(processes):
        undisturbed = Text(tiny.stream, words, TRAINING, rank=rank, processes=processes)
        rows_of(undisturbed, before)
        resumed = Text(tiny.stream, words, TRAINING, rank=rank, processes=processes)
        resumed.resume(undisturbed.state())
        for one, other in zip(rows_of(undisturbed, 4), rows_of(resumed, 4), strict=True):
            assert equal(one, other)


def test_no_two_processes_read_the_same_sample(words):
    seen = []

    def numbered(start):
        for number, sample in enumerate(tiny.stream(start), start):
            seen.append(number)
            yield sample

    texts = [Text(numbered, words, TRAINING, rank=rank, processes=2) for rank in range(2)]
    first, second = ([tuple(ids) for ids, _ in pieces(t.batch(8)) for _ in (0,)] for t in texts)
    samples = [tuple(ids) for ids, _ in encode(words, list(islice(tiny.stream(), 128)))]
    assert set(first) <= set(samples[0::2])
    assert set(second) <= set(samples[1::2])


# -- the streams of the shipped recipes ---------------------------------------------------------


@pytest.fixture(scope="module")
def generic():
    return catalogue.load_recipe("generic", catalogue.roots(Path("/nowhere")))


def test_the_embedded_text_is_a_function_of_its_seed(generic):
    source = Source("embedded")
    first, again, later = (list(islice(generic.stream(source, 7, at), 50)) for at in (0, 0, 30))
    other = list(islice(generic.stream(source, 8), 50))
    assert first == again != other
    assert later[:20] == first[30:]


@pytest.mark.long
def test_nothing_that_is_asked_in_a_test_is_in_the_embedded_text(generic):
    from fixtures.embedded.rows import GENERIC, POSSIBLE_ANSWERS, asked, generate
    from fixtures.embedded.world.split import normalised

    questions = {
        asked(row)
        for path, rows in generate().items()
        if path != GENERIC and POSSIBLE_ANSWERS not in path
        if "/train." not in path.replace("IFBench_test/default/train", "test")
        for row in rows
    }
    drawn = islice(generic.stream(Source("embedded"), 42), 20_000)
    prompts = {normalised(turns[0]["content"]) for turns in drawn}
    assert len(questions) > 4000
    assert len(prompts) > 8000
    assert not questions & prompts
