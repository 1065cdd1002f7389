"""The loop for greedy decoding on CPU gives the answers of transformers' own."""

import pytest
import torch
from transformers import (
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from tests.engines.test_local_lm import EMBEDDED, SETTINGS, instance, model
from unicomp.engines import local_lm
from unicomp.engines.greedy import CHECKED_TOKENS, decodes, greedy

VOCABULARY, PAD = 40, 0
SMALL = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "attn_implementation": "eager",
}


def network(kind=LlamaForCausalLM, config=LlamaConfig, seed=0, **changes):
    torch.manual_seed(seed)
    made = kind(config(**{**SMALL, **changes})).eval()
    for parameter in made.parameters():  # flat logits would make every answer the same
        parameter.data.mul_(3)
    return made


def padded(lengths, seed=1):
    """Prompts of these lengths and their mask, filled up on the left."""
    torch.manual_seed(seed)
    ids = torch.randint(1, VOCABULARY, (len(lengths), max(lengths)))
    places = torch.arange(max(lengths))
    mask = (places >= max(lengths) - torch.tensor(lengths)[:, None]).long()
    return ids * mask, mask


def generated(made, ids, mask, new, ends):
    """What transformers generates."""
    made.generation_config = GenerationConfig(eos_token_id=list(ends), pad_token_id=PAD)
    with torch.no_grad():
        return made.generate(ids, attention_mask=mask, max_length=ids.shape[1] + new)


@pytest.mark.parametrize(
    ("kind", "config"), [(LlamaForCausalLM, LlamaConfig), (Qwen2ForCausalLM, Qwen2Config)]
)
@pytest.mark.parametrize("ends", [(), (3,), tuple(range(1, 9))], ids=["never", "one", "many"])
def test_rows_of_any_length_that_end_at_any_time_are_those_of_transformers(kind, config, ends):
    made = network(kind, config)
    assert decodes(made)
    ids, mask = padded([3, 9, 5, 12, 1, 7, 12, 2, 8])
    expected = generated(made, ids, mask, 40, ends)
    found = greedy(made, ids, mask, ids.shape[1] + 40, ends=ends, pad=PAD)
    assert torch.equal(found, expected)
    if len(ends) > 1:  # the rows end at different times, so that some leave before others
        lasting = (found[:, ids.shape[1] :] != PAD).sum(-1)
        assert len(set(lasting.tolist())) > 2


def test_rows_that_have_ended_leave_the_batch(monkeypatch):
    made, sizes = network(), []
    made.register_forward_hook(lambda one, given, output: sizes.append(len(output.logits)))
    ids, mask = padded([4] * 16)
    greedy(made, ids, mask, 44, ends=range(1, 9), pad=PAD)
    assert sizes[0] == 16
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 8


def test_a_row_with_a_stop_sequence_ends_and_the_others_go_on():
    made = network()
    ids, mask = padded([4, 6, 5])
    free = greedy(made, ids, mask, 46, ends=(), pad=PAD)
    sought = free[1, 6 + 4].item()

    def is_stopped(tokens):
        return tokens[4:5] == [sought] and tokens == free[1, 6 : 6 + len(tokens)].tolist()

    found = greedy(made, ids, mask, 46, ends=(), pad=PAD, is_stopped=is_stopped)
    assert torch.equal(found[[0, 2]], free[[0, 2]])
    end = 6 + CHECKED_TOKENS
    assert torch.equal(found[1, :end], free[1, :end])
    assert set(found[1, end:].tolist()) == {PAD}


@pytest.mark.parametrize("until", [["e"], ["1", "\n"], ["zzz"]])
def test_texts_are_cut_at_stop_sequences_as_lm_eval_cuts_them(monkeypatch, until):
    prompts = ("<|bos|><|user|>what is 2 + 3?<|assistant|>", "one two three", "the colour of")
    asked = [
        instance("generate_until", text, {"until": until, "max_gen_toks": 40, "do_sample": False})
        for text in prompts
    ]

    def answers():
        with SETTINGS.open(EMBEDDED, model(EMBEDDED), 512) as engine:
            return engine.answer(asked)

    found = answers()
    monkeypatch.setattr(local_lm, "decodes", lambda network: False)
    assert found == answers()


@pytest.mark.parametrize(
    "made",
    [
        network().to(torch.bfloat16),
        network(MistralForCausalLM, MistralConfig, sliding_window=8),
    ],
    ids=["16 bits", "sliding window"],
)
def test_a_network_whose_numbers_could_differ_is_left_to_transformers(made):
    assert not decodes(made)


def test_a_network_that_reads_its_batch_in_its_own_way_is_left_to_transformers():
    class Own(LlamaForCausalLM):
        def prepare_inputs_for_generation(self, *args, **kwargs):
            return super().prepare_inputs_for_generation(*args, **kwargs)

    assert not decodes(network(Own))
