"""Turn the weights of a quantized model in memory into numbers of the model's own precision.

Transformers unpacks compressed weights in the first forward pass. Those of four-bit floats become
bfloat16 whatever the model's precision is, so a float32 model would then fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def unpack(model: Any) -> None:
    """Unpack the weights of a model that transformers has loaded, once."""
    compressor = getattr(getattr(model, "hf_quantizer", None), "compressor", None)
    if compressor is not None:
        compressor.decompress_model(model=model)
        hold_in(model, model.dtype)


def hold_in(model: Any, dtype: torch.dtype) -> None:
    """Hold the weights of a model as `dtype`; buffers, such as rotary frequencies, stay."""
    for weight in model.parameters():
        if weight.is_floating_point():
            weight.data = weight.data.to(dtype)
