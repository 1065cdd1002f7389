"""Compute a model in float32, and hold only one of its layers so.

Statistics of a method lose points of accuracy in bfloat16, and all weights of a large model in
float32 do not fit into a machine. So the matrices stay in the precision that they are stored in. A
decoder layer is *opened* when it computes: its weights become float32, on the accelerator if there
is one. It is *closed* when another one opens: its weights are rounded to the stored precision, and
lie again where they came from, the memory of the host or the disk. Activations between layers are
float32, and so is whatever is small: norms, biases, and what lies outside of the layers except
embeddings and head.

If a recipe goes through the model more than once, matrices are rounded in the last pass only, and
those that an earlier one has opened stay in float32 until then.

A quantized matrix is closed on its grid: its scales are rounded first, then its weights with these
scales. Rounding such weights once more gives the same integers, so a layer can be opened again.

llmcompressor runs the model layer by layer itself, and keeps weights on the host between two
layers (`compressed_tensors.offload`). Several GPUs need one process each (torch.distributed), which
share the calibration text; a build is one process, so it uses one GPU. This has run on CPUs only.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from unicomp.methods.unpacking import in_float32

if TYPE_CHECKING:
    import torch

_CALIBRATED, _FROZEN, _PACKED = "calibration", "frozen", "compressed"
"""How far a matrix is quantized: its scales are being set, are final, and it is packed."""
_HALF = ("torch.bfloat16", "torch.float16")


class LayerByLayer:
    """A context in which `model`, stored as `dtype`, computes in another precision, layer by layer.

    That is float32, or `precision`. With `reads` no weight changes, so that none is written back.
    """

    def __init__(
        self,
        model: Any,
        dtype: torch.dtype,
        *,
        precision: torch.dtype | None = None,
        reads: bool = False,
    ) -> None:
        import torch

        self._model = model
        self._dtype = dtype
        self._precision = precision or torch.float32
        self._reads = reads
        self.rounds = True
        """Whether a layer is rounded when it is closed; not while another pass is to come."""
        self._layers = _decoder_layers(model)
        self._head = model.get_output_embeddings()
        self._opened: Any = None
        self._homes: list[tuple[Any, MutableMapping[str, Any], Any]] = []
        self._hooks: list[Any] = []
        self._unpacks = getattr(model, "ct_decompress_hook", None) is not None

    def __enter__(self) -> Self:
        from torch.nn import Embedding

        if self._unpacks:  # all layers, in the first forward pass
            self._model.hf_quantizer.compressor.remove_decompression_hook(self._model)
        inside = {module for layer in self._layers for module in layer.modules()}
        for module in self._model.modules():
            looked_up = isinstance(module, Embedding)
            if looked_up:
                self._hooks.append(module.register_forward_hook(self._after_embedding))
            stays = module in inside or looked_up or module is self._head
            for name, value in _parameters(module):
                if is_rounded(name, value) and (value.dim() < 2 or not stays):
                    _replace(module, name, value.data.to(self._precision))
        for layer in self._layers:
            self._hooks.append(layer.register_forward_pre_hook(self._before_forward))
        if self._head is not None:
            self._hooks.append(self._head.register_forward_pre_hook(self._before_head))
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is None:
            self.close()
            _round_parameters(self._model, self._dtype)
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        if self._unpacks:
            self._model.hf_quantizer.compressor.add_decompress_hook(self._model)

    def __iter__(self) -> Iterator[Any]:
        """Open each layer in turn."""
        for layer in self._layers:
            self.open(layer)
            yield layer

    def open(self, layer: Any) -> None:
        """Hold the weights of a layer in float32 until another one is opened."""
        from compressed_tensors.compressors import decompress_module

        if layer is self._opened:
            return
        self.close()
        self._opened = layer
        for module in layer.modules():
            status = _status(module)
            self._homes.append((module, _take(module, self._precision), status))
            if status == _PACKED:
                with in_float32():
                    decompress_module(module)
                _take(module, self._precision)  # some are unpacked as bfloat16, which is exact
            elif status == _FROZEN:
                _put_on_grid(module)

    def close(self) -> None:
        """Round the weights of the open layer, and put them where they came from."""
        for module, home, status in self._homes:
            if self._reads:
                module._parameters = home
                if status is not None:
                    module.quantization_status = status
            else:
                if self.rounds:
                    self._round(module)
                _put_back(module, home)
        self._homes.clear()
        self._opened = None

    def _round(self, module: Any) -> None:
        """Round matrices and scales; norms and biases stay in float32 until all is done."""
        for name, value in _parameters(module):
            if name.endswith("_scale") and is_rounded(name, value):
                value.data = value.data.to(self._dtype).float()
        if _status(module) in (_CALIBRATED, _FROZEN):
            _put_on_grid(module)
        for name, value in _parameters(module):
            if value.dim() > 1 and is_rounded(name, value):
                module._parameters[name] = _parameter(value.data.to(self._dtype))

    def _before_forward(self, layer: Any, _: Any) -> None:
        self.open(layer)

    def _after_embedding(self, _: Any, __: Any, output: Any) -> Any:
        return output.to(self._precision)

    def _before_head(self, _: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (inputs[0].to(self._dtype), *inputs[1:])


def pack(model: Any, dtype: torch.dtype) -> None:
    """Hold each quantized matrix as it will be stored: as small numbers, and scales in `dtype`.

    llmcompressor would do so when it saves, but in `dtype`: in bfloat16 a quotient has 8 bits, too
    few to find an integer of 8 bits again.
    """
    import torch
    from compressed_tensors.compressors import compress_module

    for module in model.modules():
        if _status(module) == _FROZEN:
            home = _take(module, torch.float32)
            compress_module(module)
            _put_back(module, home)
    _round_parameters(model, dtype)


def _round_parameters(model: Any, dtype: torch.dtype) -> None:
    """Hold in `dtype` whatever will be stored so."""
    for module in model.modules():
        for name, value in _parameters(module):
            if value.dtype != dtype and is_rounded(name, value):
                _replace(module, name, value.data.to(dtype))


def is_rounded(name: str, tensor: torch.Tensor) -> bool:
    """Whether a tensor is stored in the model's precision; a scale of scales stays in float32."""
    floats = (*_HALF, "torch.float32")
    return str(tensor.dtype) in floats and not name.endswith("_global_scale")


# -- the parameters of a module, which may lie on the host or on disk ----------------------------


def _take(module: Any, precision: torch.dtype) -> MutableMapping[str, Any]:
    """Give a module its parameters in a precision, on the accelerator; return where they lie."""
    home: MutableMapping[str, Any] = module._parameters
    with _reading():
        module._parameters = {name: home[name] for name in home}
    for name, value in _parameters(module):
        if is_rounded(name, value):
            module._parameters[name] = _parameter(value.data.to(precision))
    return home


def _put_back(module: Any, home: MutableMapping[str, Any]) -> None:
    """Put the parameters of a module, as they are now, where they came from."""
    own = module._parameters
    if isinstance(home, dict):
        return
    with _reading():
        for name in [name for name in home if home[name] is not None]:
            del home[name]  # else a value would be copied in the old one's precision
        for name, value in own.items():
            home[name] = value
    module._parameters = home


@contextmanager
def _reading() -> Iterator[None]:
    """Read values where they lie, also while llmcompressor traces a model without reading any."""
    from compressed_tensors.offload.cache import OffloadCache

    disabled = OffloadCache.onloading_disabled
    OffloadCache.onloading_disabled = False
    try:
        yield
    finally:
        OffloadCache.onloading_disabled = disabled


def _replace(module: Any, name: str, value: torch.Tensor) -> None:
    if not isinstance(module._parameters, dict):
        del module._parameters[name]
    module._parameters[name] = _parameter(value)


def _decoder_layers(model: Any) -> list[Any]:
    """The layers that llmcompressor goes through, in order."""
    from compressed_tensors.utils import match_named_modules
    from llmcompressor.utils.pytorch.module import infer_sequential_targets

    targets = infer_sequential_targets(model, None)
    return [layer for _, layer in match_named_modules(model, targets)]


def _parameters(module: Any) -> list[tuple[str, Any]]:
    """Name and value of each parameter that a module itself has."""
    own = module._parameters
    return [(name, own[name]) for name in own if own[name] is not None]


def _parameter(value: torch.Tensor) -> torch.nn.Parameter:
    from torch.nn import Parameter

    return Parameter(value, requires_grad=False)


# -- quantized matrices -------------------------------------------------------------------------


def _status(module: Any) -> Any:
    """How far a matrix is quantized; None if it is not to be."""
    return getattr(module, "quantization_status", None)


def _put_on_grid(module: Any) -> None:
    if (grid := on_its_grid(module)) is not None:
        module.weight.data = grid


def on_its_grid(module: Any) -> torch.Tensor | None:
    """The weights of a quantized matrix, rounded with its scales; None if it has no scales yet."""
    from compressed_tensors.quantization.lifecycle.forward import fake_quantize

    scheme = getattr(module, "quantization_scheme", None)
    weight, scale = (module._parameters.get(name) for name in ("weight", "weight_scale"))
    if scheme is None or scheme.weights is None or weight is None or scale is None:
        return None
    return fake_quantize(  # type: ignore[no-any-return]
        x=weight.data.float(),
        scale=scale.data.float(),
        zero_point=module._parameters.get("weight_zero_point"),
        args=scheme.weights,
        global_scale=module._parameters.get("weight_global_scale"),
    )
