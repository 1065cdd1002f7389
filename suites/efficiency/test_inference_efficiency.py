"""Inference efficiency: the memory, disk space and arithmetic that the checkpoint needs."""

from functools import partial

import pytest

from unicomp import Load, Probe

needed = partial(Probe, metric="inference_efficiency")

inference_memory = needed(
    name="inference_memory", quantity="inference_memory", load=Load(prompt_tokens=4096)
)
"""The peak memory of one forward pass with the loss over 4096 random tokens. The paper reads
WikiText; the peak depends on the number of tokens only. It holds weights, activations and the cache
of one sequence, and nothing that a server sets aside beforehand."""

model_size = needed(name="model_size", quantity="model_size")
"""Bytes of its weight files."""

flops = needed(name="flops", quantity="flops", load=Load(prompt_tokens=1024))
"""All operations of one forward pass, also with zeros; attention and experts count."""


@pytest.mark.parametrize("probe", [inference_memory, model_size, flops], ids=str)
def test_inference_is_more_efficient(probe, gain, floor):
    assert gain(probe) >= floor(probe)
