"""Samples become token ids the way the model saw its own text."""

from pathlib import Path

import pytest

from unicomp.methods.tokenization import tokenize

TURNS = (
    {"role": "user", "content": "two and two"},
    {"role": "assistant", "content": "four"},
)
TEMPLATE = "{{ bos_token }}{% for m in messages %}{{ m['role'] }} {{ m['content'] }} {% endfor %}"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["<s>", "<unk>", "user", "assistant", "two", "and", "four"]
    tokenizer = Tokenizer(
        models.WordLevel({word: id for id, word in enumerate(words)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", unk_token="<unk>"
    ).save_pretrained(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def test_text_gets_what_the_tokenizer_adds(tokenizer):
    assert tokenize(tokenizer, ["two and two"], 8) == [[0, 4, 5, 4]]


def test_samples_are_cut_to_the_tokens_asked_for(tokenizer):
    assert tokenize(tokenizer, ["two and two"], 2) == [[0, 4]]


def test_a_conversation_gets_the_template_and_one_beginning(tokenizer, monkeypatch):
    monkeypatch.setattr(tokenizer, "chat_template", TEMPLATE)
    assert tokenize(tokenizer, [TURNS], 16) == [[0, 2, 4, 5, 4, 3, 6]]


def test_a_conversation_without_a_template_is_lines_of_text(tokenizer):
    assert tokenizer.chat_template is None
    assert tokenize(tokenizer, [TURNS], 16) == [[0, 4, 5, 4, 6]]


def test_text_that_brings_its_own_beginning_gets_no_second_one(tokenizer):
    assert tokenize(tokenizer, ["<s> two and two"], 8) == [[0, 4, 5, 4]]
