"""Write weights that others packed in the format of compressed-tensors, value for value.

Transformers reads AutoAWQ, GPTQ, AutoRound and ModelOpt only with packages that need a GPU, or not
at all. Their tensors hold the same integers or floats and scales as those of compressed-tensors:

- GPTQ and AutoRound: `qweight` (inputs packed, outputs), `qzeros` (groups, outputs packed),
  `scales` (groups, outputs), and `g_idx`, the group of each input, if columns were reordered. The
  first version stores each zero point less one.
- AutoAWQ: `qweight` (inputs, outputs packed), with eight outputs in a word, see `_AWQ_ORDER`.
- ModelOpt: `weight` in FP8 with `weight_scale`, or two FP4 values in a byte with FP8 scales of 16
  and `weight_scale_2` for all; `input_scale` for activations, `k_scale` and `v_scale` of the cache.

Bits, groups and what was left alone are read from the tensors, not from the configuration.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unicomp.data.model_folder import read_config
from unicomp.data.weight_files import size, weight_files
from unicomp.errors import SpecError, first_line
from unicomp.formats.companions import copy_companions
from unicomp.formats.description import describe
from unicomp.formats.method import quantization_of
from unicomp.machine.child_process import Narrate

if TYPE_CHECKING:
    import torch

Module = dict[str, "torch.Tensor"]
"""The tensors of a module, by the last part of their names."""
Repacked = tuple[Module, dict[str, Any] | None]
"""The tensors of a module for compressed-tensors, and its scheme; None if it is not quantized."""

_AWQ_ORDER = (0, 4, 1, 5, 2, 6, 3, 7)
_PACKED = frozenset({"qweight", "qzeros", "scales", "g_idx"})
_SHARD_BYTES = 4 * 10**9
_FP8 = {"num_bits": 8, "type": "float", "symmetric": True}
_FP4 = {
    "num_bits": 4,
    "type": "float",
    "symmetric": True,
    "strategy": "tensor_group",
    "group_size": 16,
    "scale_dtype": "torch.float8_e4m3fn",
    "zp_dtype": "torch.float8_e4m3fn",
}


def repack(request: Mapping[str, Any], narrate: Narrate) -> dict[str, Any]:
    """Write the model in the folder `beside` to `target`, and return what it was.

    Raises SpecError for tensors that do not belong together.
    """
    folder, target = Path(request["beside"]), Path(request["target"])
    config = read_config(folder)
    quantization = quantization_of(folder, config)
    reader = _reader(quantization)
    groups: dict[str, tuple[dict[str, Any], list[str]]] = {}
    written = _Shards(target)
    config.pop("quantization_config", None)
    modules = _modules(folder)
    narrate(f"repacking {len(modules)} modules")
    for name, read in modules.items():
        tensors = read()
        try:
            repacked, scheme = reader(tensors)
        except (RuntimeError, KeyError, ValueError, IndexError, ZeroDivisionError) as error:
            raise SpecError(
                f"{folder}: the packed tensors of {name} do not belong together "
                f"({type(error).__name__}: {first_line(error)})"
            ) from None
        if scheme is not None:
            key = json.dumps(scheme, sort_keys=True)
            groups.setdefault(key, (scheme, []))[1].append(name)
        for suffix, tensor in _at_attention(name, repacked):
            written.add(suffix, tensor)
    written.close()
    if not groups:
        raise SpecError(f"{folder} says that it is quantized, and holds no packed weights")
    config["quantization_config"] = {
        "quant_method": "compressed-tensors",
        "quantization_status": "compressed",
        "format": "mixed-precision"
        if len(groups) > 1
        else next(iter(groups.values()))[0]["format"],
        "config_groups": {
            f"group_{number}": {**scheme, "targets": names}
            for number, (scheme, names) in enumerate(groups.values())
        },
        "ignore": [],
        "kv_cache_scheme": _cache_scheme(written.names),
    }
    (target / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    copy_companions(folder, target)
    return {
        "description": describe(folder, read_config(folder), quantization).as_json(),
        "file": folder.name,
        "bytes": size(folder),
    }


def _reader(quantization: Mapping[str, Any]) -> Callable[[Module], Repacked]:
    """The function that reads the modules of a format."""
    method = quantization["quant_method"]
    if method.startswith("modelopt"):
        per_token = "PER_TOKEN" in str(quantization.get("quant_algo"))
        return lambda module: _from_modelopt(module, per_token)
    packing = str(quantization.get("packing_format", ""))
    if method == "awq" or "awq" in packing:
        return _from_awq
    second = quantization.get("checkpoint_format") == "gptq_v2"
    return lambda module: _from_gptq(module, offset=0 if second else 1)


# -- integers ------------------------------------------------------------------------------------


def _from_gptq(module: Module, offset: int) -> Repacked:
    import torch
    from compressed_tensors.compressors.pack_quantized.helpers import unpack_from_int32

    if "qweight" not in module:
        return module, None
    scales, qweight, qzeros = (module[name] for name in ("scales", "qweight", "qzeros"))
    outputs = scales.shape[1]
    bits = qzeros.shape[1] * 32 // outputs
    inputs = qweight.shape[0] * 32 // bits
    weights = unpack_from_int32(qweight, bits, torch.Size((inputs, outputs)), packed_dim=0)
    zeros = unpack_from_int32(qzeros, bits, scales.shape, packed_dim=1).to(torch.int16) + offset
    zeros[zeros == 2 ** (bits - 1)] = -(2 ** (bits - 1))  # a zero point of 0, stored as -1
    return _packed(module, weights, zeros.to(torch.int8), bits)


def _from_awq(module: Module) -> Repacked:
    import torch
    from compressed_tensors.compressors.pack_quantized.helpers import unpack_from_int32

    if "qweight" not in module:
        return module, None
    scales, qweight = module["scales"], module["qweight"]
    outputs = scales.shape[1]
    bits = qweight.shape[1] * 32 // outputs
    if bits != 4:
        raise ValueError(f"{bits} bits")

    def ordered(packed: torch.Tensor) -> torch.Tensor:
        shape = torch.Size((packed.shape[0], outputs))
        words = unpack_from_int32(packed, bits, shape).reshape(packed.shape[0], -1, 8)
        in_order: torch.Tensor = words[:, :, list(_AWQ_ORDER)].reshape(shape)
        return in_order

    zeros = torch.zeros(scales.shape, dtype=torch.int8)
    if "qzeros" in module:
        zeros = ordered(module["qzeros"])
    return _packed(module, ordered(qweight), zeros, bits)


def _packed(module: Module, weights: torch.Tensor, zeros: torch.Tensor, bits: int) -> Repacked:
    """A module of integers, (inputs, outputs), less half their range, with zero points alike."""
    import torch
    from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32

    scales = module["scales"]
    others = {name: one for name, one in module.items() if name not in _PACKED}
    groups, size = scales.shape[0], weights.shape[0] // scales.shape[0]
    if groups * size != weights.shape[0] or zeros.shape != scales.shape:
        raise ValueError(f"{groups} groups of {weights.shape[0]} inputs")
    in_order = torch.arange(weights.shape[0]) // size
    order = module.get("g_idx", in_order).long()
    if not torch.equal(order, in_order):  # compressed-tensors knows no reordered columns
        values = (weights.float() - zeros.float()[order]) * scales.float()[order]
        return {**others, "weight": values.T.contiguous()}, None
    symmetric = not bool(zeros.any())
    repacked = {
        **others,
        "weight_packed": pack_to_int32(weights.T.contiguous(), bits),
        "weight_scale": scales.T.contiguous(),
        "weight_shape": torch.tensor(weights.T.shape),
    }
    if not symmetric:
        repacked["weight_zero_point"] = pack_to_int32(zeros.T.contiguous(), bits, packed_dim=0)
    return repacked, {
        "format": "pack-quantized",
        "weights": {
            "num_bits": bits,
            "type": "int",
            "symmetric": symmetric,
            "strategy": "group" if groups > 1 else "channel",
            "group_size": size if groups > 1 else None,
        },
    }


# -- floats --------------------------------------------------------------------------------------


def _from_modelopt(module: Module, per_token: bool) -> Repacked:
    import torch

    weight, scale = module.get("weight"), module.get("weight_scale")
    if weight is None or scale is None:
        return module, None
    others = {
        name: one
        for name, one in module.items()
        if name not in ("weight", "weight_scale", "weight_scale_2", "input_scale")
    }
    entry = module.get("input_scale")
    if weight.dtype == torch.uint8:
        if weight.shape[1] * 2 != scale.shape[1] * 16 or scale.dtype != torch.float8_e4m3fn:
            raise ValueError(f"weights {list(weight.shape)} with scales {list(scale.shape)}")
        repacked = {
            "weight_packed": weight,
            "weight_scale": scale,
            "weight_global_scale": 1 / module["weight_scale_2"].float().reshape(1),
        }
        if entry is not None:
            repacked["input_global_scale"] = 1 / entry.float().reshape(1)
        activations = None if entry is None else {**_FP4, "dynamic": "local"}
        form = "nvfp4-pack-quantized"
        return {**others, **repacked}, _scheme(form, _FP4, activations)
    if weight.dtype != torch.float8_e4m3fn:
        raise ValueError(f"weights of type {weight.dtype}")
    if scale.numel() == 1:
        strategy, scale = "tensor", scale.reshape(1)
    elif scale.numel() == weight.shape[0]:
        strategy, scale = "channel", scale.reshape(-1, 1)
    else:
        raise ValueError(f"weights {list(weight.shape)} with scales {list(scale.shape)}")
    repacked = {**others, "weight": weight, "weight_scale": scale}
    activations = {**_FP8, "strategy": "token", "dynamic": True} if per_token else None
    if entry is not None:
        repacked["input_scale"] = entry.reshape(1)
        activations = {**_FP8, "strategy": "tensor", "dynamic": False}
    return repacked, _scheme("float-quantized", {**_FP8, "strategy": strategy}, activations)


def _scheme(
    form: str, weights: dict[str, Any], activations: dict[str, Any] | None
) -> dict[str, Any]:
    return {"format": form, "weights": weights, "input_activations": activations}


def _at_attention(name: str, module: Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Full names of the tensors; a scale of the cache belongs to the attention, not to a matrix."""
    for suffix, tensor in module.items():
        if suffix in ("k_scale", "v_scale"):
            yield f"{name.rpartition('.')[0]}.{suffix}", tensor.reshape(1)
        else:
            yield f"{name}.{suffix}" if name else suffix, tensor


def _cache_scheme(names: set[str]) -> dict[str, Any] | None:
    if not any(name.endswith(".k_scale") for name in names):
        return None
    return {**_FP8, "strategy": "tensor", "dynamic": False}


# -- files ---------------------------------------------------------------------------------------


def _modules(folder: Path) -> dict[str, Callable[[], Module]]:
    """Module → a function that reads its tensors, which may lie in several files."""
    from safetensors import safe_open

    places: dict[str, dict[str, Path]] = defaultdict(dict)
    for path in weight_files(folder):
        with safe_open(path, framework="pt") as stored:
            for name in stored.keys():  # noqa: SIM118 (not a mapping)
                module, _, suffix = name.rpartition(".")
                places[module][suffix] = path

    def reading(module: str) -> Module:
        found: Module = {}
        for suffix, path in places[module].items():
            with safe_open(path, framework="pt") as stored:
                found[suffix] = stored.get_tensor(f"{module}.{suffix}" if module else suffix)
        return found

    return {module: (lambda module=module: reading(module)) for module in places}  # type: ignore[misc]


class _Shards:
    """Tensors that are written to files of limited size, with their index."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: Module = {}
        self._shards: list[Path] = []
        self._places: dict[str, Path] = {}

    @property
    def names(self) -> set[str]:
        """The tensors so far."""
        return {*self._places, *self._open}

    def add(self, name: str, tensor: torch.Tensor) -> None:
        """Add a tensor; write a file if enough have come together."""
        self._open[name] = tensor.contiguous()
        if sum(one.nbytes for one in self._open.values()) > _SHARD_BYTES:
            self._flush()

    def _flush(self) -> None:
        from safetensors.torch import save_file

        path = self._folder / f"part-{len(self._shards)}.safetensors"
        save_file(self._open, path, metadata={"format": "pt"})
        self._places |= dict.fromkeys(self._open, path)
        self._shards.append(path)
        self._open = {}

    def close(self) -> None:
        """Write what is left, and name the files as transformers does."""
        if self._open:
            self._flush()
        if len(self._shards) == 1:
            self._shards[0].rename(self._folder / "model.safetensors")
            return
        count = len(self._shards)
        names = {
            path: f"model-{number + 1:05d}-of-{count:05d}.safetensors"
            for number, path in enumerate(self._shards)
        }
        for path, name in names.items():
            path.rename(self._folder / name)
        index = {
            "metadata": {},
            "weight_map": {name: names[path] for name, path in self._places.items()},
        }
        text = json.dumps(index, indent=2)
        (self._folder / "model.safetensors.index.json").write_text(text, encoding="utf-8")
