"""A tiny Llama, its tokenizer of words, and text for it: quick enough to train in a test."""

from random import Random

import torch

WORDS = ["red", "green", "blue", "one", "two", "three", "is", "and", "not", "a", "colour"]
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m['role'] == 'assistant' %}{{ '<a> ' + m['content'] + ' ' + eos_token }}"
    "{% else %}{{ '<u> ' + m['content'] + ' ' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<a> ' }}{% endif %}"
)


def tokenizer(template=TEMPLATE):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = ["<pad>", "<s>", "</s>", "<unk>", "<u>", "<a>", *WORDS]
    words = Tokenizer(models.WordLevel({n: i for i, n in enumerate(names)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made = PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=["<u>", "<a>"],
    )
    made.chat_template = template
    return made


def model(seed=0, **settings):
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    shape = {
        "vocab_size": len(WORDS) + 6,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    return LlamaForCausalLM(LlamaConfig(**(shape | settings)))


def stream(start=0):
    """Conversations without end, each a function of its number."""
    number = start
    while True:
        rng = Random(number)
        said = " ".join(rng.choices(WORDS, k=rng.randint(2, 6)))
        yield (
            {"role": "user", "content": said},
            {"role": "assistant", "content": " ".join(reversed(said.split()[:3]))},
        )
        number += 1
