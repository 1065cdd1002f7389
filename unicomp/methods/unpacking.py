"""Unpack quantized weights exactly, and in the precision of their model.

Transformers unpacks the weights of compressed-tensors in the first forward pass. The library makes
four-bit floats bfloat16 on the way, whatever the model is: a float32 model then fails (MXFP4), or
its weights are off by 0.4 % (NVFP4), which flips roundings of activations and moved the logits of
the embedded model by 18 % of their spread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def unpack_exactly(model: Any) -> None:
    """Let a model that transformers has loaded unpack its weights exactly, once it needs them."""
    compressor = getattr(getattr(model, "hf_quantizer", None), "compressor", None)
    if compressor is None:
        return
    inexact = compressor.decompress_model

    def decompress(model: Any) -> None:
        with in_float32():
            inexact(model)
        hold_in(model, model.dtype)

    compressor.decompress_model = decompress


def unpack(model: Any) -> None:
    """Unpack the weights of a model that transformers has loaded, now and once."""
    unpack_exactly(model)
    if hasattr(model, "ct_decompress_hook"):
        model.hf_quantizer.compressor.decompress_model(model)


def hold_in(model: Any, dtype: torch.dtype) -> None:
    """Hold the weights of a model as `dtype`; buffers, such as rotary frequencies, stay."""
    for weight in model.parameters():
        if weight.is_floating_point():
            weight.data = weight.data.to(dtype)


@contextmanager
def in_float32() -> Iterator[None]:
    """Let compressed-tensors unpack four-bit floats to float32 rather than bfloat16."""
    import torch
    from compressed_tensors.compressors.nvfp4 import base

    to_bfloat16 = base.unpack_fp4_from_uint8
    base.unpack_fp4_from_uint8 = partial(to_bfloat16, dtype=torch.float32)
    try:
        yield
    finally:
        base.unpack_fp4_from_uint8 = to_bfloat16
