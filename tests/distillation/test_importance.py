"""Importance is what the forward pass shows: a part that gives nothing has none."""

import pytest
import torch

from tests.distillation.decoders import DECODERS, decoder, logits, token_ids
from unicomp.distillation.importance import measure_importance
from unicomp.errors import SpecError

BATCHES = [token_ids(3, 12, seed=1), token_ids(2, 7, seed=2)]


@pytest.mark.parametrize("name", DECODERS)
def test_every_part_of_every_layer_is_measured(name):
    model = decoder(name)
    seen = measure_importance(model, BATCHES)
    shape = model.config
    assert seen.heads.shape == (shape.num_hidden_layers, shape.num_attention_heads)
    assert seen.neurons.shape == (shape.num_hidden_layers, shape.intermediate_size)
    assert seen.hidden.shape == (shape.hidden_size,)
    assert seen.layers.shape == (shape.num_hidden_layers,)
    for values in (seen.heads, seen.neurons, seen.hidden, seen.layers):
        assert values.dtype == torch.float32
        assert values.isfinite().all()
        assert (values > 0).all()


def test_a_silent_head_neuron_channel_or_layer_has_no_importance():
    model = decoder("llama")
    first, second, last = model.model.layers[0], model.model.layers[1], model.model.layers[3]
    with torch.no_grad():
        first.self_attn.v_proj.weight[:8] = 0  # the values of the first of two groups of heads
        first.mlp.up_proj.weight[5] = 0
        for layer in model.model.layers:
            layer.input_layernorm.weight[7] = layer.post_attention_layernorm.weight[7] = 0
        for matrix in (second.self_attn.o_proj, second.mlp.down_proj):
            matrix.weight.zero_()
    seen = measure_importance(model, BATCHES)
    assert (seen.heads[0, :4] == 0).all()
    assert (seen.heads[0, 4:] > 0).all()
    assert seen.neurons[0].argmin() == 5
    assert seen.neurons[0, 5] == 0
    assert seen.hidden.argmin() == 7
    assert seen.hidden[7] == 0
    assert seen.layers[1] == pytest.approx(0, abs=1e-6)
    assert last is not second


def test_it_is_the_mean_magnitude_over_a_sequence_and_the_norm_over_sequences():
    model = decoder("llama")
    states = {}
    layer = model.model.layers[2]
    handles = [
        layer.mlp.down_proj.register_forward_pre_hook(
            lambda module, inputs: states.setdefault("neurons", []).append(inputs[0])
        ),
        layer.self_attn.o_proj.register_forward_pre_hook(
            lambda module, inputs: states.setdefault("heads", []).append(inputs[0])
        ),
    ]
    seen = measure_importance(model, BATCHES)
    for handle in handles:
        handle.remove()
    neurons = torch.cat([batch.abs().mean(dim=1) for batch in states["neurons"]])
    assert torch.allclose(seen.neurons[2], neurons.norm(dim=0))
    heads = [batch.reshape(*batch.shape[:2], 8, 8).norm(dim=-1) for batch in states["heads"]]
    assert torch.allclose(seen.heads[2], torch.cat([h.mean(dim=1) for h in heads]).norm(dim=0))


def test_how_sequences_are_put_into_batches_makes_no_difference():
    model = decoder("qwen3_tied")
    whole = measure_importance(model, BATCHES)
    one_by_one = measure_importance(model, [row[None] for batch in BATCHES for row in batch])
    for name in ("heads", "neurons", "hidden", "layers"):
        assert torch.allclose(getattr(whole, name), getattr(one_by_one, name), atol=1e-5)


def test_the_model_is_left_as_it_was():
    model = decoder("llama").train()
    ids = token_ids(1, 5)
    before = logits(model, ids)
    measure_importance(model, BATCHES)
    assert model.training
    assert torch.equal(logits(model, ids), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_without_text_there_is_nothing_to_see():
    with pytest.raises(SpecError, match="without text"):
        measure_importance(decoder("llama"), [])
