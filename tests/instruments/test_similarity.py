"""Similarity is a number in [-1, 1], the same in every batch."""

import importlib.util
import json
import logging
import os
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.instruments.server import Reply
from unicomp.errors import JudgeError, SpecError
from unicomp.instruments.endpoint import EndpointSettings
from unicomp.instruments.similarity import (
    SIMILARITIES,
    EndpointSimilarity,
    LexicalSimilarity,
    SentenceTransformerSimilarity,
)

INSTALLED = importlib.util.find_spec("sentence_transformers") is not None


def lexical(a, b):
    return LexicalSimilarity().cosine([(a, b)])[0]


# -- by words ------------------------------------------------------------------------------------

texts = st.text(max_size=60) | st.text("ab ć我.漢", max_size=30)


@given(texts, texts)
def test_words_are_compared_alike_from_both_sides(a, b):
    value = lexical(a, b)
    assert 0.0 <= value <= 1.0
    assert lexical(b, a) == value


@given(texts)
def test_a_text_is_like_itself_and_like_nothing_else_if_empty(text):
    value = lexical(text, text)
    assert value == 1.0 if any(c.isalnum() for c in text) else value in (0.0, 1.0)
    assert lexical(text, "") == lexical("", text) == 0.0


@given(st.lists(st.tuples(texts, texts), max_size=6))
def test_a_pair_is_the_same_in_any_company(pairs):
    together = LexicalSimilarity().cosine(pairs)
    assert together == [lexical(a, b) for a, b in pairs]
    assert LexicalSimilarity().cosine(pairs[::-1]) == together[::-1]


@pytest.mark.parametrize("empty", ["", " \n\t", "\u200b", "...", "\x00"])
def test_without_letters_digits_and_symbols_a_text_is_empty(empty):
    assert lexical(empty, empty) == lexical(empty, "words") == 0.0


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        ("The cat sat on the mat.", "A cat was sitting on the mat.", "Taxes rise in spring."),
        ("I prefer tea over coffee", "Tea is what I prefer", "The bridge was closed at noon"),
        ("我喜欢喝茶", "我也喜欢喝茶", "桥梁已经关闭"),
        ("お茶が好きです", "お茶がとても好き", "橋は閉鎖された"),
        ("मुझे चाय पसंद है", "चाय मुझे बहुत पसंद है", "पुल बंद था"),
        ("ฉันชอบดื่มชา", "ฉันชอบชามาก", "สะพานปิดแล้ว"),
        ("Ich trinke gern Tee", "Tee trinke ich sehr gern", "Die Brücke war gesperrt"),
        ("🙂🙂👍", "🙂👍", "🚗🌧"),
        ("x = 3 + 4", "y = 3 + 4", "hello"),
    ],
)  # fmt: skip
def test_a_paraphrase_is_nearer_than_something_else_in_any_script(text, near, far):
    assert lexical(text, near) > lexical(text, far) + 0.1


def test_letters_count_and_not_how_they_are_written():
    assert lexical("Straße CAFÉ", "STRASSE cafe\u0301") == 1.0
    assert lexical("ｔｅａ", "tea") == 1.0
    assert lexical("tea, please!", "tea please") == 1.0


def test_a_loop_of_one_word_is_unlike_a_sentence_with_it():
    sentence = "the answer is that the river flows to the sea"
    assert lexical(sentence, "the " * 100) < 0.5


def test_values_are_the_same_in_every_process():
    code = (
        "from unicomp.instruments.similarity import LexicalSimilarity as L;"
        "print(L().cosine([('one two three two', 'two three four'), ('ä b', 'b c')]))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(said) == 1


# -- by a local model ----------------------------------------------------------------------------


@pytest.mark.skipif(INSTALLED, reason="sentence-transformers is installed")
def test_without_the_package_one_line_says_what_to_install():
    measure = SentenceTransformerSimilarity("org/model")
    assert measure.cosine([]) == []
    assert measure.cosine([("", "a")]) == [0.0]
    with pytest.raises(SpecError, match=r"pip install 'unicomp\[similarity\]'") as caught:
        measure.cosine([("a", "b")])
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not INSTALLED, reason="sentence-transformers is not installed")
def test_a_model_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(SpecError, match="does not load") as caught:
        SentenceTransformerSimilarity(str(tmp_path)).cosine([("a", "b")])
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not INSTALLED, reason="sentence-transformers is not installed")
def test_a_local_model_compares_texts(tmp_path):
    """The model has invented weights: the values mean nothing, but they are cosines."""
    from sentence_transformers import SentenceTransformer, models

    from tests.instruments.test_judge_served import MODEL

    layer = models.Transformer(str(MODEL))
    layer.tokenizer.pad_token = layer.tokenizer.pad_token or "<|pad|>"
    SentenceTransformer(modules=[layer, models.Pooling(layer.auto_model.config.hidden_size)]).save(
        str(tmp_path / "model")
    )
    measure = SentenceTransformerSimilarity(str(tmp_path / "model"))
    same, other, empty = measure.cosine([("a cat", "a cat"), ("a cat", "taxes"), ("", "a cat")])
    assert same == pytest.approx(1.0)
    assert -1.0 <= other < 1.0
    assert empty == 0.0


def test_a_folder_is_known_by_its_content_and_not_by_its_place(tmp_path):
    names = []
    for place in ("here/model", "there/model"):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        names.append(SentenceTransformerSimilarity(str(folder)).identity)
    assert names[0] == names[1]
    assert str(tmp_path) not in json.dumps(names)
    (folder / "config.json").write_text("[]")
    assert SentenceTransformerSimilarity(str(folder)).identity != names[0]


# -- by a server ---------------------------------------------------------------------------------


def vector(text):
    chance = random.Random(text)
    return [chance.uniform(-1, 1) for _ in range(8)]


def embeddings(request, number):
    """Embeddings in any order, with their index, as the interface allows."""
    rows = [{"index": n, "embedding": vector(text)} for n, text in enumerate(request["input"])]
    random.Random(number).shuffle(rows)
    return Reply({"data": rows, "model": request["model"]})


def by(server, store, **options):
    return EndpointSimilarity(EndpointSettings(url=server.url, model="e", **options), store)


PAIRS = [(f"text {n}", f"text {n + 1}") for n in range(50)]


def cosine(a, b):
    product = sum(x * y for x, y in zip(a, b, strict=True))
    return product / (sum(x * x for x in a) * sum(y * y for y in b)) ** 0.5


def test_embeddings_are_asked_for_in_batches_and_values_are_kept(serve, store):
    server = serve(embeddings)
    values = by(server, store).cosine([*PAIRS, *PAIRS])
    wanted = [cosine(vector(a), vector(b)) for a, b in PAIRS]
    assert values == pytest.approx([*wanted, *wanted])
    assert len(server.requests) == 4
    assert server.requests[0]["path"] == "/v1/embeddings"
    assert max(len(request["input"]) for request in server.requests) <= 32
    server.stop()
    assert by(server, store).cosine(PAIRS) == values[:50]
    assert by(server, store).cosine([(b, a) for a, b in PAIRS]) == values[:50]


def test_empty_texts_are_never_sent(serve, store):
    server = serve(embeddings)
    assert by(server, store).cosine([("", "a"), ("b", " \n"), ("", "")]) == [0.0] * 3
    assert server.requests == []


def test_texts_that_cannot_be_encoded_are_compared(serve, store):
    odd = [("half \ud83d", "other"), ("a\x00b", "\u2028")]
    server = serve(embeddings)
    first = by(server, store).cosine(odd)
    assert by(server, store).cosine(odd) == first
    assert len(server.requests) == 1


ILLNESSES = {
    "500": Reply(b"", 500),
    "429": Reply(b"", 429, {"Retry-After": "0.02"}),
    "too few": Reply({"data": [{"index": 0, "embedding": [1.0]}]}),
    "none": Reply({"data": []}),
    "of two sizes": Reply({"data": [{"index": n, "embedding": [1.0] * n} for n in range(32)]}),
    "no numbers": Reply({"data": [{"index": n, "embedding": ["x"]} for n in range(32)]}),
    "base64": Reply({"data": [{"index": n, "embedding": "AAAA"} for n in range(32)]}),
    "no list": Reply({"data": "embeddings"}),
    "no index": Reply({"data": [{"embedding": [1.0]}] * 2}),
    "broken JSON": Reply(b'{"data": ['),
    "cut": Reply(b'{"data": [', missing=99),
    "not finite": Reply(
        b'{"data": ['
        + b",".join(b'{"index": %d, "embedding": [NaN, 1]}' % n for n in range(17))
        + b"]}"
    ),
}


@pytest.mark.parametrize("ill", ILLNESSES.values(), ids=ILLNESSES)
def test_an_ill_server_comes_to_the_values_of_a_healthy_one(serve, store, ill):
    server = serve(lambda request, number: ill if number % 3 == 1 else embeddings(request, number))
    values = by(server, store).cosine(PAIRS)
    assert values == pytest.approx([cosine(vector(a), vector(b)) for a, b in PAIRS])


def test_a_server_that_is_no_such_server_ends_in_one_line(serve, store):
    server = serve(lambda request, number: Reply({"error": "no such route"}, 404))
    with pytest.raises(JudgeError, match=r"e at http.*HTTP 404, no such route") as caught:
        by(server, store).cosine(PAIRS)
    assert "\n" not in str(caught.value)


def test_a_batch_that_was_answered_is_not_sent_again(serve, store):
    server = serve(
        lambda request, number: embeddings(request, number) if number < 3 else Reply(b"", 404)
    )
    with pytest.raises(JudgeError):
        by(server, store, concurrency=1).cosine(PAIRS)
    assert len(list((store.home / SIMILARITIES).glob("*.json"))) == 32
    server.behave = embeddings
    before = len(server.requests)
    by(server, store).cosine(PAIRS)
    assert len(server.requests) - before == 2


def test_vectors_of_nothing_but_zeros_are_like_nothing(serve, store):
    zeros = Reply({"data": [{"index": 0, "embedding": [0, 0]}, {"index": 1, "embedding": [1, 0]}]})
    assert by(serve(lambda request, number: zeros), store).cosine([("a", "b")]) == [0.0]


def test_the_key_is_no_part_of_the_identity(serve, store, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("EMBEDDING_KEY", "sk-secret-42")
    server = serve(embeddings)
    measure = by(server, store, key_env="EMBEDDING_KEY")
    measure.cosine(PAIRS)
    assert server.headers[0]["Authorization"] == "Bearer sk-secret-42"
    kept = "".join(path.read_text() for path in store.home.rglob("*") if path.is_file())
    shown = f"{measure!r}{measure.settings!r}{json.dumps(measure.identity)}{caplog.text}{kept}"
    assert "sk-secret" not in shown
