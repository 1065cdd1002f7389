"""Inference efficiency: the memory, the disk space and the arithmetic that the checkpoint needs."""

from functools import partial

import pytest

from unicomp import Load, Probe

needed = partial(Probe, metric="inference_efficiency")

inference_memory = needed(
    name="inference_memory", quantity="inference_memory", load=Load(prompt_tokens=4096)
)
"""Peak memory of one pass over 4096 random tokens: weights, activations and the cache of one
sequence, without the memory that a server reserves in advance. The paper takes it on WikiText."""

model_size = needed(name="model_size", quantity="model_size")
"""The size of the weight files on disk."""

flops = needed(name="flops", quantity="flops", load=Load(prompt_tokens=1024))
"""The operations of one forward pass, also those with zeros; attention and experts count."""


@pytest.mark.parametrize("probe", [inference_memory, model_size, flops], ids=str)
def test_inference_is_more_efficient(probe, gain, floor):
    assert gain(probe) >= floor(probe)
