"""What a checkpoint is, read from its headers: format, bits by kind of module, bytes. No torch.

Bits are those that are stored: the size of the packed numbers over how many they are. What the
configuration declares is kept beside them, since the two can differ: four-bit weights with
eight-bit activations (W4A8) are stored in eight bits.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from unicomp.data.weight_files import BITS, read_header, size, weight_files
from unicomp.formats.gguf_file import GgufHeader
from unicomp.formats.method import format_name
from unicomp.spec import Served
from unicomp.units import amount

KINDS = ("attention", "mlp", "experts", "other", "head", "embeddings")
"""The kinds of modules; `other` are matrices outside the decoder's layers, such as a router's."""

_BY_NAME = (
    ("head", r"(^|\.)(lm_head|embed_out|output)$"),
    ("embeddings", r"(^|\.)(\w*embeddings|embed_tokens|embed_in|wte|wpe|token_embd)$"),
    ("other", r"(^|\.)(router|gate|ffn_gate_inp|visual|vision_\w+)(\.|$)"),
    ("experts", r"(^|\.)\w*experts?(\.|$)|_exps$"),
    ("attention", r"(^|\.)(\w*attn|\w*attention|attn_\w+)(\.|$)"),
    ("mlp", r"(^|\.)(\w*mlp|feed_forward|ffn|ffn_\w+|fc\d)(\.|$)"),
)  # fmt: skip
_PAYLOADS = ("weight", "weight_packed", "qweight", "W_q", "data")


@dataclass(frozen=True)
class Kind:
    """The matrices of one kind of modules."""

    bits: tuple[float, ...]
    """Stored bits of a weight, without scales; several where modules differ, the least first."""
    declared: tuple[int, ...]
    """Bits that the configuration declares; empty if it declares none."""
    weights: int
    bytes: int
    """With scales and zero points."""


@dataclass(frozen=True)
class Description:
    """The format of a checkpoint."""

    format: str
    """`dense`, `gptq`, `compressed-tensors:float-quantized`, `gguf:Q4_1` and so on."""
    kinds: Mapping[str, Kind]
    quantized: tuple[str, ...]
    """What has fewer bits than floats: of `weights`, `activations` and `cache`."""
    activation_bits: int | None
    cache_bits: int | None
    ignored: tuple[str, ...]
    """Matrices that keep their precision while others do not; `*` stands for a layer's number."""
    bytes: int
    """Of all weights on disk."""

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values, with its `line`."""
        return {**asdict(self), "line": str(self)}

    def __str__(self) -> str:
        """One line: `float-quantized, 8-bit weights and activations, head 16 bit, 1.83 MB`."""
        name = self.format.rpartition("compressed-tensors:")[2]
        inner = {kind: self.kinds[kind] for kind in KINDS[:3] if kind in self.kinds}
        outer = {kind: self.kinds[kind] for kind in KINDS[4:] if kind in self.kinds}
        parts = [name, *_of_layers(inner, self.activation_bits)]
        if self.cache_bits is not None:
            parts.append(f"{self.cache_bits}-bit cache")
        layers = {bits for kind in inner.values() for bits in kind.bits}
        by_bits: dict[str, list[str]] = defaultdict(list)
        for name, kind in outer.items():
            if set(kind.bits) != layers:
                by_bits[_numbers(kind.bits)].append(name)
        parts += [f"{' and '.join(names)} {bits} bit" for bits, names in by_bits.items()]
        return ", ".join([*parts, amount(self.bytes, "bytes")])


def _of_layers(kinds: Mapping[str, Kind], activations: int | None) -> Iterator[str]:
    """The bits of the matrices in the layers, and of their activations."""
    distinct = {kind.bits: kind for kind in kinds.values()}
    if len(distinct) == 1:
        (kind,) = distinct.values()
        shared = activations is not None and kind.bits == (activations,)
        what = "weights and activations" if shared else "weights"
        yield f"{_numbers(kind.bits)}-bit {what}{_promised(kind)}"
        activations = None if shared else activations
    else:
        for name, kind in kinds.items():
            yield f"{_numbers(kind.bits)}-bit {name}{_promised(kind)}"
    if activations is not None:
        yield f"{activations}-bit activations"


def _promised(kind: Kind) -> str:
    """A remark where more bits are stored than declared."""
    promised = bool(kind.declared) and max(kind.bits) > max(kind.declared)
    return f" ({_numbers(kind.declared)} declared)" if promised else ""


def _numbers(bits: Sequence[float]) -> str:
    return " and ".join(f"{one:g}" for one in bits)


def describe_endpoint(endpoint: Served) -> dict[str, Any]:
    """The format of a checkpoint at an endpoint, as JSON values; its weights are not known."""
    return {
        "format": "endpoint",
        "line": f"{endpoint}",
        "kinds": {},
        "quantized": [],
        "activation_bits": None,
        "cache_bits": None,
        "ignored": [],
        "bytes": 0,
        "origin": None,
    }


# -- Hugging Face folders -------------------------------------------------------------------------


class _Stored(NamedTuple):
    """One matrix as it is stored."""

    module: str
    bits: float
    weights: int
    bytes: int


def describe(
    folder: Path, config: Mapping[str, Any], quantization: Mapping[str, Any]
) -> Description:
    """Describe a folder with its configuration and its declared quantization."""
    headers = dict(_headers(folder))
    matrices = list(_matrices(folder, headers))
    compressed = [one for one in matrices if _is_low(one, matrices)] if quantization else []
    declared = _declared(quantization)
    names = {one.module for one in compressed}
    activations = _activation_bits(quantization, headers) if quantization else None
    cache = _cache_bits(quantization, headers)
    return _description(
        format_name(quantization),
        matrices,
        {one.module: bits for one in compressed if (bits := declared(one.module)) is not None},
        activations,
        cache,
        sorted({_layerless(one.module) for one in matrices if names and one.module not in names}),
        size(folder),
    )


def _description(
    name: str,
    matrices: Sequence[_Stored],
    declared: Mapping[str, int],
    activations: int | None,
    cache: int | None,
    ignored: Sequence[str],
    size: int,
) -> Description:
    by_kind: dict[str, list[_Stored]] = defaultdict(list)
    for one in matrices:
        by_kind[kind_of_module(one.module)].append(one)
    kinds = {
        kind: Kind(
            bits=tuple(sorted({one.bits for one in found})),
            declared=tuple(
                sorted({declared[one.module] for one in found if one.module in declared})
            ),
            weights=sum(one.weights for one in found),
            bytes=sum(one.bytes for one in found),
        )
        for kind in KINDS
        if (found := by_kind.get(kind))
    }
    low = any(bits < 16 for kind in kinds.values() for bits in kind.bits)
    quantized = {"weights": low, "activations": activations is not None, "cache": cache is not None}
    return Description(
        format=name,
        kinds=kinds,
        quantized=tuple(what for what, is_so in quantized.items() if is_so),
        activation_bits=activations,
        cache_bits=cache,
        ignored=tuple(ignored),
        bytes=size,
    )


def kind_of_module(module: str) -> str:
    """The kind of a module, by its dotted name."""
    return next((kind for kind, pattern in _BY_NAME if re.search(pattern, module)), "other")


def _headers(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and entry of each stored tensor; the entry has the file and where its data starts."""
    for path in weight_files(folder):
        header = read_header(path)
        ends = (entry["data_offsets"][1] for entry in header.values())
        data = path.stat().st_size - max(ends, default=0)  # a file ends with its last tensor
        for name, entry in header.items():
            yield name, {**entry, "file": path, "start": data + entry["data_offsets"][0]}


def _matrices(folder: Path, headers: Mapping[str, dict[str, Any]]) -> Iterator[_Stored]:
    """The matrices of a folder, packed or not, with the bytes of what belongs to them."""
    modules: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for name, entry in headers.items():
        module, suffix = _split(name)
        modules[module][suffix] = entry
    for module, own in modules.items():
        payload = next((name for name in (*_PAYLOADS, "blocks") if name in own), None)
        if payload is None:
            continue
        entry = own[payload]
        if len(entry["shape"]) < 2:
            continue
        stored = math.prod(entry["shape"]) * BITS[entry["dtype"]]
        weights = _weights(payload, entry, own)
        length = sum(one["data_offsets"][1] - one["data_offsets"][0] for one in own.values())
        yield _Stored(module, round(stored / max(weights, 1), 2), weights, length)


def _split(name: str) -> tuple[str, str]:
    """Module and tensor: `a.b.weight.absmax` belongs to `a.b`, `experts.down_proj_blocks` too."""
    if found := re.fullmatch(r"(.*)\.weight\.(.+)", name):
        return found[1], found[2]
    if found := re.fullmatch(r"(.*\.\w+)_(blocks|scales|bias)", name):
        return found[1], found[2]
    module, _, suffix = name.rpartition(".")
    if re.search(r"experts?$", module) and suffix not in _PAYLOADS:
        return name, "weight"  # the matrices of all experts in one tensor
    return module, suffix


def _weights(payload: str, entry: Mapping[str, Any], own: Mapping[str, Mapping[str, Any]]) -> int:
    """How many weights a payload holds."""
    numbers = int(math.prod(entry["shape"]))
    if payload == "qweight" and "scales" in own:
        outputs: int = own["scales"]["shape"][-1]
        packed = entry["shape"][-1] if entry["shape"][-1] != outputs else own["qzeros"]["shape"][-1]
        bits: int = packed * 32 // max(outputs, 1)
        return numbers * 32 // max(bits, 1)
    if payload == "weight_packed" and "weight_shape" in own:
        place = own["weight_shape"]
        with place["file"].open("rb") as stream:
            stream.seek(place["start"])
            width = BITS[place["dtype"]] // 8
            shape = [int.from_bytes(stream.read(width), "little") for _ in range(place["shape"][0])]
        return int(math.prod(shape))
    two_in_a_byte = payload in ("weight_packed", "blocks") or bool(
        {"weight_scale_2", "absmax"} & own.keys()
    )
    return 2 * numbers if entry["dtype"] == "U8" and two_in_a_byte else numbers


def _is_low(one: _Stored, everything: Sequence[_Stored]) -> bool:
    """Whether a matrix has fewer bits than the widest one."""
    return one.bits < max(16, max(other.bits for other in everything) / 2)


def _layerless(module: str) -> str:
    """The name of a module in any layer."""
    return re.sub(r"\.\d+(?=\.|$)", ".*", module)


# -- declared --------------------------------------------------------------------------------------


def _groups(quantization: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    groups = quantization.get("config_groups")
    return (
        [one for one in groups.values() if isinstance(one, dict)]
        if isinstance(groups, dict)
        else []
    )


def _declared(quantization: Mapping[str, Any]) -> Any:
    """A function that gives the declared bits of a quantized module, or None."""
    groups = _groups(quantization)
    if not groups:
        algorithm = str(quantization.get("quant_algo", ""))
        bits = quantization.get("bits") or quantization.get("w_bit")
        bits = bits or (4 if "FP4" in algorithm else 8 if algorithm.startswith("FP8") else None)
        return lambda module: bits if isinstance(bits, int) else None

    def of_module(module: str) -> int | None:
        def fits(target: str) -> bool:
            pattern = target.removeprefix("re:")
            return target == module or (pattern != target and bool(re.match(pattern, module)))

        named = [one for one in groups if any(fits(str(t)) for t in one.get("targets") or ())]
        chosen = (named or groups)[0]
        bits = (chosen.get("weights") or {}).get("num_bits")
        return bits if isinstance(bits, int) else None

    return of_module


def _activation_bits(quantization: Mapping[str, Any], headers: Mapping[str, Any]) -> int | None:
    for group in _groups(quantization):
        if bits := (group.get("input_activations") or {}).get("num_bits"):
            return int(bits)
    if quantization["quant_method"] in ("fp8", "mxfp8", "fbgemm_fp8"):
        return 8
    algorithm = str(quantization.get("quant_algo", ""))
    scaled = any(name.endswith(".input_scale") for name in headers)
    if not scaled and "PER_TOKEN" not in algorithm:
        return None
    return 4 if "FP4" in algorithm else 8


def _cache_bits(quantization: Mapping[str, Any], headers: Mapping[str, Any]) -> int | None:
    scheme = quantization.get("kv_cache_scheme")
    if isinstance(scheme, dict) and isinstance(scheme.get("num_bits"), int):
        return int(scheme["num_bits"])
    if "FP8" in str(quantization.get("kv_cache_quant_algo")):
        return 8
    return 8 if any(name.endswith(".k_scale") for name in headers) else None


# -- GGUF -----------------------------------------------------------------------------------------


def describe_gguf(header: GgufHeader, name: str) -> Description:
    """Describe a GGUF file; its bits count a block's scales, which are part of the block."""
    matrices = [
        _Stored(
            one.name.removesuffix(".weight"),
            round(one.bytes * 8 / max(one.weights, 1), 2),
            one.weights,
            one.bytes,
        )
        for one in header.tensors
        if len(one.shape) > 1 and one.name.endswith(".weight")
    ]
    low = {one.module for one in matrices if one.bits < 16} if header.is_quantized else set()
    ignored = sorted({_layerless(one.module) for one in matrices if low and one.module not in low})
    size = sum(tensor.bytes for tensor in header.tensors)
    return _description(name, matrices, {}, None, None, ignored, size)
