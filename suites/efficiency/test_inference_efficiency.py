"""Inference efficiency: the memory, the disk and the arithmetic that the checkpoint needs."""

from functools import partial

import pytest

from unicomp import Load, Probe

needed = partial(Probe, metric="inference_efficiency")

inference_memory = needed(
    name="inference_memory", quantity="inference_memory", load=Load(prompt_tokens=4096)
)
"""The peak while the perplexity of 4096 tokens of WikiText is computed, as in the paper: weights,
activations and the cache of one sequence, and nothing that a server sets aside beforehand."""

model_size = needed(name="model_size", quantity="model_size")
"""The files of its weights on disk."""

flops = needed(name="flops", quantity="flops", load=Load(prompt_tokens=1024))
"""One forward pass: all that is computed, also with zeros; attention and experts count."""


@pytest.mark.parametrize("probe", [inference_memory, model_size, flops], ids=str)
def test_inference_is_more_efficient(probe, gain, floor):
    assert gain(probe) >= floor(probe)
